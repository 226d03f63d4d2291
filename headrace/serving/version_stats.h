// What a model version counts while it serves. Every operation is a few relaxed atomic additions.
#pragma once
#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <string>
#include <vector>

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
  void Add(Duration time, uint64_t times = 1) {
    count.fetch_add(times, std::memory_order_relaxed);
    nanos.fetch_add(static_cast<uint64_t>(time.count()), std::memory_order_relaxed);
  }
};

// One run of the engine that answered requests. `input` and `output` are measured where several requests are computed
// together: joining their tensors, and giving each its rows of the answer. A request that is computed alone has
// neither; what its engine does to wrap tensors is part of `runtime`.
struct Execution {
  uint64_t requests = 1;
  uint64_t rows = 1;                   // of the requests together, without what a batch is padded with
  Duration queued = Duration::zero();  // the sum of the requests' waiting
  Duration input = Duration::zero();
  Duration runtime = Duration::zero();  // the engine's
  Duration output = Duration::zero();
};

// The executions of each batch size. Thread-safe, lock-free, of fixed size: the first kSizes distinct sizes that occur
// have counters, executions of any further one are not counted here (VersionStats' totals have them).
class BatchSizeStats {
 public:
  static constexpr size_t kSizes = 64;
  struct Counts {
    uint64_t rows = 0;  // the batch size
    uint64_t executions = 0;
    uint64_t input_nanos = 0, runtime_nanos = 0, output_nanos = 0;
  };
  void Record(const Execution& execution);
  // By ascending batch size.
  std::vector<Counts> Read() const;
  void Merge(const BatchSizeStats& other);

 private:
  struct Slot {
    std::atomic<uint64_t> key{0};  // the batch size plus 1; 0: free
    std::atomic<uint64_t> executions{0}, input_nanos{0}, runtime_nanos{0}, output_nanos{0};
  };
  void Add(const Counts& counts);
  Slot* FindSlot(uint64_t rows);

  std::array<Slot, kSizes> slots_;
};

// Executions by the power of two that their rows do not exceed: 1, 2, 4 … 4096, more. Thread-safe.
class RowsHistogram {
 public:
  static constexpr size_t kBounds = 13;
  void Observe(uint64_t rows) {
    buckets_[std::min<size_t>(std::bit_width(std::max<uint64_t>(rows, 1) - 1), kBounds)].fetch_add(
        1, std::memory_order_relaxed);
  }
  static uint64_t Bound(size_t index) { return uint64_t{1} << index; }
  uint64_t bucket(size_t index) const { return buckets_[index].load(std::memory_order_relaxed); }  // [0, kBounds]
  void Merge(const RowsHistogram& other);

 private:
  std::array<std::atomic<uint64_t>, kBounds + 1> buckets_{};
};

// Thread-safe.
struct VersionStats {
  std::array<std::atomic<uint64_t>, 17> requests_by_code{};  // indexed by Code: every finished request
  LatencyHistogram request_latency;                          // of a whole request, from its arrival to its answer
  LatencyHistogram runtime_latency;                          // of the engine alone
  CountAndTime success, fail;
  // The requests that the engine answered; each has the whole time of the execution that it was part of, as Triton
  // counts. `queue_nanos`, `input_nanos` and `output_nanos` are of the same requests: their waiting for a thread or a
  // batch, and Execution's `input` and `output`.
  CountAndTime compute;
  std::atomic<uint64_t> queue_nanos{0}, input_nanos{0}, output_nanos{0};
  std::atomic<uint64_t> rows{0};                // sum of the batch sizes
  std::atomic<uint64_t> executions{0};          // runs of the engine; fewer than requests when batched
  std::atomic<int64_t> last_request_millis{0};  // since the epoch; 0: none yet
  BatchSizeStats batch_sizes;
  RowsHistogram rows_histogram;  // of the executions

  void RecordRequest(Code code, Duration latency);
  void RecordExecution(const Execution& execution);
  // Adds what `other` has counted.
  void Merge(const VersionStats& other);
};

}  // namespace headrace::serving
