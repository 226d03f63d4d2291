#include "headrace/net/router.h"

#include <algorithm>
#include <charconv>

#include "headrace/base/log.h"

namespace headrace::net {
namespace {

constexpr std::string_view kRest = "=**";

std::vector<std::string_view> Split(std::string_view path) {
  std::vector<std::string_view> segments;
  if (path.starts_with('/')) path.remove_prefix(1);
  for (;;) {
    const size_t slash = path.find('/');
    segments.push_back(path.substr(0, slash));
    if (slash == path.npos) return segments;
    path.remove_prefix(slash + 1);
  }
}

// A segment of a template: "runs", "{id}", "{id}:archive", "{path=**}".
struct Segment {
  std::string before = {}, variable = {}, after = {};
  bool rest = false;
};

Segment ParseSegment(std::string_view text) {
  Segment segment;
  const size_t open = text.find('{');
  const size_t close = text.find('}', std::min(open, text.size()));
  if (open == text.npos || close == text.npos) return {.before = std::string(text)};
  segment.before = text.substr(0, open);
  segment.variable = text.substr(open + 1, close - open - 1);
  segment.after = text.substr(close + 1);
  if (segment.variable.ends_with(kRest)) {
    segment.rest = true;
    segment.variable.resize(segment.variable.size() - kRest.size());
  }
  return segment;
}

}  // namespace

struct Router::Route {
  std::string method;
  std::vector<Segment> segments;
  BodyPlan plan;
  RouteHandler handler;
};

struct Router::Match {
  const Route* route = nullptr;
  std::map<std::string, std::string, std::less<>> variables;
};

namespace {

using Variables = std::map<std::string, std::string, std::less<>>;

// How literally `segment` matches: 0 not at all, 1 as a variable, more for each literal byte.
size_t MatchSegment(const Segment& segment, std::string_view text, Variables& variables) {
  if (segment.variable.empty()) return text == segment.before ? 2 + text.size() : 0;
  const size_t literal = segment.before.size() + segment.after.size();
  if (text.size() <= literal || !text.starts_with(segment.before) || !text.ends_with(segment.after)) return 0;
  const auto value = PercentDecode(text.substr(segment.before.size(), text.size() - literal));
  if (!value) return 0;
  variables[segment.variable] = *value;
  return 1 + literal;
}

// The scores of the segments, compared from the left: a literal beats a variable as early as possible.
std::optional<std::vector<size_t>> MatchPath(const std::vector<Segment>& segments,
                                             const std::vector<std::string_view>& path, Variables& variables) {
  std::vector<size_t> scores;
  for (size_t i = 0; i < segments.size(); i++) {
    if (segments[i].rest) {
      if (i >= path.size()) return std::nullopt;
      const char* begin = path[i].data();
      const auto rest = PercentDecode({begin, static_cast<size_t>(path.back().data() + path.back().size() - begin)});
      if (!rest) return std::nullopt;
      variables[segments[i].variable] = *rest;
      scores.push_back(0);
      return scores;
    }
    const size_t score = i < path.size() ? MatchSegment(segments[i], path[i], variables) : 0;
    if (score == 0) return std::nullopt;
    scores.push_back(score);
  }
  return path.size() == segments.size() ? std::optional(scores) : std::nullopt;
}

}  // namespace

const std::string& RouteRequest::Variable(std::string_view name) const {
  static const std::string kNone;
  const auto it = variables_.find(name);
  return it == variables_.end() ? kNone : it->second;
}

Result<int64_t> RouteRequest::QueryInt(std::string_view name, int64_t fallback) const {
  const auto text = Query(name);
  if (!text || text->empty()) return fallback;
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc() || end != text->data() + text->size())
    return std::unexpected(InvalidArgument("query parameter {}: expected an integer, found \"{}\"", name, *text));
  return value;
}

Result<json::object> RouteRequest::JsonBody() const {
  if (body().empty()) return json::object();
  HR_ASSIGN_OR_UNEXPECTED(json::value value, ParseJson(body()));
  if (!value.is_object()) return std::unexpected(InvalidArgument("the request's body: expected a JSON object"));
  return std::move(value.as_object());
}

RouteResponse JsonResponse(const json::value& value, int status) { return {.status = status, .body = ToJson(value)}; }

RouteResponse TextResponse(std::string text, int status, std::string content_type) {
  return {.status = status, .content_type = std::move(content_type), .body = std::move(text)};
}

RouteResponse GatewayError(const Status& status) {
  const json::object body = {{"error", status.message()},
                             {"code", static_cast<int>(status.code())},
                             {"message", status.message()},
                             {"details", json::array()}};
  return JsonResponse(body, HttpStatus(status.code()));
}

void SendRouteResponse(RouteResponse response, HttpResponder responder) {
  for (const auto& [name, value] : response.headers) responder.SetHeader(name, value);
  if (!response.file.empty()) return responder.SendFile(response.file, response.content_type);
  responder.body() = std::move(response.body);
  if (response.compress) responder.CompressIfAccepted();
  responder.Send(response.status, response.content_type);
}

Router::Router(ThreadPool* pool, ErrorFormat errors) : pool_(pool), errors_(std::move(errors)) {}
Router::~Router() = default;

void Router::Add(std::string_view method, std::string_view path_template, RouteHandler handler) {
  AddUpload(method, path_template, {}, 0, std::move(handler));
}

void Router::AddUpload(std::string_view method, std::string_view path_template, std::filesystem::path folder,
                       size_t max_bytes, RouteHandler handler) {
  auto route = std::make_unique<Route>();
  route->method = method;
  for (const std::string_view segment : Split(path_template)) route->segments.push_back(ParseSegment(segment));
  route->plan = {max_bytes, std::move(folder)};
  route->handler = std::move(handler);
  routes_.push_back(std::move(route));
}

void Router::Mount(std::string_view prefix, HttpHandler* handler) {
  mounts_.emplace_back(prefix, handler);
  std::ranges::stable_sort(mounts_, std::greater<>(), [](const auto& mount) { return mount.first.size(); });
}

HttpHandler* Router::FindMount(std::string_view path) const {
  for (const auto& [prefix, handler] : mounts_)
    if (path.starts_with(prefix)) return handler;
  return nullptr;
}

std::optional<Router::Match> Router::Find(std::string_view method, std::string_view path, bool* path_known) const {
  const auto segments = Split(path);
  std::optional<Match> best;
  std::vector<size_t> best_scores;
  *path_known = false;
  for (const auto& route : routes_) {
    Variables variables;
    const auto scores = MatchPath(route->segments, segments, variables);
    if (!scores) continue;
    *path_known = true;
    if (route->method != method || (best && *scores <= best_scores)) continue;
    best = Match{route.get(), std::move(variables)};
    best_scores = *scores;
  }
  if (!best && method == "HEAD") return Find("GET", path, path_known);
  return best;
}

BodyPlan Router::PlanBody(const HttpRequest& request) {
  if (HttpHandler* mounted = FindMount(request.path())) return mounted->PlanBody(request);
  bool path_known = false;
  const auto match = Find(request.method(), request.path(), &path_known);
  return match ? match->route->plan : BodyPlan{};
}

void Router::Handle(HttpRequest& request, HttpResponder responder) {
  if (HttpHandler* mounted = FindMount(request.path())) return mounted->Handle(request, std::move(responder));
  bool path_known = false;
  auto match = Find(request.method(), request.path(), &path_known);
  if (!match) {
    const Status status = path_known ? Unimplemented("{} is not allowed on {}", request.method(), request.path())
                                     : NotFound("no such path: {}", request.path());
    RouteResponse response = errors_(status);
    if (path_known) response.status = 405;
    return SendRouteResponse(std::move(response), std::move(responder));
  }
  // Kept outside the closure too, so that a refused one can still be answered.
  auto shared = std::make_shared<HttpResponder>(std::move(responder));
  const Status submitted = pool_->Submit([this, &request, shared, match = std::move(*match)]() mutable {
    RouteRequest route_request(request, std::move(match.variables));
    auto result = match.route->handler(route_request);
    SendRouteResponse(result ? std::move(*result) : errors_(result.error()), std::move(*shared));
  });
  if (submitted.ok()) return;
  RouteResponse response = errors_(submitted);
  response.status = 503;
  SendRouteResponse(std::move(response), std::move(*shared));
}

}  // namespace headrace::net
