// Picks one of several weighted versions. Immutable, so thread-safe.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

namespace headrace::serving {

// A number in (0, 1), of a generator that each thread has for itself.
double RandomUnit();

class TrafficRouter {
 public:
  struct Target {
    size_t index = 0;  // what Pick returns
    int64_t version = 0;
    double weight = 0;  // > 0
  };
  TrafficRouter() = default;
  explicit TrafficRouter(std::vector<Target> targets);

  bool empty() const { return targets_.empty(); }
  // With a key: weighted rendezvous hashing, so that each target gets its share of the keys, a key keeps its target
  // while the weights stay, and a change of weights moves no more keys than it must (Schindelhauer and Schomaker,
  // "Weighted distributed hash tables", SPAA 2005). Without: at random by weight.
  size_t Pick(std::string_view key) const;

 private:
  std::vector<Target> targets_;
  double sum_ = 0;
};

}  // namespace headrace::serving
