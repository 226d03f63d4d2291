// Runs pipelines: takes them in, drives their tasks to an end through an Executor, survives restarts, answers what the
// REST API and the command line ask.
#pragma once
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "headrace/base/clock.h"
#include "headrace/base/mutex.h"
#include "headrace/base/thread_pool.h"
#include "headrace/core/database.h"
#include "headrace/core/executor.h"
#include "headrace/core/lineage.h"
#include "headrace/pipeline/run.h"
#include "headrace/pipeline/run_store.h"
#include "headrace/pipeline/single_flight.h"

namespace headrace::pipeline {

class RunDriver;
class TaskRunner;
class Timers;

// Whether `executor` runs what the pipeline's containers ask for; kUnimplemented names the component.
Status CheckExecutor(const Pipeline& pipeline, const Executor& executor);

struct CreateRunRequest {
  json::value spec;  // what ReadPipelineFile gave: a bare spec or {"pipeline_spec": …, "platform_spec": …}
  json::object parameters;
  std::string display_name;  // empty: the pipeline's name and a time
  std::string description;
  std::string experiment_id;
  std::string service_account;
  json::object reference;     // kept and shown
  std::string pipeline_root;  // kept and shown; artifacts lie in the service's folder
  bool use_cache = true;
  std::optional<TimePoint> scheduled;  // when it was due; empty: now
  // Runs in the transaction that stores the run (ExperimentStore::NoteRun); may be empty.
  std::function<Status(Transaction& transaction, const Run& run)> in_transaction;
};

// Something that happened in a run; `task` is null when it is the run itself.
struct RunEvent {
  const Run& run;
  const TaskRecord* task = nullptr;
  std::string_view line;  // what a task is busy with ("building the Python 3.11 environment …"); empty: a state changed
};

struct RunServiceOptions {
  Database* database = nullptr;  // these three outlive the service
  LineageRecorder* lineage = nullptr;
  Executor* executor = nullptr;
  std::filesystem::path artifacts;  // <pipeline>/<run id>/<task>/<uuid>/<output>
  std::filesystem::path logs;       // <run id>/<task>.log
  Clock* clock = Clock::Real();
  // Called for each event of each run, in the order of the run's events, from threads of the service. Must be quick and
  // must not call the service. May be empty.
  std::function<void(const RunEvent&)> listener;
};

// Thread-safe.
class RunService {
 public:
  static Result<std::unique_ptr<RunService>> Open(RunServiceOptions options);
  // What runs is stopped and goes on at the next Resume.
  ~RunService();

  // Continues the runs that a former process left unfinished; their number. Finished tasks are not repeated; a task
  // that was running starts again in a new folder. Call once, before Create.
  Result<size_t> Resume();

  // Checks everything, stores the run (it is durable when this returns) and starts it. kInvalidArgument names the
  // component, task and field; kUnimplemented what Headrace or the executor does not have.
  Result<Run> Create(CreateRunRequest request);
  Result<Run> Get(const std::string& id);  // kNotFound, as below
  Result<ListedRuns> List(const ListRequest& request, const std::string& experiment_id = "");
  Result<json::value> GetSpec(const std::string& id);
  // In the order in which they came to be; the root first.
  Result<std::vector<TaskRecord>> Tasks(const std::string& id);

  // Starts nothing more, stops what runs; the run is CANCELED when that has ended. OK for a run that has ended.
  Status Terminate(const std::string& id);
  // Runs again what did not succeed. kFailedPrecondition for a run that has not failed or been canceled.
  Status Retry(const std::string& id);
  Status SetArchived(const std::string& id, bool archived);
  // Stops it first. Its artifacts stay: others may have been made from them.
  Status Delete(const std::string& id);

  // Blocks until the run has ended; its final state.
  Result<Run> Wait(const std::string& id);

 private:
  explicit RunService(RunServiceOptions options);
  friend class RunDriver;

  Status StartDriver(const Run& run, std::shared_ptr<const Pipeline> pipeline);
  // Called by a driver when its run has ended.
  void Ended(const std::string& id);
  // The run, once the driver that has just ended it is gone.
  Result<Run> GetRetryable(const std::string& id);
  std::shared_ptr<RunDriver> FindDriver(const std::string& id);

  const RunServiceOptions options_;
  std::unique_ptr<RunStore> store_;
  std::unique_ptr<TaskRunner> runner_;
  std::unique_ptr<Timers> timers_;

  SingleFlight in_flight_;  // tasks that may be cached, by pipeline and cache key

  Mutex mutex_;
  CondVar ended_;
  std::map<std::string, std::shared_ptr<RunDriver>> drivers_ HR_GUARDED_BY(mutex_);
  std::unique_ptr<ThreadPool> pool_;  // last: its threads use the above
};

}  // namespace headrace::pipeline
