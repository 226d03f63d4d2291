#include "headrace/app/pipeline_runtime.h"

#include <functional>

#include "headrace/backends/sqlite/sqlite_database.h"
#include "headrace/protocols/kfp/run_request.h"

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

  pipeline::RecurringRunsOptions recurring;
  recurring.database = database;
  recurring.make_run = std::bind_front(&PipelineRuntime::MakeRun, runtime.get());
  recurring.is_unfinished = [service = runtime->runs_.get()](const std::string& id) {
    const auto run = service->Get(id);
    return run && !pipeline::IsFinal(run->state);
  };
  HR_ASSIGN_OR_UNEXPECTED(runtime->recurring_, pipeline::RecurringRuns::Open(std::move(recurring)));
  return runtime;
}

Status PipelineRuntime::MakeRun(const pipeline::RecurringRun& recurring, TimePoint scheduled,
                                pipeline::RecurringRunsOptions::InTransaction in_transaction) {
  pipeline::CreateRunRequest request;
  request.spec = recurring.spec;
  request.reference = recurring.reference;
  if (!request.reference.empty()) {
    HR_ASSIGN_OR_RETURN(request.spec, kfp::FindSpec(*pipelines_, &request.reference));
  }
  request.parameters = recurring.parameters;
  request.display_name = recurring.display_name + " " + FormatTime(scheduled).substr(0, 19) + "Z";
  request.description = recurring.description;
  request.experiment_id = recurring.experiment_id;
  request.service_account = recurring.service_account;
  request.pipeline_root = recurring.pipeline_root;
  request.scheduled = scheduled;
  request.in_transaction = [&](Transaction& transaction, const pipeline::Run& run) -> Status {
    HR_RETURN_IF_ERROR(experiments_->NoteRun(transaction, run.experiment_id, run.created));
    return in_transaction(transaction, run.id);
  };
  return internal::AsStatus(runs_->Create(std::move(request)));
}

}  // namespace headrace::app
