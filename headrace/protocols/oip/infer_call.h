// An inference request of the Open Inference Protocol between its codec (REST or gRPC) and the model: names, tensors
// and what the client wants of the answer.
#pragma once
#include <boost/container/small_vector.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "headrace/base/status.h"
#include "headrace/core/engine.h"
#include "headrace/core/tensor.h"
#include "headrace/protocols/common/arena.h"

namespace headrace::oip {

struct InputTensor {
  std::string_view name;
  Tensor tensor;
};

struct RequestedOutput {
  std::string_view name;
  std::optional<bool> binary;  // `binary_data`
  uint64_t classes = 0;  // `classification`: the best so many classes as "value:index" strings; 0: the tensor itself
};

// Views and tensors point into the request's body (or message) and into the arena that the codec was given.
struct InferCall {
  std::string_view id;
  std::string_view signature;  // parameter `signature_name`; empty: the model's default
  boost::container::small_vector<InputTensor, 4> inputs;
  boost::container::small_vector<RequestedOutput, 4> outputs;  // empty: all
  bool binary_output = false;                                  // of outputs that say nothing themselves
  uint64_t priority = 0;                                       // 0: the model's default; 1 is the most urgent
  uint64_t timeout_micros = 0;                                 // 0: none
  // The whole body is the one input of a model, whose type and shape the model knows (BindRawInput).
  std::optional<std::string_view> raw_input;
};

// Fills `request` from `call`: signature, inputs in the signature's order, outputs. Types and shapes are checked; for a
// vector [N] also [N,1] is taken, as MLServer's codecs send it. kInvalidArgument in Triton's words, which name the
// tensor and the model.
Status Bind(const InferCall& call, std::string_view model, const Signature& signature, InferRequest* request);

// The tensor that raw bytes are for a model with one input: dimension 0 is 1 where the model takes any, a further one
// of any size is what the bytes fill. A BYTES input is one string.
Result<Tensor> RawInput(std::string_view raw, std::string_view model, const Signature& signature, Arena* arena);

// A tensor over bytes as they lie in memory (little-endian; BYTES: a 4-byte length before each string): without a copy
// where their address suits the type. kInvalidArgument in Triton's words when they do not fill the shape.
Result<Tensor> WrapBytes(std::string_view bytes, DataType type, Shape shape, std::string_view input,
                         std::string_view model, Arena* arena);

// The parameter of an input that says how its elements are to be read, and its value for strings in base64: MLServer's.
inline constexpr std::string_view kContentType = "content_type";
inline constexpr std::string_view kBase64 = "base64";
// `strings` decoded, in `arena`; as MLServer does it, one that is not standard padded base64 stays what it is.
Tensor DecodeBase64Strings(const Tensor& strings, Arena* arena);

// How many bytes WrapBytes' format needs for `tensor`, and writes them.
size_t RawSize(const Tensor& tensor);
void AppendRaw(const Tensor& tensor, std::string* out);

// `tensor` as the classification extension answers it: for each row (each element of dimension 0 when the rank is above
// 1) the `classes` greatest elements as BYTES "value:index", shape [rows, k] or [k]. kInvalidArgument for strings and
// complex numbers.
Result<Tensor> TopClasses(const Tensor& tensor, uint64_t classes);

}  // namespace headrace::oip
