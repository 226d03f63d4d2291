// RunService, and the logs of tasks.
#include "headrace/protocols/kfp/list_query.h"
#include "headrace/protocols/kfp/routes.h"
#include "headrace/protocols/kfp/run_json.h"
#include "headrace/protocols/kfp/run_request.h"

namespace headrace::kfp {
namespace {

using net::RouteRequest;
using net::RouteResponse;
using pipeline::CreateRunRequest;
using pipeline::Run;
using pipeline::RunService;
using pipeline::TaskRecord;

Result<json::object> WithMaker(const KfpParts& parts, const Run& run) {
  json::object object = RunJson(run);
  HR_ASSIGN_OR_UNEXPECTED(const std::string maker, parts.recurring->MakerOf(run.id));
  SetUnlessEmpty(object, "recurring_run_id", maker);
  return object;
}

// A single run, with its specification and its tasks.
Result<RouteResponse> Found(const KfpParts& parts, const Run& run) {
  HR_ASSIGN_OR_UNEXPECTED(json::object object, WithMaker(parts, run));
  if (run.reference.empty()) {
    HR_ASSIGN_OR_UNEXPECTED(object["pipeline_spec"], parts.runs->GetSpec(run.id));
  }
  HR_ASSIGN_OR_UNEXPECTED(const auto tasks, parts.runs->Tasks(run.id));
  object["run_details"] = json::object{{"task_details", TaskDetailsJson(tasks)}};
  auto response = net::JsonResponse(object);
  response.compress = true;
  return response;
}

Result<RouteResponse> Create(const KfpParts& parts, RouteRequest& request) {
  HR_ASSIGN_OR_UNEXPECTED(const json::object body, request.JsonBody());
  HR_ASSIGN_OR_UNEXPECTED(RunTemplate run, ReadRunTemplate(parts, request, body));
  CreateRunRequest create;
  if (run.reference.empty()) {
    create.spec = std::move(run.spec);
  } else {
    HR_ASSIGN_OR_UNEXPECTED(create.spec, FindSpec(*parts.pipelines, &run.reference));
  }
  create.display_name = std::move(run.display_name);
  create.description = std::move(run.description);
  create.experiment_id = std::move(run.experiment_id);
  create.service_account = std::move(run.service_account);
  create.reference = std::move(run.reference);
  create.parameters = std::move(run.parameters);
  create.pipeline_root = std::move(run.pipeline_root);
  create.in_transaction = [experiments = parts.experiments](Transaction& transaction, const Run& made) {
    return experiments->NoteRun(transaction, made.experiment_id, made.created);
  };
  HR_ASSIGN_OR_UNEXPECTED(const Run made, parts.runs->Create(std::move(create)));
  return Found(parts, made);
}

Result<RouteResponse> Get(const KfpParts& parts, RouteRequest& request) {
  HR_ASSIGN_OR_UNEXPECTED(const Run run, parts.runs->Get(request.Variable("run_id")));
  return Found(parts, run);
}

Result<RouteResponse> List(const KfpParts& parts, RouteRequest& request) {
  HR_ASSIGN_OR_UNEXPECTED(const ListRequest list, ListRequestOf(request));
  HR_ASSIGN_OR_UNEXPECTED(const auto listed, parts.runs->List(list, request.Query("experiment_id").value_or("")));
  json::array items;
  for (const Run& run : listed.runs) {
    HR_ASSIGN_OR_UNEXPECTED(json::object item, WithMaker(parts, run));
    items.push_back(std::move(item));
  }
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
  router->Add("GET", all, [parts](RouteRequest& r) { return List(parts, r); });
  router->Add("GET", one, [parts](RouteRequest& r) { return Get(parts, r); });
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
