// What data must look like: a file that is inferred once and then belongs to people, who edit and review it.
//
// The file is YAML with the field names of tensorflow_metadata's schema.proto:
//
//   environments: [TRAINING, SERVING]      # optional
//   dataset:                               # optional
//     min_examples: 1000
//     drift_comparator: {min_fraction_threshold: 0.5, max_fraction_threshold: 2}   # num_examples against the
//     baseline's
//   features:
//     - name: "carrier"
//       type: STRING                       # INT, FLOAT, STRING
//       presence: {min_fraction: 1, min_count: 1}
//       string_domain: ["AA", "UA"]
//       distribution: {min_domain_mass: 1} # the fraction of values that must be in the domain; 1 when left out
//       unique: {min: 2, max: 100}
//       drift_comparator: {infinity_norm: 0.1}
//     - name: "distance"
//       type: INT
//       int_domain: {min: 1, max: 6000}    # both ends allowed; either may be left out
//       drift_comparator: {jensen_shannon_divergence: 0.2}
//     - name: "humidity"
//       type: FLOAT
//       float_domain: {min: 0, max: 100, disallow_nan: true, disallow_inf: true}
//     - name: "late"
//       type: INT
//       bool_domain: true                  # 0 and 1
//       not_in_environment: [SERVING]      # and in_environment
//       lifecycle_stage: DEPRECATED        # DEPRECATED, PLANNED, ALPHA, DEBUG_ONLY and DISABLED are not checked
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/base/status.h"
#include "headrace/data/statistics.h"

namespace headrace::data {

struct Range {
  std::optional<double> min;  // inclusive
  std::optional<double> max;  // inclusive
};

struct NumberDomain {
  Range range;
  bool disallow_nan = false;
  bool disallow_inf = false;
};

struct DriftComparator {
  std::optional<double> infinity_norm;              // of STRING: the largest difference of a value's share
  std::optional<double> jensen_shannon_divergence;  // 0 … 1
};

struct FeatureSchema {
  std::string name;
  FeatureType type = FeatureType::kString;
  std::optional<double> min_fraction;  // of rows that are not NULL
  std::optional<int64_t> min_count;
  std::optional<NumberDomain> number;  // int_domain or float_domain, by `type`
  bool bool_domain = false;
  std::optional<std::vector<std::string>> string_domain;
  double min_domain_mass = 1;
  std::optional<int64_t> unique_min;
  std::optional<int64_t> unique_max;
  DriftComparator drift;
  std::vector<std::string> in_environment;
  std::vector<std::string> not_in_environment;
  std::string lifecycle_stage;  // empty: checked
  int line = 0;                 // in the file that it was read from; 0: inferred

  // Whether the feature is expected, and checked, in `environment` (empty: any).
  bool IsIn(std::string_view environment) const;
};

struct Schema {
  std::vector<std::string> environments;
  std::optional<int64_t> min_examples;
  std::optional<int64_t> max_examples;
  std::optional<double> min_fraction_of_baseline;  // num_examples against the baseline's
  std::optional<double> max_fraction_of_baseline;
  std::vector<FeatureSchema> features;

  const FeatureSchema* Find(std::string_view name) const;
};

struct InferOptions {
  int max_string_domain = 100;  // texts with more values get no domain
  // Columns that exist only in training, as the label does: not in the environment SERVING.
  std::vector<std::string> training_only;
};

// TFDV's rules: presence of all rows only where nothing is missing, else of one; INT with nothing but 0 and 1 is a
// bool_domain; a string_domain where there are few values. Ranges are not inferred: those are a person's knowledge.
Schema InferSchema(const DatasetStatistics& statistics, const InferOptions& options = {});

// Text with a comment on how to read it; ReadSchema(WriteSchema(s)) equals s.
std::string WriteSchema(const Schema& schema);
// kInvalidArgument as "FILE:LINE: features[3] \"distance\": int_domain.min: expected a number, found \"x\"". Fields
// that are not known, features named twice and domains that do not fit the type are errors too.
Result<Schema> ReadSchema(std::string_view text, std::string_view file_name);
Result<Schema> ReadSchemaFile(const std::filesystem::path& file);

}  // namespace headrace::data
