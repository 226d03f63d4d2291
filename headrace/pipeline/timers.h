// Work that is due later, on one thread.
#pragma once
#include <functional>
#include <map>
#include <thread>

#include "headrace/base/clock.h"
#include "headrace/base/mutex.h"

namespace headrace::pipeline {

// Thread-safe. `work` must be quick. The destructor drops what is not due.
class Timers {
 public:
  Timers();
  ~Timers();
  Timers(const Timers&) = delete;
  Timers& operator=(const Timers&) = delete;
  void After(Duration delay, std::function<void()> work);

 private:
  void Run();

  Mutex mutex_;
  CondVar changed_;
  std::multimap<Deadline, std::function<void()>> due_ HR_GUARDED_BY(mutex_);
  bool stopping_ HR_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace headrace::pipeline
