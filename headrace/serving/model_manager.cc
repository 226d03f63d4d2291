#include "headrace/serving/model_manager.h"

#include <fmt/format.h>

#include <algorithm>

#include "headrace/serving/reconciler.h"

namespace headrace::serving {
namespace {

bool LoadsAlike(const ModelConfig& a, const ModelConfig& b) {
  return a.base_path == b.base_path && a.versions == b.versions && LoadOptionsKey(a) == LoadOptionsKey(b);
}

const ModelConfig* FindModel(const ServerConfig& config, std::string_view name) {
  for (const auto& model : config.models)
    if (model.name == name) return &model;
  return nullptr;
}

// What is loaded while a new configuration is on trial: the new models beside those that it drops, labels and weights
// still as they were.
ServerConfig Staged(const ServerConfig& former, const ServerConfig& next) {
  ServerConfig staged = next;
  staged.models_root = former.models_root;
  for (auto& model : staged.models) {
    const ModelConfig* before = FindModel(former, model.name);
    if (before != nullptr) model.labels = before->labels, model.traffic = before->traffic;
  }
  for (const auto& model : former.models)
    if (FindModel(next, model.name) == nullptr) staged.models.push_back(model);
  return staged;
}

std::vector<std::string> Names(const ServerConfig& config) {
  std::vector<std::string> names;
  names.reserve(config.models.size());
  for (const auto& model : config.models) names.push_back(model.name);
  return names;
}

bool IsAvailable(const ModelRecord& model, int64_t version) {
  return std::any_of(model.versions.begin(), model.versions.end(), [&](const auto& record) {
    return record.status.version == version && record.status.state == VersionState::kAvailable;
  });
}

Status UnavailableLabel(std::string_view model, std::string_view label, int64_t version) {
  return FailedPrecondition(
      "Request to assign label to version {} of model {}, which is not currently available for inference (label "
      "\"{}\"); load the version first or start with --allow_version_labels_for_unavailable_models",
      version, model, label);
}

}  // namespace

std::string_view VersionStateName(VersionState state) {
  switch (state) {
    case VersionState::kStart: return "START";
    case VersionState::kLoading: return "LOADING";
    case VersionState::kAvailable: return "AVAILABLE";
    case VersionState::kUnloading: return "UNLOADING";
    case VersionState::kEnd: return "END";
  }
  return "UNKNOWN";
}

namespace {

// What found no version, by model. Thread-safe.
class RefusedCounts {
 public:
  void Count(const std::string& name, Code code, Duration latency) {
    MutexLock lock(mutex_);
    auto& counts = counts_[name];
    if (counts == nullptr) counts = std::make_unique<VersionStats>();
    counts->RecordRequest(code, latency);
  }
  // A copy.
  std::map<std::string, std::unique_ptr<VersionStats>> Read() const {
    MutexLock lock(mutex_);
    std::map<std::string, std::unique_ptr<VersionStats>> copy;
    for (const auto& [name, counts] : counts_) (copy[name] = std::make_unique<VersionStats>())->Merge(*counts);
    return copy;
  }

 private:
  mutable Mutex mutex_;
  std::map<std::string, std::unique_ptr<VersionStats>> counts_ HR_GUARDED_BY(mutex_);
};

}  // namespace

class ModelManager::Impl {
 public:
  RefusedCounts refused;
  explicit Impl(const ModelManagerOptions& options) : options_(options), reconciler(options) {}

  Status SetConfig(ServerConfig next, Deadline wait) {
    MutexLock one_at_a_time(reload_mutex_);
    return Apply(std::move(next), wait);
  }

  Status Update(const std::function<void(ServerConfig*)>& change, Deadline wait) {
    MutexLock one_at_a_time(reload_mutex_);
    ServerConfig next = config();
    change(&next);
    return next == config() ? OkStatus() : Apply(std::move(next), wait);
  }

  ServerConfig config() const {
    MutexLock lock(config_mutex_);
    return config_;
  }

  // Changes one model's configuration without loading anything.
  Status Change(std::string_view name, const std::function<void(ModelConfig*)>& change) {
    MutexLock one_at_a_time(reload_mutex_);
    const auto former = FindServed(name);
    if (!former) return NotFound("Could not find model {} in the configuration", name);
    ModelConfig next = *former;
    change(&next);
    HR_RETURN_IF_ERROR(Validate(next));
    HR_RETURN_IF_ERROR(CheckTargets(*former, next));
    reconciler.SetRouting(next);
    MutexLock lock(config_mutex_);
    for (auto& model : config_.models)
      if (model.name == name) model = next;
    return OkStatus();
  }

  // Of a model that is named in the configuration or was found below its models_root.
  std::optional<ModelConfig> FindServed(std::string_view name) {
    return reconciler.ReadModels([&](const Reconciler::Models& models) -> std::optional<ModelConfig> {
      const auto it = models.find(name);
      if (it == models.end() || !it->second.configured) return std::nullopt;
      return it->second.config;
    });
  }

  // `strict`: the wanted versions themselves, all that can be; what hinders them all is an error at once.
  Status WaitAvailable(const std::vector<std::string>& names, Deadline deadline, bool strict) const {
    Status status;
    const auto settled = [&](const Reconciler::Models& models) {
      status = OkStatus();
      bool all = true;
      const auto look = [&](const std::string& name, const ModelRecord* model) {
        const Status hopeless = model != nullptr ? model->Hopeless() : NotFound("model {} is not configured", name);
        const bool complete = !strict || (hopeless.ok() && model != nullptr && model->Tried());
        if (model != nullptr && model->HasAvailable(strict) && complete) return;
        all = false;
        const bool fatal = !hopeless.ok() && (strict || hopeless.code() != Code::kNotFound);
        if (fatal && status.ok()) status = hopeless.WithContext("model " + name);
      };
      for (const auto& name : names) {
        const auto it = models.find(name);
        look(name, it == models.end() || !it->second.configured ? nullptr : &it->second);
      }
      if (names.empty())
        for (const auto& [name, model] : models)
          if (model.configured) look(name, &model);
      return all || !status.ok();
    };
    if (reconciler.WaitUntil(deadline, settled)) return status;
    return DeadlineExceeded(
        "{} still not available when the wait ended",
        names.empty() ? "some models are" : "of " + fmt::format("{}", fmt::join(names, ", ")) + " some are");
  }

 private:
  Status Apply(ServerConfig next, Deadline wait) HR_REQUIRES(reload_mutex_) {
    HR_RETURN_IF_ERROR(Validate(next));
    for (const auto& model : next.models)
      HR_RETURN_IF_ERROR(reconciler.loader().CheckPlatform(model.platform).WithContext("model " + model.name));
    if (wait > std::chrono::steady_clock::now()) HR_RETURN_IF_ERROR(TryOut(config(), next, wait));
    reconciler.Configure(next, {});
    {
      MutexLock lock(config_mutex_);
      config_ = std::move(next);
    }
    reconciler.Poll();
    return OkStatus();
  }

  // Labels and targets of traffic that are new must lead to versions that can answer now.
  Status CheckTargets(const ModelConfig& former, const ModelConfig& next) {
    return reconciler.ReadModels([&](const Reconciler::Models& models) -> Status {
      const auto it = models.find(next.name);
      const auto available = [&](int64_t version) { return it != models.end() && IsAvailable(it->second, version); };
      for (const auto& [label, version] : next.labels) {
        const auto before = former.labels.find(label);
        const bool changed = before == former.labels.end() || before->second != version;
        if (changed && !options_.allow_labels_for_unavailable && !available(version))
          return UnavailableLabel(next.name, label, version);
      }
      if (next.traffic == former.traffic) return OkStatus();
      const auto check = [&](std::string_view field, const VersionRef& target) {
        const int64_t version = target.label.empty() ? target.version : next.labels.find(target.label)->second;
        if (available(version)) return OkStatus();
        return FailedPrecondition(
            "traffic.{}: version {} of model {} is not available; the version policy must want it, and it must be "
            "loaded",
            field, version, next.name);
      };
      for (const auto& [target, weight] : next.traffic.weights)
        if (weight > 0) HR_RETURN_IF_ERROR(check("weights", target));
      for (const auto& shadow : next.traffic.shadows) HR_RETURN_IF_ERROR(check("shadows", shadow));
      return OkStatus();
    });
  }

  Status TryOut(const ServerConfig& former, const ServerConfig& next, Deadline wait) {
    const ServerConfig staged = Staged(former, next);
    std::vector<std::string> expected;
    for (const auto& model : next.models) {
      const ModelConfig* before = FindModel(former, model.name);
      if (before == nullptr || !LoadsAlike(*before, model)) expected.push_back(model.name);
    }
    reconciler.Configure(staged, Names(staged));
    reconciler.Poll();
    Status status = expected.empty() ? OkStatus() : WaitAvailable(expected, wait, true);
    if (status.ok() && !options_.allow_labels_for_unavailable) status = CheckLabels(next);
    if (status.ok()) return status;
    reconciler.Configure(former, {});
    reconciler.Poll();
    return status;
  }

  Status CheckLabels(const ServerConfig& next) {
    return reconciler.ReadModels([&](const Reconciler::Models& models) -> Status {
      for (const auto& model : next.models)
        for (const auto& [label, version] : model.labels)
          if (const auto it = models.find(model.name); it == models.end() || !IsAvailable(it->second, version))
            return UnavailableLabel(model.name, label, version);
      return OkStatus();
    });
  }

  const ModelManagerOptions options_;
  Mutex reload_mutex_;
  mutable Mutex config_mutex_;
  ServerConfig config_ HR_GUARDED_BY(config_mutex_);

 public:
  Reconciler reconciler;
};

ModelManager::ModelManager(ModelManagerOptions options) : impl_(std::make_unique<Impl>(options)) {}
ModelManager::~ModelManager() = default;

Status ModelManager::SetConfig(ServerConfig config, Deadline wait) { return impl_->SetConfig(std::move(config), wait); }

Status ModelManager::UpdateConfig(const std::function<void(ServerConfig*)>& change, Deadline wait) {
  return impl_->Update(change, wait);
}

ServerConfig ModelManager::config() const { return impl_->config(); }

Status ModelManager::SetLabels(std::string_view model, std::map<std::string, int64_t, std::less<>> labels) {
  return impl_->Change(model, [&](ModelConfig* config) { config->labels = std::move(labels); });
}

Status ModelManager::SetTraffic(std::string_view model, TrafficPolicy traffic) {
  return impl_->Change(model, [&](ModelConfig* config) { config->traffic = std::move(traffic); });
}

Result<ServableHandle> ModelManager::Lookup(const VersionSelector& selector) const {
  for (;;) {
    auto handle = impl_->reconciler.snapshots().Current().Find(selector);
    if (handle || handle.error().code() != Code::kAborted) return handle;
  }
}

std::string ModelManager::RouteInput(std::string_view model) const {
  const Snapshot& snapshot = impl_->reconciler.snapshots().Current();
  const auto it = snapshot.models.find(model);
  return it == snapshot.models.end() ? std::string() : it->second.traffic.sticky_input;
}

std::vector<ServableHandle> ModelManager::Shadows(std::string_view model) const {
  const Snapshot& snapshot = impl_->reconciler.snapshots().Current();
  std::vector<ServableHandle> handles;
  if (const auto it = snapshot.models.find(model); it != snapshot.models.end())
    for (const auto& shadow : it->second.shadows)
      if (shadow->TryAcquire())
        handles.emplace_back(shadow.get(), Role::kShadow, 0, static_cast<float>(it->second.log_fraction));
  return handles;
}

std::string ModelManager::RouteHeader(std::string_view model) const {
  const Snapshot& snapshot = impl_->reconciler.snapshots().Current();
  const auto it = snapshot.models.find(model);
  return it == snapshot.models.end() ? std::string() : it->second.traffic.sticky_header;
}

Result<std::vector<VersionStatus>> ModelManager::Statuses(std::string_view model,
                                                          std::optional<int64_t> version) const {
  auto statuses = impl_->reconciler.ReadModels([&](const Reconciler::Models& models) {
    const auto it = models.find(model);
    return it == models.end() ? std::vector<VersionStatus>{} : StatusesOf(it->second);
  });
  if (version) std::erase_if(statuses, [&](const auto& status) { return status.version != *version; });
  if (!statuses.empty()) return statuses;
  if (version) return std::unexpected(NotFound("Could not find version {} of model {}", *version, model));
  return std::unexpected(NotFound("Could not find any versions of model {}", model));
}

std::vector<std::string> ModelManager::Models() const {
  return impl_->reconciler.ReadModels([&](const Reconciler::Models& models) {
    std::vector<std::string> names;
    for (const auto& [name, model] : models)
      if (model.configured) names.push_back(name);
    return names;
  });
}

std::optional<ModelConfig> ModelManager::Config(std::string_view model) const { return impl_->FindServed(model); }

bool ModelManager::Ready() const { return WaitAvailable({}, Deadline::min()).ok(); }

Status ModelManager::WaitAvailable(const std::vector<std::string>& models, Deadline deadline) const {
  return impl_->WaitAvailable(models, deadline, false);
}

Status ModelManager::WaitSettled(Deadline deadline) const {
  const auto settled = [](const Reconciler::Models& models) {
    return std::all_of(models.begin(), models.end(), [](const auto& model) { return model.second.Settled(); });
  };
  if (impl_->reconciler.WaitUntil(deadline, settled)) return OkStatus();
  return DeadlineExceeded("some versions were still loading when the wait ended; see their status");
}

void ModelManager::EndWaits() { impl_->reconciler.EndWaits(); }

void ModelManager::PollNow() { impl_->reconciler.Poll(); }

Status ModelManager::Reload(std::string_view name, Deadline deadline) {
  impl_->reconciler.PollChanges(name);
  Status status;
  const auto settled = [&](const Reconciler::Models& models) {
    const auto model = models.find(name);
    if (model == models.end() || !model->second.configured) {
      status = NotFound("model {} is not configured", name);
      return true;
    }
    status = model->second.Failure();
    return model->second.Settled();
  };
  if (impl_->reconciler.WaitUntil(deadline, settled)) return status;
  return DeadlineExceeded("model {} was still loading when the wait ended; see its status", name);
}

void ModelManager::AddListener(std::function<void(const VersionEvent&)> listener) {
  impl_->reconciler.AddListener(std::move(listener));
}

std::vector<ServableHandle> ModelManager::Loaded() const {
  return impl_->reconciler.ReadModels([](const Reconciler::Models& models) {
    std::vector<ServableHandle> loaded;
    for (const auto& [name, model] : models)
      for (const auto& version : model.versions)
        if (version.loaded != nullptr && version.loaded->TryAcquire()) loaded.emplace_back(version.loaded.get());
    return loaded;
  });
}

std::vector<std::pair<std::string, std::unique_ptr<VersionStats>>> ModelManager::Totals() const {
  auto refused = impl_->refused.Read();
  return impl_->reconciler.ReadModels([&](const Reconciler::Models& models) {
    std::vector<std::pair<std::string, std::unique_ptr<VersionStats>>> totals;
    for (const auto& [name, model] : models) {
      auto total = std::make_unique<VersionStats>();
      total->Merge(model.retired);
      for (const auto& version : model.versions)
        if (version.loaded != nullptr) total->Merge(version.loaded->stats());
      if (const auto it = refused.find(name); it != refused.end()) {
        total->Merge(*it->second);
        refused.erase(it);
      }
      totals.emplace_back(name, std::move(total));
    }
    for (auto& [name, counts] : refused) totals.emplace_back(name, std::move(counts));
    return totals;
  });
}

void ModelManager::CountRefused(std::string_view model, Code code, Duration latency) const {
  impl_->refused.Count(std::string(Config(model) ? model : kUnknownModel), code, latency);
}

}  // namespace headrace::serving
