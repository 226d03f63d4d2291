#include "headrace/protocols/tfserving/rest_path.h"

#include <strings.h>

#include <charconv>

#include "headrace/net/http.h"

namespace headrace::tfserving {
namespace {

constexpr std::string_view kModels = "/v1/models";

bool StartsWith(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() && strncasecmp(text.data(), prefix.data(), prefix.size()) == 0;
}

bool Equals(std::string_view a, std::string_view b) { return a.size() == b.size() && StartsWith(a, b); }

// Up to the next '/' or ':'; removed from `rest`.
std::string_view TakeName(std::string_view* rest) {
  const std::string_view name = rest->substr(0, rest->find_first_of("/:"));
  rest->remove_prefix(name.size());
  return name;
}

bool Take(std::string_view* rest, std::string_view prefix) {
  if (!StartsWith(*rest, prefix)) return false;
  rest->remove_prefix(prefix.size());
  return true;
}

bool AllDigits(std::string_view text) { return !text.empty() && text.find_first_not_of("0123456789") == text.npos; }

std::optional<RestAction> ActionOf(std::string_view method, std::string_view rest) {
  if (method == "POST") {
    if (Equals(rest, ":predict")) return RestAction::kPredict;
    if (Equals(rest, ":classify")) return RestAction::kClassify;
    if (Equals(rest, ":regress")) return RestAction::kRegress;
  } else if (method == "GET" || method == "HEAD") {
    if (rest.empty()) return RestAction::kStatus;
    if (Equals(rest, "/metadata")) return RestAction::kMetadata;
  }
  return std::nullopt;
}

bool Decode(std::string_view text, std::string* out) {
  if (!text.contains('%')) {
    *out = text;
    return true;
  }
  auto decoded = net::PercentDecode(text);
  if (decoded) *out = std::move(*decoded);
  return decoded.has_value();
}

Status ParseVersion(std::string_view digits, std::optional<int64_t>* version) {
  int64_t number = 0;
  if (std::from_chars(digits.data(), digits.data() + digits.size(), number).ec != std::errc())
    return InvalidArgument("Failed to convert version: {} to numeric.", digits);
  *version = number;
  return OkStatus();
}

}  // namespace

Result<RestPath> ParseRestPath(std::string_view method, std::string_view target) {
  const auto malformed = [&] { return std::unexpected(InvalidArgument("Malformed request: {} {}", method, target)); };
  std::string_view rest = target;
  if (!Take(&rest, kModels)) return malformed();
  RestPath path;
  if (Take(&rest, "/")) {
    if (!Decode(TakeName(&rest), &path.model) || path.model.empty()) return malformed();
  }
  if (Take(&rest, "/versions/")) {
    const std::string_view digits = TakeName(&rest);
    if (!AllDigits(digits)) return malformed();
    HR_UNEXPECTED_IF_ERROR(ParseVersion(digits, &path.version));
  } else if (Take(&rest, "/labels/")) {
    if (!Decode(TakeName(&rest), &path.label) || path.label.empty()) return malformed();
  }
  const auto action = ActionOf(method, rest);
  if (!action || target.contains('?')) return malformed();
  if (path.model.empty()) {
    if (method == "POST") return malformed();
    return std::unexpected(InvalidArgument("Missing model name in request."));
  }
  path.action = *action;
  return path;
}

}  // namespace headrace::tfserving
