#include "headrace/serving/version_stats.h"

#include <gmock/gmock.h>

#include <thread>

namespace headrace::serving {
namespace {

using std::chrono::nanoseconds;

TEST(VersionStats, EachRequestOfABatchHasTheWholeExecution) {
  VersionStats stats;
  stats.RecordExecution({.rows = 5, .queued = nanoseconds(7), .runtime = nanoseconds(100)});
  stats.RecordExecution({.requests = 3,
                         .rows = 8,
                         .queued = nanoseconds(60),
                         .input = nanoseconds(10),
                         .runtime = nanoseconds(200),
                         .output = nanoseconds(1)});
  EXPECT_EQ(stats.compute.count, 4u);
  EXPECT_EQ(stats.compute.nanos, 700u);
  EXPECT_EQ(stats.queue_nanos, 67u);
  EXPECT_EQ(stats.input_nanos, 30u);
  EXPECT_EQ(stats.output_nanos, 3u);
  EXPECT_EQ(stats.rows, 13u);
  EXPECT_EQ(stats.executions, 2u);
  EXPECT_EQ(stats.runtime_latency.count(), 2u);
}

TEST(BatchSizeStats, CountsEachSizeAscending) {
  BatchSizeStats stats;
  for (const uint64_t rows : {64, 3, 0, 3})
    stats.Record({.requests = 2, .rows = rows, .input = nanoseconds(1), .runtime = nanoseconds(10)});
  BatchSizeStats other;
  other.Record({.rows = 67, .runtime = nanoseconds(5)});
  other.Record({.rows = 3, .runtime = nanoseconds(5), .output = nanoseconds(2)});
  stats.Merge(other);
  const auto sizes = stats.Read();
  ASSERT_EQ(sizes.size(), 4u);
  const auto expect = [&](size_t i, uint64_t rows, uint64_t executions, uint64_t input, uint64_t run, uint64_t output) {
    EXPECT_EQ(sizes[i].rows, rows);
    EXPECT_EQ(sizes[i].executions, executions);
    EXPECT_EQ(sizes[i].input_nanos, input);
    EXPECT_EQ(sizes[i].runtime_nanos, run);
    EXPECT_EQ(sizes[i].output_nanos, output);
  };
  expect(0, 0, 1, 1, 10, 0);
  expect(1, 3, 3, 2, 25, 2);
  expect(2, 64, 1, 1, 10, 0);
  expect(3, 67, 1, 0, 5, 0);
}

TEST(BatchSizeStats, SizesBeyondTheLimitAreLeftToTheTotals) {
  VersionStats stats;
  for (uint64_t i = 0; i < 2 * BatchSizeStats::kSizes; i++) stats.RecordExecution({.rows = 100 + 7 * i});
  stats.RecordExecution({.rows = 100});
  const auto sizes = stats.batch_sizes.Read();
  ASSERT_EQ(sizes.size(), BatchSizeStats::kSizes);
  EXPECT_EQ(sizes.front().executions, 2u);
  EXPECT_EQ(sizes.back().rows, 100 + 7 * (BatchSizeStats::kSizes - 1));
  EXPECT_EQ(stats.executions, 2 * BatchSizeStats::kSizes + 1);
}

TEST(BatchSizeStats, ThreadsShareItsCounters) {
  BatchSizeStats stats;
  constexpr uint64_t kThreads = 4, kSizes = 40, kRounds = 200;
  {
    std::vector<std::jthread> threads;
    threads.reserve(kThreads);
    for (uint64_t i = 0; i < kThreads; i++)
      threads.emplace_back([&] {
        for (uint64_t n = 0; n < kRounds * kSizes; n++) stats.Record({.rows = n % kSizes, .runtime = nanoseconds(1)});
      });
  }
  const auto sizes = stats.Read();
  ASSERT_EQ(sizes.size(), kSizes);
  for (const auto& size : sizes) {
    EXPECT_EQ(size.executions, kThreads * kRounds);
    EXPECT_EQ(size.runtime_nanos, kThreads * kRounds);
  }
}

}  // namespace
}  // namespace headrace::serving
