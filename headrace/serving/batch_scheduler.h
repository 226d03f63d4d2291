// Runs the batches of all versions' queues on a pool, one turn a batch, so that busy models share it fairly.
#pragma once
#include <functional>
#include <map>
#include <thread>

#include "headrace/base/mutex.h"
#include "headrace/base/thread_pool.h"
#include "headrace/serving/batch_queue.h"
#include "headrace/serving/servable_handle.h"

namespace headrace::serving {

struct PredictCall;

// Thread-safe.
class BatchScheduler {
 public:
  // `finish` ends a call; it may destroy it. `pool` is not owned.
  BatchScheduler(ThreadPool* pool, Clock* clock, std::function<void(PredictCall*, Status)> finish)
      : pool_(pool), clock_(clock), finish_(std::move(finish)) {}
  // Only when no call is waiting.
  ~BatchScheduler();

  // Whether the call's version batches, and this call can be part of a batch.
  static bool Takes(const PredictCall& call);
  // Ends the call sooner or later.
  void Submit(PredictCall* call);

 private:
  void Start(ServableHandle version);
  void StartAt(ServableHandle version, Deadline at);
  void Turn(ServableHandle version);
  void Execute(const ServableHandle& version, std::vector<PredictCall*> calls, int64_t rows);
  void ExecuteAlone(const ServableHandle& version, PredictCall* call);
  void TimerLoop();

  ThreadPool* const pool_;
  Clock* const clock_;
  const std::function<void(PredictCall*, Status)> finish_;

  Mutex mutex_;
  CondVar wake_;
  std::multimap<Deadline, ServableHandle> timers_ HR_GUARDED_BY(mutex_);
  bool stopping_ HR_GUARDED_BY(mutex_) = false;
  std::thread timer_ HR_GUARDED_BY(mutex_);  // started when first needed
};

}  // namespace headrace::serving
