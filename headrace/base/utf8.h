// RFC 3629's UTF-8.
#pragma once
#include <string_view>

namespace headrace {

// Whether `text` is well-formed: no stray or missing continuation bytes, overlong forms, surrogates, or code points
// above U+10FFFF.
bool IsUtf8(std::string_view text);

}  // namespace headrace
