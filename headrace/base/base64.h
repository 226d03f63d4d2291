// RFC 4648's base64.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace headrace {

// Standard, padded.
void AppendBase64(std::string* out, std::string_view bytes);
// The length of what standard or URL-safe base64, padded or not, stands for, written to `out`, which has room for
// text.size() * 3 / 4 + 1 bytes; nullopt when it is neither.
std::optional<size_t> DecodeBase64(std::string_view text, char* out);

}  // namespace headrace
