// The JSON of classify and regress:
//   {"signature_name": "s", "context": {"a": 1}, "examples": [{"b": [1, 2.5], "c": "text", "d": {"b64": "…"}}]}
//   {"results": [[["label", 0.5], …], …]}   {"results": [2.5, …]}
#pragma once
#include <string>
#include <string_view>

#include "headrace/base/status.h"

namespace tensorflow::serving {
class ClassificationResult;
class Input;
class RegressionResult;
}  // namespace tensorflow::serving

namespace headrace::tfserving {

// A feature is a list of integers, of numbers (when any has a fraction), or of strings; a single value is a list of
// one. At least simdjson's padding of readable bytes must follow `body`. kInvalidArgument naming the example and the
// feature.
Status DecodeExamples(std::string_view body, std::string* signature_name, ::tensorflow::serving::Input* input);

void EncodeResults(const ::tensorflow::serving::ClassificationResult& result, std::string* out);
void EncodeResults(const ::tensorflow::serving::RegressionResult& result, std::string* out);

}  // namespace headrace::tfserving
