// A fitted transform as an ONNX graph: raw columns in, one matrix of floats out.
//
// Inputs are named as the columns and take shape [rows]: float for numbers, int64 for whole numbers that are
// categories, string for texts; with TensorFlow Serving's row format a request is {"instances": [{"carrier": "UA",
// "distance": 1400}]}. The output "features" has shape [rows, F]; the metadata "headrace.feature_names" is the JSON
// list of its columns' names. Every operation works on each row alone, so a row's features do not depend on its batch.
#pragma once
#include <string>
#include <vector>

#include "headrace/base/status.h"
#include "headrace/data/transform_fit.h"

namespace headrace::data {

inline constexpr std::string_view kFeatureNamesKey = "headrace.feature_names";

// The model file's bytes; equal features give equal bytes.
std::string BuildTransformGraph(const std::vector<FittedFeature>& features);

// The names of the matrix' columns, in order; unique.
std::vector<std::string> FeatureNames(const std::vector<FittedFeature>& features);

}  // namespace headrace::data
