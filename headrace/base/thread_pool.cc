#include "headrace/base/thread_pool.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>

namespace headrace {

ThreadPool::ThreadPool(std::string name, size_t threads, size_t max_queued)
    : name_(std::move(name)), max_queued_(max_queued) {
  threads_.reserve(threads);
  for (size_t i = 0; i < threads; i++) threads_.emplace_back([this] { Run(); });
}

ThreadPool::~ThreadPool() { Shutdown(); }

Status ThreadPool::Submit(Work work) {
  {
    MutexLock lock(mutex_);
    if (stopping_) return Unavailable("{}: shutting down", name_);
    if (queue_.size() >= max_queued_) return ResourceExhausted("{}: {} tasks are waiting already", name_, max_queued_);
    queue_.push_back(std::move(work));
    changed_.NotifyOne();  // under the lock: whoever runs the work may destroy the pool
  }
  return OkStatus();
}

void ThreadPool::Shutdown() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.NotifyAll();
  for (auto& thread : threads_)
    if (thread.joinable()) thread.join();
}

size_t ThreadPool::queued() const {
  MutexLock lock(mutex_);
  return queue_.size();
}

void ThreadPool::Run() {
  pthread_setname_np(pthread_self(), name_.substr(0, 15).c_str());
  for (;;) {
    Work work;
    {
      MutexLock lock(mutex_);
      while (queue_.empty() && !stopping_) changed_.Wait(mutex_);
      if (queue_.empty()) return;
      work = std::move(queue_.front());
      queue_.pop_front();
    }
    work();
  }
}

size_t AvailableCores() {
  cpu_set_t set;
  size_t cores = 1;
  if (sched_getaffinity(0, sizeof set, &set) == 0) cores = static_cast<size_t>(std::max(1, CPU_COUNT(&set)));
  const auto limit = [&](double quota, double period) {
    if (quota > 0 && period > 0) cores = std::min(cores, static_cast<size_t>(std::max(1.0, std::ceil(quota / period))));
  };
  std::string quota;
  double period = 0;
  if (std::ifstream v2("/sys/fs/cgroup/cpu.max"); v2 >> quota >> period) {
    if (quota != "max") limit(std::strtod(quota.c_str(), nullptr), period);
    return cores;
  }
  double v1_quota = 0;
  std::ifstream quota_file("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"), period_file("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
  if (quota_file >> v1_quota && period_file >> period) limit(v1_quota, period);
  return cores;
}

}  // namespace headrace
