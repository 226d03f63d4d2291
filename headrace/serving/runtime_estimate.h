// What a request will cost, learnt from what requests of its size cost before.
#pragma once
#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <optional>

#include "headrace/base/clock.h"

namespace headrace::serving {

// Run times by the power of two of the number of input elements, smoothed: up at once, down by an eighth a run, since
// underestimating stalls an I/O loop and overestimating costs a hop. Thread-safe; concurrent records may lose one.
class RuntimeEstimate {
 public:
  void Record(int64_t elements, Duration runtime) {
    auto& slot = nanos_[Slot(elements)];
    const int64_t before = slot.load(std::memory_order_relaxed), now = std::max<int64_t>(runtime.count(), 1);
    // One slow run (a page fault, a preemption) counts half: two in a row convince.
    const int64_t after = before == 0 ? now : now > before ? (before + now) / 2 : before - (before - now) / 8;
    slot.store(after, std::memory_order_relaxed);
  }

  // Of a request of that size: from the nearest smaller size that was seen, in proportion, else what the nearest larger
  // one takes. nullopt: nothing to go by.
  std::optional<Duration> Estimate(int64_t elements) const {
    const size_t wanted = Slot(elements);
    for (size_t slot = wanted + 1; slot-- > 0;)
      if (const int64_t nanos = nanos_[slot].load(std::memory_order_relaxed); nanos != 0)
        return Duration(nanos << std::min<size_t>(wanted - slot, 20));
    for (size_t slot = wanted + 1; slot < kSlots; slot++)
      if (const int64_t nanos = nanos_[slot].load(std::memory_order_relaxed); nanos != 0) return Duration(nanos);
    return std::nullopt;
  }

 private:
  static constexpr size_t kSlots = 32;
  static size_t Slot(int64_t elements) {
    return std::min<size_t>(std::bit_width(static_cast<uint64_t>(std::max<int64_t>(elements, 0))), kSlots - 1);
  }

  std::array<std::atomic<int64_t>, kSlots> nanos_{};
};

}  // namespace headrace::serving
