// The constants of a transform, computed by queries over the training examples.
#pragma once
#include <string>
#include <vector>

#include "headrace/base/status.h"
#include "headrace/core/query_engine.h"
#include "headrace/data/source.h"
#include "headrace/data/transform_spec.h"

namespace headrace::data {

// A step with its constants, rounded to the type in which the graph computes.
struct FittedStep {
  Step step = {};
  float value = 0;                      // impute; z_score's mean; min_max's minimum
  float scale = 1;                      // z_score's deviation; min_max's range: what is divided by, never 0
  std::string text = {};                // impute
  std::vector<float> boundaries = {};   // bucketize
  std::vector<std::string> words = {};  // vocabulary of texts, by index
  std::vector<int64_t> numbers = {};    // vocabulary of whole numbers, by index
  int64_t size = 0;                     // of an index: how many values it takes
};

struct FittedFeature {
  std::string name;
  std::string column;
  InputKind input = InputKind::kNumber;
  std::vector<FittedStep> steps;

  // The names of the columns that it yields: its own, or "name=value" of a one-hot.
  std::vector<std::string> OutputNames() const;
};

// `spec` has been checked against the columns of `train`. The same rows give the same constants to the last bit.
Result<std::vector<FittedFeature>> FitTransform(QueryEngine& engine, const ParquetSource& train,
                                                const TransformSpec& spec);

}  // namespace headrace::data
