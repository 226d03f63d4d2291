// Stops runs that nobody waits for any more: past their deadline, or cancelled.
//
// One thread sleeps until the earliest deadline that it has been told of. A run that is watched costs two uncontended
// locks; the thread is woken for it only when its deadline comes before everything the thread sleeps for already, so
// deadlines of equal length cost one wake-up in that length, however many runs there are. Cancellation cannot wake
// it: while there are runs that can be cancelled, it looks every kPoll.
#pragma once
#include <memory>
#include <thread>
#include <vector>

#include "headrace/backends/onnxruntime/ort_api.h"
#include "headrace/base/clock.h"
#include "headrace/base/mutex.h"
#include "headrace/core/engine.h"

namespace headrace::onnxruntime {

// Thread-safe. Its thread starts with the first run that is watched.
class RunWatchdog {
 public:
  static constexpr Duration kPoll = std::chrono::milliseconds(10);

  RunWatchdog() = default;
  // When no run is watched any more.
  ~RunWatchdog();
  RunWatchdog(const RunWatchdog&) = delete;
  RunWatchdog& operator=(const RunWatchdog&) = delete;

 private:
  friend class WatchedRun;
  struct Run {
    Owned<OrtRunOptions> options;
    Deadline deadline;
    const std::atomic<bool>* cancelled = nullptr;
    Code stopped = Code::kOk;  // why
    size_t index = 0;          // in runs_
  };

  Result<Run*> Arm(const InferRequest& request);
  // Why the run was stopped; kOk: it was not.
  Code Disarm(Run* run);
  void Loop();
  // Stops what is to be stopped. The earliest of the other deadlines.
  Deadline StopLate(Deadline now) HR_REQUIRES(mutex_);

  Mutex mutex_;
  CondVar wake_;
  std::vector<std::unique_ptr<Run>> runs_ HR_GUARDED_BY(mutex_);   // under way
  std::vector<std::unique_ptr<Run>> spare_ HR_GUARDED_BY(mutex_);  // kept for later ones
  Deadline wakes_at_ HR_GUARDED_BY(mutex_) = Deadline::max();
  bool polling_ HR_GUARDED_BY(mutex_) = false;
  bool cancellable_ HR_GUARDED_BY(mutex_) = false;  // a run that can be cancelled has come since the last look
  bool stopping_ HR_GUARDED_BY(mutex_) = false;
  std::thread thread_ HR_GUARDED_BY(mutex_);
};

// One run's time under the watchdog; nothing when the request is brief, or has neither a deadline nor a cancellation.
class WatchedRun {
 public:
  WatchedRun(RunWatchdog* watchdog, const InferRequest& request) : watchdog_(watchdog), request_(request) {}
  ~WatchedRun();
  WatchedRun(const WatchedRun&) = delete;
  WatchedRun& operator=(const WatchedRun&) = delete;

  // Before the run.
  Status Start();
  // What ONNX Runtime runs with; null when it is not watched.
  OrtRunOptions* options() const { return run_ == nullptr ? nullptr : run_->options.get(); }
  // Behind the run: `status`, or the reason why it was stopped.
  Status End(Status status);

 private:
  RunWatchdog* const watchdog_;
  const InferRequest& request_;
  RunWatchdog::Run* run_ = nullptr;
};

}  // namespace headrace::onnxruntime
