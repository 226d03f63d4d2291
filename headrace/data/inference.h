// A model run over a table: columns become tensors exactly as a request's values do.
#pragma once
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "headrace/base/status.h"
#include "headrace/core/engine.h"
#include "headrace/core/query_engine.h"
#include "headrace/core/tensor.h"

namespace headrace::data {

// Loads the model in `folder` with the first engine that recognises it. kInvalidArgument when none does.
Result<std::unique_ptr<Servable>> LoadModel(const std::vector<Engine*>& engines, const std::filesystem::path& folder);

// The SQL expression of the column that `input` names, as the type that it takes and with the value that stands for
// NULL: NaN, "", false, or the smallest number of a signed whole type (0 of an unsigned one). kUnimplemented for types
// that no column becomes.
Result<std::string> InputExpression(const TensorSpec& input);

struct InferenceRequest {
  std::string relation;              // what follows FROM
  std::vector<std::string> extras;   // further expressions to select: labels, slices
  std::vector<std::string> outputs;  // by name; empty: all
};

// One batch: its row i is row i of every output; `batch` holds the model's inputs, then the extras.
using InferenceBatch =
    std::function<Status(const RecordBatch& batch, int64_t first_extra, std::span<const Tensor> outputs)>;

// Runs the signature "serving_default" (or the only one) over the rows, in their order. Inputs have one dimension, of
// any size, or two of which the second is 1. kInvalidArgument when a column that the model takes is missing.
Status RunModel(QueryEngine& engine, Servable& model, const InferenceRequest& request, const InferenceBatch& consume);

}  // namespace headrace::data
