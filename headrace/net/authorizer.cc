#include "headrace/net/authorizer.h"

#include <algorithm>

#include "headrace/base/files.h"
#include "headrace/base/json.h"

namespace headrace::net {
namespace {

bool IsSha256(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

Result<std::vector<std::string>> Strings(const json::object& object, std::string_view key) {
  HR_ASSIGN_OR_UNEXPECTED(const json::array* array, RequiredArray(object, key));
  std::vector<std::string> strings;
  for (const auto& item : *array) {
    if (!item.is_string())
      return std::unexpected(InvalidArgument("\"{}\": expected strings, found {}", key, ToJson(item)));
    strings.emplace_back(std::string_view(item.get_string()));
  }
  if (strings.empty()) return std::unexpected(InvalidArgument("\"{}\": expected at least one", key));
  return strings;
}

// "prices-*" covers every name that begins with "prices-".
bool Matches(std::string_view pattern, std::string_view name) {
  if (pattern == "*") return true;
  if (name.empty()) return false;
  if (pattern.ends_with('*')) return name.starts_with(pattern.substr(0, pattern.size() - 1));
  return pattern == name;
}

// The token of "Bearer TOKEN"; the scheme's name is case-insensitive.
std::optional<std::string_view> BearerToken(std::string_view authorization) {
  constexpr std::string_view kScheme = "bearer ";
  if (authorization.size() <= kScheme.size()) return std::nullopt;
  const bool bearer = std::ranges::equal(authorization.substr(0, kScheme.size()), kScheme,
                                         [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; });
  if (!bearer) return std::nullopt;
  return authorization.substr(kScheme.size());
}

}  // namespace

Status Authorizer::Load(std::string_view text) {
  HR_ASSIGN_OR_RETURN(const json::value document, ParseJson(text));
  if (!document.is_object())
    return InvalidArgument("expected {{\"clients\": […]}}, found {}", ToJson(document).substr(0, 40));
  HR_ASSIGN_OR_RETURN(const json::array* array, RequiredArray(document.get_object(), "clients"));
  auto clients = std::make_shared<Clients>();
  for (const auto& item : *array) {
    const std::string place = fmt::format("clients[{}]", clients->size());
    if (!item.is_object()) return InvalidArgument("{}: expected an object, found {}", place, ToJson(item));
    Client client;
    const Status status = [&] {
      const json::object& object = item.get_object();
      HR_ASSIGN_OR_RETURN(client.name, RequiredString(object, "name"));
      HR_ASSIGN_OR_RETURN(auto token, OptionalString(object, "token_sha256"));
      HR_ASSIGN_OR_RETURN(auto subject, OptionalString(object, "certificate_subject"));
      HR_ASSIGN_OR_RETURN(client.models, Strings(object, "models"));
      HR_ASSIGN_OR_RETURN(const auto rights, Strings(object, "rights"));
      client.token_sha256 = token.value_or("");
      client.certificate_subject = subject.value_or("");
      if (client.token_sha256.empty() == client.certificate_subject.empty())
        return InvalidArgument("expected either \"token_sha256\" or \"certificate_subject\"");
      if (!client.token_sha256.empty() && !IsSha256(client.token_sha256))
        return InvalidArgument(
            "\"token_sha256\": expected 64 lower-case hexadecimal digits (printf %s TOKEN | sha256sum)");
      for (const auto& right : rights) {
        if (right != "predict" && right != "admin")
          return InvalidArgument("\"rights\": expected \"predict\" or \"admin\", found \"{}\"", right);
        (right == "predict" ? client.predict : client.admin) = true;
      }
      return OkStatus();
    }();
    if (!status.ok()) return status.WithContext(place);
    clients->push_back(std::move(client));
  }
  clients_.store(std::move(clients));
  enabled_.store(true, std::memory_order_release);
  return OkStatus();
}

bool Authorizer::Covers(const Client& client, std::string_view model) {
  return std::ranges::any_of(client.models, [&](const auto& pattern) { return Matches(pattern, model); });
}

Status Authorizer::Check(const Credentials& credentials, std::string_view model, Right right, ClientName* name) const {
  if (!enabled()) return OkStatus();
  const std::shared_ptr<const Clients> clients = clients_.load();
  const auto token = credentials.authorization ? BearerToken(*credentials.authorization) : std::nullopt;
  if (!token && credentials.certificate_subject.empty())
    return Unauthenticated(
        "no credentials: expected the header \"Authorization: Bearer TOKEN\" or a client certificate");
  const std::string digest = token ? Sha256(*token) : "";
  const Client* known = nullptr;
  for (const Client& client : *clients) {
    const bool is_client =
        token ? client.token_sha256 == digest : client.certificate_subject == credentials.certificate_subject;
    if (!is_client) continue;
    known = &client;
    if (!(right == Right::kAdmin ? client.admin : client.predict) || !Covers(client, model)) continue;
    if (name != nullptr) *name = ClientName(clients, &client.name);
    return OkStatus();
  }
  if (known == nullptr) return Unauthenticated("unknown credentials");
  return PermissionDenied("client \"{}\" has no right to {} {}", known->name,
                          right == Right::kAdmin ? "administer" : "use",
                          model.empty() ? "the server as a whole" : fmt::format("model \"{}\"", model));
}

}  // namespace headrace::net
