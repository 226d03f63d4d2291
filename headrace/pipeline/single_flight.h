// Keeps equal work from being done twice at the same time: one caller does it, the others wait until that has ended and
// then look for its result.
#pragma once
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "headrace/base/mutex.h"

namespace headrace::pipeline {

// Thread-safe.
class SingleFlight {
 public:
  // Somebody who waits; woken once, by the end of the work or by anybody else.
  class Waiter {
   public:
    // `wake` must not block; it runs on the thread of whoever wakes.
    explicit Waiter(std::function<void()> wake) : wake_(std::move(wake)) {}
    void Wake() {
      if (Disarm()) wake_();
    }
    // True when it had not been woken, and now never will be.
    bool Disarm() { return !done_.exchange(true); }
    // Or disarmed.
    bool woken() const { return done_; }

   private:
    std::function<void()> wake_;
    std::atomic<bool> done_{false};
  };
  // The right to do the work: it ends, and those who wait are woken, when the last copy is gone. May outlive this.
  using Turn = std::shared_ptr<void>;

  // The turn, when nobody has it for `key`; else null, and `waiter` is woken when that one's has ended.
  Turn Enter(const std::string& key, std::shared_ptr<Waiter> waiter);

 private:
  struct Table {
    Mutex mutex;
    std::map<std::string, std::vector<std::shared_ptr<Waiter>>> waiting HR_GUARDED_BY(mutex);
  };
  static void Leave(Table& table, const std::string& key);

  const std::shared_ptr<Table> table_ = std::make_shared<Table>();
};

}  // namespace headrace::pipeline
