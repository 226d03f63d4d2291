// tensorflow.serving.PredictRequest and PredictResponse between their bytes and an inference.
#pragma once
#include <boost/container/small_vector.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "headrace/base/status.h"
#include "headrace/core/engine.h"
#include "headrace/protocols/common/arena.h"

namespace headrace::tfserving {

// Views into the message.
struct ModelSpecView {
  bool present = false;
  std::string_view name;
  std::optional<int64_t> version;
  std::string_view label;
  std::string_view signature;  // empty: the default one
};

struct PredictView {
  struct Input {
    std::string_view name;
    std::string_view tensor;  // a TensorProto's bytes
  };
  ModelSpecView spec;
  boost::container::small_vector<Input, 8> inputs;  // of each name the last
  boost::container::small_vector<std::string_view, 4> output_filter;
};

// kInvalidArgument for bytes that are no PredictRequest. `message` must outlive the view.
Result<PredictView> ParsePredictRequest(std::string_view message);

// Fills `request`'s inputs and outputs for its signature, which is set. kInvalidArgument in TensorFlow Serving's words.
Status BindPredict(const PredictView& view, Arena* arena, InferRequest* request);

// Appends the response's bytes.
void AppendPredictResponse(std::string_view model, int64_t version, const InferRequest& request,
                           const InferResponse& response, bool tensor_content, std::string* out);

}  // namespace headrace::tfserving
