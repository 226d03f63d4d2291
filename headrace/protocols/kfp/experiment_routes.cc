// ExperimentService.
#include "headrace/protocols/kfp/list_query.h"
#include "headrace/protocols/kfp/routes.h"

namespace headrace::kfp {
namespace {

using metadata::Experiment;
using metadata::ExperimentStore;
using net::RouteRequest;
using net::RouteResponse;

json::object ToJsonObject(const Experiment& experiment) {
  json::object object = {{"experiment_id", experiment.id},
                         {"display_name", experiment.name},
                         {"created_at", FormatTime(experiment.created)},
                         {"storage_state", experiment.archived ? "ARCHIVED" : "AVAILABLE"}};
  SetUnlessEmpty(object, "description", experiment.description);
  SetUnlessEmpty(object, "namespace", experiment.name_space);
  if (experiment.last_run) object["last_run_created_at"] = FormatTime(*experiment.last_run);
  return object;
}

Result<RouteResponse> Create(ExperimentStore& store, RouteRequest& request) {
  HR_ASSIGN_OR_UNEXPECTED(const json::object body, request.JsonBody());
  Experiment experiment;
  HR_ASSIGN_OR_UNEXPECTED(experiment.name, StringOr(body, "display_name"));
  HR_ASSIGN_OR_UNEXPECTED(experiment.description, StringOr(body, "description"));
  HR_ASSIGN_OR_UNEXPECTED(experiment.name_space, StringOr(body, "namespace"));
  HR_ASSIGN_OR_UNEXPECTED(const Experiment created, store.Create(std::move(experiment)));
  return net::JsonResponse(ToJsonObject(created));
}

Result<RouteResponse> List(ExperimentStore& store, RouteRequest& request) {
  HR_ASSIGN_OR_UNEXPECTED(const ListRequest list, ListRequestOf(request));
  HR_ASSIGN_OR_UNEXPECTED(const auto listed, store.List(list, request.Query("namespace").value_or("")));
  json::array experiments;
  for (const auto& experiment : listed.experiments) experiments.push_back(ToJsonObject(experiment));
  return ListResponse("experiments", std::move(experiments), listed.total, listed.next_page_token);
}

// Archives the runs with their experiment, as KFP does; unarchiving brings back the experiment alone.
Result<RouteResponse> Archive(const KfpParts& parts, const std::string& id) {
  HR_UNEXPECTED_IF_ERROR(parts.experiments->SetArchived(id, true));
  ListRequest list{.page_size = 200, .predicates = {{ListOperation::kEquals, "storage_state", {"AVAILABLE"}}}};
  for (;;) {
    HR_ASSIGN_OR_UNEXPECTED(const auto listed, parts.runs->List(list, id));
    for (const auto& run : listed.runs) HR_UNEXPECTED_IF_ERROR(parts.runs->SetArchived(run.id, true));
    if (listed.next_page_token.empty()) return EmptyResponse();
  }
}

}  // namespace

void AddExperimentRoutes(const KfpParts& parts, net::Router* router) {
  ExperimentStore* store = parts.experiments;
  const std::string all = std::string(kPrefix) + "/experiments", one = all + "/{experiment_id}";
  router->Add("POST", all, [store](RouteRequest& r) { return Create(*store, r); });
  router->Add("GET", all, [store](RouteRequest& r) { return List(*store, r); });
  router->Add("GET", one, [store](RouteRequest& r) -> Result<RouteResponse> {
    HR_ASSIGN_OR_UNEXPECTED(const Experiment experiment, store->Get(r.Variable("experiment_id")));
    return net::JsonResponse(ToJsonObject(experiment));
  });
  router->Add("DELETE", one, [store](RouteRequest& r) { return EmptyOr(store->Delete(r.Variable("experiment_id"))); });
  router->Add("POST", one + ":archive",
              [parts](RouteRequest& r) { return Archive(parts, r.Variable("experiment_id")); });
  router->Add("POST", one + ":unarchive",
              [store](RouteRequest& r) { return EmptyOr(store->SetArchived(r.Variable("experiment_id"), false)); });
}

}  // namespace headrace::kfp
