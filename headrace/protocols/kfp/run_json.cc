#include "headrace/protocols/kfp/run_json.h"

#include <map>

#include "headrace/protocols/kfp/routes.h"
#include "headrace/protocols/kfp/run_request.h"

namespace headrace::kfp {
namespace {

using pipeline::Run;
using pipeline::RunState;
using pipeline::TaskRecord;
using pipeline::TaskState;

std::string_view RuntimeState(TaskState state) {
  switch (state) {
    case TaskState::kPending: return "PENDING";
    case TaskState::kRunning: return "RUNNING";
    case TaskState::kSucceeded: return "SUCCEEDED";
    case TaskState::kCached:
    case TaskState::kSkipped: return "SKIPPED";
    case TaskState::kFailed: return "FAILED";
    case TaskState::kCancelled: return "CANCELED";
  }
  return "RUNTIME_STATE_UNSPECIFIED";
}

// google.rpc.Status. What fails in a run is the user's code as far as anybody knows: UNKNOWN.
json::object ErrorJson(const std::string& message) {
  return {{"code", static_cast<int>(Code::kUnknown)}, {"message", message}};
}

json::object ArtifactsJson(const std::map<std::string, std::vector<pipeline::ArtifactValue>>& artifacts) {
  json::object object;
  for (const auto& [name, values] : artifacts) {
    json::array ids;
    for (const auto& value : values)
      if (value.id != 0) ids.push_back(json::value(std::to_string(value.id)));
    object[name] = json::object{{"artifact_ids", std::move(ids)}};
  }
  return object;
}

json::object TaskJson(const TaskRecord& task) {
  json::object object = {{"run_id", task.run_id}, {"task_id", task.id}, {"state", RuntimeState(task.state)}};
  SetUnlessEmpty(object, "display_name", task.path.empty() ? "" : task.display_name);
  if (task.started) {
    object["create_time"] = FormatTime(*task.started);
    object["start_time"] = FormatTime(*task.started);
  }
  if (task.finished) object["end_time"] = FormatTime(*task.finished);
  if (task.state == TaskState::kCached) object["cached"] = true;
  if (task.execution_id != 0) object["execution_id"] = std::to_string(task.execution_id);
  if (task.state == TaskState::kFailed) object["error"] = ErrorJson(task.message);
  if (!task.inputs.artifacts.empty()) object["inputs"] = ArtifactsJson(task.inputs.artifacts);
  if (!task.outputs.artifacts.empty()) object["outputs"] = ArtifactsJson(task.outputs.artifacts);
  json::array history;
  if (task.started) history.push_back(json::object{{"update_time", FormatTime(*task.started)}, {"state", "RUNNING"}});
  if (task.finished)
    history.push_back(json::object{{"update_time", FormatTime(*task.finished)}, {"state", RuntimeState(task.state)}});
  if (!history.empty()) object["state_history"] = std::move(history);
  return object;
}

}  // namespace

json::object RunJson(const Run& run) {
  json::object object = {
      {"experiment_id", run.experiment_id},    {"run_id", run.id},
      {"display_name", run.display_name},      {"storage_state", run.archived ? "ARCHIVED" : "AVAILABLE"},
      {"created_at", FormatTime(run.created)}, {"scheduled_at", FormatTime(run.scheduled)},
      {"state", RunStateName(run.state)}};
  SetUnlessEmpty(object, "description", run.description);
  SetUnlessEmpty(object, "service_account", run.service_account);
  if (!run.reference.empty()) object["pipeline_version_reference"] = run.reference;
  object["runtime_config"] = RuntimeConfigJson(run.parameters, run.pipeline_root);
  if (run.finished) object["finished_at"] = FormatTime(*run.finished);
  if (!run.error.empty()) object["error"] = ErrorJson(run.error);
  json::array history;
  for (const auto& change : run.history) {
    json::object entry = {{"update_time", FormatTime(change.time)}, {"state", RunStateName(change.state)}};
    if (change.state == RunState::kFailed && !run.error.empty()) entry["error"] = ErrorJson(run.error);
    history.push_back(std::move(entry));
  }
  if (!history.empty()) object["state_history"] = std::move(history);
  return object;
}

json::array TaskDetailsJson(const std::vector<TaskRecord>& tasks) {
  std::map<std::string, std::string> ids;  // by path
  std::map<std::string, json::array> children;
  for (const auto& task : tasks) {
    ids[task.path] = task.id;
    if (!task.path.empty()) children[task.parent_path].push_back(json::object{{"task_id", task.id}});
  }
  json::array details;
  for (const auto& task : tasks) {
    json::object object = TaskJson(task);
    if (const auto parent = ids.find(task.parent_path); !task.path.empty() && parent != ids.end())
      object["parent_task_id"] = parent->second;
    if (const auto found = children.find(task.path); found != children.end()) object["child_tasks"] = found->second;
    details.push_back(std::move(object));
  }
  return details;
}

}  // namespace headrace::kfp
