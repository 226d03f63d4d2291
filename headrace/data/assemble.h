// One serving graph from a transform's graph and the model that was trained on its output.
#pragma once
#include <string>
#include <string_view>

#include "headrace/base/status.h"

namespace headrace::data {

struct AssembleOptions {
  // The model's output to serve. Empty: its only floating-point output, or the one whose name says "prob".
  std::string output = {};
};

// The bytes of a model that takes what `transform` takes and yields what `model` yields:
//  - "probability" [rows], of the second class, where the model gives two columns (a binary classifier);
//  - the output's own name, [rows], where it gives one column;
//  - "probabilities" [rows, K] where it gives more.
// A ZipMap at the model's end is taken away, as are its other outputs. Names are prefixed "transform/" and "model/".
// kInvalidArgument, saying what to export instead, when the model does not take one matrix of floats, or when the
// operator sets of the two cannot be one; kDataLoss when one is no ONNX model.
Result<std::string> AssembleModel(std::string_view transform, std::string_view model,
                                  const AssembleOptions& options = {});

}  // namespace headrace::data
