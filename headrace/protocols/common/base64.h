// RFC 4648's base64.
#pragma once
#include <string>
#include <string_view>

#include "headrace/base/status.h"
#include "headrace/protocols/common/arena.h"

namespace headrace {

// Decodes standard or URL-safe base64, padded or not, into `arena`. kInvalidArgument, in TensorFlow Serving's words,
// otherwise.
Result<std::string_view> DecodeBase64(std::string_view text, Arena* arena);
// Standard, padded.
void AppendBase64(std::string* out, std::string_view bytes);

}  // namespace headrace
