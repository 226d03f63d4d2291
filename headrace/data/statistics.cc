#include "headrace/data/statistics.h"

#include <fmt/format.h>

#include "headrace/data/aggregate.h"

namespace headrace::data {
namespace {

// A column on its way: `raw` is its name inside the inner query, `value` the finite number or the text there.
struct Plan {
  FeatureStatistics* feature;
  std::string raw;
  std::string value;
};

bool IsNumeric(const FeatureStatistics& feature) { return feature.type != FeatureType::kString; }

std::string ValueExpression(const FeatureStatistics& feature) {
  const std::string name = QuoteName(feature.name);
  if (feature.type == FeatureType::kString) return "CAST(" + name + " AS VARCHAR)";
  if (feature.sql_type == "BOOLEAN") return "CAST(CAST(" + name + " AS INTEGER) AS DOUBLE)";
  if (feature.sql_type == "DATE" || feature.sql_type.starts_with("TIMESTAMP"))
    return "CAST(epoch(" + name + ") AS DOUBLE)";
  if (feature.sql_type == "FLOAT" || feature.sql_type == "DOUBLE")
    return fmt::format("CASE WHEN isfinite({0}) THEN CAST({0} AS DOUBLE) END", name);
  return "CAST(" + name + " AS DOUBLE)";
}

class Computation {
 public:
  Computation(QueryEngine& engine, const ParquetSource& source, const StatisticsOptions& options,
              DatasetStatistics& out)
      : engine_(engine), options_(options), out_(out) {
    std::vector<std::string> columns;
    for (size_t i = 0; i < out.features.size(); i++) {
      plans_.push_back({&out.features[i], fmt::format("c{}", i), fmt::format("v{}", i)});
      columns.push_back(fmt::format("{} AS c{}", QuoteName(out.features[i].name), i));
      columns.push_back(fmt::format("{} AS v{}", ValueExpression(out.features[i]), i));
    }
    inner_ = WithPlace(source, columns);
  }

  Status Run() {
    HR_RETURN_IF_ERROR(CountsAndQuantiles());
    HR_RETURN_IF_ERROR(MomentsAndHistograms());
    for (auto& plan : plans_)
      if (plan.feature->text) HR_RETURN_IF_ERROR(Values(plan));
    return OkStatus();
  }

 private:
  std::string QuantileLevels() const {
    std::string levels;
    for (int i = 0; i <= 2 * options_.buckets; i++)
      levels += fmt::format("{}{}", i == 0 ? "" : ", ", static_cast<double>(i) / (2 * options_.buckets));
    return "[" + levels + "]";
  }

  Status CountsAndQuantiles() {
    std::string sql = "SELECT count(*)";
    const std::string levels = QuantileLevels();
    for (const auto& plan : plans_) {
      const bool has_nan = plan.feature->sql_type == "FLOAT" || plan.feature->sql_type == "DOUBLE";
      sql += fmt::format(", count({0}), count({1})", plan.raw, plan.value);
      if (!IsNumeric(*plan.feature)) {
        sql += fmt::format(", coalesce(sum(strlen({0})), 0)", plan.value);
        continue;
      }
      sql += has_nan ? fmt::format(", count(*) FILTER (WHERE isnan({}))", plan.raw) : ", 0";
      sql += fmt::format(", count(*) FILTER (WHERE {0} = 0), quantile_cont({0}, {1})", plan.value, levels);
    }
    return ForEachRow(engine_, sql + " FROM " + inner_, [this](const RecordBatch& batch, int64_t row) {
      int64_t at = 0;
      out_.num_examples = batch.column(at++).Int64(row);
      for (auto& plan : plans_) at = ReadCounts(batch, row, at, *plan.feature);
      return OkStatus();
    });
  }

  int64_t ReadCounts(const RecordBatch& batch, int64_t row, int64_t at, FeatureStatistics& feature) const {
    feature.num_non_missing = batch.column(at++).Int64(row);
    feature.num_missing = out_.num_examples - feature.num_non_missing;
    const int64_t finite = batch.column(at++).Int64(row);
    if (!IsNumeric(feature)) {
      const double length = batch.column(at++).Double(row);
      feature.text.emplace();
      if (finite > 0) feature.text->avg_length = length / static_cast<double>(finite);
      return at;
    }
    NumericStatistics numeric;
    numeric.num_nan = batch.column(at++).Int64(row);
    numeric.num_inf = feature.num_non_missing - finite - numeric.num_nan;
    numeric.num_zeros = batch.column(at++).Int64(row);
    const Column levels = batch.column(at++);
    if (finite > 0) ReadQuantiles(levels, row, finite, numeric);
    if (finite > 0 || numeric.num_nan + numeric.num_inf > 0) feature.numeric = std::move(numeric);
    return at;
  }

  // The levels are those of buckets twice as many, so that the median is among them for an odd number of buckets too.
  void ReadQuantiles(const Column& levels, int64_t row, int64_t finite, NumericStatistics& numeric) const {
    const auto [begin, end] = levels.ListRange(row);
    const Column bound = levels.child();
    numeric.min = bound.Double(begin);
    numeric.median = bound.Double(begin + options_.buckets);
    numeric.max = bound.Double(end - 1);
    const double count = static_cast<double>(finite) / options_.buckets;
    for (int64_t i = begin; i + 2 < end; i += 2)
      numeric.quantiles.push_back({bound.Double(i), bound.Double(i + 2), count});
  }

  std::vector<Plan> Finite() const {
    std::vector<Plan> plans;
    for (const auto& plan : plans_)
      if (plan.feature->numeric && !plan.feature->numeric->quantiles.empty()) plans.push_back(plan);
    return plans;
  }

  static double CountOf(const FeatureStatistics& feature) {
    return static_cast<double>(feature.num_non_missing - feature.numeric->num_nan - feature.numeric->num_inf);
  }

  // The equally wide buckets' bounds; one bucket when all values are equal.
  void LayOutBuckets(NumericStatistics& numeric) const {
    if (numeric.min == numeric.max) {
      numeric.standard = {{numeric.min, numeric.max, 0}};
      return;
    }
    for (int i = 0; i < options_.buckets; i++) {
      const double step = (numeric.max - numeric.min) / options_.buckets;
      const double high = i + 1 == options_.buckets ? numeric.max : numeric.min + step * (i + 1);
      numeric.standard.push_back({numeric.min + step * i, high, 0});
    }
  }

  Status MomentsAndHistograms() {
    const auto plans = Finite();
    std::vector<std::string> values;
    std::vector<std::string> below;
    for (const auto& plan : plans) {
      values.push_back(plan.value);
      LayOutBuckets(*plan.feature->numeric);
      const auto& buckets = plan.feature->numeric->standard;
      for (size_t i = 0; i + 1 < buckets.size(); i++)
        below.push_back(fmt::format("count(*) FILTER (WHERE {} < {})", plan.value, SqlDouble(buckets[i].high)));
    }
    HR_ASSIGN_OR_RETURN(const auto moments, ComputeMoments(engine_, inner_, values));
    HR_ASSIGN_OR_RETURN(const auto counts, OrderedSums(engine_, inner_, below));
    auto count = counts.begin();
    for (size_t i = 0; i < plans.size(); i++) {
      NumericStatistics& numeric = *plans[i].feature->numeric;
      numeric.mean = moments[i].mean;
      numeric.std_dev = moments[i].std_dev;
      double before = 0;
      for (size_t bucket = 0; bucket < numeric.standard.size(); bucket++) {
        const bool last = bucket + 1 == numeric.standard.size();
        const double below_high = last ? CountOf(*plans[i].feature) : *count++;
        numeric.standard[bucket].count = below_high - before;
        before = below_high;
      }
    }
    return OkStatus();
  }

  Status Values(const Plan& plan) {
    StringStatistics& text = *plan.feature->text;
    const std::string sql = fmt::format(
        "SELECT {0}, count(*) AS n, count(*) OVER () AS hr_unique FROM {1} WHERE {0} IS NOT NULL GROUP BY {0} "
        "ORDER BY n DESC, {0} LIMIT {2}",
        plan.value, inner_, options_.max_values);
    return ForEachRow(engine_, sql, [&text](const RecordBatch& batch, int64_t row) {
      text.values.push_back({std::string(batch.column(0).String(row)), batch.column(1).Int64(row)});
      text.unique = batch.column(2).Int64(row);
      return OkStatus();
    });
  }

  QueryEngine& engine_;
  const StatisticsOptions options_;
  DatasetStatistics& out_;
  std::vector<Plan> plans_;
  std::string inner_;
};

template <class T>
const T* FindByName(const std::vector<T>& items, std::string_view name) {
  for (const auto& item : items)
    if (item.name == name) return &item;
  return nullptr;
}

}  // namespace

const FeatureStatistics* DatasetStatistics::Find(std::string_view feature) const {
  return FindByName(features, feature);
}
const DatasetStatistics* Statistics::Find(std::string_view dataset) const { return FindByName(datasets, dataset); }

Result<DatasetStatistics> ComputeStatistics(QueryEngine& engine, const ParquetSource& source, std::string_view name,
                                            const StatisticsOptions& options) {
  HR_ASSIGN_OR_UNEXPECTED(const auto columns, source.Columns(engine));
  DatasetStatistics out;
  out.name = name;
  for (const auto& column : columns) {
    FeatureStatistics feature;
    feature.name = column.name;
    feature.type = column.type;
    feature.sql_type = column.sql_type;
    out.features.push_back(std::move(feature));
  }
  HR_UNEXPECTED_IF_ERROR(Computation(engine, source, options, out).Run());
  return out;
}

Result<Statistics> ComputeStatistics(QueryEngine& engine, const std::filesystem::path& examples,
                                     const StatisticsOptions& options) {
  HR_ASSIGN_OR_UNEXPECTED(const auto splits, ListSplits(examples));
  Statistics out;
  for (const auto& split : splits) {
    HR_ASSIGN_OR_UNEXPECTED(auto dataset, ComputeStatistics(engine, ParquetSource(examples / split), split, options));
    out.datasets.push_back(std::move(dataset));
  }
  return out;
}

}  // namespace headrace::data
