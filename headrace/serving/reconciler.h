// The threads that bring what is loaded to what is wanted: polls base paths, loads and unloads on its own pool,
// publishes snapshots, tells listeners. The manager's engine room.
#pragma once
#include <functional>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "headrace/base/mutex.h"
#include "headrace/base/thread_pool.h"
#include "headrace/serving/model_manager.h"
#include "headrace/serving/model_snapshot.h"
#include "headrace/serving/model_state.h"
#include "headrace/serving/version_loader.h"

namespace headrace::serving {

// Thread-safe.
class Reconciler {
 public:
  explicit Reconciler(const ModelManagerOptions& options);
  // Unloads everything and waits for the handles still out.
  ~Reconciler();

  const VersionLoader& loader() const { return loader_; }
  const SnapshotHolder& snapshots() const { return snapshots_; }

  // Makes `config` the set of models; each model of `hold` unloads nothing until the next Configure.
  void Configure(const ServerConfig& config, const std::vector<std::string>& hold);
  // Takes over the labels and the traffic policy of a model that is configured.
  void SetRouting(const ModelConfig& config);
  // Looks at every base path once, and acts on it.
  void Poll();
  // Poll, with a new record for each version of the model whose files are not those that were loaded.
  void PollChanges(std::string_view model);
  // Calls `read` with the models, under the lock.
  template <class F>
  auto ReadModels(F&& read) const;
  // Calls `done` under the lock after each change of state until it returns true, or until `deadline`: false.
  using Models = std::map<std::string, ModelRecord, std::less<>>;
  bool WaitUntil(Deadline deadline, const std::function<bool(const Models&)>& done) const;
  void EndWaits();
  void AddListener(std::function<void(const VersionEvent&)> listener);

 private:
  void PollLoop();
  void StartModel(const ModelConfig& config, bool from_root) HR_REQUIRES(mutex_);
  void AdoptRootModels(const std::string& root, const std::vector<std::pair<std::string, std::string>>& found)
      HR_REQUIRES(mutex_);
  ModelConfig RootModel(const std::string& name) const HR_REQUIRES(mutex_);
  void Reconcile(ModelRecord* model) HR_REQUIRES(mutex_);
  void ReconcileAll() HR_REQUIRES(mutex_);
  void ForgetModels() HR_REQUIRES(mutex_);
  void Publish() HR_REQUIRES(mutex_);
  void SetState(ModelRecord* model, VersionRecord* version, VersionState state, Status error = {}) HR_REQUIRES(mutex_);
  void Dispatch() HR_EXCLUDES(mutex_);

  // On the pool.
  void Load(ModelRecord* model, VersionRecord* version);
  Status LoadOnce(ModelRecord* model, VersionRecord* version, const ModelConfig& config, const std::string& location,
                  std::shared_ptr<LoadedVersion>* loaded);
  Result<BatchingConfig> BatchingOf(const ModelConfig& config, const std::filesystem::path& dir) const;
  Status Reserve(VersionRecord* version, size_t bytes);
  void FinishLoad(ModelRecord* model, VersionRecord* version, Status status, std::shared_ptr<LoadedVersion> loaded,
                  Duration time, std::string fingerprint);
  void Unload(ModelRecord* model, VersionRecord* version);

  const ModelManagerOptions options_;
  const VersionLoader loader_;
  SnapshotHolder snapshots_;

  mutable Mutex mutex_;
  mutable CondVar changed_;  // a state, or stopping_
  CondVar wake_;             // the poller: stopping_ or next_try_ moved
  Models models_ HR_GUARDED_BY(mutex_);
  std::string models_root_ HR_GUARDED_BY(mutex_);
  ModelConfig root_defaults_ HR_GUARDED_BY(mutex_);
  std::set<std::string> root_except_ HR_GUARDED_BY(mutex_);
  std::vector<VersionEvent> events_ HR_GUARDED_BY(mutex_);
  Deadline next_try_ HR_GUARDED_BY(mutex_) = Deadline::max();
  bool stopping_ HR_GUARDED_BY(mutex_) = false;
  bool waits_ended_ HR_GUARDED_BY(mutex_) = false;
  bool availability_changed_ HR_GUARDED_BY(mutex_) = false;

  Mutex poll_mutex_;      // one look at the base paths at a time; before mutex_
  Mutex listener_mutex_;  // events in order; before mutex_
  std::vector<std::function<void(const VersionEvent&)>> listeners_ HR_GUARDED_BY(listener_mutex_);

  ThreadPool pool_;
  std::thread poller_;
};

template <class F>
auto Reconciler::ReadModels(F&& read) const {
  MutexLock lock(mutex_);
  return read(models_);
}

}  // namespace headrace::serving
