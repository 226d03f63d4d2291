// Turns a version's files into a servable: finds its engine, checks that it fits into memory, loads.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "headrace/core/artifact_store.h"
#include "headrace/core/engine.h"
#include "headrace/serving/model_config.h"

namespace headrace::serving {

// Thread-safe.
class VersionLoader {
 public:
  VersionLoader(std::vector<Engine*> engines, ArtifactStore* store) : engines_(std::move(engines)), store_(store) {}

  // kInvalidArgument unless `platform` is empty, "tensorflow" or an engine's name.
  Status CheckPlatform(const std::string& platform) const;

  struct Source {
    std::filesystem::path dir;  // local
    Engine* engine = nullptr;
    size_t estimated_bytes = 0;
  };
  // Fetches the files when they are remote. kInvalidArgument when no engine recognises them.
  Result<Source> Prepare(const ModelConfig& config, const std::string& location) const;
  Result<std::unique_ptr<Servable>> Load(const ModelConfig& config, const Source& source) const;

  // Whether trying again without a change of the files may help.
  static bool Retryable(const Status& status);

 private:
  Result<Engine*> FindEngine(const std::string& platform, const std::filesystem::path& dir) const;

  const std::vector<Engine*> engines_;
  ArtifactStore* const store_;
};

}  // namespace headrace::serving
