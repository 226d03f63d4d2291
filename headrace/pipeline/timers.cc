#include "headrace/pipeline/timers.h"

namespace headrace::pipeline {

Timers::Timers() : thread_([this] { Run(); }) {}

Timers::~Timers() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    changed_.NotifyAll();
  }
  thread_.join();
}

void Timers::After(Duration delay, std::function<void()> work) {
  const MutexLock lock(mutex_);
  due_.emplace(std::chrono::steady_clock::now() + delay, std::move(work));
  changed_.NotifyAll();
}

void Timers::Run() {
  while (true) {
    std::function<void()> work;
    {
      const MutexLock lock(mutex_);
      while (!stopping_ && (due_.empty() || due_.begin()->first > std::chrono::steady_clock::now())) {
        if (due_.empty()) {
          changed_.Wait(mutex_);
        } else {
          changed_.WaitUntil(mutex_, due_.begin()->first);
        }
      }
      if (stopping_) return;
      work = std::move(due_.begin()->second);
      due_.erase(due_.begin());
    }
    work();
  }
}

}  // namespace headrace::pipeline
