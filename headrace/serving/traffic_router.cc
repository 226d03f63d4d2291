#include "headrace/serving/traffic_router.h"

#include <atomic>
#include <chrono>
#include <cmath>

namespace headrace::serving {
namespace {

// SplitMix64's finaliser.
uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

// FNV-1a, mixed: the same on every machine and in every run, unlike std::hash, so that a restart moves nobody.
uint64_t HashKey(std::string_view key) {
  uint64_t hash = 0xcbf29ce484222325ULL;
  for (const unsigned char c : key) hash = (hash ^ c) * 0x100000001b3ULL;
  return Mix(hash);
}

// In (0, 1).
double Unit(uint64_t bits) { return (static_cast<double>(bits >> 11) + 0.5) * 0x1p-53; }

}  // namespace

double RandomUnit() {
  static std::atomic<uint64_t> seeds{
      static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count())};
  thread_local uint64_t state = Mix(seeds.fetch_add(0x9e3779b97f4a7c15ULL, std::memory_order_relaxed));
  state += 0x9e3779b97f4a7c15ULL;
  return Unit(Mix(state));
}

TrafficRouter::TrafficRouter(std::vector<Target> targets) : targets_(std::move(targets)) {
  for (const auto& target : targets_) sum_ += target.weight;
}

size_t TrafficRouter::Pick(std::string_view key) const {
  if (key.empty()) {
    double point = RandomUnit() * sum_;
    for (const auto& target : targets_)
      if ((point -= target.weight) < 0) return target.index;
    return targets_.back().index;
  }
  const uint64_t hash = HashKey(key);
  size_t best = targets_.front().index;
  double best_score = -1;
  for (const auto& target : targets_) {
    const double unit = Unit(Mix(hash ^ Mix(static_cast<uint64_t>(target.version) + 0x9e3779b97f4a7c15ULL)));
    const double score = -target.weight / std::log(unit);
    if (score > best_score) best_score = score, best = target.index;
  }
  return best;
}

}  // namespace headrace::serving
