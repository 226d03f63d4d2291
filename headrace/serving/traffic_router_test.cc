#include "headrace/serving/traffic_router.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace headrace::serving {
namespace {

constexpr int kKeys = 20000;

std::map<size_t, int> Spread(const TrafficRouter& router, bool keyed) {
  std::map<size_t, int> counts;
  for (int i = 0; i < kKeys; i++) counts[router.Pick(keyed ? "user-" + std::to_string(i) : "")]++;
  return counts;
}

TEST(TrafficRouter, SharesFollowTheWeightsWithAndWithoutKeys) {
  const TrafficRouter router({{0, 7, 90}, {1, 8, 9}, {2, 9, 1}});
  for (const bool keyed : {true, false}) {
    auto counts = Spread(router, keyed);
    EXPECT_NEAR(counts[0], 0.90 * kKeys, 0.015 * kKeys) << keyed;
    EXPECT_NEAR(counts[1], 0.09 * kKeys, 0.010 * kKeys) << keyed;
    EXPECT_NEAR(counts[2], 0.01 * kKeys, 0.005 * kKeys) << keyed;
  }
}

TEST(TrafficRouter, AKeyAlwaysGetsTheSameVersion) {
  const TrafficRouter router({{0, 1, 1}, {1, 2, 1}});
  for (int i = 0; i < 100; i++) {
    const std::string key = "k" + std::to_string(i);
    EXPECT_EQ(router.Pick(key), router.Pick(key));
  }
}

TEST(TrafficRouter, AChangedWeightMovesOnlyTheKeysItMust) {
  const TrafficRouter before({{0, 1, 90}, {1, 2, 10}}), after({{0, 1, 80}, {1, 2, 20}});
  int moved = 0;
  for (int i = 0; i < kKeys; i++) {
    const std::string key = "user-" + std::to_string(i);
    const size_t old_pick = before.Pick(key), new_pick = after.Pick(key);
    moved += old_pick != new_pick;
    EXPECT_FALSE(old_pick == 1 && new_pick == 0) << key << " left the version whose share grew";
  }
  EXPECT_NEAR(moved, 0.10 * kKeys, 0.015 * kKeys);
}

}  // namespace
}  // namespace headrace::serving
