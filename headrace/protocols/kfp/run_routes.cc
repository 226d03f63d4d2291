// RunService, and the logs of tasks.
#include "headrace/protocols/kfp/list_query.h"
#include "headrace/protocols/kfp/routes.h"
#include "headrace/protocols/kfp/run_json.h"

namespace headrace::kfp {
namespace {

using net::RouteRequest;
using net::RouteResponse;
using pipeline::CreateRunRequest;
using pipeline::Run;
using pipeline::RunService;
using pipeline::TaskRecord;

// The version that {"pipeline_id", "pipeline_version_id"} names: the newest when only the pipeline is named.
Status ReadReference(metadata::PipelineStore& pipelines, const json::object& reference, CreateRunRequest* create) {
  HR_ASSIGN_OR_RETURN(const std::string pipeline_id, RequiredString(reference, "pipeline_id"));
  HR_ASSIGN_OR_RETURN(const std::string version_id, StringOr(reference, "pipeline_version_id"));
  auto version =
      version_id.empty() ? pipelines.LatestVersion(pipeline_id) : pipelines.GetVersion(pipeline_id, version_id);
  if (!version) return version.error();
  create->spec = std::move(version->spec);
  create->reference = {{"pipeline_id", pipeline_id}, {"pipeline_version_id", version->id}};
  return OkStatus();
}

Status ReadSource(metadata::PipelineStore& pipelines, const json::object& body, CreateRunRequest* create) {
  const auto* spec = body.if_contains("pipeline_spec");
  const auto* reference = body.if_contains("pipeline_version_reference");
  if ((spec != nullptr) == (reference != nullptr))
    return InvalidArgument("a run needs one of pipeline_spec and pipeline_version_reference, found {}",
                           spec ? "both" : "neither");
  if (reference) {
    if (!reference->is_object()) return InvalidArgument("pipeline_version_reference: expected an object");
    return ReadReference(pipelines, reference->get_object(), create);
  }
  create->spec = *spec;
  return OkStatus();
}

Status ReadRuntimeConfig(const json::object& body, CreateRunRequest* create) {
  const auto* config = body.if_contains("runtime_config");
  if (!config || config->is_null()) return OkStatus();
  if (!config->is_object()) return InvalidArgument("runtime_config: expected an object");
  HR_ASSIGN_OR_RETURN(create->pipeline_root, StringOr(config->get_object(), "pipeline_root"));
  const auto* parameters = config->get_object().if_contains("parameters");
  if (!parameters || parameters->is_null()) return OkStatus();
  if (!parameters->is_object()) return InvalidArgument("runtime_config.parameters: expected an object");
  create->parameters = parameters->get_object();
  return OkStatus();
}

// An empty experiment id means the default experiment.
Result<std::string> ExperimentOf(metadata::ExperimentStore& experiments, std::string id) {
  if (!id.empty()) return id;
  HR_ASSIGN_OR_UNEXPECTED(const auto experiment, experiments.Default());
  return experiment.id;
}

Result<RouteResponse> Found(RunService& runs, const Run& run) {
  json::object object = RunJson(run);
  if (run.reference.empty()) {
    HR_ASSIGN_OR_UNEXPECTED(object["pipeline_spec"], runs.GetSpec(run.id));
  }
  HR_ASSIGN_OR_UNEXPECTED(const auto tasks, runs.Tasks(run.id));
  object["run_details"] = json::object{{"task_details", TaskDetailsJson(tasks)}};
  auto response = net::JsonResponse(object);
  response.compress = true;
  return response;
}

Result<RouteResponse> Create(const KfpParts& parts, RouteRequest& request) {
  HR_ASSIGN_OR_UNEXPECTED(const json::object body, request.JsonBody());
  CreateRunRequest create;
  HR_UNEXPECTED_IF_ERROR(ReadSource(*parts.pipelines, body, &create));
  HR_UNEXPECTED_IF_ERROR(ReadRuntimeConfig(body, &create));
  HR_ASSIGN_OR_UNEXPECTED(create.display_name, RequiredString(body, "display_name"));
  HR_ASSIGN_OR_UNEXPECTED(create.description, StringOr(body, "description"));
  HR_ASSIGN_OR_UNEXPECTED(create.service_account, StringOr(body, "service_account"));
  HR_ASSIGN_OR_UNEXPECTED(std::string experiment,
                          StringOr(body, "experiment_id", request.Query("experiment_id").value_or("")));
  HR_ASSIGN_OR_UNEXPECTED(create.experiment_id, ExperimentOf(*parts.experiments, std::move(experiment)));
  create.in_transaction = [experiments = parts.experiments](Transaction& transaction, const Run& run) {
    return experiments->NoteRun(transaction, run.experiment_id, run.created);
  };
  HR_ASSIGN_OR_UNEXPECTED(const Run run, parts.runs->Create(std::move(create)));
  return Found(*parts.runs, run);
}

Result<RouteResponse> Get(RunService& runs, RouteRequest& request) {
  HR_ASSIGN_OR_UNEXPECTED(const Run run, runs.Get(request.Variable("run_id")));
  return Found(runs, run);
}

Result<RouteResponse> List(RunService& runs, RouteRequest& request) {
  HR_ASSIGN_OR_UNEXPECTED(const ListRequest list, ListRequestOf(request));
  HR_ASSIGN_OR_UNEXPECTED(const auto listed, runs.List(list, request.Query("experiment_id").value_or("")));
  json::array items;
  for (const Run& run : listed.runs) items.push_back(RunJson(run));
  return ListResponse("runs", std::move(items), listed.total, listed.next_page_token);
}

// `task` is a task's id, its path in the run, or its display name if no other task has it.
Result<TaskRecord> FindTask(RunService& runs, const std::string& run_id, const std::string& task) {
  HR_UNEXPECTED_IF_ERROR(runs.Get(run_id));
  HR_ASSIGN_OR_UNEXPECTED(const auto tasks, runs.Tasks(run_id));
  const TaskRecord* named = nullptr;
  for (const auto& candidate : tasks) {
    if (candidate.id == task || (!task.empty() && candidate.path == task)) return candidate;
    if (candidate.display_name != task) continue;
    if (named)
      return std::unexpected(InvalidArgument("several tasks of run {} are called {}; use the task's id or path ({}, …)",
                                             run_id, task, named->path));
    named = &candidate;
  }
  if (!named) return std::unexpected(NotFound("run {} has no task {}", run_id, task));
  return *named;
}

Result<RouteResponse> Log(RunService& runs, RouteRequest& request) {
  HR_ASSIGN_OR_UNEXPECTED(const TaskRecord task, FindTask(runs, request.Variable("run_id"), request.Variable("task")));
  std::error_code ignored;
  if (task.log_file.empty() || !std::filesystem::exists(task.log_file, ignored))
    return std::unexpected(
        NotFound("task {} has no log: it is {}", task.display_name, pipeline::TaskStateName(task.state)));
  RouteResponse response = net::TextResponse("");
  response.file = task.log_file;
  return response;
}

}  // namespace

void AddRunRoutes(const KfpParts& parts, net::Router* router) {
  RunService* runs = parts.runs;
  const std::string all = std::string(kPrefix) + "/runs", one = all + "/{run_id}";
  router->Add("POST", all, [parts](RouteRequest& r) { return Create(parts, r); });
  router->Add("GET", all, [runs](RouteRequest& r) { return List(*runs, r); });
  router->Add("GET", one, [runs](RouteRequest& r) { return Get(*runs, r); });
  router->Add("DELETE", one, [runs](RouteRequest& r) { return EmptyOr(runs->Delete(r.Variable("run_id"))); });
  router->Add("POST", one + ":archive",
              [runs](RouteRequest& r) { return EmptyOr(runs->SetArchived(r.Variable("run_id"), true)); });
  router->Add("POST", one + ":unarchive",
              [runs](RouteRequest& r) { return EmptyOr(runs->SetArchived(r.Variable("run_id"), false)); });
  router->Add("POST", one + ":terminate",
              [runs](RouteRequest& r) { return EmptyOr(runs->Terminate(r.Variable("run_id"))); });
  router->Add("POST", one + ":retry", [runs](RouteRequest& r) { return EmptyOr(runs->Retry(r.Variable("run_id"))); });
  router->Add("GET", one + "/nodes/{task}/log", [runs](RouteRequest& r) { return Log(*runs, r); });
  router->Add("GET", "/api/v1/runs/{run_id}/log/{task=**}", [runs](RouteRequest& r) { return Log(*runs, r); });
}

}  // namespace headrace::kfp
