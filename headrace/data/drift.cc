#include "headrace/data/drift.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>
#include <vector>

namespace headrace::data {
namespace {

using Shares = std::map<std::string, std::pair<double, double>>;  // value → share before, now

void AddShares(const StringStatistics& statistics, double std::pair<double, double>::* side, int64_t total,
               Shares& shares) {
  for (const auto& value : statistics.values)
    shares[value.value].*side += static_cast<double>(value.count) / static_cast<double>(total);
}

int64_t Listed(const StringStatistics& statistics) {
  int64_t total = 0;
  for (const auto& value : statistics.values) total += value.count;
  return total;
}

Shares SharesOf(const StringStatistics& before, const StringStatistics& now) {
  Shares shares;
  AddShares(before, &Shares::mapped_type::first, std::max<int64_t>(Listed(before), 1), shares);
  AddShares(now, &Shares::mapped_type::second, std::max<int64_t>(Listed(now), 1), shares);
  return shares;
}

// p log2(p / m), 0 where p is.
double Term(double p, double m) { return p > 0 ? p * std::log2(p / m) : 0; }

double Divergence(double p, double q) {
  const double m = (p + q) / 2;
  return (Term(p, m) + Term(q, m)) / 2;
}

// The mass of `buckets` in the cells that `bounds` (sorted, unique) cut: cell 2i is the point bounds[i], cell 2i + 1
// the open interval after it.
std::vector<double> MassIn(const std::vector<Bucket>& buckets, const std::vector<double>& bounds) {
  std::vector<double> mass(bounds.size() * 2, 0);
  double total = 0;
  for (const auto& bucket : buckets) total += bucket.count;
  for (const auto& bucket : buckets) {
    const double share = bucket.count / total;
    auto cell = static_cast<size_t>(std::ranges::lower_bound(bounds, bucket.low) - bounds.begin());
    if (bucket.low == bucket.high) {
      mass[2 * cell] += share;
      continue;
    }
    for (; cell + 1 < bounds.size() && bounds[cell] < bucket.high; cell++)
      mass[2 * cell + 1] += share * (bounds[cell + 1] - bounds[cell]) / (bucket.high - bucket.low);
  }
  return mass;
}

void AddBounds(const std::vector<Bucket>& buckets, std::vector<double>& bounds) {
  for (const auto& bucket : buckets) {
    bounds.push_back(bucket.low);
    bounds.push_back(bucket.high);
  }
}

}  // namespace

InfinityNorm LInfinity(const StringStatistics& before, const StringStatistics& now) {
  InfinityNorm norm;
  for (const auto& [value, share] : SharesOf(before, now)) {
    const double distance = std::abs(share.first - share.second);
    if (distance > norm.distance) norm = {distance, value, share.first, share.second};
  }
  return norm;
}

double JensenShannon(const StringStatistics& before, const StringStatistics& now) {
  double divergence = 0;
  for (const auto& [value, share] : SharesOf(before, now)) divergence += Divergence(share.first, share.second);
  return std::clamp(divergence, 0.0, 1.0);
}

double JensenShannon(const NumericStatistics& before, const NumericStatistics& now) {
  if (before.quantiles.empty() || now.quantiles.empty()) return before.quantiles.size() == now.quantiles.size() ? 0 : 1;
  std::vector<double> bounds;
  AddBounds(before.quantiles, bounds);
  AddBounds(now.quantiles, bounds);
  std::ranges::sort(bounds);
  bounds.erase(std::unique(bounds.begin(), bounds.end()), bounds.end());
  const auto p = MassIn(before.quantiles, bounds);
  const auto q = MassIn(now.quantiles, bounds);
  double divergence = 0;
  for (size_t i = 0; i < p.size(); i++) divergence += Divergence(p[i], q[i]);
  return std::clamp(divergence, 0.0, 1.0);
}

}  // namespace headrace::data
