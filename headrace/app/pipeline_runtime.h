// What runs pipelines on one data folder: the database, the record, the executor of local processes and the service
// that drives them. `headrace up` and `headrace run` are built on it.
#pragma once
#include <functional>
#include <memory>

#include "headrace/app/data_dir.h"
#include "headrace/backends/process/process_executor.h"
#include "headrace/base/status.h"
#include "headrace/core/database.h"
#include "headrace/metadata/experiment_store.h"
#include "headrace/metadata/lineage_store.h"
#include "headrace/metadata/pipeline_store.h"
#include "headrace/pipeline/recurring_runs.h"
#include "headrace/pipeline/run_service.h"

namespace headrace::app {

struct PipelineRuntimeOptions {
  std::function<void(const pipeline::RunEvent&)> listener;  // RunServiceOptions::listener; may be empty
  size_t max_parallel = 0;                                  // tasks at once; 0: as many as there are cores
};

// Thread-safe, as its parts are. Destroyed, it stops what runs; that goes on when the folder is opened again.
class PipelineRuntime {
 public:
  // Holds the folder's lock: kFailedPrecondition, with the process that has it, when another one runs on it.
  static Result<std::unique_ptr<PipelineRuntime>> Open(const DataDir& data_dir, PipelineRuntimeOptions options);

  Database& database() { return *database_; }
  metadata::LineageStore& lineage() { return *lineage_; }
  metadata::ExperimentStore& experiments() { return *experiments_; }
  metadata::PipelineStore& pipelines() { return *pipelines_; }
  pipeline::RunService& runs() { return *runs_; }
  // Makes no runs before its Start is called.
  pipeline::RecurringRuns& recurring() { return *recurring_; }

 private:
  PipelineRuntime() = default;
  // A run of `recurring`, in its experiment.
  Status MakeRun(const pipeline::RecurringRun& recurring, TimePoint scheduled,
                 pipeline::RecurringRunsOptions::InTransaction in_transaction);

  // In the order in which they need each other.
  std::unique_ptr<DataDirLock> lock_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<metadata::LineageStore> lineage_;
  std::unique_ptr<metadata::ExperimentStore> experiments_;
  std::unique_ptr<metadata::PipelineStore> pipelines_;
  std::unique_ptr<process::ProcessExecutor> executor_;
  std::unique_ptr<pipeline::RunService> runs_;
  std::unique_ptr<pipeline::RecurringRuns> recurring_;
};

}  // namespace headrace::app
