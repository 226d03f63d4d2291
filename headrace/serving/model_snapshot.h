// What lookups see: an immutable picture of the available versions, replaced as a whole.
#pragma once
#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "headrace/base/mutex.h"
#include "headrace/base/status.h"
#include "headrace/serving/model_config.h"
#include "headrace/serving/servable_handle.h"
#include "headrace/serving/traffic_router.h"

namespace headrace::serving {

struct VersionSelector;

struct ModelView {
  std::vector<std::shared_ptr<LoadedVersion>> versions;  // AVAILABLE, descending
  std::map<std::string, int64_t, std::less<>> labels;
  TrafficRouter router;     // over indices of `versions`; empty: the latest
  std::vector<Role> roles;  // of `versions`, one for each
  TrafficPolicy traffic;
  std::vector<std::shared_ptr<LoadedVersion>> shadows;  // those of the policy that are AVAILABLE
  double log_fraction = 0;
};

struct StringHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
};

struct Snapshot {
  std::unordered_map<std::string, ModelView, StringHash, std::equal_to<>> models;

  // A handle on what `selector` asks for. kAborted when that version has been closed since this snapshot was taken:
  // look again in the next one, which is published before a version closes.
  Result<ServableHandle> Find(const VersionSelector& selector) const;
};

// The current snapshot, read without a lock: each thread keeps the last one that it saw, with its generation. A thread
// that reads no more keeps an old snapshot, which holds counters but no model. Thread-safe.
class SnapshotHolder {
 public:
  SnapshotHolder();
  void Publish(std::shared_ptr<const Snapshot> snapshot);
  // Valid until this thread's next call, on any holder.
  const Snapshot& Current() const;

 private:
  std::atomic<uint64_t> generation_{0};
  mutable Mutex mutex_;
  std::shared_ptr<const Snapshot> snapshot_ HR_GUARDED_BY(mutex_);
};

// `versions`: AVAILABLE ones, descending. Labels and the policy's versions are resolved; those that are not there are
// left out.
ModelView MakeView(const ModelConfig& config, std::vector<std::shared_ptr<LoadedVersion>> versions);

}  // namespace headrace::serving
