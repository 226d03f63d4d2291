// Time behind an interface, so that tests decide what time it is.
#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

namespace headrace {

using TimePoint = std::chrono::system_clock::time_point;  // UTC wall clock
using Deadline = std::chrono::steady_clock::time_point;   // monotonic; Deadline::max() is "none"
using Duration = std::chrono::nanoseconds;

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual TimePoint Now() const = 0;
  virtual Deadline Monotonic() const = 0;
  // Blocks the caller for `duration` of this clock's time.
  virtual void Sleep(Duration duration) = 0;

  // The machine's clock; lives for ever.
  static Clock* Real();
};

// A clock that moves only when told to. Sleep returns once another thread has advanced past its end.
class FakeClock : public Clock {
 public:
  explicit FakeClock(TimePoint start = TimePoint{std::chrono::hours(24 * 365 * 50)});
  ~FakeClock() override;
  TimePoint Now() const override;
  Deadline Monotonic() const override;
  void Sleep(Duration duration) override;
  void Advance(Duration duration);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// RFC 3339 in UTC with microseconds: "2013-01-31T23:59:59.000000Z".
std::string FormatTime(TimePoint time);
int64_t MillisSinceEpoch(TimePoint time);
int64_t MicrosSinceEpoch(TimePoint time);
TimePoint FromMicros(int64_t micros_since_epoch);

}  // namespace headrace
