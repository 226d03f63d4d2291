#include "headrace/serving/version_stats.h"

#include <algorithm>
#include <chrono>

namespace headrace::serving {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

constexpr std::array<double, LatencyHistogram::kBounds> MakeBounds() {
  std::array<double, LatencyHistogram::kBounds> bounds{};
  double bound = 10;
  for (auto& b : bounds) {
    b = bound;
    bound *= 1.8;
  }
  return bounds;
}

constexpr auto kBoundsMicros = MakeBounds();

uint64_t Nanos(Duration duration) { return static_cast<uint64_t>(duration.count()); }

void AddUnlessZero(std::atomic<uint64_t>& to, uint64_t value) {
  if (value != 0) to.fetch_add(value, kRelaxed);
}

void MergeInto(std::atomic<uint64_t>& to, const std::atomic<uint64_t>& from) {
  to.fetch_add(from.load(kRelaxed), kRelaxed);
}

void MergeInto(CountAndTime& to, const CountAndTime& from) {
  MergeInto(to.count, from.count);
  MergeInto(to.nanos, from.nanos);
}

}  // namespace

void LatencyHistogram::Observe(Duration latency) {
  const double micros = static_cast<double>(latency.count()) / 1000;
  const auto bound = std::lower_bound(kBoundsMicros.begin(), kBoundsMicros.end(), micros);
  buckets_[static_cast<size_t>(bound - kBoundsMicros.begin())].fetch_add(1, kRelaxed);
  sum_nanos_.fetch_add(static_cast<uint64_t>(latency.count()), kRelaxed);
}

double LatencyHistogram::BoundMicros(size_t index) { return kBoundsMicros[index]; }

uint64_t LatencyHistogram::count() const {
  uint64_t count = 0;
  for (const auto& bucket : buckets_) count += bucket.load(kRelaxed);
  return count;
}

void LatencyHistogram::Merge(const LatencyHistogram& other) {
  for (size_t i = 0; i < buckets_.size(); i++) buckets_[i].fetch_add(other.bucket(i), kRelaxed);
  sum_nanos_.fetch_add(other.sum_nanos_.load(kRelaxed), kRelaxed);
}

BatchSizeStats::Slot* BatchSizeStats::FindSlot(uint64_t rows) {
  const uint64_t key = rows + 1;
  for (size_t probe = 0; probe < kSizes; probe++) {
    Slot& slot = slots_[(rows + probe) % kSizes];
    uint64_t found = slot.key.load(kRelaxed);
    if (found == 0 && slot.key.compare_exchange_strong(found, key, kRelaxed)) return &slot;
    if (found == key) return &slot;
  }
  return nullptr;
}

void BatchSizeStats::Add(const Counts& counts) {
  Slot* slot = FindSlot(counts.rows);
  if (slot == nullptr) return;
  slot->executions.fetch_add(counts.executions, kRelaxed);
  slot->runtime_nanos.fetch_add(counts.runtime_nanos, kRelaxed);
  AddUnlessZero(slot->input_nanos, counts.input_nanos);
  AddUnlessZero(slot->output_nanos, counts.output_nanos);
}

void BatchSizeStats::Record(const Execution& execution) {
  Add({.rows = execution.rows,
       .executions = 1,
       .input_nanos = Nanos(execution.input),
       .runtime_nanos = Nanos(execution.runtime),
       .output_nanos = Nanos(execution.output)});
}

std::vector<BatchSizeStats::Counts> BatchSizeStats::Read() const {
  std::vector<Counts> sizes;
  for (const Slot& slot : slots_)
    if (const uint64_t key = slot.key.load(kRelaxed); key != 0)
      sizes.push_back({.rows = key - 1,
                       .executions = slot.executions.load(kRelaxed),
                       .input_nanos = slot.input_nanos.load(kRelaxed),
                       .runtime_nanos = slot.runtime_nanos.load(kRelaxed),
                       .output_nanos = slot.output_nanos.load(kRelaxed)});
  std::ranges::sort(sizes, {}, &Counts::rows);
  return sizes;
}

void BatchSizeStats::Merge(const BatchSizeStats& other) {
  for (const Counts& counts : other.Read()) Add(counts);
}

void RowsHistogram::Merge(const RowsHistogram& other) {
  for (size_t i = 0; i < buckets_.size(); i++) buckets_[i].fetch_add(other.bucket(i), kRelaxed);
}

void VersionStats::RecordRequest(Code code, Duration latency) {
  requests_by_code[static_cast<size_t>(code)].fetch_add(1, kRelaxed);
  request_latency.Observe(latency);
  (code == Code::kOk ? success : fail).Add(latency);
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  last_request_millis.store(std::chrono::duration_cast<std::chrono::milliseconds>(now).count(), kRelaxed);
}

void VersionStats::RecordExecution(const Execution& execution) {
  const auto requests = static_cast<int64_t>(execution.requests);
  runtime_latency.Observe(execution.runtime);
  compute.Add(execution.runtime * requests, execution.requests);
  queue_nanos.fetch_add(Nanos(execution.queued), kRelaxed);
  AddUnlessZero(input_nanos, Nanos(execution.input * requests));
  AddUnlessZero(output_nanos, Nanos(execution.output * requests));
  rows.fetch_add(execution.rows, kRelaxed);
  executions.fetch_add(1, kRelaxed);
  batch_sizes.Record(execution);
  rows_histogram.Observe(execution.rows);
}

void VersionStats::Merge(const VersionStats& other) {
  for (size_t i = 0; i < requests_by_code.size(); i++) MergeInto(requests_by_code[i], other.requests_by_code[i]);
  request_latency.Merge(other.request_latency);
  runtime_latency.Merge(other.runtime_latency);
  MergeInto(success, other.success);
  MergeInto(fail, other.fail);
  MergeInto(compute, other.compute);
  MergeInto(queue_nanos, other.queue_nanos);
  MergeInto(input_nanos, other.input_nanos);
  MergeInto(output_nanos, other.output_nanos);
  MergeInto(rows, other.rows);
  MergeInto(executions, other.executions);
  batch_sizes.Merge(other.batch_sizes);
  rows_histogram.Merge(other.rows_histogram);
  last_request_millis.store(std::max(last_request_millis.load(kRelaxed), other.last_request_millis.load(kRelaxed)),
                            kRelaxed);
}

}  // namespace headrace::serving
