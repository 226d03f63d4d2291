// What Amazon SageMaker and Vertex AI tell a model's container through its environment, as flags of `headrace serve`.
#pragma once
#include <CLI/CLI.hpp>
#include <memory>

#include "headrace/app/serve_flags.h"
#include "headrace/base/files.h"

namespace headrace::app {

// The folder that gives a model without version folders, as clouds deliver it, the version 1.
struct CloudModel {
  std::unique_ptr<TempDir> link;  // empty: not needed; else to be kept while it is served
};

// Fills the flags that the command line leaves open:
//   REST port    AIP_HTTP_PORT (Vertex AI), SAGEMAKER_BIND_TO_PORT; 8080 on SageMaker
//   routes       AIP_HEALTH_ROUTE, AIP_PREDICT_ROUTE
//   model        AIP_STORAGE_URI; SM_MODEL_DIR or /opt/ml/model when it is there and no model is named. A folder with
//                numbered folders is a base path, one with a model's files is version 1, one of such folders is a
//                models root.
// kInvalidArgument when a folder holds nothing of these.
Result<CloudModel> ApplyCloudEnvironment(const CLI::App& command, ServeFlags* flags);

}  // namespace headrace::app
