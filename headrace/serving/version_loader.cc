#include "headrace/serving/version_loader.h"

#include <algorithm>

namespace headrace::serving {
namespace {

// What TensorFlow Serving's own configurations say of every model; here it prefers that engine and excludes none.
constexpr std::string_view kTensorFlow = "tensorflow";

std::string Names(const std::vector<Engine*>& engines) {
  std::string names;
  for (const Engine* engine : engines) names.append(names.empty() ? "" : ", ").append(engine->name());
  return names;
}

}  // namespace

Status VersionLoader::CheckPlatform(const std::string& platform) const {
  const bool known = platform.empty() || platform == kTensorFlow ||
                     std::any_of(engines_.begin(), engines_.end(), [&](auto* e) { return e->name() == platform; });
  if (known) return OkStatus();
  return InvalidArgument("model_platform \"{}\" is not built in; expected one of {} or tensorflow, or leave it empty",
                         platform, Names(engines_));
}

Result<Engine*> VersionLoader::FindEngine(const std::string& platform, const std::filesystem::path& dir) const {
  for (Engine* engine : engines_)
    if (engine->name() == platform && engine->Recognizes(dir)) return engine;
  if (platform.empty() || platform == kTensorFlow)
    for (Engine* engine : engines_)
      if (engine->Recognizes(dir)) return engine;
  return std::unexpected(InvalidArgument(
      "{}: no file of a model that {} can load; expected for example model.onnx in it", dir.string(),
      platform.empty() || platform == kTensorFlow ? "an engine built in (" + Names(engines_) + ")" : platform));
}

Result<VersionLoader::Source> VersionLoader::Prepare(const ModelConfig& config, const std::string& location) const {
  Source source;
  source.dir = location;
  if (location.find("://") != std::string::npos) {
    HR_ASSIGN_OR_UNEXPECTED(source.dir, store_->Localize(location));
  }
  HR_ASSIGN_OR_UNEXPECTED(source.engine, FindEngine(config.platform, source.dir));
  HR_ASSIGN_OR_UNEXPECTED(source.estimated_bytes, source.engine->EstimateMemory(source.dir));
  return source;
}

Result<std::unique_ptr<Servable>> VersionLoader::Load(const ModelConfig& config, const Source& source) const {
  HR_ASSIGN_OR_UNEXPECTED(auto servable, source.engine->Load(source.dir, config.engine));
  if (servable->signatures().empty())
    return std::unexpected(InvalidArgument("{}: the model has no signature to call", source.dir.string()));
  return servable;
}

bool VersionLoader::Retryable(const Status& status) {
  switch (status.code()) {
    case Code::kUnknown:
    case Code::kDeadlineExceeded:
    case Code::kResourceExhausted:
    case Code::kAborted:
    case Code::kInternal:
    case Code::kUnavailable: return true;
    default: return false;
  }
}

}  // namespace headrace::serving
