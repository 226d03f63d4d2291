// Where versions are found: the numbered folders below a model's base path.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/base/status.h"
#include "headrace/core/artifact_store.h"
#include "headrace/serving/model_config.h"

namespace headrace::serving {

struct FoundVersion {
  int64_t version = 0;
  std::string location;  // a path, or a URI of the artifact store

  friend bool operator==(const FoundVersion&, const FoundVersion&) = default;
};

// "00000123" is 123; nullopt for what is not all digits or exceeds int64.
std::optional<int64_t> ParseVersion(std::string_view name);

// The folders below `base_path` whose names are numbers, versions descending. Files, names that start with '.' and
// names that are no numbers are skipped, so that a version written aside and renamed is seen whole or not at all. Two
// names of one number: the one that sorts first. kNotFound when `base_path` does not exist.
Result<std::vector<FoundVersion>> FindVersions(const std::string& base_path, ArtifactStore* store);

// Those of `found` that the policy wants, versions descending.
std::vector<FoundVersion> SelectVersions(const VersionPolicy& policy, const std::vector<FoundVersion>& found);

// The folders right below `root` that hold at least one version: (name, path), by name.
std::vector<std::pair<std::string, std::string>> FindModels(const std::string& root);

// Names, sizes and times of all files below `location`: equal while its content has not changed. Empty when unreadable.
std::string Fingerprint(const std::string& location, ArtifactStore* store);

}  // namespace headrace::serving
