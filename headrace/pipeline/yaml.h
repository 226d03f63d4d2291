// YAML as JSON values, typed as PyYAML types them, since the SDK writes its files with PyYAML: a quoted scalar is a
// string, so is a plain 1e5; yes and off are booleans.
#pragma once
#include <string_view>
#include <vector>

#include "headrace/base/json.h"
#include "headrace/base/status.h"

namespace headrace::pipeline {

// Every document of `text`. kInvalidArgument with line and column; aliases that would expand beyond a million values
// are refused.
Result<std::vector<json::value>> ParseYaml(std::string_view text);

}  // namespace headrace::pipeline
