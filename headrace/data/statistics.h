// What a data set's columns look like, in numbers: TensorFlow Data Validation's statistics, by its names.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/base/json.h"
#include "headrace/base/status.h"
#include "headrace/core/query_engine.h"
#include "headrace/data/source.h"

namespace headrace::data {

struct Bucket {
  double low = 0;   // inclusive
  double high = 0;  // exclusive, inclusive in the last bucket
  double count = 0;
};

// Of the finite values; all of them are counted, none is sampled.
struct NumericStatistics {
  double mean = 0;
  double std_dev = 0;  // of the population: divided by n
  int64_t num_zeros = 0;
  double min = 0;
  double median = 0;
  double max = 0;
  int64_t num_nan = 0;
  int64_t num_inf = 0;
  std::vector<Bucket> standard = {};   // equally wide
  std::vector<Bucket> quantiles = {};  // equally full, bounds interpolated linearly as NumPy's quantile does
};

struct ValueCount {
  std::string value;
  int64_t count = 0;
};

struct StringStatistics {
  int64_t unique = 0;
  double avg_length = 0;                // in bytes of UTF-8
  std::vector<ValueCount> values = {};  // the most frequent first, ties by value; at most StatisticsOptions::max_values
};

struct FeatureStatistics {
  std::string name;
  FeatureType type = FeatureType::kString;
  std::string sql_type = {};
  int64_t num_non_missing = 0;  // not NULL
  int64_t num_missing = 0;
  std::optional<NumericStatistics> numeric = {};  // of INT and FLOAT with a finite value
  std::optional<StringStatistics> text = {};      // of STRING

  double fraction_present() const {
    const auto total = static_cast<double>(num_non_missing + num_missing);
    return total == 0 ? 0 : static_cast<double>(num_non_missing) / total;
  }
};

struct DatasetStatistics {
  std::string name;  // the split
  int64_t num_examples = 0;
  std::vector<FeatureStatistics> features;  // in the order of the columns

  const FeatureStatistics* Find(std::string_view feature) const;
};

struct Statistics {
  std::vector<DatasetStatistics> datasets;

  const DatasetStatistics* Find(std::string_view dataset) const;
};

struct StatisticsOptions {
  int buckets = 10;
  int max_values = 1000;  // of a STRING
};

// Reads every column some three times. The numbers do not depend on the number of threads.
Result<DatasetStatistics> ComputeStatistics(QueryEngine& engine, const ParquetSource& source, std::string_view name,
                                            const StatisticsOptions& options = {});
// Of each split in the folder.
Result<Statistics> ComputeStatistics(QueryEngine& engine, const std::filesystem::path& examples,
                                     const StatisticsOptions& options = {});

// tensorflow_metadata's DatasetFeatureStatisticsList in JSON with the proto's field names, which
// google.protobuf.json_format.Parse reads. num_inf and the SQL type are custom statistics.
json::value ToJsonValue(const Statistics& statistics);
// The inverse; kInvalidArgument names the member that does not fit.
Result<Statistics> StatisticsFromJson(const json::value& value);

}  // namespace headrace::data
