// The parser behind CelExpression::Parse.
#pragma once
#include <string_view>
#include <vector>

#include "headrace/pipeline/cel.h"

namespace headrace::pipeline {

// Operands before their operators, the root last.
Result<std::vector<CelExpression::Node>> ParseCel(std::string_view text);

}  // namespace headrace::pipeline
