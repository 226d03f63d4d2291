// Which resource of the protocol a REST path names.
#pragma once
#include <string>
#include <string_view>

namespace headrace::oip {

enum class Resource {
  kNone,  // nothing of ours: 404
  kServer,
  kLive,
  kReady,
  kModels,
  kModel,
  kModelReady,
  kInfer,
  kConfig,
  kStatistics,  // of one model, or of all when the name is empty
  kRepositoryIndex,
  kLoad,
  kUnload,
  kLogging,
  kTrace,
  kSharedMemory,
};

struct RestPath {
  Resource resource = Resource::kNone;
  std::string_view model, version;  // percent-decoded; into the path, or into `decoded` when it had escapes
  std::string decoded[2];
};

// Parses what comes before the query. Views point into `path` and `*out`.
void ParsePath(std::string_view path, RestPath* out);

}  // namespace headrace::oip
