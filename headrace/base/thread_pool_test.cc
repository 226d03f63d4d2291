#include "headrace/base/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "headrace/base/clock.h"

namespace headrace {
namespace {

TEST(ThreadPool, RunsEverythingBeforeShutdownReturns) {
  std::atomic<int> ran = 0;
  ThreadPool pool("test", 3, 1000);
  for (int i = 0; i < 1000; i++) ASSERT_TRUE(pool.Submit([&] { ran++; }).ok());
  pool.Shutdown();
  EXPECT_EQ(ran, 1000);
  EXPECT_EQ(pool.Submit([] {}).code(), Code::kUnavailable);
}

TEST(ThreadPool, RefusesWhenTheQueueIsFull) {
  std::promise<void> started, release;
  ThreadPool pool("test", 1, 1);
  ASSERT_TRUE(pool.Submit([&] {
                    started.set_value();
                    release.get_future().wait();
                  })
                  .ok());
  started.get_future().wait();
  ASSERT_TRUE(pool.Submit([] {}).ok());
  EXPECT_EQ(pool.Submit([] {}).code(), Code::kResourceExhausted);
  release.set_value();
}

TEST(FakeClock, MovesOnlyWhenTold) {
  FakeClock clock;
  const auto start = clock.Now();
  std::atomic<bool> woke = false;
  std::thread sleeper([&] {
    clock.Sleep(std::chrono::seconds(10));
    woke = true;
  });
  while (!woke) {
    clock.Advance(std::chrono::seconds(1));
    std::this_thread::yield();
  }
  sleeper.join();
  EXPECT_GE(clock.Now() - start, std::chrono::seconds(10));
}

TEST(FormatTime, PrintsUtcMicroseconds) {
  EXPECT_EQ(FormatTime(FromMicros(1'357'000'000'000'005)), "2013-01-01T00:26:40.000005Z");
  EXPECT_EQ(FormatTime(FromMicros(-1)), "1969-12-31T23:59:59.999999Z");
}

TEST(AvailableCores, IsAtLeastOne) { EXPECT_GE(AvailableCores(), 1u); }

}  // namespace
}  // namespace headrace
