// What both front ends of the Open Inference Protocol answer, apart from how it is written: models and versions by the
// protocol's names, metadata, statistics, the repository. Messages are Triton's.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/protocols/oip/infer_call.h"
#include "headrace/protocols/oip/log_settings.h"
#include "headrace/protocols/oip/repository.h"
#include "headrace/serving/model_manager.h"
#include "headrace/serving/predictor.h"

namespace headrace::oip {

struct ModelServiceOptions {
  serving::ModelManager* manager = nullptr;  // not owned, nor is the predictor
  serving::Predictor* predictor = nullptr;
  std::string server_name = "headrace";
  std::string server_version;
  Duration request_timeout = std::chrono::seconds(30);  // when the client gives none; zero: none
  Duration load_timeout = std::chrono::minutes(5);      // of RepositoryModelLoad
};

struct ModelInfo {
  std::string name;
  std::vector<int64_t> versions;  // ascending; the one that was asked for, or all that are AVAILABLE
  std::string platform;
  Signature signature;  // the default one
};

struct CountAndNanos {
  uint64_t count = 0;
  uint64_t nanos = 0;
};

// The executions of one batch size. What is measured of each is in serving/version_stats.h.
struct BatchStatistics {
  uint64_t size = 0;
  CountAndNanos compute_input, compute_infer, compute_output;
};

struct VersionStatistics {
  std::string name;
  int64_t version = 0;
  uint64_t last_inference_millis = 0;
  uint64_t inferences = 0;
  uint64_t executions = 0;
  CountAndNanos success, fail, queue, compute_input, compute_infer, compute_output;
  CountAndNanos cache_hit, cache_miss;   // always none: there is no response cache
  std::vector<BatchStatistics> batches;  // by ascending size
  uint64_t memory_bytes = 0;
};

struct IndexEntry {
  std::string name;
  std::string version;  // empty, as are state and reason, when the model has none
  std::string state;    // READY, UNAVAILABLE, LOADING, UNLOADING
  std::string reason;
};

// Thread-safe. Nothing here blocks but what says so.
class ModelService {
 public:
  explicit ModelService(ModelServiceOptions options);

  // `version`: digits are a number, other text is a label, empty is the server's choice, which `route_key` decides.
  // kNotFound "Request for unknown model: 'm' is not found", kUnavailable while the version loads, kInvalidArgument for
  // an unknown label.
  Result<serving::ServableHandle> Find(std::string_view model, std::string_view version,
                                       std::string_view route_key = {}) const;
  // The signature that `call` names, or the default. kInvalidArgument when there is none of that name.
  static Result<const Signature*> FindSignature(const serving::ServableHandle& servable, std::string_view name);
  // Turns `call` into a prediction: signature, inputs, outputs, deadline, priority, the origin's request_id. `deadline`
  // is the client's; timeouts count from predict->arrived.
  Status Prepare(const InferCall& call, Arena* arena, Deadline deadline, serving::PredictCall* predict) const;

  // OK when the version could answer now.
  Status ModelReady(std::string_view model, std::string_view version) const;
  bool ServerReady() const;
  Result<ModelInfo> Info(std::string_view model, std::string_view version) const;
  // Of one version, of all loaded versions of a model (`version` empty), or of everything (`model` empty).
  Result<std::vector<VersionStatistics>> Statistics(std::string_view model, std::string_view version) const;
  std::vector<IndexEntry> Index(bool ready_only) const;
  std::vector<std::string> Models() const;

  LogControl& log() { return log_; }
  Repository& repository() { return repository_; }
  const ModelServiceOptions& options() const { return options_; }
  serving::Predictor& predictor() const { return *options_.predictor; }
  serving::ModelManager& manager() const { return *options_.manager; }

 private:
  Status Unknown(std::string_view model, std::string_view version, const Status& lookup) const;

  const ModelServiceOptions options_;
  LogControl log_;
  Repository repository_;
};

// The extensions that ServerMetadata lists.
const std::vector<std::string>& Extensions();

}  // namespace headrace::oip
