#include "headrace/protocols/oip/repository.h"

#include <algorithm>

namespace headrace::oip {
namespace {

using serving::ModelConfig;
using serving::ServerConfig;

const ModelConfig* FindConfigured(const ServerConfig& config, const std::string& name) {
  const auto found = std::ranges::find(config.models, name, &ModelConfig::name);
  return found == config.models.end() ? nullptr : &*found;
}

Status NoSuchModel() {
  return InvalidArgument(
      "failed to poll from model repository: no model of that name is configured or in the models folder");
}

}  // namespace

void Repository::Load(std::string model, ModelOverride override, std::function<void(Status)> done) {
  auto work = [this, model = std::move(model), override = std::move(override)] {
    return LoadNow(model, override).WithContext("failed to load '" + model + "'");
  };
  Enqueue(std::move(work), std::move(done));
}

void Repository::Unload(std::string model, std::function<void(Status)> done) {
  auto work = [this, model = std::move(model)] {
    return UnloadNow(model).WithContext("failed to unload '" + model + "'");
  };
  Enqueue(std::move(work), std::move(done));
}

void Repository::Enqueue(std::function<Status()> work, std::function<void(Status)> done) {
  const auto shared = std::make_shared<std::function<void(Status)>>(std::move(done));
  const Status submitted = worker_.Submit([work = std::move(work), shared] { (*shared)(work()); });
  if (!submitted.ok()) (*shared)(submitted);
}

Status Repository::LoadNow(const std::string& model, const ModelOverride& override) {
  const Deadline deadline = std::chrono::steady_clock::now() + load_timeout_;
  ForgetStale();
  if (!override.empty()) return LoadOverride(model, override, deadline);
  if (replaced_.contains(model)) return LoadOriginal(model, deadline);
  return LoadConfigured(model, deadline);
}

Status Repository::LoadConfigured(const std::string& model, Deadline deadline) {
  const auto former = unloaded_.find(model);
  HR_RETURN_IF_ERROR(manager_->UpdateConfig([&](ServerConfig* config) {
    if (former != unloaded_.end() && former->second.configured && FindConfigured(*config, model) == nullptr)
      config->models.push_back(former->second.config);
    std::erase(config->models_root_except, model);
  }));
  manager_->PollNow();
  if (!manager_->Config(model)) return NoSuchModel();
  HR_RETURN_IF_ERROR(manager_->Reload(model, deadline));
  unloaded_.erase(model);
  return OkStatus();
}

Status Repository::LoadOriginal(const std::string& model, Deadline deadline) {
  const auto replaced = replaced_.find(model);
  if (!replaced->second.original) return NoSuchModel();
  HR_RETURN_IF_ERROR(Replace(*replaced->second.original, deadline));
  const bool configured = replaced->second.configured;
  replaced_.erase(replaced);
  if (configured) return OkStatus();
  return manager_->UpdateConfig([&](ServerConfig* config) {
    std::erase_if(config->models, [&](const auto& entry) { return entry.name == model; });
  });
}

Status Repository::LoadOverride(const std::string& model, const ModelOverride& override, Deadline deadline) {
  if (!override.config) return InvalidArgument("Load parameter 'config' must be specified for model file override");
  Replaced next{.applied = {}, .original = Original(model), .configured = IsConfigured(model), .files = nullptr};
  if (next.original) next.applied = *next.original;
  next.applied.name = model;
  HR_RETURN_IF_ERROR(ApplyConfig(*override.config, &next.applied).WithContext("Invalid config override"));
  if (!override.files.empty()) {
    next.files = std::make_unique<TempDir>();
    HR_RETURN_IF_ERROR(WriteFiles(override, next.files->path()));
    next.applied.base_path = next.files->path().string();
    // They speak of the versions that these files replace.
    next.applied.labels.clear();
    next.applied.traffic = {};
  }
  if (next.applied.base_path.empty()) return NoSuchModel();
  const ServerConfig present = manager_->config();
  if (const ModelConfig* entry = FindConfigured(present, model); entry != nullptr && *entry == next.applied)
    return manager_->Reload(model, deadline);
  HR_RETURN_IF_ERROR(Replace(next.applied, deadline));
  unloaded_.erase(model);
  replaced_.insert_or_assign(model, std::move(next));
  return OkStatus();
}

Status Repository::Replace(const ModelConfig& model, Deadline deadline) {
  const auto replace = [&](ServerConfig* config) {
    std::erase_if(config->models, [&](const auto& present) { return present.name == model.name; });
    config->models.push_back(model);
    std::erase(config->models_root_except, model.name);
  };
  return manager_->UpdateConfig(replace, deadline);
}

std::optional<ModelConfig> Repository::Original(const std::string& model) const {
  if (const auto replaced = replaced_.find(model); replaced != replaced_.end()) return replaced->second.original;
  if (auto present = manager_->Config(model)) return present;
  if (const auto former = unloaded_.find(model); former != unloaded_.end()) return former->second.config;
  return std::nullopt;
}

// The model without what a client gave for it.
bool Repository::IsConfigured(const std::string& model) const {
  if (const auto replaced = replaced_.find(model); replaced != replaced_.end()) return replaced->second.configured;
  if (const auto former = unloaded_.find(model); former != unloaded_.end()) return former->second.configured;
  return FindConfigured(manager_->config(), model) != nullptr;
}

// A configuration that came from elsewhere meanwhile stands, and what it replaced is no longer anybody's original.
void Repository::ForgetStale() {
  const ServerConfig config = manager_->config();
  std::erase_if(replaced_, [&](const auto& entry) {
    const ModelConfig* present = FindConfigured(config, entry.first);
    const ModelConfig& applied = entry.second.applied;
    return present == nullptr || present->base_path != applied.base_path || present->versions != applied.versions ||
           serving::LoadOptionsKey(*present) != serving::LoadOptionsKey(applied);
  });
}

Status Repository::UnloadNow(const std::string& model) {
  const auto present = manager_->Config(model);
  if (!present) {
    const auto except = manager_->config().models_root_except;
    if (std::ranges::find(except, model) != except.end()) return OkStatus();
    return NotFound("Request for unknown model: '{}' is not found", model);
  }
  ForgetStale();
  const auto original = Original(model);
  const bool configured = IsConfigured(model);
  HR_RETURN_IF_ERROR(manager_->UpdateConfig([&](ServerConfig* config) {
    std::erase_if(config->models, [&](const auto& entry) { return entry.name == model; });
    config->models_root_except.push_back(model);
  }));
  replaced_.erase(model);
  if (original) unloaded_.insert_or_assign(model, Unloaded{*original, configured});
  return OkStatus();
}

}  // namespace headrace::oip
