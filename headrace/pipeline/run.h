// Runs and their tasks as they are stored and shown.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/base/clock.h"
#include "headrace/base/json.h"
#include "headrace/base/status.h"
#include "headrace/pipeline/scheduler.h"
#include "headrace/pipeline/task_io.h"

namespace headrace::pipeline {

// KFP's names (v2beta1 RuntimeState).
enum class RunState { kPending, kRunning, kSucceeded, kFailed, kCanceling, kCanceled };
std::string_view RunStateName(RunState state);  // "PENDING" …
Result<RunState> ParseRunState(std::string_view name);
inline bool IsFinal(RunState state) {
  return state == RunState::kSucceeded || state == RunState::kFailed || state == RunState::kCanceled;
}

struct RunStateChange {
  TimePoint time;
  RunState state = RunState::kPending;
};

struct Run {
  int64_t key = 0;       // in the database
  std::string id;        // a UUID
  std::string pipeline;  // its name, the cache's scope
  std::string display_name;
  std::string description;
  std::string experiment_id;
  std::string service_account;
  json::object reference;   // to an uploaded version, as the caller gave it; may be empty
  json::object parameters;  // as given
  std::string pipeline_root;
  bool use_cache = true;
  bool archived = false;
  RunState state = RunState::kPending;
  std::string error;  // why it failed
  TimePoint created;
  TimePoint scheduled;
  std::optional<TimePoint> finished;
  std::vector<RunStateChange> history;
};

struct TaskRecord {
  int64_t key = 0;
  std::string id;  // a UUID, the same through retries and restarts
  std::string run_id;
  std::string path;         // unique in the run: "exit-handler-1/for-loop-2/0/train"; empty for the root
  std::string parent_path;  // of the enclosing DAG or loop
  std::string name;         // the key in its DAG; the index for an iteration
  std::string display_name;
  TaskKind kind = TaskKind::kContainer;
  TaskState state = TaskState::kPending;
  std::string message;
  int tries = 0;
  TaskInputs inputs;
  TaskOutputs outputs;
  std::string folder;    // of the latest try
  std::string log_file;  // empty when it never ran
  int64_t execution_id = 0;
  std::string cache_key;
  std::optional<TimePoint> started;
  std::optional<TimePoint> finished;
};

}  // namespace headrace::pipeline
