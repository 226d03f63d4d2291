// TensorFlow Serving's predict exchange as JSON: request text → tensors, tensors → response text, nothing between.
#pragma once
#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "headrace/base/status.h"
#include "headrace/core/engine.h"
#include "headrace/protocols/common/arena.h"

namespace headrace::tfserving {

// Which of the two forms the request had, and so the answer has: a list of rows, or a map of columns.
enum class PredictFormat { kRows, kColumns };

// Finds a model's signature; its error is returned as it is.
class SignatureFinder {
 public:
  virtual Result<const Signature*> Find(std::string_view name) = 0;  // "" is the default

 protected:
  ~SignatureFinder() = default;
};

// Fills `request`'s signature and inputs. The tensors point into `arena`. At least simdjson's padding of readable bytes
// must follow `body`; what follows the first JSON value is ignored. kInvalidArgument in TensorFlow Serving's words.
Result<PredictFormat> DecodePredict(std::string_view body, SignatureFinder& signatures, Arena* arena,
                                    InferRequest* request);

// Appends {"predictions": …} or {"outputs": …}. `outputs` are positions in the signature, one for each of `tensors`.
// kInvalidArgument when rows are asked for and the tensors have none, or different numbers of them.
Status EncodePredict(PredictFormat format, const Signature& signature, std::span<const uint32_t> outputs,
                     std::span<const Tensor> tensors, std::string* out);

}  // namespace headrace::tfserving
