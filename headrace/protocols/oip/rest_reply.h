// Answers that every REST handler gives alike.
#pragma once
#include <string_view>

#include "headrace/base/json.h"
#include "headrace/net/http.h"

namespace headrace::oip {

inline constexpr std::string_view kJsonType = "application/json";

// {"error": message} with the HTTP status that Triton's clients expect of the code.
void SendError(const Status& status, net::HttpResponder responder);
void SendJson(const json::value& value, net::HttpResponder responder, int status = 200);

}  // namespace headrace::oip
