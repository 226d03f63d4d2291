// The parts of AddKfpRoutes.
#pragma once
#include "headrace/protocols/kfp/kfp_api.h"

namespace headrace::kfp {

inline constexpr char kPrefix[] = "/apis/v2beta1";

void AddExperimentRoutes(const KfpParts& parts, net::Router* router);
void AddPipelineRoutes(const KfpParts& parts, net::Router* router);
void AddRunRoutes(const KfpParts& parts, net::Router* router);
void AddRecurringRunRoutes(const KfpParts& parts, net::Router* router);

// {} with 200, what calls without a result answer.
inline net::RouteResponse EmptyResponse() { return net::JsonResponse(json::object()); }
// {} or the error, for what returns a Status.
inline Result<net::RouteResponse> EmptyOr(const Status& status) {
  if (!status.ok()) return std::unexpected(status);
  return EmptyResponse();
}
// Under `key` unless the list is empty; with total_size and next_page_token, as list calls answer.
net::RouteResponse ListResponse(std::string_view key, json::array items, int64_t total, const std::string& next_token);
// `object[key] = value` unless it is empty.
void SetUnlessEmpty(json::object& object, std::string_view key, const std::string& value);
// A member that may be missing; kInvalidArgument when it is not a string.
Result<std::string> StringOr(const json::object& object, std::string_view key, std::string fallback = "");

}  // namespace headrace::kfp
