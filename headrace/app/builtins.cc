#include "headrace/app/builtins.h"

#include <cstdlib>

#include "headrace/backends/arrow/remote_store.h"
#include "headrace/backends/onnxruntime/onnx_engine.h"
#include "headrace/backends/tensorflow/tensorflow_engine.h"

namespace headrace::app {
namespace {

std::filesystem::path CacheFolder() {
  if (const char* chosen = std::getenv("HEADRACE_CACHE_DIR"); chosen && *chosen) return chosen;
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache && *cache)
    return std::filesystem::path(cache) / "headrace";
  const char* home = std::getenv("HOME");
  return std::filesystem::path(home && *home ? home : ".") / ".cache" / "headrace";
}

}  // namespace

const std::vector<Engine*>& BuiltinEngines() {
  // Never destroyed: models may be in use by other threads until the process ends.
  static const auto& engines =
      *new std::vector<Engine*>{onnxruntime::MakeEngine().release(), tensorflow::MakeEngine().release()};
  return engines;
}

ArtifactStore* BuiltinStore() {
  static ArtifactStore* const store = arrow::MakeRemoteStore({.cache = CacheFolder(), .library = {}}).release();
  return store;
}

}  // namespace headrace::app
