// Predictions as rows of an inference table: a row for each instance of a request.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "headrace/base/clock.h"
#include "headrace/base/status.h"
#include "headrace/core/engine.h"
#include "headrace/core/record_batch.h"
#include "headrace/serving/servable_handle.h"

namespace headrace::serving {

// What the log keeps of one prediction; owns all its memory.
struct LoggedPrediction {
  std::string event_id;                      // a UUID
  std::string request_id, trace_id, client;  // RequestOrigin's
  std::string model;
  int64_t version = 0;
  Role role = Role::kPrimary;
  std::string signature;
  TimePoint time;
  Code code = Code::kOk;
  std::string error;
  int64_t latency_micros = 0;
  int64_t queue_micros = 0;
  int64_t batch_size = 0;  // PredictCall::executed_rows
  double sampling_fraction = 1;
  std::vector<TensorSpec> input_specs, output_specs;
  std::vector<Tensor> inputs, outputs;  // `outputs` empty when it failed
};

// Of two predictions alike when they may stand in one file: model, and the names and types of inputs and outputs.
std::string RowSchemaKey(const LoggedPrediction& prediction);

// A table in flat columns, and the SELECT list that turns them into the inference table: event_id, request_id,
// row_index, trace_id, event_time, endpoint, role, model_name, model_version, signature, schema_hash, features (a
// struct of the inputs), prediction (a struct of the outputs), status_code, error, latency_us, queue_us, batch_size,
// sampling_prob, client. `batch_size` is that of the engine's run, without padding; 0 when it did not come to one. What
// a request did not have of request_id, trace_id and client is an empty string. A row's
// part of a tensor is a scalar, or a list when it has several elements. FP16 and BF16 become FLOAT; complex tensors are
// left out. Text is UTF-8: a string that is not, that has a NUL, or that itself begins with {"b64": " stands there as
// the JSON object {"b64": "<base64 of its bytes>"}, with that one space, so that every string can be had back.
struct PredictionTable {
  RecordBatch batch;
  std::string select_list;
};
// `predictions`: at least one, all with the same RowSchemaKey.
Result<PredictionTable> MakePredictionTable(const std::vector<const LoggedPrediction*>& predictions);

}  // namespace headrace::serving
