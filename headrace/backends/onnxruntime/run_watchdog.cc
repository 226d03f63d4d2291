#include "headrace/backends/onnxruntime/run_watchdog.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

namespace headrace::onnxruntime {
namespace {

constexpr size_t kSpare = 64;
constexpr int kIdlePolls = 100;  // without a run to look at, before polling ends

}  // namespace

RunWatchdog::~RunWatchdog() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  wake_.NotifyAll();
  if (thread_.joinable()) thread_.join();
}

Result<RunWatchdog::Run*> RunWatchdog::Arm(const InferRequest& request) {
  MutexLock lock(mutex_);
  if (spare_.empty()) {
    OrtRunOptions* made = nullptr;
    HR_UNEXPECTED_IF_ORT(Api()->CreateRunOptions(&made));
    spare_.push_back(std::make_unique<Run>());
    spare_.back()->options.reset(made);
  }
  Run* run = spare_.back().get();
  run->deadline = request.deadline;
  run->cancelled = request.cancelled;
  run->stopped = Code::kOk;
  run->index = runs_.size();
  runs_.push_back(std::move(spare_.back()));
  spare_.pop_back();
  cancellable_ |= run->cancelled != nullptr;
  if (!thread_.joinable()) thread_ = std::thread([this] { Loop(); });
  const bool wakes = run->deadline < wakes_at_ || (run->cancelled != nullptr && !polling_);
  wakes_at_ = std::min(wakes_at_, run->deadline);
  polling_ |= run->cancelled != nullptr;
  if (wakes) wake_.NotifyOne();
  return run;
}

Code RunWatchdog::Disarm(Run* run) {
  MutexLock lock(mutex_);
  const Code stopped = run->stopped;
  std::unique_ptr<Run> owned = std::move(runs_[run->index]);
  if (run->index + 1 != runs_.size()) {
    runs_[run->index] = std::move(runs_.back());
    runs_[run->index]->index = run->index;
  }
  runs_.pop_back();
  // One that was stopped is not used again: whether its flag could be cleared need not be known.
  if (stopped == Code::kOk && spare_.size() < kSpare) spare_.push_back(std::move(owned));
  return stopped;
}

Deadline RunWatchdog::StopLate(Deadline now) {
  Deadline next = Deadline::max();
  for (const auto& run : runs_) {
    if (run->stopped != Code::kOk) continue;
    cancellable_ |= run->cancelled != nullptr;
    const bool cancelled = run->cancelled != nullptr && run->cancelled->load(std::memory_order_relaxed);
    if (!cancelled && run->deadline > now) {
      next = std::min(next, run->deadline);
      continue;
    }
    run->stopped = cancelled ? Code::kCancelled : Code::kDeadlineExceeded;
    FromOrt(Api()->RunOptionsSetTerminate(run->options.get())).IgnoreError();  // it sets a flag
  }
  return next;
}

void RunWatchdog::Loop() {
  pthread_setname_np(pthread_self(), "hr-watchdog");
  int idle_polls = kIdlePolls;
  MutexLock lock(mutex_);
  while (!stopping_) {
    const Deadline now = std::chrono::steady_clock::now();
    wakes_at_ = StopLate(now);
    idle_polls = std::exchange(cancellable_, false) ? 0 : std::min(idle_polls + 1, kIdlePolls);
    polling_ = idle_polls < kIdlePolls;
    if (polling_) wakes_at_ = std::min(wakes_at_, now + kPoll);
    if (wakes_at_ == Deadline::max())
      wake_.Wait(mutex_);
    else
      wake_.WaitUntil(mutex_, wakes_at_);
  }
}

WatchedRun::~WatchedRun() {
  if (run_ != nullptr) watchdog_->Disarm(run_);
}

Status WatchedRun::Start() {
  if (request_.brief || (request_.deadline == Deadline::max() && request_.cancelled == nullptr)) return OkStatus();
  HR_ASSIGN_OR_RETURN(run_, watchdog_->Arm(request_));
  return OkStatus();
}

Status WatchedRun::End(Status status) {
  if (run_ == nullptr) return status;
  const Code stopped = watchdog_->Disarm(std::exchange(run_, nullptr));
  if (status.ok() || stopped == Code::kOk) return status;  // it may have ended on its own just then
  if (stopped == Code::kCancelled) return Cancelled("the client gave up while the model ran; the run was stopped");
  return DeadlineExceeded("the deadline passed while the model ran; the run was stopped");
}

}  // namespace headrace::onnxruntime
