// One thread's epoll loop: file descriptors, tasks posted from elsewhere, and a coarse tick.
//
// Not Boost.Asio: its reactor tries each read before it waits, a failed recvmsg for each request, and its scheduler and
// handlers add more; that is measurable when a whole prediction takes 20 µs.
#pragma once
#include <sys/epoll.h>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <vector>

#include "headrace/base/clock.h"
#include "headrace/base/status.h"

namespace headrace::net {

class EventLoop {
 public:
  // Something with a file descriptor. Called on the loop's thread with epoll's events (level-triggered).
  class Io {
   public:
    virtual ~Io() = default;
    virtual void OnIo(uint32_t events) = 0;
  };
  // Something that another thread hands to the loop; is its own queue entry, so that posting allocates nothing.
  class Task {
   public:
    virtual ~Task() = default;
    virtual void RunTask() = 0;

   private:
    friend class EventLoop;
    Task* next_ = nullptr;
  };
  // Called on the loop's thread.
  class Listener {
   public:
    virtual ~Listener() = default;
    virtual void OnTick() = 0;
    // After the events of one wake-up have been handled: what was closed during them may be freed now.
    virtual void OnBatchEnd() = 0;
  };

  EventLoop() = default;
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  Status Open();
  // Runs until Quit. Ticks every `tick_ms`.
  void Run(Listener* listener, int tick_ms);

  // From the loop's thread.
  void Quit() { quit_ = true; }
  Status Add(int fd, uint32_t events, Io* io);
  void Modify(int fd, uint32_t events, Io* io);
  void Remove(int fd);
  // The monotonic clock, read once per wake-up.
  Deadline now() const { return now_; }
  int64_t now_ms() const { return now_ms_; }

  // Thread-safe. A task must not be posted again before it has run. False after the loop has ended: the task will not
  // run.
  bool Post(Task* task);
  bool InLoop() const;

 private:
  void RunTasks();
  // Takes what is queued; with `end` no task is accepted any more.
  Task* TakeTasks(bool end);

  int epoll_ = -1;
  int wake_ = -1;
  bool quit_ = false;
  void ReadClock();

  Deadline now_{};
  int64_t now_ms_ = 0;
  std::atomic<bool> asleep_{false};
  std::mutex mutex_;  // protects the three below
  Task* first_ = nullptr;
  Task* last_ = nullptr;
  bool ended_ = false;
};

}  // namespace headrace::net
