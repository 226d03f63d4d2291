// TensorFlow Serving's warm-up file: requests that were logged and are run on a version before it is AVAILABLE.
#pragma once
#include <filesystem>

#include "headrace/base/status.h"
#include "headrace/core/engine.h"

namespace headrace::tfserving {

// serving::ModelManagerOptions::warmup. Runs the Predict requests of
// <version_dir>/assets.extra/tf_serving_warmup_requests, a TFRecord of PredictionLog; false when there is no such file.
// At most 1000 records, as that server has it; further kinds of request are skipped. The first that fails is an error,
// with its number.
Result<bool> WarmUpFromFile(const std::filesystem::path& version_dir, Servable& servable);

}  // namespace headrace::tfserving
