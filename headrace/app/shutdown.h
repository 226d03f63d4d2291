// SIGINT, SIGTERM and, for servers, SIGHUP as something to wait for, instead of handlers that may do nothing.
#pragma once
#include <functional>
#include <thread>

namespace headrace::app {

// Made in main's thread before others start: they inherit the blocked signals. One at a time.
class ShutdownSignal {
 public:
  // `hangups`: SIGHUP does not end the process but is for Wait, unless it says that the terminal is gone.
  explicit ShutdownSignal(bool hangups = false);
  ~ShutdownSignal();
  ShutdownSignal(const ShutdownSignal&) = delete;
  ShutdownSignal& operator=(const ShutdownSignal&) = delete;

  // Blocks until SIGINT or SIGTERM comes, or SIGHUP because the terminal that this was started from is gone, and
  // returns the signal's number; `on_hangup` runs at each other SIGHUP before that. After that a second one ends the
  // process at once, so that a user is never stuck in a slow shutdown.
  int Wait(const std::function<void()>& on_hangup = {});
  // Calls `on_signal` from a thread of its own when the first signal comes; not at all when this is destroyed before.
  void Notify(std::function<void(int)> on_signal);

 private:
  const bool hangups_;
  const bool had_terminal_;  // and is to end with it: not so under nohup
  std::thread waiter_;
};

}  // namespace headrace::app
