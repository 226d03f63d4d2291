// The model server's numbers as Prometheus text: TensorFlow Serving's names (":tensorflow:serving:request_count"
// {model_name,status}, request_latency and runtime_latency in µs), and the same by version under "headrace_serving_".
#pragma once
#include <string>

#include "headrace/serving/model_manager.h"
#include "headrace/serving/prediction_log.h"
#include "headrace/serving/predictor.h"

namespace headrace::serving {

// Prometheus exposition format 0.0.4; ends with a newline. To be appended to Metrics::Expose().
// `predictor` and `log`, which may be null, add what shadow versions answered and what was logged.
std::string ExposeServingMetrics(const ModelManager& manager, const Predictor* predictor = nullptr,
                                 const PredictionLog* log = nullptr);

}  // namespace headrace::serving
