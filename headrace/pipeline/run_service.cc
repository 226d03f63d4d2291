#include "headrace/pipeline/run_service.h"

#include <algorithm>

#include "headrace/base/files.h"
#include "headrace/base/log.h"
#include "headrace/pipeline/run_driver.h"
#include "headrace/pipeline/task_runner.h"
#include "headrace/pipeline/timers.h"

namespace headrace::pipeline {
namespace {

constexpr size_t kThreads = 8;  // they wait for disks and the database
constexpr size_t kMaxQueued = 1'000'000;

}  // namespace

Status CheckExecutor(const Pipeline& pipeline, const Executor& executor) {
  for (const auto& [name, component] : pipeline.components) {
    const auto* container = std::get_if<Container>(&component.body);
    if (container == nullptr || container->image.find("{{$") != std::string::npos) continue;
    TaskSpec spec;
    spec.image = container->image;
    spec.command = container->command;
    spec.command.insert(spec.command.end(), container->args.begin(), container->args.end());
    HR_RETURN_IF_ERROR(executor.Accepts(spec).WithContext("component " + name));
  }
  return OkStatus();
}

RunService::RunService(RunServiceOptions options)
    : options_(std::move(options)),
      timers_(std::make_unique<Timers>()),
      pool_(std::make_unique<ThreadPool>("pipeline", kThreads, kMaxQueued)) {}

Result<std::unique_ptr<RunService>> RunService::Open(RunServiceOptions options) {
  std::unique_ptr<RunService> out(new RunService(std::move(options)));
  HR_ASSIGN_OR_UNEXPECTED(out->store_, RunStore::Open(out->options_.database));
  out->runner_ = std::make_unique<TaskRunner>(out->store_.get(), out->options_.lineage, out->options_.artifacts,
                                              out->options_.logs, out->options_.clock);
  return out;
}

RunService::~RunService() {
  std::vector<std::shared_ptr<RunDriver>> drivers;
  {
    const MutexLock lock(mutex_);
    for (const auto& [id, driver] : drivers_) drivers.push_back(driver);
  }
  for (const auto& driver : drivers) driver->Suspend();
  timers_.reset();
  // What was submitted to the executor comes back on the pool.
  for (const auto& driver : drivers)
    while (driver->busy()) options_.clock->Sleep(std::chrono::milliseconds(2));
  pool_->Shutdown();
}

Result<size_t> RunService::Resume() {
  HR_ASSIGN_OR_UNEXPECTED(const std::vector<Run> runs, store_->Unfinished());
  for (const auto& run : runs) {
    HR_LOG(info, "continuing run {} of {}", run.id, run.pipeline);
    Status status;
    auto spec = store_->GetSpec(run.id);
    auto pipeline = spec ? ParsePipeline(*spec) : std::unexpected(spec.error());
    status = pipeline ? StartDriver(run, *pipeline) : pipeline.error();
    if (status.ok()) continue;
    Run failed = run;
    failed.state = RunState::kFailed;
    failed.error = "could not be continued: " + status.message();
    failed.finished = options_.clock->Now();
    failed.history.push_back({*failed.finished, failed.state});
    const auto save = [&](Transaction& transaction) { return store_->UpdateState(transaction, failed); };
    HR_UNEXPECTED_IF_ERROR(options_.database->Transact(save));
  }
  return runs.size();
}

Result<Run> RunService::Create(CreateRunRequest request) {
  HR_ASSIGN_OR_UNEXPECTED(const auto pipeline, ParsePipeline(request.spec));
  HR_UNEXPECTED_IF_ERROR(CheckExecutor(*pipeline, *options_.executor));
  HR_UNEXPECTED_IF_ERROR(Scheduler::Create(pipeline, request.parameters, {}));
  Run run;
  run.id = NewUuid();
  run.pipeline = pipeline->name;
  run.created = options_.clock->Now();
  run.scheduled = request.scheduled.value_or(run.created);
  run.display_name = request.display_name;
  if (run.display_name.empty()) run.display_name = pipeline->name + " " + FormatTime(run.created).substr(0, 19);
  run.description = request.description;
  run.experiment_id = request.experiment_id;
  run.service_account = request.service_account;
  run.reference = request.reference;
  run.parameters = request.parameters;
  run.pipeline_root = request.pipeline_root;
  run.use_cache = request.use_cache;
  run.history = {{run.created, RunState::kPending}};
  const auto insert = [&](Transaction& transaction) -> Status {
    if (request.in_transaction) HR_RETURN_IF_ERROR(request.in_transaction(transaction, run));
    return store_->Insert(transaction, &run, request.spec);
  };
  HR_UNEXPECTED_IF_ERROR(options_.database->Transact(insert));
  HR_UNEXPECTED_IF_ERROR(StartDriver(run, pipeline));
  return run;
}

Status RunService::StartDriver(const Run& run, std::shared_ptr<const Pipeline> pipeline) {
  HR_ASSIGN_OR_RETURN(auto stored, store_->Tasks(run));
  auto driver = std::make_shared<RunDriver>(this, run, std::move(pipeline));
  {
    const MutexLock lock(mutex_);
    if (!drivers_.emplace(run.id, driver).second) return FailedPrecondition("run {} is running", run.id);
  }
  const Status status = driver->Begin(std::move(stored));
  if (!status.ok()) Ended(run.id);
  return status;
}

void RunService::Ended(const std::string& id) {
  const MutexLock lock(mutex_);
  drivers_.erase(id);
  ended_.NotifyAll();
}

std::shared_ptr<RunDriver> RunService::FindDriver(const std::string& id) {
  const MutexLock lock(mutex_);
  const auto found = drivers_.find(id);
  return found == drivers_.end() ? nullptr : found->second;
}

Result<Run> RunService::Get(const std::string& id) { return store_->Get(id); }

Result<ListedRuns> RunService::List(const ListRequest& request, const std::string& experiment_id) {
  return store_->List(request, experiment_id);
}

Result<json::value> RunService::GetSpec(const std::string& id) { return store_->GetSpec(id); }

Result<std::vector<TaskRecord>> RunService::Tasks(const std::string& id) {
  HR_ASSIGN_OR_UNEXPECTED(const Run run, store_->Get(id));
  HR_ASSIGN_OR_UNEXPECTED(auto tasks, store_->Tasks(run));
  std::vector<TaskRecord> out;
  out.reserve(tasks.size());
  for (auto& [path, task] : tasks) out.push_back(std::move(task));
  std::ranges::sort(out, {}, &TaskRecord::key);
  return out;
}

Status RunService::Terminate(const std::string& id) {
  HR_RETURN_IF_ERROR(store_->Get(id));
  if (const auto driver = FindDriver(id)) driver->Terminate();
  return OkStatus();
}

Result<Run> RunService::GetRetryable(const std::string& id) {
  for (;;) {
    HR_ASSIGN_OR_UNEXPECTED(Run run, store_->Get(id));
    if (run.state != RunState::kFailed && run.state != RunState::kCanceled)
      return std::unexpected(FailedPrecondition(
          "run {} is {}; only a run that has FAILED or been CANCELED can be retried", id, RunStateName(run.state)));
    MutexLock lock(mutex_);
    if (!drivers_.contains(id)) return run;
    ended_.WaitUntil(mutex_, std::chrono::steady_clock::now() + std::chrono::milliseconds(10));
  }
}

Status RunService::Retry(const std::string& id) {
  HR_ASSIGN_OR_RETURN(Run run, GetRetryable(id));
  HR_ASSIGN_OR_RETURN(const json::value spec, store_->GetSpec(id));
  HR_ASSIGN_OR_RETURN(const auto pipeline, ParsePipeline(spec));
  run.state = RunState::kRunning;
  run.error.clear();
  run.finished.reset();
  run.history.push_back({options_.clock->Now(), run.state});
  const auto restart = [&](Transaction& transaction) -> Status {
    HR_RETURN_IF_ERROR(store_->ForgetUnsuccessful(transaction, run));
    return store_->UpdateState(transaction, run);
  };
  HR_RETURN_IF_ERROR(options_.database->Transact(restart));
  return StartDriver(run, pipeline);
}

Status RunService::SetArchived(const std::string& id, bool archived) { return store_->SetArchived(id, archived); }

Status RunService::Delete(const std::string& id) {
  HR_RETURN_IF_ERROR(Terminate(id));
  HR_RETURN_IF_ERROR(Wait(id));
  return store_->Delete(id);
}

Result<Run> RunService::Wait(const std::string& id) {
  {
    const MutexLock lock(mutex_);
    while (drivers_.contains(id)) ended_.Wait(mutex_);
  }
  return store_->Get(id);
}

}  // namespace headrace::pipeline
