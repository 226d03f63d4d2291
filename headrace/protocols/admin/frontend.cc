#include "headrace/protocols/admin/frontend.h"

#include <google/protobuf/util/json_util.h>

#include <limits>

#include "headrace/base/json.h"
#include "headrace/protocols/common/traffic_message.h"
#include "proto/headrace/serving/v1/traffic.pb.h"

namespace headrace::admin {
namespace {

namespace util = google::protobuf::util;
using serving::v1::ModelLabels;

enum class Setting { kTraffic, kLabels };

struct Target {
  std::string model;
  Setting setting = Setting::kTraffic;
};

// /admin/models/NAME/traffic; nullopt for any other path.
std::optional<Target> ParsePath(std::string_view path) {
  constexpr std::string_view kModels = "/admin/models/";
  if (!path.starts_with(kModels)) return std::nullopt;
  path.remove_prefix(kModels.size());
  const size_t slash = path.find('/');
  if (slash == 0 || slash == std::string_view::npos) return std::nullopt;
  auto model = net::PercentDecode(path.substr(0, slash));
  const std::string_view setting = path.substr(slash + 1);
  if (!model || (setting != "traffic" && setting != "labels")) return std::nullopt;
  return Target{*std::move(model), setting == "traffic" ? Setting::kTraffic : Setting::kLabels};
}

template <class Message>
Result<Message> ParseJson(std::string_view text) {
  if (text.size() > static_cast<size_t>(std::numeric_limits<int>::max()))
    return std::unexpected(InvalidArgument("{} bytes are too long", text.size()));
  Message message;
  const auto status = util::JsonStringToMessage({text.data(), text.size()}, &message);
  if (status.ok()) return message;
  return std::unexpected(InvalidArgument("the body is no {}: {}", message.GetTypeName(), status.message().ToString()));
}

std::string ToJson(const google::protobuf::Message& message) {
  std::string text;
  util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  if (!util::MessageToJsonString(message, &text, options).ok()) text = "{}";
  return text;
}

Status Put(serving::ModelManager& manager, const Target& target, std::string_view body) {
  if (target.setting == Setting::kTraffic) {
    HR_ASSIGN_OR_RETURN(const auto message, ParseJson<serving::v1::TrafficPolicy>(body));
    HR_ASSIGN_OR_RETURN(auto traffic, FromProto(message));
    return manager.SetTraffic(target.model, std::move(traffic));
  }
  HR_ASSIGN_OR_RETURN(const auto message, ParseJson<ModelLabels>(body));
  return manager.SetLabels(target.model, {message.labels().begin(), message.labels().end()});
}

Result<std::string> Get(const serving::ModelManager& manager, const Target& target) {
  const auto config = manager.Config(target.model);
  if (!config) return std::unexpected(NotFound("no model {} is configured", target.model));
  if (target.setting == Setting::kTraffic) return ToJson(ToProto(config->traffic));
  ModelLabels labels;
  for (const auto& [label, version] : config->labels) (*labels.mutable_labels())[label] = version;
  return ToJson(labels);
}

void Answer(const Result<std::string>& json, net::HttpResponder responder) {
  if (json) return responder.Send(200, "application/json", *json);
  responder.Send(HttpStatus(json.error().code()), "application/json",
                 headrace::ToJson(json::object{{"error", json.error().message()}}));
}

}  // namespace

void Frontend::Handle(net::HttpRequest& request, net::HttpResponder responder) {
  const auto target = ParsePath(request.path());
  if (!target)
    return Answer(std::unexpected(NotFound("expected /admin/models/NAME/traffic or /admin/models/NAME/labels")),
                  std::move(responder));
  if (request.method() == "GET") return Answer(Get(manager_, *target), std::move(responder));
  const bool reset = request.method() == "DELETE" && target->setting == Setting::kTraffic;
  if (request.method() != "PUT" && !reset)
    return responder.Send(405, "application/json", R"({"error":"expected GET, PUT, or DELETE of traffic"})");
  auto shared = std::make_shared<net::HttpResponder>(std::move(responder));
  const Status queued = changes_.Submit([this, target = *target, reset, body = request.body_text(), shared] {
    const Status done = reset ? manager_.SetTraffic(target.model, {}) : Put(manager_, target, body);
    Answer(done.ok() ? Get(manager_, target) : std::unexpected(done), std::move(*shared));
  });
  if (!queued.ok()) Answer(std::unexpected(queued), std::move(*shared));
}

}  // namespace headrace::admin
