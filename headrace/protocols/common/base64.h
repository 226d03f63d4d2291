// Base64 in requests.
#pragma once
#include <string_view>

#include "headrace/base/base64.h"
#include "headrace/base/status.h"
#include "headrace/protocols/common/arena.h"

namespace headrace {

// Decodes standard or URL-safe base64, padded or not, into `arena`. kInvalidArgument, in TensorFlow Serving's words,
// otherwise.
Result<std::string_view> DecodeBase64(std::string_view text, Arena* arena);

}  // namespace headrace
