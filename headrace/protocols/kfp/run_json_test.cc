#include "headrace/protocols/kfp/run_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace headrace::kfp {
namespace {

using pipeline::RunState;
using pipeline::TaskRecord;
using pipeline::TaskState;

constexpr int64_t kSecond = 1'000'000;
const TimePoint kCreated = FromMicros(1'700'000'000 * kSecond);

pipeline::Run MakeRun() {
  pipeline::Run run;
  run.id = "r";
  run.experiment_id = "e";
  run.display_name = "first";
  run.created = run.scheduled = kCreated;
  run.history = {{kCreated, RunState::kPending}};
  return run;
}

TaskRecord MakeTask(const std::string& path, TaskState state) {
  TaskRecord task;
  task.id = path.empty() ? "root-id" : path + "-id";
  task.run_id = "r";
  task.path = path;
  const auto slash = path.rfind('/');
  task.parent_path = slash == path.npos ? "" : path.substr(0, slash);
  task.display_name = path.empty() ? "flights" : path.substr(slash + 1);
  task.state = state;
  return task;
}

TEST(RunJson, LeavesOutWhatIsUnset) {
  EXPECT_EQ(CanonicalJson(RunJson(MakeRun())),
            R"({"created_at":"2023-11-14T22:13:20.000000Z","display_name":"first","experiment_id":"e","run_id":"r",)"
            R"("runtime_config":{},"scheduled_at":"2023-11-14T22:13:20.000000Z","state":"PENDING",)"
            R"("state_history":[{"state":"PENDING","update_time":"2023-11-14T22:13:20.000000Z"}],)"
            R"("storage_state":"AVAILABLE"})");
}

TEST(RunJson, AFailureIsInTheRunAndItsHistory) {
  pipeline::Run run = MakeRun();
  run.state = RunState::kFailed;
  run.error = "task a: exit code 1";
  run.archived = true;
  run.parameters = {{"rate", 5.0}, {"n", 3}};
  run.finished = kCreated + std::chrono::seconds(2);
  run.history.push_back({*run.finished, RunState::kFailed});
  const json::object object = RunJson(run);
  EXPECT_EQ(object.at("state"), "FAILED");
  EXPECT_EQ(object.at("storage_state"), "ARCHIVED");
  EXPECT_EQ(object.at("error").at("message"), "task a: exit code 1");
  EXPECT_EQ(object.at("state_history").at(1).at("error"), object.at("error"));
  EXPECT_EQ(object.at("finished_at"), "2023-11-14T22:13:22.000000Z");
  EXPECT_EQ(CanonicalJson(object.at("runtime_config")), R"({"parameters":{"n":3,"rate":5.0}})");
}

TEST(TaskDetailsJson, KnowsParentsChildrenAndStates) {
  const std::vector<std::pair<TaskState, std::string>> states = {
      {TaskState::kPending, "PENDING"},   {TaskState::kRunning, "RUNNING"}, {TaskState::kSucceeded, "SUCCEEDED"},
      {TaskState::kCached, "SKIPPED"},    {TaskState::kFailed, "FAILED"},   {TaskState::kSkipped, "SKIPPED"},
      {TaskState::kCancelled, "CANCELED"}};
  std::vector<TaskRecord> tasks = {MakeTask("", TaskState::kRunning), MakeTask("loop", TaskState::kRunning)};
  for (const auto& [state, name] : states) tasks.push_back(MakeTask("loop/" + name, state));
  tasks[2].message = "not shown";
  tasks[6].message = "exit code 1";
  const json::array details = TaskDetailsJson(tasks);
  ASSERT_EQ(details.size(), tasks.size());
  EXPECT_FALSE(details[0].as_object().contains("display_name"));
  EXPECT_FALSE(details[0].as_object().contains("parent_task_id"));
  EXPECT_EQ(CanonicalJson(details[0].at("child_tasks")), R"([{"task_id":"loop-id"}])");
  EXPECT_EQ(details[1].at("parent_task_id"), "root-id");
  EXPECT_EQ(details[1].at("child_tasks").as_array().size(), states.size());
  for (size_t i = 0; i < states.size(); i++) {
    EXPECT_EQ(std::string_view(details[i + 2].at("state").as_string()), states[i].second);
    EXPECT_EQ(details[i + 2].at("parent_task_id"), "loop-id");
    EXPECT_EQ(details[i + 2].as_object().contains("cached"), states[i].first == TaskState::kCached);
    EXPECT_EQ(details[i + 2].as_object().contains("error"), states[i].first == TaskState::kFailed);
  }
  EXPECT_EQ(details[6].at("error").at("message"), "exit code 1");
}

TEST(TaskDetailsJson, NamesArtifactsByTheirIdsInTheRecord) {
  TaskRecord task = MakeTask("train", TaskState::kSucceeded);
  pipeline::ArtifactValue recorded, unrecorded;
  recorded.id = 41;
  task.inputs.artifacts["examples"] = {recorded};
  task.outputs.artifacts["model"] = {recorded, unrecorded};
  task.execution_id = 7;
  const json::array details = TaskDetailsJson({task});
  EXPECT_EQ(CanonicalJson(details[0].at("inputs")), R"({"examples":{"artifact_ids":["41"]}})");
  EXPECT_EQ(CanonicalJson(details[0].at("outputs")), R"({"model":{"artifact_ids":["41"]}})");
  EXPECT_EQ(details[0].at("execution_id"), "7");
}

}  // namespace
}  // namespace headrace::kfp
