// Data against its schema: what does not fit, by the names of TensorFlow Data Validation (anomalies.proto).
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/base/json.h"
#include "headrace/base/status.h"
#include "headrace/data/schema.h"
#include "headrace/data/statistics.h"

namespace headrace::data {

struct Anomaly {
  std::string split;
  std::string column;              // empty: of the data set
  std::string type;                // "ENUM_TYPE_UNEXPECTED_STRING_VALUES", …
  std::string description;         // one sentence: what was found
  std::string expected;            // what the schema says
  std::vector<ValueCount> values;  // offending values, the most frequent first; at most kMaxValues
  std::optional<int64_t> count;    // rows that offend, where it is known
  int64_t num_examples = 0;        // rows of the split

  static constexpr size_t kMaxValues = 10;
};

struct ValidateOptions {
  std::string environment = {};  // empty: every feature is expected
  // Statistics of the span before, for drift; a split is compared with the one of its name. Null: drift is not checked.
  const Statistics* baseline = nullptr;
  // The rows themselves, to count and name the values that are out of range; statistics alone know only their minimum
  // and maximum. Null or empty: only those.
  QueryEngine* engine = nullptr;
  std::filesystem::path examples = {};
};

// In the order of splits, then of the schema's features, then of new columns. An error is of the engine.
Result<std::vector<Anomaly>> Validate(const Statistics& statistics, const Schema& schema,
                                      const ValidateOptions& options = {});

// {"num_anomalies": 2, "anomalies": [{"split", "column", "type", "description", "expected", "values", "count", …}]}
json::value ToJsonValue(const std::vector<Anomaly>& anomalies);
// A table for people; "no anomalies" when there are none.
std::string FormatAnomalies(const std::vector<Anomaly>& anomalies);

}  // namespace headrace::data
