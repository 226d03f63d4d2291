// Parameter values: how they are read from JSON, checked against a type, coerced and printed.
#pragma once
#include <string>
#include <string_view>

#include "headrace/base/json.h"
#include "headrace/base/status.h"
#include "headrace/pipeline/ir.h"

namespace headrace::pipeline {

// A double with an integral value becomes an integer, as protobuf's JSON writes it: 5.0 is 5.
json::value NormalNumber(double number);
// The same for every number inside `value`.
json::value NormalNumbers(json::value value);

// `value` as a parameter of `spec`'s type: a STRING takes any value as its text, NUMBER_INTEGER takes 5.0 as 5; other
// mismatches and values that are not among `literals` are kInvalidArgument. Null stays null where it may.
Result<json::value> CoerceParameter(const json::value& value, const ParameterSpec& spec);

// As a command line shows it: a string as it is, lists and objects as compact JSON with sorted keys.
std::string ParameterText(const json::value& value);

// The text of `--parameter k=v` as a value of `spec`'s type; strings are taken as they are.
Result<json::value> ParseParameterText(std::string_view text, const ParameterSpec& spec);
// The same for an output parameter's file, where a type without a declared reading is a string.
Result<json::value> ParseOutputParameter(std::string_view text, ParameterType type);

}  // namespace headrace::pipeline
