// Answers of the REST API.
#pragma once
#include <string_view>

#include "headrace/base/status.h"
#include "headrace/net/http.h"

namespace headrace::tfserving {

inline constexpr std::string_view kJsonType = "application/json";

// { "error": "…" } with the code's HTTP status.
void SendError(const Status& status, net::HttpResponder responder);
// The text, or the error.
void SendJson(Result<std::string> text, net::HttpResponder responder);

}  // namespace headrace::tfserving
