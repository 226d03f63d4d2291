// What a client of Triton's model repository extension may give with RepositoryModelLoad: a configuration in place of
// the model's own, and files in place of its versions.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "headrace/base/status.h"
#include "headrace/serving/model_config.h"

namespace headrace::oip {

struct ModelOverride {
  std::optional<std::string> config;                       // Triton's ModelConfig as JSON
  std::vector<std::pair<std::string, std::string>> files;  // "1/model.onnx", a path below the model, and its bytes

  bool empty() const { return !config && files.empty(); }
};

// A load parameter of the extension: "config", or "file:" and a path. kInvalidArgument for any other name.
Status AddLoadParameter(std::string_view name, std::string value, ModelOverride* out);

// Replaces in `model` what Triton's configuration decides: the engine, the version policy, batching, threads. Inputs
// and outputs are the model file's own, whatever the configuration says. kInvalidArgument that names the field that
// cannot be read, is unknown here or asks for what this server does not have.
Status ApplyConfig(std::string_view json, serving::ModelConfig* model);

// Writes the files below `folder`, which is made. kInvalidArgument for a path that leaves it or has no version before
// its name.
Status WriteFiles(const ModelOverride& override, const std::filesystem::path& folder);

}  // namespace headrace::oip
