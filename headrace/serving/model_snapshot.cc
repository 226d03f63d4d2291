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
  LoadedVersion* loaded = view->versions[index].get();
  if (!loaded->TryAcquire()) return std::unexpected(Aborted("version {} is closed", loaded->version()));
  return ServableHandle(loaded);
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

TrafficRouter MakeRouter(const TrafficPolicy& policy, const std::map<std::string, int64_t, std::less<>>& labels,
                         const std::vector<std::shared_ptr<LoadedVersion>>& versions) {
  std::vector<TrafficRouter::Target> targets;
  for (const auto& [target, weight] : policy.weights) {
    int64_t version = target.version;
    if (!target.label.empty()) {
      const auto label = labels.find(target.label);
      if (label == labels.end()) continue;
      version = label->second;
    }
    const size_t index = IndexOf(versions, version);
    if (index < versions.size() && weight > 0) targets.push_back({index, version, weight});
  }
  return TrafficRouter(std::move(targets));
}

}  // namespace headrace::serving
