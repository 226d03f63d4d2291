// A served graph held against labelled examples: overall, by slice, and against the model that is served now.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "headrace/base/json.h"
#include "headrace/base/status.h"
#include "headrace/core/engine.h"
#include "headrace/core/query_engine.h"
#include "headrace/data/metrics.h"

namespace headrace::data {

struct EvaluateRequest {
  std::filesystem::path examples;   // a folder of Parquet files: the held-out split
  std::string label;                // a column of 0 and 1; rows without a label are left out
  std::vector<std::string> slices;  // columns: each value of each is a slice
  double threshold = 0.5;
  size_t samples = 20;  // rows kept as requests with their answers
};

struct SliceResult {
  std::string column;  // empty: overall
  std::string value;   // as text; "" where it is missing
  Metrics metrics;
  std::optional<Metrics> baseline;
  std::optional<Metrics> change;  // candidate - baseline

  std::string name() const { return column.empty() ? "overall" : column + "=" + value; }
};

// A row as TensorFlow Serving's row format has it, and the answer to it: what a server must give, bit for bit.
struct Sample {
  json::object instance;
  float prediction = 0;
};

struct Evaluation {
  SliceResult overall;
  std::vector<SliceResult> slices;  // by column in the order of the request, then by value
  std::vector<Sample> samples;      // the first rows in which nothing is missing
};

// Runs `model`, and `baseline` if not null, over the rows; their first outputs are the probabilities, [rows] or
// [rows, 1]. Writes `predictions` (when not empty), a Parquet file with a row for each labelled example in their order:
// row (0 …), label, prediction and baseline_prediction as FLOAT, and the slices' columns. kInvalidArgument for labels
// other than 0 and 1, for predictions outside 0 … 1, and for columns that are missing; kFailedPrecondition when no row
// has a label.
Result<Evaluation> Evaluate(QueryEngine& engine, Servable& model, Servable* baseline, const EvaluateRequest& request,
                            const std::filesystem::path& predictions);

json::value ToJsonValue(const Evaluation& evaluation);
// A table for people: overall and each slice.
std::string FormatEvaluation(const Evaluation& evaluation);

// The model that is served now: the highest version below `base` (whose names are numbers), or `base` itself when it
// holds a model; nullopt when it is empty, missing, or holds none.
std::optional<std::filesystem::path> FindBaseline(const std::vector<Engine*>& engines,
                                                  const std::filesystem::path& base);

}  // namespace headrace::data
