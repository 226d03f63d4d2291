// Examples through a transform's graph: what the trainer gets.
#pragma once
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "headrace/base/status.h"
#include "headrace/core/engine.h"
#include "headrace/core/query_engine.h"
#include "headrace/data/schema.h"
#include "headrace/data/transform_spec.h"

namespace headrace::data {

struct TransformResult {
  std::vector<std::string> feature_names;
  std::map<std::string, int64_t> counts;  // split → rows
};

// Fits `spec` on examples/train, writes graph_folder/model.onnx, and runs that graph over every split: the files
// out/SPLIT/examples.parquet have a FLOAT column for each feature, then the columns that pass through, then the label.
// With a schema, a feature whose column is not in the environment SERVING is refused: no request would have it.
Result<TransformResult> Transform(QueryEngine& engine, const std::vector<Engine*>& engines,
                                  const std::filesystem::path& examples, TransformSpec spec, const Schema* schema,
                                  const std::filesystem::path& graph_folder, const std::filesystem::path& out);

}  // namespace headrace::data
