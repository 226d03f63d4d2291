// A fixed set of threads with a bounded queue: work that would wait too long is refused early instead of piling up.
#pragma once
#include <cstddef>
#include <deque>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "headrace/base/mutex.h"
#include "headrace/base/status.h"

namespace headrace {

// Thread-safe. The destructor runs what is queued and joins.
class ThreadPool {
 public:
  using Work = std::move_only_function<void()>;

  // `threads` and `max_queued` ≥ 1. Threads show as `name` in /proc and debuggers (15 characters).
  ThreadPool(std::string name, size_t threads, size_t max_queued);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // Runs `work` on one of the threads. kResourceExhausted when the queue is full, kUnavailable after Shutdown; `work`
  // is then destroyed unrun.
  Status Submit(Work work);
  // Refuses new work, runs what is queued, joins. Idempotent; not from one of the pool's own threads.
  void Shutdown();

  size_t queued() const;
  size_t threads() const { return threads_.size(); }

 private:
  void Run();

  const std::string name_;
  const size_t max_queued_;
  mutable Mutex mutex_;
  CondVar changed_;
  std::deque<Work> queue_ HR_GUARDED_BY(mutex_);
  bool stopping_ HR_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

// The cores that this process may use: affinity and the cgroup's CPU quota (v1 and v2), at least 1.
size_t AvailableCores();

}  // namespace headrace
