// What becomes of the columns before a model sees them: a specification in JSON.
//
//   {
//     "label": "late",
//     "features": {
//       "distance":      [{"impute": "median"}, "z_score"],
//       "dest_distance": {"column": "distance", "steps": [{"bucketize": {"buckets": 8}}, "one_hot"]},
//       "carrier":       [{"one_hot": {"max_size": 50, "min_count": 10}}],
//       "dest":          [{"vocabulary": {"max_size": 1000}}],
//       "tailnum":       [{"hash": {"buckets": 64}}],
//       "hour":          "passthrough"
//     },
//     "passthrough": ["carrier", "origin"]
//   }
//
// A feature is made from the column of its name, or of "column", by steps one after another. A step is its name, or
// {name: argument}:
//   numbers → numbers    passthrough    as it is
//                        impute         a number, or "mean", "median", "min", "max" of the values: for missing ones
//                        z_score        minus the mean, divided by the population's standard deviation
//                        min_max        to 0 … 1
//                        log1p          ln(1 + max(x, 0))
//                        clip           {"min": 0, "max": 10}
//   numbers → index      bucketize      {"buckets": 8}: borders at the quantiles; {"boundaries": [0, 10]}: at these.
//                                       Bucket i holds border i - 1 ≤ x < border i; a missing value is one bucket more
//   texts → texts        impute         a text, or "most_frequent": for missing ones
//   texts, whole numbers → index
//                        vocabulary     {"max_size": 1000, "min_count": 1}: 0 is the most frequent value; one index
//                        more
//                                       stands for every other value and for missing ones
//                        hash           {"buckets": 64}: MurmurHash3 (32 bits, seed 0) modulo that many
//   index → columns      one_hot        a column for each index; of a text, after a vocabulary with its arguments
// "passthrough" names columns that are copied beside the features, as slices or keys; the graph does not see them.
//
// A missing value is, in examples and in requests alike: NaN where a number is taken, "" where a text is, and the
// smallest int64 where a whole number is.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/base/json.h"
#include "headrace/base/status.h"
#include "headrace/data/source.h"

namespace headrace::data {

// The name of the graph's output: a matrix of floats, [rows, F].
inline constexpr std::string_view kFeaturesOutput = "features";

enum class StepKind { kPassthrough, kImpute, kZScore, kMinMax, kLog1p, kClip, kBucketize, kVocabulary, kHash, kOneHot };
std::string_view StepName(StepKind kind);

struct Step {
  StepKind kind = StepKind::kPassthrough;
  std::string method = {};              // impute: "mean", … , "most_frequent"; empty: `number` or `text`
  double number = 0;                    // impute a number
  std::string text = {};                // impute a text
  std::optional<double> min = {};       // clip
  std::optional<double> max = {};       // clip
  int64_t buckets = 0;                  // bucketize, hash; 0: `boundaries`
  std::vector<double> boundaries = {};  // bucketize: ascending
  int64_t max_size = 1000;              // vocabulary
  int64_t min_count = 1;                // vocabulary
};

// What a feature's graph takes from a request.
enum class InputKind { kNumber, kInteger, kText };

struct FeatureSpec {
  std::string name;
  std::string column;
  InputKind input = InputKind::kNumber;  // set by CheckSpec
  std::vector<Step> steps;               // never empty
};

struct TransformSpec {
  std::string label;  // empty: none
  std::vector<std::string> passthrough;
  std::vector<FeatureSpec> features;
};

// kInvalidArgument, naming the feature, the step and what was expected.
Result<TransformSpec> ParseTransformSpec(const json::object& spec);

// Checks the steps against the types of the columns and sets FeatureSpec::input. kInvalidArgument when a column is
// missing, or a step does not fit what the step before it yields.
Status CheckSpec(const std::vector<SourceColumn>& columns, TransformSpec* spec);

}  // namespace headrace::data
