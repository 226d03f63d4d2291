// TensorFlow Serving's warm-up file: requests that were logged and are run on a version before it is AVAILABLE.
#pragma once
#include <filesystem>

#include "headrace/base/status.h"
#include "headrace/core/engine.h"

namespace headrace::tfserving {

// serving::ModelManagerOptions::warmup. Runs the predict, classify, regress and multi-inference requests of
// <version_dir>/assets.extra/tf_serving_warmup_requests, a TFRecord of PredictionLog; false when there is no such file,
// or nothing in it that was run. At most 1000 records, as that server has it. The first that fails, be it only that its
// outputs are no classification or regression, is an error with its number. SessionRun records, and kinds that came
// later, are skipped with a line in the log: they name tensors of TensorFlow's graph, which only that server has.
Result<bool> WarmUpFromFile(const std::filesystem::path& version_dir, Servable& servable);

}  // namespace headrace::tfserving
