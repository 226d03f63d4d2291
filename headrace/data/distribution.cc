#include "headrace/data/distribution.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace headrace::data {
namespace {

// Takes each distinct value, ascending, with its count.
class Summary {
 public:
  Summary(const Extent& extent, int buckets) : extent_(extent), buckets_(buckets) {
    // The levels of buckets twice as many: the median is among them for an odd number of buckets too.
    for (int i = 0; i <= 2 * buckets; i++)
      places_.push_back(static_cast<double>(i) / (2 * buckets) * static_cast<double>(extent.count - 1));
    LayOutBuckets();
  }

  void Add(double value, int64_t count) {
    const auto weight = static_cast<long double>(count);
    sum_ += weight * value;
    seen_ += count;
    const long double delta = value - mean_;
    mean_ += delta * weight / static_cast<long double>(seen_);
    squares_ += delta * weight * (value - mean_);
    if (value == 0) out_.num_zeros += count;
    AddToBucket(value, count);
    AddToQuantiles(value, seen_ - count);
  }

  NumericStatistics Finish() {
    const auto count = static_cast<long double>(extent_.count);
    out_.mean = static_cast<double>(sum_ / count);
    out_.std_dev = static_cast<double>(std::sqrt(squares_ / count));
    out_.min = extent_.min;
    out_.max = extent_.max;
    out_.median = levels_[static_cast<size_t>(buckets_)];
    const double share = static_cast<double>(extent_.count) / buckets_;
    for (size_t i = 0; i + 2 < levels_.size(); i += 2) out_.quantiles.push_back({levels_[i], levels_[i + 2], share});
    return std::move(out_);
  }

 private:
  // One bucket when all values are equal.
  void LayOutBuckets() {
    if (extent_.min == extent_.max) {
      out_.standard = {{extent_.min, extent_.max, 0}};
      return;
    }
    const double step = (extent_.max - extent_.min) / buckets_;
    for (int i = 0; i < buckets_; i++) {
      const double high = i + 1 == buckets_ ? extent_.max : extent_.min + step * (i + 1);
      out_.standard.push_back({extent_.min + step * i, high, 0});
    }
  }

  void AddToBucket(double value, int64_t count) {
    while (bucket_ + 1 < out_.standard.size() && value >= out_.standard[bucket_].high) bucket_++;
    out_.standard[bucket_].count += static_cast<double>(count);
  }

  // `value` has the ranks from `start` on, up to seen_ - 1. A level between two ranks is interpolated as NumPy does.
  void AddToQuantiles(double value, int64_t start) {
    while (levels_.size() < places_.size()) {
      const double place = places_[levels_.size()];
      const auto below = static_cast<int64_t>(place);
      const double fraction = place - static_cast<double>(below);
      if (below + (fraction > 0 ? 1 : 0) >= seen_) break;
      const double lower = below >= start ? value : previous_;
      levels_.push_back(fraction < 0.5 ? lower + (value - lower) * fraction : value - (value - lower) * (1 - fraction));
    }
    previous_ = value;
  }

  const Extent extent_;
  const int buckets_;
  std::vector<double> places_;  // of the quantile levels, as fractional ranks
  std::vector<double> levels_;
  double previous_ = 0;
  size_t bucket_ = 0;
  int64_t seen_ = 0;
  long double sum_ = 0;
  long double mean_ = 0;
  long double squares_ = 0;
  NumericStatistics out_;
};

}  // namespace

Result<std::vector<Extent>> ComputeExtents(QueryEngine& engine, const std::string& relation,
                                           const std::vector<std::string>& expressions) {
  std::vector<Extent> extents(expressions.size());
  if (expressions.empty()) return extents;
  std::vector<std::string> columns;
  columns.reserve(expressions.size());
  for (const auto& expression : expressions)
    columns.push_back(fmt::format("count({0}), CAST(min({0}) AS DOUBLE), CAST(max({0}) AS DOUBLE)", expression));
  const std::string sql = fmt::format("SELECT {} FROM {}", fmt::join(columns, ", "), relation);
  HR_UNEXPECTED_IF_ERROR(ForEachRow(engine, sql, [&extents](const RecordBatch& batch, int64_t row) {
    int64_t at = 0;
    for (auto& extent : extents) {
      extent.count = batch.column(at).Int64(row);
      if (extent.count > 0) extent.min = batch.column(at + 1).Double(row);
      if (extent.count > 0) extent.max = batch.column(at + 2).Double(row);
      at += 3;
    }
    return OkStatus();
  }));
  return extents;
}

Result<NumericStatistics> Summarize(QueryEngine& engine, const std::string& relation, const std::string& expression,
                                    const Extent& extent, int buckets) {
  Summary summary(extent, buckets);
  const std::string sql = fmt::format(
      "SELECT CAST(hr_value AS DOUBLE) AS v, n FROM (SELECT {0} AS hr_value, count(*) AS n FROM {1} WHERE {0} IS NOT "
      "NULL "
      "GROUP BY hr_value) ORDER BY v",
      expression, relation);
  HR_UNEXPECTED_IF_ERROR(ForEachRow(engine, sql, [&summary](const RecordBatch& batch, int64_t row) {
    summary.Add(batch.column(0).Double(row), batch.column(1).Int64(row));
    return OkStatus();
  }));
  return summary.Finish();
}

Result<StringStatistics> CountTexts(QueryEngine& engine, const std::string& relation, const std::string& expression,
                                    int64_t max_values) {
  StringStatistics text;
  const std::string sql = fmt::format(
      "SELECT hr_value, n, count(*) OVER () AS hr_unique, sum(n * strlen(hr_value)) OVER () AS hr_bytes, sum(n) OVER "
      "() "
      "AS hr_count FROM (SELECT {0} AS hr_value, count(*) AS n FROM {1} WHERE {0} IS NOT NULL GROUP BY hr_value) "
      "ORDER BY n DESC, hr_value LIMIT {2}",
      expression, relation, max_values);
  HR_UNEXPECTED_IF_ERROR(ForEachRow(engine, sql, [&text](const RecordBatch& batch, int64_t row) {
    text.values.push_back({std::string(batch.column(0).String(row)), batch.column(1).Int64(row)});
    text.unique = batch.column(2).Int64(row);
    text.avg_length = batch.column(3).Double(row) / batch.column(4).Double(row);
    return OkStatus();
  }));
  return text;
}

}  // namespace headrace::data
