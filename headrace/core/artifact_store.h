// Files by URI: the local file system, S3, GCS.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/base/status.h"

namespace headrace {

struct ArtifactEntry {
  std::string uri;
  int64_t bytes = 0;
  bool is_directory = false;
};

// Thread-safe. A URI names a file or a folder tree; one without a scheme is a path. kInvalidArgument for a scheme that
// the store does not serve, kNotFound for what is not there.
class ArtifactStore {
 public:
  virtual ~ArtifactStore() = default;
  virtual bool Serves(std::string_view uri) const = 0;
  // A file's bytes.
  virtual Result<std::string> Read(std::string_view uri) = 0;
  // A local path with the content of `uri`; the store's own file, not to be changed. Fetched when remote.
  virtual Result<std::filesystem::path> Localize(std::string_view uri) = 0;
  // Publishes a local file or tree as `uri`, which appears whole or not at all. kAlreadyExists when it is there.
  virtual Status Put(const std::filesystem::path& source, std::string_view uri) = 0;
  // The direct children of a folder, sorted by URI; empty for a file.
  virtual Result<std::vector<ArtifactEntry>> List(std::string_view uri) = 0;
  virtual Status Remove(std::string_view uri) = 0;
};

}  // namespace headrace
