// The models and versions that the server holds: finds versions below base paths, loads and unloads them so that a
// model that serves never stops serving, and hands out the loaded ones.
//
// A version's life (the numbers are TensorFlow Serving's ModelVersionStatus.State): START → LOADING → AVAILABLE →
// UNLOADING → END. A version that cannot be loaded goes from LOADING to END with its error.
#pragma once
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/base/clock.h"
#include "headrace/base/status.h"
#include "headrace/core/artifact_store.h"
#include "headrace/core/engine.h"
#include "headrace/serving/model_config.h"
#include "headrace/serving/servable_handle.h"

namespace headrace::serving {

enum class VersionState { kStart = 10, kLoading = 20, kAvailable = 30, kUnloading = 40, kEnd = 50 };
std::string_view VersionStateName(VersionState state);  // "AVAILABLE"

struct VersionStatus {
  int64_t version = 0;
  VersionState state = VersionState::kStart;
  Status error;       // OK unless loading failed
  TimePoint changed;  // when `state` was entered
  Duration load_time = Duration::zero();
  size_t memory_bytes = 0;  // while loaded
};

struct VersionEvent {
  std::string model;
  VersionStatus status;
};

struct ModelManagerOptions {
  std::vector<Engine*> engines;    // not owned; tried in this order
  ArtifactStore* store = nullptr;  // for base paths with a scheme; not owned
  Clock* clock = Clock::Real();
  Duration poll_interval = std::chrono::seconds(1);  // of base paths; zero or less: once, when configured
  size_t load_threads = 2;
  int max_load_retries = 5;                                       // after the first try
  Duration load_retry_interval = std::chrono::milliseconds(200);  // doubled after each try, at most 30 s
  size_t memory_limit_bytes = 0;                                  // of all versions together; 0: none
  bool enable_warmup = true;
  // Warms a version up from its files before it is AVAILABLE: true when there was something to run, else requests made
  // from its signatures are. An error fails the load. Blocks; called by several threads at once.
  std::function<Result<bool>(const std::filesystem::path& version_dir, Servable& servable)> warmup = {};
  // For a model that batches, what a version's files say of it; nullopt: this version does not. An error fails the
  // load. Unset: the model's configuration holds.
  std::function<Result<std::optional<BatchingConfig>>(const std::filesystem::path& version_dir,
                                                      const BatchingConfig& configured)>
      version_batching = {};
  bool allow_labels_for_unavailable = false;
  size_t history_per_model = 32;  // how many ended versions stay in the status
};

// What a request asks for: a version, a label, or neither (the traffic policy's choice, else the latest).
struct VersionSelector {
  std::string_view model = {};
  std::optional<int64_t> version = {};
  std::string_view label = {};  // only when `version` is empty
  // Decides among weighted versions: equal keys get the same version while the weights stay. Empty: at random.
  std::string_view route_key = {};
};

// Thread-safe.
class ModelManager {
 public:
  explicit ModelManager(ModelManagerOptions options);
  // Stops polling, unloads everything; waits for the handles still out.
  ~ModelManager();
  ModelManager(const ModelManager&) = delete;
  ModelManager& operator=(const ModelManager&) = delete;

  // Replaces the whole configuration, or changes nothing and says why. With `wait` in the past it returns once the
  // configuration is accepted; loading goes on. Otherwise it waits: models that are new or whose path changed must have
  // a version AVAILABLE (and labels must point to AVAILABLE ones, unless allowed otherwise) by `wait`, and only then
  // are the models that are gone dropped; on failure the former configuration stands. Calls are served one after
  // another.
  Status SetConfig(ServerConfig config, Deadline wait = Deadline::min());
  // SetConfig of what `change` makes of the present configuration, with no other call between the two.
  Status UpdateConfig(const std::function<void(ServerConfig*)>& change, Deadline wait = Deadline::min());
  ServerConfig config() const;
  // Replaces one model's labels, or its traffic policy, atomically, until the next SetConfig that names the model; of
  // one found below `models_root`, until it is gone. kNotFound for an unknown model, kInvalidArgument for what Validate
  // refuses, kFailedPrecondition for a new label or weight of a version that is not AVAILABLE.
  Status SetLabels(std::string_view model, std::map<std::string, int64_t, std::less<>> labels);
  Status SetTraffic(std::string_view model, TrafficPolicy traffic);

  // Hot path: takes no lock, allocates nothing, unless the set of versions has changed since this thread's last call.
  // kNotFound "Servable not found for request: Latest(m)" / "… Specific(m, 3)", kInvalidArgument "Unrecognized servable
  // version label: l": TensorFlow Serving's own words.
  Result<ServableHandle> Lookup(const VersionSelector& selector) const;
  // Lower-case name of the header whose value is `route_key` for this model; empty: none. Valid while the config
  // stands.
  std::string RouteHeader(std::string_view model) const;
  // Name of the input whose first element is `route_key`; empty: none.
  std::string RouteInput(std::string_view model) const;
  // The loaded versions that get copies of this model's requests.
  std::vector<ServableHandle> Shadows(std::string_view model) const;

  // Versions descending; with `version` only that one. kNotFound "Could not find any versions of model m" / "Could not
  // find version 3 of model m".
  Result<std::vector<VersionStatus>> Statuses(std::string_view model, std::optional<int64_t> version = {}) const;
  // Configured models by name, whether or not they have a version.
  std::vector<std::string> Models() const;
  std::optional<ModelConfig> Config(std::string_view model) const;
  // Every configured model has an AVAILABLE version.
  bool Ready() const;
  // Waits until each of `models` (empty: all that are configured) has an AVAILABLE version. kDeadlineExceeded names
  // the models that have none; the load error when every wanted version of a model has failed.
  Status WaitAvailable(const std::vector<std::string>& models, Deadline deadline) const;
  // Waits until each base path has been looked at and each wanted version is AVAILABLE or has failed for good.
  // kDeadlineExceeded when some still load.
  Status WaitSettled(Deadline deadline) const;
  // Ends waits, now and from now on, as if their time were over: for a quick shutdown.
  void EndWaits();
  // Looks at the base paths now instead of at the next poll; returns when this look is done (loads may go on).
  void PollNow();

  // Looks at the model's base path now, loads versions whose files have changed in place once more, and waits until
  // every wanted version is AVAILABLE or has failed for good. kNotFound for an unknown model; the first wanted
  // version's error; what served goes on until what replaces it does.
  Status Reload(std::string_view model, Deadline deadline);

  // Called after each change of a version's state, one at a time, on the thread that changed it; must not block.
  // Listeners stay until the manager's end.
  void AddListener(std::function<void(const VersionEvent&)> listener);
  // Every version now loaded, for metrics.
  std::vector<ServableHandle> Loaded() const;
  // By model, what all of its versions have counted, those that are gone too.
  std::vector<std::pair<std::string, std::unique_ptr<VersionStats>>> Totals() const;
  // Counts a request that found no version, for Totals: under `model` when that is a configured model's name, else
  // under kUnknownModel, so that clients cannot make series by making up names.
  void CountRefused(std::string_view model, Code code, Duration latency) const;
  static constexpr std::string_view kUnknownModel = "(unknown)";

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace headrace::serving
