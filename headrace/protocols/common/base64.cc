#include "headrace/protocols/common/base64.h"

namespace headrace {

Result<std::string_view> DecodeBase64(std::string_view text, Arena* arena) {
  char* out = arena->Allocate(text.size() * 3 / 4 + 1, 16);
  if (const auto length = DecodeBase64(text, out)) return std::string_view(out, *length);
  return std::unexpected(
      InvalidArgument("JSON Value: a string of {} characters not formatted correctly for base64 data", text.size()));
}

}  // namespace headrace
