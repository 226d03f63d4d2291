// The paths of TensorFlow Serving's REST API:
//   /v1/models/NAME[/versions/N | /labels/L]:(predict|classify|regress)      POST
//   /v1/models/NAME[/versions/N | /labels/L][/metadata]                      GET
// Letter case matters in names and labels only. A query string belongs to the path and so matches nothing.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "headrace/base/status.h"

namespace headrace::tfserving {

enum class RestAction { kPredict, kClassify, kRegress, kStatus, kMetadata };

struct RestPath {
  RestAction action = RestAction::kStatus;
  std::string model;
  std::optional<int64_t> version;
  std::string label;
};

// `target` as the request line has it. kInvalidArgument "Malformed request: GET /v1/x" and so on.
Result<RestPath> ParseRestPath(std::string_view method, std::string_view target);

}  // namespace headrace::tfserving
