#include "headrace/data/statistics.h"

#include <fmt/format.h>

#include "headrace/data/distribution.h"

namespace headrace::data {
namespace {

bool IsNumeric(const FeatureStatistics& feature) { return feature.type != FeatureType::kString; }
bool HasNan(const FeatureStatistics& feature) { return feature.sql_type == "FLOAT" || feature.sql_type == "DOUBLE"; }

// What is described of a column: a finite number, a text, or NULL.
std::string ValueOf(const FeatureStatistics& feature) {
  const std::string name = QuoteName(feature.name);
  if (feature.sql_type == "VARCHAR") return name;
  if (feature.type == FeatureType::kString) return "CAST(" + name + " AS VARCHAR)";
  if (feature.sql_type == "BOOLEAN") return "CAST(" + name + " AS INTEGER)";
  if (feature.sql_type == "DATE" || feature.sql_type.starts_with("TIMESTAMP")) return "epoch(" + name + ")";
  return HasNan(feature) ? fmt::format("CASE WHEN isfinite({0}) THEN {0} END", name) : name;
}

// Rows, values and NaNs of every column in one pass.
Status Count(QueryEngine& engine, const std::string& relation, DatasetStatistics& out) {
  std::string sql = "SELECT count(*)";
  for (const auto& feature : out.features) {
    const std::string name = QuoteName(feature.name);
    sql += fmt::format(", count({})", name);
    if (HasNan(feature)) sql += fmt::format(", coalesce(sum(CAST(isnan({0}) AS INTEGER)), 0)", name);
  }
  return ForEachRow(engine, sql + " FROM " + relation, [&out](const RecordBatch& batch, int64_t row) {
    int64_t at = 0;
    out.num_examples = batch.column(at++).Int64(row);
    for (auto& feature : out.features) {
      feature.num_non_missing = batch.column(at++).Int64(row);
      feature.num_missing = out.num_examples - feature.num_non_missing;
      if (HasNan(feature)) feature.numeric.emplace().num_nan = batch.column(at++).Int64(row);
    }
    return OkStatus();
  });
}

Status DescribeNumber(QueryEngine& engine, const std::string& relation, const Extent& extent, int buckets,
                      FeatureStatistics& feature) {
  const int64_t num_nan = feature.numeric ? feature.numeric->num_nan : 0;
  feature.numeric.reset();
  if (feature.num_non_missing == 0) return OkStatus();
  NumericStatistics numeric;
  if (extent.count > 0) {
    HR_ASSIGN_OR_RETURN(numeric, Summarize(engine, relation, ValueOf(feature), extent, buckets));
  }
  numeric.num_nan = num_nan;
  numeric.num_inf = feature.num_non_missing - extent.count - num_nan;
  feature.numeric = std::move(numeric);
  return OkStatus();
}

Status Describe(QueryEngine& engine, const std::string& relation, const StatisticsOptions& options,
                DatasetStatistics& out) {
  HR_RETURN_IF_ERROR(Count(engine, relation, out));
  std::vector<std::string> numbers;
  for (const auto& feature : out.features)
    if (IsNumeric(feature)) numbers.push_back(ValueOf(feature));
  HR_ASSIGN_OR_RETURN(const auto extents, ComputeExtents(engine, relation, numbers));
  auto extent = extents.begin();
  for (auto& feature : out.features) {
    if (IsNumeric(feature)) {
      HR_RETURN_IF_ERROR(DescribeNumber(engine, relation, *extent++, options.buckets, feature));
    } else {
      HR_ASSIGN_OR_RETURN(feature.text, CountTexts(engine, relation, ValueOf(feature), options.max_values));
    }
  }
  return OkStatus();
}

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
  HR_UNEXPECTED_IF_ERROR(Describe(engine, source.Relation(), options, out));
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
