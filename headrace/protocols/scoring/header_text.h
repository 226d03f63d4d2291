// Taking headers' values apart.
#pragma once
#include <string_view>

namespace headrace::scoring {

// Takes what stands before the next `separator` off `text`, with the separator; without spaces around it.
inline std::string_view TakePart(std::string_view* text, char separator) {
  const size_t end = text->find(separator);
  std::string_view part = text->substr(0, end);
  text->remove_prefix(end == text->npos ? text->size() : end + 1);
  while (part.starts_with(' ')) part.remove_prefix(1);
  while (part.ends_with(' ')) part.remove_suffix(1);
  return part;
}

}  // namespace headrace::scoring
