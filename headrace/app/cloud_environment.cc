#include "headrace/app/cloud_environment.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "headrace/app/builtins.h"

namespace headrace::app {
namespace {

namespace fs = std::filesystem;

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

bool HasVersions(const fs::path& folder) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (entry.is_directory(error) &&
        std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isdigit(c); }))
      return true;
  }
  return false;
}

bool HasModels(const fs::path& folder) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (entry.is_directory(error) && HasVersions(entry.path())) return true;
  return false;
}

bool IsModel(const fs::path& folder) {
  return std::ranges::any_of(BuiltinEngines(), [&](const Engine* engine) { return engine->Recognizes(folder); });
}

Result<CloudModel> UseFolder(const fs::path& folder, ServeFlags* flags) {
  CloudModel model;
  if (HasVersions(folder)) {
    flags->model_base_path = folder.string();
  } else if (IsModel(folder)) {
    model.link = std::make_unique<TempDir>();
    std::error_code error;
    fs::create_directory_symlink(fs::absolute(folder), model.link->path() / "1", error);
    if (error) return std::unexpected(ErrnoStatus(error.value(), model.link->path().string()));
    flags->model_base_path = model.link->path().string();
  } else if (HasModels(folder)) {
    flags->models_root = folder.string();
  } else {
    return std::unexpected(
        InvalidArgument("{}: found neither a model's files (model.onnx, saved_model.pb) nor folders named by versions",
                        folder.string()));
  }
  return model;
}

// The first of these that is set, when the command line does not set `flag`.
void FillFlag(const CLI::App& command, const char* flag, std::initializer_list<std::string> values, std::string* out) {
  if (command.get_option(flag)->count() > 0) return;
  for (const auto& value : values)
    if (!value.empty()) {
      *out = value;
      return;
    }
}

}  // namespace

Result<CloudModel> ApplyCloudEnvironment(const CLI::App& command, ServeFlags* flags) {
  const std::string storage = Environment("AIP_STORAGE_URI");
  const std::string named = Environment("SM_MODEL_DIR");
  const fs::path folder = named.empty() ? "/opt/ml/model" : named;
  const bool has_model =
      !flags->model_base_path.empty() || !flags->model_config_file.empty() || !flags->models_root.empty();
  std::error_code error;
  const bool sagemaker = !has_model && storage.empty() && fs::is_directory(folder, error);
  FillFlag(command, "--rest_api_port",
           {Environment("AIP_HTTP_PORT"), Environment("SAGEMAKER_BIND_TO_PORT"), sagemaker ? "8080" : ""},
           &flags->rest_api_port);
  flags->scoring.health_route = Environment("AIP_HEALTH_ROUTE");
  flags->scoring.predict_route = Environment("AIP_PREDICT_ROUTE");
  if (has_model) return CloudModel();
  if (sagemaker) return UseFolder(folder, flags);
  if (storage.empty()) return CloudModel();
  fs::path local = storage;
  if (BuiltinStore()->Serves(storage)) {
    HR_ASSIGN_OR_UNEXPECTED(local, BuiltinStore()->Localize(storage));
  }
  return UseFolder(local, flags);
}

}  // namespace headrace::app
