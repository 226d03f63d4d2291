// The model server's numbers as Prometheus text: TensorFlow Serving's names (":tensorflow:serving:request_count"
// {model_name,status}, request_latency and runtime_latency in µs), and the same by version under "headrace_serving_".
#pragma once
#include <string>

#include "headrace/serving/model_manager.h"

namespace headrace::serving {

// Prometheus exposition format 0.0.4; ends with a newline. To be appended to Metrics::Expose().
std::string ExposeServingMetrics(const ModelManager& manager);

}  // namespace headrace::serving
