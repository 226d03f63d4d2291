#include "headrace/pipeline/run_driver.h"

#include <utility>

#include "headrace/base/log.h"

namespace headrace::pipeline {
namespace {

std::map<std::string, std::string> FactsOf(const Run& run) {
  return {{"pipeline_job_name", run.display_name},
          {"pipeline_job_resource_name", run.pipeline + "-" + run.id.substr(0, 8)},
          {"pipeline_job_uuid", run.id},
          {"pipeline_job_create_time_utc", FormatTime(run.created)},
          {"pipeline_job_schedule_time_utc", FormatTime(run.scheduled)},
          {"pipeline_root", run.pipeline_root}};
}

std::string ParentPath(const Scheduler& scheduler, const TaskNode& node) {
  return node.parent < 0 ? "" : scheduler.node(node.parent).path;
}

bool IsLeaf(const TaskNode& node) { return node.kind == TaskKind::kContainer || node.kind == TaskKind::kImporter; }

}  // namespace

RunDriver::RunDriver(RunService* service, Run run, std::shared_ptr<const Pipeline> pipeline)
    : service_(service), pipeline_(std::move(pipeline)), run_(run), fixed_(std::move(run)), facts_(FactsOf(fixed_)) {}

Status RunDriver::Begin(std::map<std::string, TaskRecord> stored) {
  const MutexLock lock(mutex_);
  HR_ASSIGN_OR_RETURN(scheduler_, Scheduler::Create(pipeline_, run_.parameters, facts_));
  records_ = stored;
  replayed_ = std::move(stored);
  if (run_.state == RunState::kPending) {
    SetRunState(RunState::kRunning);
    SaveRun();
  }
  Notify(nullptr);
  Apply(scheduler_->Start());
  if (run_.state == RunState::kCanceling) CancelTasks();
  return OkStatus();
}

void RunDriver::Terminate() {
  const MutexLock lock(mutex_);
  if (IsFinal(run_.state) || suspended_) return;
  if (run_.state != RunState::kCanceling) {
    SetRunState(RunState::kCanceling);
    SaveRun();
    Notify(nullptr);
  }
  CancelTasks();
}

void RunDriver::CancelTasks() {
  Apply(scheduler_->Cancel());
  // DAGs that wait to be tried again: nothing of them runs that could be cancelled.
  for (const int node : std::exchange(waiting_retry_, {})) Apply(scheduler_->RetryDue(node));
}

void RunDriver::Suspend() {
  const MutexLock lock(mutex_);
  suspended_ = true;
  for (auto& [node, launched] : launched_) {
    Cancel(&launched);
  }
}

void RunDriver::Cancel(Launched* launched) {
  launched->cancelled = true;
  if (launched->waiter != nullptr) launched->waiter->Wake();
  if (!launched->executor_id.empty()) service_->options_.executor->Cancel(launched->executor_id);
}

bool RunDriver::busy() const {
  const MutexLock lock(mutex_);
  return !launched_.empty();
}

void RunDriver::Apply(std::vector<Action> actions) {
  std::deque<Action> work(actions.begin(), actions.end());
  while (!work.empty()) {
    const Action action = work.front();
    work.pop_front();
    Do(action, &work);
  }
  SaveChanged();
  if (scheduler_->done()) FinishRun();
}

void RunDriver::Do(const Action& action, std::deque<Action>* more) {
  if (suspended_) return;
  const int node = action.node;
  switch (action.kind) {
    case Action::Kind::kLaunch: {
      if (Replay(node, more)) return;
      launched_[node] = {};
      LeafTry leaf;
      const TaskNode& task = scheduler_->node(node);
      leaf.pipeline = pipeline_.get();
      leaf.run = &fixed_;
      leaf.component = task.component;
      leaf.task = task.task;
      leaf.facts = facts_;
      leaf.record = RecordOf(task);
      auto self = shared_from_this();
      const Status status = service_->pool_->Submit(
          [self, node, leaf = std::move(leaf)]() mutable { self->Launch(node, std::move(leaf)); });
      if (status.ok()) return;
      launched_.erase(node);
      const auto next = scheduler_->Finished(node, {TaskState::kFailed, {}, status.message()});
      more->insert(more->end(), next.begin(), next.end());
      return;
    }
    case Action::Kind::kRetryLater: {
      waiting_retry_.insert(node);
      const TaskNode& task = scheduler_->node(node);
      const TaskRecord record = RecordOf(task);
      Notify(&record, fmt::format("try {} of {} failed: {}; trying again in {:.1f} s", task.tries,
                                  task.task->retry.max_retries + 1, task.message,
                                  std::chrono::duration<double>(action.delay).count()));
      auto self = shared_from_this();
      service_->timers_->After(action.delay, [self, node] {
        const MutexLock lock(self->mutex_);
        if (self->suspended_ || self->waiting_retry_.erase(node) == 0) return;
        self->Apply(self->scheduler_->RetryDue(node));
      });
      return;
    }
    case Action::Kind::kCancel: {
      if (const auto launched = launched_.find(node); launched != launched_.end()) {
        Cancel(&launched->second);
        return;
      }
      waiting_retry_.erase(node);
      const auto next = scheduler_->Finished(node, {TaskState::kCancelled, {}, "the run was cancelled"});
      more->insert(more->end(), next.begin(), next.end());
      return;
    }
  }
}

bool RunDriver::Replay(int node, std::deque<Action>* more) {
  const auto found = replayed_.find(scheduler_->node(node).path);
  if (found == replayed_.end()) return false;
  TaskRecord stored = std::move(found->second);
  replayed_.erase(found);
  if (stored.tries > 0) scheduler_->SetTries(node, stored.tries);
  if (!IsFinal(stored.state) || stored.state == TaskState::kSkipped) return false;
  const auto next = scheduler_->Finished(node, {stored.state, std::move(stored.outputs), std::move(stored.message)});
  more->insert(more->end(), next.begin(), next.end());
  return true;
}

TaskRecord RunDriver::RecordOf(const TaskNode& node) const {
  TaskRecord out;
  if (const auto known = records_.find(node.path); known != records_.end()) out = known->second;
  out.run_id = run_.id;
  out.path = node.path;
  out.parent_path = ParentPath(*scheduler_, node);
  out.name = node.key;
  out.display_name = node.display_name;
  out.kind = node.kind;
  out.state = node.state;
  out.message = node.message;
  out.tries = node.tries;
  out.inputs = node.inputs;
  out.outputs = node.outputs;
  return out;
}

// Leaves that were launched are recorded by their tries; the rest is here.
void RunDriver::SaveChanged() {
  std::vector<TaskRecord> changed;
  const TimePoint now = service_->options_.clock->Now();
  for (const int id : scheduler_->TakeChanged()) {
    const TaskNode& node = scheduler_->node(id);
    const auto known = records_.find(node.path);
    const bool recorded = known != records_.end() && known->second.state == node.state;
    if (IsLeaf(node) && (node.state == TaskState::kRunning || (node.tries > 0 && recorded))) continue;
    TaskRecord record = RecordOf(node);
    if (node.state == TaskState::kRunning && !record.started) record.started = now;
    if (IsFinal(node.state) && !record.finished) record.finished = now;
    changed.push_back(std::move(record));
  }
  if (changed.empty()) return;
  const Status status = service_->store_->database().Transact([&](Transaction& transaction) -> Status {
    for (auto& record : changed) HR_RETURN_IF_ERROR(service_->store_->SaveTask(transaction, run_, &record));
    return OkStatus();
  });
  // What is lost here is derived again from the leaves after a restart.
  if (!status.ok()) HR_LOG(err, "run {}: its tasks could not be saved: {}", run_.id, status.ToString());
  for (auto& record : changed) {
    Notify(&record);
    records_[record.path] = std::move(record);
  }
}

void RunDriver::SetRunState(RunState state) {
  run_.state = state;
  const TimePoint now = service_->options_.clock->Now();
  run_.history.push_back({now, state});
  if (IsFinal(state)) run_.finished = now;
}

void RunDriver::SaveRun() {
  const Status status = service_->store_->database().Transact(
      [&](Transaction& transaction) { return service_->store_->UpdateState(transaction, run_); });
  if (!status.ok()) HR_LOG(err, "run {}: its state could not be saved: {}", run_.id, status.ToString());
}

void RunDriver::FinishRun() {
  if (IsFinal(run_.state)) return;
  const TaskNode& root = scheduler_->root();
  RunState state = RunState::kSucceeded;
  if (root.state == TaskState::kFailed) state = RunState::kFailed;
  if (root.state == TaskState::kCancelled) state = RunState::kCanceled;
  run_.error = root.message;
  for (size_t id = 0; id < scheduler_->size() && state == RunState::kFailed; id++) {
    const TaskNode& node = scheduler_->node(static_cast<int>(id));
    if (node.state != TaskState::kFailed || !node.children.empty()) continue;
    run_.error = fmt::format("task {}: {}", node.path, node.message);
    break;
  }
  SetRunState(state);
  SaveRun();
  Notify(nullptr);
  service_->Ended(run_.id);
}

void RunDriver::Notify(const TaskRecord* task, std::string_view line) {
  if (service_->options_.listener) service_->options_.listener({run_, task, line});
}

void RunDriver::TellProgress(int node, std::string_view line) {
  const MutexLock lock(mutex_);
  const TaskRecord record = RecordOf(scheduler_->node(node));
  Notify(&record, line);
}

void RunDriver::Launch(int node, LeafTry leaf) {
  bool cancelled = false;
  {
    const MutexLock lock(mutex_);
    if (suspended_) {
      launched_.erase(node);
      return;
    }
    cancelled = launched_[node].cancelled;
  }
  if (cancelled) return Fail(node, &leaf, Cancelled("before it started"));
  const TaskRunner& runner = *service_->runner_;
  if (std::holds_alternative<Importer>(leaf.component->body)) {
    const Status status = runner.Import(&leaf);
    return status.ok() ? Report(node, leaf, {TaskState::kSucceeded, leaf.record.outputs, ""})
                       : Fail(node, &leaf, status);
  }
  if (leaf.task->cache && fixed_.use_cache) {
    TaskRunner::SetCacheKey(&leaf);
    if (EndsFromCache(node, &leaf) || !TakeTurn(node, &leaf)) return;
    if (EndsFromCache(node, &leaf)) return;  // who had the turn before may have ended between the two
  }
  Submit(node, std::make_shared<LeafTry>(std::move(leaf)));
}

// Whether the leaf has ended: with a cached result, or because the cache could not be asked.
bool RunDriver::EndsFromCache(int node, LeafTry* leaf) {
  const auto hit = service_->runner_->FinishFromCache(leaf);
  if (!hit) Fail(node, leaf, hit.error());
  if (hit && *hit) Report(node, *leaf, {TaskState::kCached, leaf->record.outputs, leaf->record.message});
  return !hit || *hit;
}

// False while the same work is under way, in this run or another: the leaf is launched again when that has ended.
bool RunDriver::TakeTurn(int node, LeafTry* leaf) {
  const auto launch = [self = shared_from_this(), node, again = std::make_shared<LeafTry>(*leaf)] {
    const Status queued = self->service_->pool_->Submit([=] { self->Launch(node, std::move(*again)); });
    if (!queued.ok()) HR_LOG(err, "run {}: a waiting task could not go on: {}", self->fixed_.id, queued.ToString());
  };
  const auto waiter = std::make_shared<SingleFlight::Waiter>(launch);
  {
    const MutexLock lock(mutex_);
    Launched& launched = launched_[node];
    launched.waiter = waiter;
    if (launched.cancelled) waiter->Wake();
  }
  leaf->turn = service_->in_flight_.Enter(fixed_.pipeline + '\n' + leaf->record.cache_key, waiter);
  if (leaf->turn) return waiter->Disarm();
  SaveWaiting(node, *waiter);
  TellProgress(node, "the same work is under way; waiting for its result");
  return false;
}

// The task is to be seen as one that runs, though no try of it has begun. Once woken it takes the mutex before it
// records anything, so that this never comes behind that.
void RunDriver::SaveWaiting(int node, const SingleFlight::Waiter& waiter) {
  const MutexLock lock(mutex_);
  const TaskNode& task = scheduler_->node(node);
  if (waiter.woken() || suspended_ || records_.contains(task.path)) return;
  TaskRecord record = RecordOf(task);
  record.started = service_->options_.clock->Now();
  const Status status = service_->store_->database().Transact(
      [&](Transaction& transaction) { return service_->store_->SaveTask(transaction, run_, &record); });
  if (!status.ok()) HR_LOG(err, "run {}: task {} could not be saved: {}", run_.id, task.path, status.ToString());
  records_[task.path] = std::move(record);
}

void RunDriver::Submit(int node, std::shared_ptr<LeafTry> leaf) {
  auto spec = service_->runner_->Begin(leaf.get());
  if (!spec) return Fail(node, leaf.get(), spec.error());
  const std::string id = spec->id;
  auto self = shared_from_this();
  spec->progress = [self, node](std::string_view line) { self->TellProgress(node, line); };
  {
    const MutexLock lock(mutex_);
    records_[leaf->record.path] = leaf->record;
    Notify(&leaf->record);
  }
  const Status status =
      service_->options_.executor->Submit(*std::move(spec), [self, node, leaf](TaskResult result) mutable {
        auto work = [self, node, leaf, result = std::move(result)]() mutable {
          self->Finish(node, leaf, std::move(result));
        };
        const Status queued = self->service_->pool_->Submit(std::move(work));
        if (!queued.ok()) HR_LOG(warn, "run {}: a task ended while the service was stopping", self->fixed_.id);
      });
  if (!status.ok()) return Fail(node, leaf.get(), status);
  const MutexLock lock(mutex_);
  const auto launched = launched_.find(node);
  if (launched == launched_.end()) return;
  launched->second.executor_id = id;
  if (launched->second.cancelled) service_->options_.executor->Cancel(id);
}

void RunDriver::Finish(int node, std::shared_ptr<LeafTry> leaf, TaskResult result) {
  {
    const MutexLock lock(mutex_);
    if (suspended_ && !result.status.ok()) {
      launched_.erase(node);
      leaf->turn.reset();
      return;
    }
  }
  Status status = std::move(result.status);
  if (status.ok())
    status = service_->runner_->Publish(leaf.get(), [&](std::string_view line) { TellProgress(node, line); });
  if (!status.ok()) return Fail(node, leaf.get(), status);
  Report(node, *leaf, {TaskState::kSucceeded, leaf->record.outputs, ""});
}

void RunDriver::Fail(int node, LeafTry* leaf, const Status& status) {
  const TaskState state = status.code() == Code::kCancelled ? TaskState::kCancelled : TaskState::kFailed;
  const std::string message = state == TaskState::kCancelled ? "the run was cancelled" : status.message();
  const Status recorded = service_->runner_->RecordFailure(leaf, state, message);
  if (!recorded.ok()) HR_LOG(err, "run {}: task {}: {}", fixed_.id, leaf->record.path, recorded.ToString());
  Report(node, *leaf, {state, leaf->record.outputs, message});
}

void RunDriver::Report(int node, LeafTry& leaf, LeafResult result) {
  leaf.turn.reset();
  const MutexLock lock(mutex_);
  launched_.erase(node);
  records_[leaf.record.path] = leaf.record;
  if (suspended_) return;
  auto actions = scheduler_->Finished(node, std::move(result));
  if (IsFinal(scheduler_->node(node).state)) Notify(&leaf.record);  // else it is tried again
  Apply(std::move(actions));
}

}  // namespace headrace::pipeline
