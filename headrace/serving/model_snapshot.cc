#include "headrace/serving/model_snapshot.h"

#include <algorithm>

#include "headrace/serving/model_config.h"
#include "headrace/serving/model_manager.h"

namespace headrace::serving {
namespace {

// Unique over all holders, so that a generation alone names a snapshot. 0 is none.
std::atomic<uint64_t> next_generation{1};

struct CachedSnapshot {
  uint64_t generation = 0;
  std::shared_ptr<const Snapshot> snapshot;
};

size_t IndexOf(const std::vector<std::shared_ptr<LoadedVersion>>& versions, int64_t version) {
  size_t i = 0;
  while (i < versions.size() && versions[i]->version() != version) i++;
  return i;
}

// Of a request that left the choice to the policy.
uint8_t PolicyWishes(const ModelView& view, const VersionSelector& selector) {
  const TrafficPolicy& traffic = view.traffic;
  uint8_t wishes = 0;
  if (!traffic.sticky_input.empty() && selector.route_key.empty() && !view.router.empty())
    wishes |= ServableHandle::kRouteByInput;
  if (!view.shadows.empty() && (traffic.shadow_fraction >= 1 || RandomUnit() < traffic.shadow_fraction))
    wishes |= ServableHandle::kShadow;
  return wishes;
}

}  // namespace

Result<ServableHandle> Snapshot::Find(const VersionSelector& selector) const {
  const auto model = models.find(selector.model);
  const ModelView* view = model == models.end() ? nullptr : &model->second;
  std::optional<int64_t> version = selector.version;
  if (!version && !selector.label.empty()) {
    const bool known = view != nullptr && view->labels.contains(selector.label);
    if (!known) return std::unexpected(InvalidArgument("Unrecognized servable version label: {}", selector.label));
    version = view->labels.find(selector.label)->second;
  }
  size_t index = 0;
  if (view != nullptr && version) index = IndexOf(view->versions, *version);
  if (view == nullptr || index >= view->versions.size()) {
    if (version)
      return std::unexpected(NotFound("Servable not found for request: Specific({}, {})", selector.model, *version));
    return std::unexpected(NotFound("Servable not found for request: Latest({})", selector.model));
  }
  if (!version && !view->router.empty()) index = view->router.Pick(selector.route_key);
  uint8_t wishes = view->log_fraction > 0 && RandomUnit() < view->log_fraction ? ServableHandle::kLog : 0;
  if (!selector.version && selector.label.empty()) wishes |= PolicyWishes(*view, selector);
  LoadedVersion* loaded = view->versions[index].get();
  if (!loaded->TryAcquire()) return std::unexpected(Aborted("version {} is closed", loaded->version()));
  return ServableHandle(loaded, view->roles[index], wishes, static_cast<float>(view->log_fraction));
}

SnapshotHolder::SnapshotHolder() { Publish(std::make_shared<const Snapshot>()); }

void SnapshotHolder::Publish(std::shared_ptr<const Snapshot> snapshot) {
  MutexLock lock(mutex_);
  snapshot_ = std::move(snapshot);
  generation_.store(next_generation.fetch_add(1, std::memory_order_relaxed), std::memory_order_release);
}

const Snapshot& SnapshotHolder::Current() const {
  thread_local CachedSnapshot cache;
  if (cache.generation != generation_.load(std::memory_order_acquire)) {
    MutexLock lock(mutex_);
    cache.snapshot = snapshot_;
    cache.generation = generation_.load(std::memory_order_relaxed);
  }
  return *cache.snapshot;
}

namespace {

// The place in `versions` of what `ref` names; its size when that is not there.
size_t Resolve(const VersionRef& ref, const std::map<std::string, int64_t, std::less<>>& labels,
               const std::vector<std::shared_ptr<LoadedVersion>>& versions) {
  if (ref.label.empty()) return IndexOf(versions, ref.version);
  const auto label = labels.find(ref.label);
  return label == labels.end() ? versions.size() : IndexOf(versions, label->second);
}

}  // namespace

ModelView MakeView(const ModelConfig& config, std::vector<std::shared_ptr<LoadedVersion>> versions) {
  ModelView view;
  view.versions = std::move(versions);
  view.labels = config.labels;
  view.traffic = config.traffic;
  view.log_fraction = config.log_fraction;
  std::vector<TrafficRouter::Target> targets;
  for (const auto& [target, weight] : config.traffic.weights) {
    const size_t index = Resolve(target, view.labels, view.versions);
    if (index < view.versions.size() && weight > 0) targets.push_back({index, view.versions[index]->version(), weight});
  }
  view.roles.resize(view.versions.size(), Role::kPrimary);
  const auto greatest = std::ranges::max_element(targets, {}, &TrafficRouter::Target::weight);
  for (const auto& target : targets)
    if (target.index != greatest->index) view.roles[target.index] = Role::kCanary;
  view.router = TrafficRouter(std::move(targets));
  for (const auto& shadow : config.traffic.shadows)
    if (const size_t index = Resolve(shadow, view.labels, view.versions); index < view.versions.size())
      view.shadows.push_back(view.versions[index]);
  return view;
}

}  // namespace headrace::serving
