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

void MergeInto(CountAndTime& to, const CountAndTime& from) {
  to.count.fetch_add(from.count.load(kRelaxed), kRelaxed);
  to.nanos.fetch_add(from.nanos.load(kRelaxed), kRelaxed);
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

void VersionStats::RecordRequest(Code code, Duration latency) {
  requests_by_code[static_cast<size_t>(code)].fetch_add(1, kRelaxed);
  request_latency.Observe(latency);
  (code == Code::kOk ? success : fail).Add(latency);
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  last_request_millis.store(std::chrono::duration_cast<std::chrono::milliseconds>(now).count(), kRelaxed);
}

void VersionStats::RecordExecution(Duration runtime, uint64_t batch_rows) {
  runtime_latency.Observe(runtime);
  compute.Add(runtime);
  rows.fetch_add(batch_rows, kRelaxed);
  executions.fetch_add(1, kRelaxed);
}

void VersionStats::Merge(const VersionStats& other) {
  for (size_t i = 0; i < requests_by_code.size(); i++)
    requests_by_code[i].fetch_add(other.requests_by_code[i].load(kRelaxed), kRelaxed);
  request_latency.Merge(other.request_latency);
  runtime_latency.Merge(other.runtime_latency);
  MergeInto(success, other.success);
  MergeInto(fail, other.fail);
  MergeInto(queue, other.queue);
  MergeInto(compute, other.compute);
  rows.fetch_add(other.rows.load(kRelaxed), kRelaxed);
  executions.fetch_add(other.executions.load(kRelaxed), kRelaxed);
  last_request_millis.store(std::max(last_request_millis.load(kRelaxed), other.last_request_millis.load(kRelaxed)),
                            kRelaxed);
}

}  // namespace headrace::serving
