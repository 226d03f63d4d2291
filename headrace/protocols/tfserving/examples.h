// Rows of tf.Example features as a model's input tensors, and its outputs as classifications and regressions.
//
// A signature whose one input is a string takes the serialized examples, as TensorFlow's classify and regress
// signatures do. Any other takes features by its inputs' names: so ONNX models, which have no such signatures, answer
// classify and regress too. Features may be wider than needed; a list of integers is taken for a floating-point input.
#pragma once
#include <cstddef>
#include <string_view>

#include "headrace/base/status.h"
#include "headrace/core/engine.h"
#include "headrace/protocols/common/arena.h"

namespace tensorflow::serving {
class ClassificationResult;
class Input;
class RegressionResult;
}  // namespace tensorflow::serving

namespace headrace::tfserving {

inline constexpr std::string_view kClassifyMethod = "tensorflow/serving/classify";
inline constexpr std::string_view kRegressMethod = "tensorflow/serving/regress";
inline constexpr std::string_view kPredictMethod = "tensorflow/serving/predict";

size_t ExampleCount(const ::tensorflow::serving::Input& input);

// Fills `request`'s inputs for its signature, which is set and must be callable by `method`. Features of the context
// are those of every example that has none of that name. `input` and `arena` must outlive the tensors. kInvalidArgument
// naming the example and the feature.
Status BindExamples(const ::tensorflow::serving::Input& input, std::string_view method, Arena* arena,
                    InferRequest* request);

// From outputs [n, classes] or [n]: "scores" and "classes" where the signature has these, else the first floating-point
// output and an output of labels of the same shape. kInvalidArgument when the outputs are no classification of
// `examples` rows.
Status ToClassifications(const InferRequest& request, const InferResponse& response, size_t examples,
                         ::tensorflow::serving::ClassificationResult* result);
// From an output [n] or [n, 1]: "outputs" where the signature has it, else the first floating-point one.
Status ToRegressions(const InferRequest& request, const InferResponse& response, size_t examples,
                     ::tensorflow::serving::RegressionResult* result);

}  // namespace headrace::tfserving
