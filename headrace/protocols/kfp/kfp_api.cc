#include "headrace/protocols/kfp/kfp_api.h"

#include "headrace/protocols/kfp/routes.h"

namespace headrace::kfp {
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
  AddRecurringRunRoutes(parts, router);
}

}  // namespace headrace::kfp
