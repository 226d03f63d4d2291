// What the model server is asked to serve, as plain values. The text-proto and JSON forms are read in protocols/ and
// app/; this room sees only these.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "headrace/base/clock.h"
#include "headrace/base/status.h"
#include "headrace/core/engine.h"

namespace headrace::serving {

// Which of the versions found below a base path are wanted (TensorFlow Serving's ServableVersionPolicy).
struct VersionPolicy {
  enum class Kind { kLatest, kAll, kSpecific };
  Kind kind = Kind::kLatest;
  uint32_t latest = 1;            // kLatest: the so many highest numbers
  std::vector<int64_t> versions;  // kSpecific

  friend bool operator==(const VersionPolicy&, const VersionPolicy&) = default;
};

// Dynamic batching (TensorFlow Serving's BatchingParameters). Off unless `enabled`.
struct BatchingConfig {
  bool enabled = false;
  int64_t max_batch_size = 1000;             // rows
  Duration timeout = Duration::zero();       // how long the first request waits for company
  int64_t max_enqueued_batches = 10;         // full batches waiting; beyond: kUnavailable
  std::vector<int64_t> allowed_batch_sizes;  // ascending, the last is max_batch_size; rows are padded up
  bool pad_variable_length_inputs = false;   // ragged rows are padded with zeros or empty strings
  std::vector<std::string> signatures;       // empty: every signature
  int threads = 0;                           // batches of one version that run at a time; 0: as many as there are cores
  int priorities = 1;                        // 1: all alike; request priority 0 is the most urgent

  friend bool operator==(const BatchingConfig&, const BatchingConfig&) = default;
};

// A version, or the version that a label points to.
struct VersionRef {
  int64_t version = 0;  // used when `label` is empty
  std::string label;

  friend bool operator==(const VersionRef&, const VersionRef&) = default;
};

// How requests that name neither version nor label are spread. Without `weights` they go to the latest version.
struct TrafficPolicy {
  struct Weight {
    VersionRef target;
    double weight = 0;  // ≥ 0, relative to the sum of all

    friend bool operator==(const Weight&, const Weight&) = default;
  };
  std::vector<Weight> weights;
  std::string sticky_header;        // HTTP header or gRPC metadata key (lower case) whose value decides; empty: random
  std::string sticky_input;         // or the first element of this input
  std::vector<VersionRef> shadows;  // get a copy; their answers are compared and counted, never returned
  double shadow_fraction = 1;       // of the requests that are copied

  friend bool operator==(const TrafficPolicy&, const TrafficPolicy&) = default;
};

struct ModelConfig {
  std::string name;       // 1 to 512 bytes, no '/', no control characters
  std::string base_path;  // a folder with a folder per version, or a URI that the artifact store serves
  std::string platform;   // an Engine's name, "tensorflow", or empty: the engine that recognises the files
  VersionPolicy versions;
  std::map<std::string, int64_t, std::less<>> labels;
  EngineOptions engine;
  BatchingConfig batching;
  TrafficPolicy traffic;
  double log_fraction = 0;  // of the predictions that the prediction log records

  friend bool operator==(const ModelConfig& a, const ModelConfig& b);
};

struct ServerConfig {
  std::vector<ModelConfig> models;
  // Every folder right below is a model of that name with `root_defaults`' settings, found and dropped as folders come
  // and go; a model of the same name in `models` wins. Empty: none.
  std::string models_root;
  ModelConfig root_defaults;                    // all but name and base path
  std::vector<std::string> models_root_except;  // folders that are left out, such as those unloaded by a client

  friend bool operator==(const ServerConfig&, const ServerConfig&) = default;
};

// Equal for configurations under which a version's files load to the same servable.
std::string LoadOptionsKey(const ModelConfig& model);

// kInvalidArgument that names the model, the field, the value and what was expected. Looks at no file.
Status Validate(const ModelConfig& model);
// Each model, and that names are unique.
Status Validate(const ServerConfig& config);

}  // namespace headrace::serving
