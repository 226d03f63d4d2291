#include "headrace/protocols/kfp/kfp_api.h"

#include "headrace/protocols/kfp/routes.h"

namespace headrace::kfp {
namespace {

constexpr char kNoRecurringRuns[] =
    "Recurring runs are not available in this version; create runs from a scheduler of your own";

void AddRecurringRunRoutes(net::Router* router) {
  const auto refuse = [](net::RouteRequest&) -> Result<net::RouteResponse> {
    return std::unexpected(Unimplemented("{}", kNoRecurringRuns));
  };
  const std::string base = std::string(kPrefix) + "/recurringruns";
  for (const char* method : {"GET", "POST"}) router->Add(method, base, refuse);
  for (const char* method : {"GET", "POST", "DELETE"}) router->Add(method, base + "/{recurring_run_id}", refuse);
}

}  // namespace

net::RouteResponse ListResponse(std::string_view key, json::array items, int64_t total, const std::string& next_token) {
  json::object body;
  if (!items.empty()) body[key] = std::move(items);
  body["total_size"] = total;
  SetUnlessEmpty(body, "next_page_token", next_token);
  auto response = net::JsonResponse(body);
  response.compress = true;
  return response;
}

void SetUnlessEmpty(json::object& object, std::string_view key, const std::string& value) {
  if (!value.empty()) object[key] = value;
}

Result<std::string> StringOr(const json::object& object, std::string_view key, std::string fallback) {
  HR_ASSIGN_OR_UNEXPECTED(auto value, OptionalString(object, key));
  return value ? *std::move(value) : std::move(fallback);
}

void AddKfpRoutes(const KfpParts& parts, net::Router* router) {
  router->Add("GET", std::string(kPrefix) + "/healthz", [](net::RouteRequest&) -> Result<net::RouteResponse> {
    return net::JsonResponse(json::object{{"multi_user", false}, {"pipeline_store", "database"}});
  });
  AddExperimentRoutes(parts, router);
  AddPipelineRoutes(parts, router);
  AddRunRoutes(parts, router);
  AddRecurringRunRoutes(router);
}

}  // namespace headrace::kfp
