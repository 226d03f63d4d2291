#include "headrace/protocols/kfp/multipart.h"

#include <algorithm>
#include <cctype>

namespace headrace::kfp {
namespace {

constexpr std::string_view kLineEnd = "\r\n";

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower;
}

// The value of `name` in "…; name=value; other=\"quoted\"".
std::string Parameter(std::string_view header, std::string_view name) {
  const std::string lower = Lower(header);
  for (size_t at = lower.find(';'); at != lower.npos; at = lower.find(';', at + 1)) {
    size_t begin = lower.find_first_not_of(" \t", at + 1);
    if (begin == lower.npos || lower.compare(begin, name.size(), name) != 0) continue;
    begin += name.size();
    if (begin >= lower.size() || lower[begin] != '=') continue;
    std::string_view value = header.substr(begin + 1);
    if (!value.starts_with('"')) return std::string(value.substr(0, value.find_first_of("; \t")));
    std::string unquoted;
    for (size_t i = 1; i < value.size() && value[i] != '"'; i++) {
      if (value[i] == '\\' && i + 1 < value.size()) i++;
      unquoted += value[i];
    }
    return unquoted;
  }
  return "";
}

// A part's headers; takes them from `part`, which keeps the content.
Result<FormPart> ParsePart(std::string_view part) {
  FormPart parsed;
  for (;;) {
    const size_t end = part.find(kLineEnd);
    if (end == part.npos) return std::unexpected(InvalidArgument("multipart form: a part's headers do not end"));
    const std::string_view line = part.substr(0, end);
    part.remove_prefix(end + kLineEnd.size());
    if (line.empty()) break;
    if (!Lower(line).starts_with("content-disposition:")) continue;
    parsed.name = Parameter(line, "name");
    parsed.file_name = Parameter(line, "filename");
  }
  parsed.content = part;
  return parsed;
}

}  // namespace

Result<std::vector<FormPart>> ParseForm(std::string_view content_type, std::string_view body) {
  const std::string boundary = Parameter(content_type, "boundary");
  if (!Lower(content_type).starts_with("multipart/form-data") || boundary.empty())
    return std::unexpected(
        InvalidArgument("Content-Type \"{}\": expected multipart/form-data with a boundary", content_type));
  const std::string delimiter = "--" + boundary;
  size_t at = body.find(delimiter);
  if (at != 0 && (at == body.npos || body.substr(0, at).substr(at < 2 ? 0 : at - 2) != kLineEnd))
    return std::unexpected(InvalidArgument("multipart form: its boundary \"{}\" does not occur", boundary));
  std::vector<FormPart> parts;
  for (;;) {
    at += delimiter.size();
    if (body.substr(at).starts_with("--")) return parts;
    const size_t line_end = body.find(kLineEnd, at);
    const size_t end = line_end == body.npos ? body.npos : body.find("\r\n" + delimiter, line_end);
    if (end == body.npos) return std::unexpected(InvalidArgument("multipart form: the last part does not end"));
    const size_t begin = line_end + kLineEnd.size();
    const std::string_view part = begin <= end ? body.substr(begin, end - begin) : std::string_view();
    HR_ASSIGN_OR_UNEXPECTED(parts.emplace_back(), ParsePart(part));
    at = end + kLineEnd.size();
  }
}

}  // namespace headrace::kfp
