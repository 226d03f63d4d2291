// The model repository extension's control calls: loads and unloads models of a ModelManager, as they are configured or
// with what a client gives instead.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "headrace/base/files.h"
#include "headrace/base/thread_pool.h"
#include "headrace/protocols/oip/model_override.h"
#include "headrace/serving/model_manager.h"

namespace headrace::oip {

// Thread-safe. Calls are served one after another on a thread of their own, which also calls `done`.
class Repository {
 public:
  // `manager` is not owned. A load fails when the model is not AVAILABLE after `load_timeout`.
  Repository(serving::ModelManager* manager, Duration load_timeout) : manager_(manager), load_timeout_(load_timeout) {}
  Repository(const Repository&) = delete;
  Repository& operator=(const Repository&) = delete;

  // Loads a model that was unloaded, or looks again for its versions and at their files. With an override, the model is
  // what the override says until the next load without one, the next configuration from elsewhere, or the server's end;
  // it takes the place of what serves only when it is AVAILABLE, and on failure nothing has changed.
  void Load(std::string model, ModelOverride override, std::function<void(Status)> done);
  // Unloads until the next load.
  void Unload(std::string model, std::function<void(Status)> done);

 private:
  // A model that is what a client gave.
  struct Replaced {
    serving::ModelConfig applied;
    std::optional<serving::ModelConfig> original;  // nullopt: the client gave the whole model
    bool configured = false;                       // the original; false: found in the folder of models
    std::unique_ptr<TempDir> files;
  };

  void Enqueue(std::function<Status()> work, std::function<void(Status)> done);
  Status LoadNow(const std::string& model, const ModelOverride& override);
  Status LoadOverride(const std::string& model, const ModelOverride& override, Deadline deadline);
  Status LoadOriginal(const std::string& model, Deadline deadline);
  Status LoadConfigured(const std::string& model, Deadline deadline);
  Status UnloadNow(const std::string& model);
  Status Replace(const serving::ModelConfig& config, Deadline deadline);
  std::optional<serving::ModelConfig> Original(const std::string& model) const;
  bool IsConfigured(const std::string& model) const;
  void ForgetStale();

  serving::ModelManager* const manager_;
  const Duration load_timeout_;
  struct Unloaded {
    serving::ModelConfig config;
    bool configured = false;  // false: found in the folder of models, where a load finds it again
  };
  // Of the worker's one thread alone.
  std::map<std::string, Unloaded> unloaded_;
  std::map<std::string, Replaced> replaced_;
  ThreadPool worker_{"hr-oip-admin", 1, 64};
};

}  // namespace headrace::oip
