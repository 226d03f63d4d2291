// How far two distributions of one column are apart, from their statistics alone.
#pragma once
#include <string>

#include "headrace/data/statistics.h"

namespace headrace::data {

struct InfinityNorm {
  double distance = 0;  // 0 … 1
  std::string value;    // where the shares differ most
  double before = 0;    // that value's share
  double now = 0;
};

// The largest difference of one value's share, over the values that the statistics list.
InfinityNorm LInfinity(const StringStatistics& before, const StringStatistics& now);

// Jensen-Shannon divergence with logarithms to base 2: 0 (equal) … 1 (nothing in common). Of texts over the shares of
// values. Of numbers over the cells between the bounds of both quantile histograms, mass spread evenly within a bucket
// and kept at a point where a bucket has no width; unlike equally wide buckets, a single outlier moves it by no more
// than its own share.
double JensenShannon(const StringStatistics& before, const StringStatistics& now);
double JensenShannon(const NumericStatistics& before, const NumericStatistics& now);

}  // namespace headrace::data
