#include "headrace/serving/reconciler.h"

#include <pthread.h>

#include <algorithm>
#include <set>

#include "headrace/base/log.h"
#include "headrace/serving/warmup.h"

namespace headrace::serving {
namespace {

constexpr size_t kForgottenModels = 64;  // how many dropped models keep their status

void Log(const VersionEvent& event) {
  const auto& [model, status] = event;
  if (!status.error.ok())
    HR_LOG(err, "model {} version {} cannot be served: {}", model, status.version, status.error.ToString());
  else
    HR_LOG(info, "model {} version {} is {}", model, status.version, VersionStateName(status.state));
}

}  // namespace

Reconciler::Reconciler(const ModelManagerOptions& options)
    : options_(options),
      loader_(options.engines, options.store),
      pool_("hr-load", std::max<size_t>(options.load_threads, 1), size_t{1} << 20) {
  poller_ = std::thread([this] { PollLoop(); });
}

Reconciler::~Reconciler() {
  Configure({}, {});
  WaitUntil(Deadline::max(), [](const Models& models) {
    return std::all_of(models.begin(), models.end(), [](const auto& model) {
      const auto& versions = model.second.versions;
      return std::all_of(versions.begin(), versions.end(),
                         [](const auto& version) { return version.status.state == VersionState::kEnd; });
    });
  });
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  wake_.NotifyAll();
  poller_.join();
  pool_.Shutdown();
}

void Reconciler::StartModel(const ModelConfig& config, bool from_root) {
  const auto [it, added] = models_.try_emplace(config.name);
  ModelRecord& model = it->second;
  const bool same_path = !added && model.configured && model.config.base_path == config.base_path &&
                         model.config.versions == config.versions &&
                         LoadOptionsKey(model.config) == LoadOptionsKey(config);
  model.polled = model.polled && same_path;
  model.config = config;
  model.configured = true;
  model.from_root = from_root;
}

ModelConfig Reconciler::RootModel(const std::string& name) const {
  ModelConfig model = root_defaults_;
  model.name = name;
  model.base_path = (std::filesystem::path(models_root_) / name).string();
  return model;
}

void Reconciler::Configure(const ServerConfig& config, const std::vector<std::string>& hold) {
  {
    MutexLock lock(mutex_);
    std::set<std::string_view> names;
    for (const auto& model : config.models) {
      names.insert(model.name);
      StartModel(model, false);
    }
    const bool same_root = models_root_ == config.models_root;
    models_root_ = config.models_root;
    root_defaults_ = config.root_defaults;
    root_except_ = {config.models_root_except.begin(), config.models_root_except.end()};
    for (auto& [name, model] : models_) {
      model.hold = std::find(hold.begin(), hold.end(), name) != hold.end();
      // One that is no longer named but lies in the folder goes on as one that was found there.
      model.from_root |= model.configured && !names.contains(name) && model.config == RootModel(name);
      if (names.contains(name) || (model.from_root && same_root && !root_except_.contains(name))) continue;
      model.configured = false;
      Aspire(&model, {}, {});
    }
    availability_changed_ = true;  // labels and weights are part of a snapshot
    ReconcileAll();
  }
  Dispatch();
}

void Reconciler::SetRouting(const ModelConfig& config) {
  {
    MutexLock lock(mutex_);
    const auto model = models_.find(config.name);
    if (model == models_.end() || !model->second.configured) return;
    model->second.config.labels = config.labels;
    model->second.config.traffic = config.traffic;
    availability_changed_ = true;
    ReconcileAll();
  }
  Dispatch();
}

void Reconciler::AdoptRootModels(const std::string& root,
                                 const std::vector<std::pair<std::string, std::string>>& found) {
  std::set<std::string_view> names;
  for (const auto& [name, path] : found) {
    if (root_except_.contains(name)) continue;
    names.insert(name);
    const auto known = models_.find(name);
    if (known != models_.end() && known->second.configured) continue;
    ModelConfig config = root_defaults_;
    config.name = name;
    config.base_path = path;
    if (const Status valid = Validate(config); !valid.ok()) {
      HR_LOG(warn, "folder {} below {} is not served: {}", name, root, valid.message());
      continue;
    }
    StartModel(config, true);
    availability_changed_ = true;
  }
  for (auto& [name, model] : models_) {
    // A folder that lost its last version keeps its model; one that is gone does not.
    if (!model.from_root || !model.configured || names.contains(name)) continue;
    if (std::error_code error; std::filesystem::is_directory(model.config.base_path, error)) continue;
    model.configured = false;
    Aspire(&model, {}, {});
    availability_changed_ = true;
  }
}

void Reconciler::Poll() {
  MutexLock one_at_a_time(poll_mutex_);
  struct Look {
    std::string name, base_path;
    std::vector<std::string> failed;  // locations
    Result<std::vector<FoundVersion>> found;
    std::map<std::string, std::string> fingerprints;
  };
  std::string root;
  std::vector<Look> looks;
  {
    MutexLock lock(mutex_);
    root = models_root_;
  }
  if (!root.empty()) {
    const auto found = FindModels(root);
    MutexLock lock(mutex_);
    if (root == models_root_) AdoptRootModels(root, found);
  }
  {
    MutexLock lock(mutex_);
    for (auto& [name, model] : models_) {
      if (!model.configured) continue;
      auto& look = looks.emplace_back(Look{name, model.config.base_path, {}, {}, {}});
      for (const auto& version : model.versions)
        if (!version.status.error.ok() && version.aspired) look.failed.push_back(version.found.location);
    }
  }
  for (auto& look : looks) {
    look.found = FindVersions(look.base_path, options_.store);
    for (const auto& location : look.failed) look.fingerprints[location] = Fingerprint(location, options_.store);
  }
  {
    MutexLock lock(mutex_);
    for (auto& look : looks) {
      const auto it = models_.find(look.name);
      if (it == models_.end() || !it->second.configured || it->second.config.base_path != look.base_path) continue;
      ModelRecord& model = it->second;
      model.polled = true;
      const Status former = std::exchange(model.poll_error, look.found ? OkStatus() : look.found.error());
      // A base path that cannot be read says nothing about its versions: what serves goes on.
      if (look.found) Aspire(&model, SelectVersions(model.config.versions, *look.found), look.fingerprints);
      if (!look.found && former != look.found.error())
        HR_LOG(warn, "model {}: {}", look.name, look.found.error().ToString());
    }
    ReconcileAll();
    changed_.NotifyAll();
  }
  Dispatch();
}

void Reconciler::PollChanges(std::string_view name) {
  const auto each_served = [&](auto&& act) HR_REQUIRES(mutex_) {
    const auto model = models_.find(name);
    if (model == models_.end()) return;
    for (auto& version : model->second.versions)
      if (version.aspired && version.status.state == VersionState::kAvailable) act(&version);
  };
  std::map<std::string, std::string> present;
  {
    MutexLock lock(mutex_);
    each_served([&](VersionRecord* version) { present[version->found.location]; });
  }
  for (auto& [location, fingerprint] : present) fingerprint = Fingerprint(location, options_.store);
  {
    MutexLock lock(mutex_);
    each_served([&](VersionRecord* version) {
      const auto found = present.find(version->found.location);
      if (found != present.end() && found->second != version->fingerprint) version->identity.clear();
    });
  }
  Poll();
}

void Reconciler::PollLoop() {
  pthread_setname_np(pthread_self(), "hr-poll");
  const bool polls = options_.poll_interval > Duration::zero();
  Deadline next_poll = polls ? std::chrono::steady_clock::now() + options_.poll_interval : Deadline::max();
  for (;;) {
    bool poll = false;
    {
      MutexLock lock(mutex_);
      if (stopping_) return;
      const Deadline until = std::min({next_poll, next_try_, std::chrono::steady_clock::now() + std::chrono::hours(1)});
      wake_.WaitUntil(mutex_, until);
      if (stopping_) return;
      const Deadline now = std::chrono::steady_clock::now();
      if (now >= next_try_) ReconcileAll();
      poll = now >= next_poll;
    }
    if (!poll) continue;
    Poll();
    next_poll = std::chrono::steady_clock::now() + options_.poll_interval;
  }
}

void Reconciler::SetState(ModelRecord* model, VersionRecord* version, VersionState state, Status error) {
  const bool was_available = version->status.state == VersionState::kAvailable;
  version->status.state = state;
  version->status.error = std::move(error);
  version->status.changed = options_.clock->Now();
  events_.push_back({model->config.name, version->status});
  if (was_available != (state == VersionState::kAvailable)) availability_changed_ = true;
  changed_.NotifyAll();
}

void Reconciler::Reconcile(ModelRecord* model) {
  const Actions actions = Plan(model, std::chrono::steady_clock::now());
  for (VersionRecord* version : actions.drop) SetState(model, version, VersionState::kEnd);
  for (VersionRecord* version : actions.unload) SetState(model, version, VersionState::kUnloading);
  if (!actions.unload.empty()) Publish();  // before they close, so that whoever finds one closed finds another
  for (VersionRecord* version : actions.unload) version->loaded->Close();
  for (VersionRecord* version : actions.load)
    pool_.Submit([this, model, version] { Load(model, version); }).IgnoreError();  // the queue never fills
  if (actions.next_try < next_try_) {
    next_try_ = actions.next_try;
    wake_.NotifyAll();
  }
  TrimHistory(model, options_.history_per_model);
}

void Reconciler::ReconcileAll() {
  if (next_try_ <= std::chrono::steady_clock::now()) next_try_ = Deadline::max();
  for (auto& [name, model] : models_) Reconcile(&model);
  ForgetModels();
  if (availability_changed_) Publish();
}

void Reconciler::ForgetModels() {
  size_t gone = 0;
  for (auto it = models_.rbegin(); it != models_.rend(); ++it) gone += !it->second.configured;
  for (auto it = models_.begin(); it != models_.end() && gone > kForgottenModels;) {
    const auto& versions = it->second.versions;
    const bool ended = !it->second.configured && std::all_of(versions.begin(), versions.end(), [](const auto& version) {
      return version.status.state == VersionState::kEnd;
    });
    gone -= ended;
    it = ended ? models_.erase(it) : std::next(it);
  }
}

void Reconciler::Publish() {
  auto snapshot = std::make_shared<Snapshot>();
  for (const auto& [name, model] : models_) {
    std::vector<std::shared_ptr<LoadedVersion>> versions;
    for (const auto& version : model.versions)
      if (version.status.state == VersionState::kAvailable) versions.push_back(version.loaded);
    if (!model.configured && versions.empty()) continue;
    // Of two of one number the newer record, which is the wanted one, comes first.
    std::reverse(versions.begin(), versions.end());
    std::stable_sort(versions.begin(), versions.end(),
                     [](const auto& a, const auto& b) { return a->version() > b->version(); });
    snapshot->models.emplace(name, MakeView(model.config, std::move(versions)));
  }
  snapshots_.Publish(std::move(snapshot));
  availability_changed_ = false;
}

bool Reconciler::WaitUntil(Deadline deadline, const std::function<bool(const Models&)>& done) const {
  MutexLock lock(mutex_);
  while (!done(models_)) {
    if (deadline == Deadline::max()) {
      changed_.Wait(mutex_);
    } else if (waits_ended_ || deadline <= std::chrono::steady_clock::now()) {
      return false;
    } else {
      changed_.WaitUntil(mutex_, deadline);
    }
  }
  return true;
}

void Reconciler::EndWaits() {
  MutexLock lock(mutex_);
  waits_ended_ = true;
  changed_.NotifyAll();
}

void Reconciler::AddListener(std::function<void(const VersionEvent&)> listener) {
  MutexLock lock(listener_mutex_);
  listeners_.push_back(std::move(listener));
}

void Reconciler::Dispatch() {
  MutexLock in_order(listener_mutex_);
  std::vector<VersionEvent> events;
  {
    MutexLock lock(mutex_);
    events.swap(events_);
  }
  for (const auto& event : events) {
    Log(event);
    for (const auto& listener : listeners_) listener(event);
  }
}

}  // namespace headrace::serving
