// What a model version counts while it serves. Every operation is a few relaxed atomic additions.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <string>

#include "headrace/base/clock.h"
#include "headrace/base/status.h"

namespace headrace::serving {

// A histogram over TensorFlow Serving's latency buckets, 10·1.8ⁿ µs for n in [0, 33). Thread-safe.
class LatencyHistogram {
 public:
  static constexpr size_t kBounds = 33;
  void Observe(Duration latency);
  static double BoundMicros(size_t index);  // upper bounds, inclusive, ascending

  uint64_t bucket(size_t index) const { return buckets_[index].load(std::memory_order_relaxed); }  // [0, kBounds]
  uint64_t count() const;
  void Merge(const LatencyHistogram& other);
  double sum_micros() const { return static_cast<double>(sum_nanos_.load(std::memory_order_relaxed)) / 1000; }

 private:
  std::array<std::atomic<uint64_t>, kBounds + 1> buckets_{};
  std::atomic<uint64_t> sum_nanos_{0};
};

// A count and the nanoseconds that it took, as the Open Inference Protocol's statistics report them.
struct CountAndTime {
  std::atomic<uint64_t> count{0};
  std::atomic<uint64_t> nanos{0};
  void Add(Duration time) {
    count.fetch_add(1, std::memory_order_relaxed);
    nanos.fetch_add(static_cast<uint64_t>(time.count()), std::memory_order_relaxed);
  }
};

// Thread-safe.
struct VersionStats {
  std::array<std::atomic<uint64_t>, 17> requests_by_code{};  // indexed by Code: every finished request
  LatencyHistogram request_latency;                          // of a whole request, from Predict to its answer
  LatencyHistogram runtime_latency;                          // of the engine alone
  CountAndTime success, fail, queue, compute;                // `queue`: those that waited for a thread or a batch
  std::atomic<uint64_t> rows{0};                             // sum of the batch sizes
  std::atomic<uint64_t> executions{0};                       // runs of the engine; fewer than requests when batched
  std::atomic<int64_t> last_request_millis{0};               // since the epoch; 0: none yet

  void RecordRequest(Code code, Duration latency);
  // One run of the engine over `batch_rows` rows.
  void RecordExecution(Duration runtime, uint64_t batch_rows);
  // Adds what `other` has counted.
  void Merge(const VersionStats& other);
};

}  // namespace headrace::serving
