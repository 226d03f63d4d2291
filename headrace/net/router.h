// REST for the control plane: method and path template → handler, run on a pool of threads that may block.
//
//   Router router(&pool);
//   router.Add("GET", "/apis/v2beta1/runs/{run_id}", [&](RouteRequest& r) -> Result<RouteResponse> {
//     HR_ASSIGN_OR_UNEXPECTED(auto run, store.GetRun(r.Variable("run_id")));
//     return JsonResponse(ToJson(run));
//   });
#pragma once
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "headrace/base/json.h"
#include "headrace/base/status.h"
#include "headrace/base/thread_pool.h"
#include "headrace/net/http.h"

namespace headrace::net {

// Used by the handler's thread only; valid until the handler returns.
class RouteRequest {
 public:
  RouteRequest(HttpRequest& http, std::map<std::string, std::string, std::less<>> variables)
      : http_(http), variables_(std::move(variables)) {}
  HttpRequest& http() { return http_; }
  // What stood for {name} in the path, percent-decoded; empty when the template has no such variable.
  const std::string& Variable(std::string_view name) const;
  // A query parameter, decoded; nullopt when absent.
  std::optional<std::string> Query(std::string_view name) const { return QueryParameter(http_.query(), name); }
  // The same as an integer; `fallback` when absent. kInvalidArgument, naming it, when it is not one.
  Result<int64_t> QueryInt(std::string_view name, int64_t fallback) const;
  std::string_view body() const { return http_.body_text(); }
  // The body as a JSON object; an empty body is an empty object.
  Result<json::object> JsonBody() const;

 private:
  HttpRequest& http_;
  std::map<std::string, std::string, std::less<>> variables_;
};

struct RouteResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body = {};
  std::filesystem::path file = {};  // when not empty it is sent instead of `body`
  std::vector<std::pair<std::string, std::string>> headers = {};
  bool compress = false;  // by the client's Accept-Encoding
};

RouteResponse JsonResponse(const json::value& value, int status = 200);
RouteResponse TextResponse(std::string text, int status = 200, std::string content_type = "text/plain; charset=utf-8");

using RouteHandler = std::function<Result<RouteResponse>(RouteRequest&)>;
// The answer to an error that a handler returned, and to a path or method that no route has (kNotFound,
// kUnimplemented).
using ErrorFormat = std::function<RouteResponse(const Status&)>;
// {"error":"message","code":5,"message":"message","details":[]} with the code's HTTP status, as gRPC gateways answer.
RouteResponse GatewayError(const Status& status);

// Add and Mount before the server starts; thread-safe from then on.
class Router : public HttpHandler {
 public:
  // `pool` must outlive the server. A full pool is answered with 503.
  explicit Router(ThreadPool* pool, ErrorFormat errors = GatewayError);
  ~Router() override;

  // Templates: literal segments, {name} for one segment or part of one ("/runs/{id}:archive"), and {name=**} at the end
  // for the rest, slashes included. Literal beats variable; among equals the first added wins. HEAD falls back to GET.
  void Add(std::string_view method, std::string_view path_template, RouteHandler handler);
  // The same, with bodies spooled to a file in `folder` (http().body_file()) up to `max_bytes`.
  void AddUpload(std::string_view method, std::string_view path_template, std::filesystem::path folder,
                 size_t max_bytes, RouteHandler handler);
  // Everything below `prefix` ("/v1/") goes to `handler` on the loop's thread; the longest prefix wins. It is asked
  // before the routes. `handler` must outlive the server.
  void Mount(std::string_view prefix, HttpHandler* handler);

  void Handle(HttpRequest& request, HttpResponder responder) override;
  BodyPlan PlanBody(const HttpRequest& request) override;

 private:
  struct Route;
  struct Match;
  std::optional<Match> Find(std::string_view method, std::string_view path, bool* path_known) const;
  HttpHandler* FindMount(std::string_view path) const;

  ThreadPool* const pool_;
  const ErrorFormat errors_;
  std::vector<std::unique_ptr<Route>> routes_;
  std::vector<std::pair<std::string, HttpHandler*>> mounts_;
};

// Sends `response` through `responder`.
void SendRouteResponse(RouteResponse response, HttpResponder responder);

}  // namespace headrace::net
