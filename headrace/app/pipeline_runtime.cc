#include "headrace/app/pipeline_runtime.h"

#include "headrace/backends/sqlite/sqlite_database.h"

namespace headrace::app {

Result<std::unique_ptr<PipelineRuntime>> PipelineRuntime::Open(const DataDir& data_dir,
                                                               PipelineRuntimeOptions options) {
  std::unique_ptr<PipelineRuntime> runtime(new PipelineRuntime);
  HR_ASSIGN_OR_UNEXPECTED(runtime->lock_, DataDirLock::Acquire(data_dir));
  HR_ASSIGN_OR_UNEXPECTED(runtime->database_, sqlite::OpenSqliteDatabase(data_dir.database()));
  Database* database = runtime->database_.get();
  HR_ASSIGN_OR_UNEXPECTED(runtime->lineage_, metadata::LineageStore::Open(database));
  HR_ASSIGN_OR_UNEXPECTED(runtime->experiments_, metadata::ExperimentStore::Open(database, Clock::Real()));
  HR_ASSIGN_OR_UNEXPECTED(runtime->pipelines_, metadata::PipelineStore::Open(database, Clock::Real()));

  process::ProcessExecutorOptions executor;
  executor.environments = data_dir.environments();
  executor.environment = {{"HEADRACE_DATA_DIR", data_dir.root.string()},
                          {"HEADRACE_MODELS_DIR", data_dir.models().string()}};
  executor.max_parallel = options.max_parallel;
  runtime->executor_ = std::make_unique<process::ProcessExecutor>(std::move(executor));

  pipeline::RunServiceOptions runs;
  runs.database = database;
  runs.lineage = runtime->lineage_.get();
  runs.executor = runtime->executor_.get();
  runs.artifacts = data_dir.artifacts();
  runs.logs = data_dir.logs();
  runs.listener = std::move(options.listener);
  HR_ASSIGN_OR_UNEXPECTED(runtime->runs_, pipeline::RunService::Open(std::move(runs)));
  return runtime;
}

}  // namespace headrace::app
