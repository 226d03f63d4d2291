#include "headrace/base/clock.h"

#include <fmt/chrono.h>

#include <thread>

#include "headrace/base/mutex.h"

namespace headrace {
namespace {

class RealClock : public Clock {
 public:
  TimePoint Now() const override { return std::chrono::system_clock::now(); }
  Deadline Monotonic() const override { return std::chrono::steady_clock::now(); }
  void Sleep(Duration duration) override { std::this_thread::sleep_for(duration); }
};

}  // namespace

Clock* Clock::Real() {
  static RealClock clock;
  return &clock;
}

struct FakeClock::State {
  Mutex mutex;
  CondVar moved;
  TimePoint start;
  Duration elapsed HR_GUARDED_BY(mutex) = Duration::zero();
};

FakeClock::FakeClock(TimePoint start) : state_(std::make_unique<State>()) { state_->start = start; }
FakeClock::~FakeClock() = default;

TimePoint FakeClock::Now() const {
  MutexLock lock(state_->mutex);
  return state_->start + std::chrono::duration_cast<TimePoint::duration>(state_->elapsed);
}

Deadline FakeClock::Monotonic() const {
  MutexLock lock(state_->mutex);
  return Deadline(state_->elapsed);
}

void FakeClock::Sleep(Duration duration) {
  MutexLock lock(state_->mutex);
  const Duration end = state_->elapsed + duration;
  while (state_->elapsed < end) state_->moved.Wait(state_->mutex);
}

void FakeClock::Advance(Duration duration) {
  MutexLock lock(state_->mutex);
  state_->elapsed += duration;
  state_->moved.NotifyAll();
}

std::string FormatTime(TimePoint time) {
  const int64_t micros = MicrosSinceEpoch(time);
  const int64_t seconds = micros >= 0 ? micros / 1'000'000 : (micros - 999'999) / 1'000'000;
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:06}Z", fmt::gmtime(static_cast<std::time_t>(seconds)),
                     micros - seconds * 1'000'000);
}

int64_t MillisSinceEpoch(TimePoint time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

int64_t MicrosSinceEpoch(TimePoint time) {
  return std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count();
}

TimePoint FromMicros(int64_t micros_since_epoch) { return TimePoint(std::chrono::microseconds(micros_since_epoch)); }

}  // namespace headrace
