// What TensorFlow Serving's REST and gRPC front ends share: the models, where they run, and the settings.
#pragma once
#include <chrono>
#include <string_view>

#include "headrace/base/clock.h"
#include "headrace/serving/model_manager.h"
#include "headrace/serving/predictor.h"

namespace headrace::tfserving {

struct ModelServerOptions {
  Duration rest_timeout = std::chrono::seconds(30);  // zero: none
  bool tensor_content = false;                       // gRPC answers carry tensor_content instead of typed fields
  // What the messages of HandleReloadConfigRequest cannot say of a model: batching, engine options.
  serving::ModelConfig model_defaults = {};
};

// A plain value; what it points to must outlive the front ends. Used by all threads.
struct ModelServer {
  serving::ModelManager* manager = nullptr;
  serving::Predictor* predictor = nullptr;
  ModelServerOptions options = {};
};

// TensorFlow Serving's default signature; also what an empty name means.
inline constexpr std::string_view kDefaultSignature = "serving_default";

}  // namespace headrace::tfserving
