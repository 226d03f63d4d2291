#include "headrace/serving/version_source.h"

#include <algorithm>
#include <charconv>

namespace headrace::serving {
namespace {

namespace fs = std::filesystem;

bool IsUri(std::string_view path) { return path.find("://") != std::string_view::npos; }

// (name, location) of the folders right below `path`, by name.
using Folders = std::vector<std::pair<std::string, std::string>>;

Result<Folders> LocalFolders(const std::string& path) {
  Folders folders;
  std::error_code error;
  for (fs::directory_iterator it(path, error), end; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    if (it->is_directory(ignored)) folders.emplace_back(it->path().filename().string(), it->path().string());
  }
  if (error) return std::unexpected(ErrnoStatus(error.value(), "base path " + path));
  std::sort(folders.begin(), folders.end());
  return folders;
}

Result<Folders> StoredFolders(const std::string& uri, ArtifactStore* store) {
  if (store == nullptr || !store->Serves(uri))
    return std::unexpected(InvalidArgument("base path {}: no storage for this scheme is built in", uri));
  HR_ASSIGN_OR_UNEXPECTED(const auto entries, store->List(uri));
  Folders folders;
  for (const auto& entry : entries) {
    std::string_view name = entry.uri;
    name = name.substr(0, name.find('?'));  // options of the store
    while (name.ends_with('/')) name.remove_suffix(1);
    if (entry.is_directory) folders.emplace_back(name.substr(name.rfind('/') + 1), entry.uri);
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

void AppendEntry(std::string* out, std::string_view name, uint64_t size, int64_t time) {
  out->append(name).append("\n").append(std::to_string(size)).append("\n").append(std::to_string(time)).append("\n");
}

std::string LocalFingerprint(const std::string& path) {
  std::vector<fs::directory_entry> files;
  std::error_code error;
  for (fs::recursive_directory_iterator it(path, error), end; !error && it != end; it.increment(error))
    files.push_back(*it);
  std::sort(files.begin(), files.end());
  std::string out;
  for (const auto& file : files) {
    std::error_code ignored;
    const bool regular = file.is_regular_file(ignored);
    const uint64_t size = regular ? file.file_size(ignored) : 0;
    const auto time = regular ? file.last_write_time(ignored).time_since_epoch().count() : 0;
    AppendEntry(&out, file.path().native(), size, time);
  }
  return out;
}

}  // namespace

std::optional<int64_t> ParseVersion(std::string_view name) {
  int64_t version = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), version);
  const bool digits =
      !name.empty() && std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!digits || error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return version;
}

Result<std::vector<FoundVersion>> FindVersions(const std::string& base_path, ArtifactStore* store) {
  HR_ASSIGN_OR_UNEXPECTED(auto folders, IsUri(base_path) ? StoredFolders(base_path, store) : LocalFolders(base_path));
  std::vector<FoundVersion> found;
  for (auto& [name, location] : folders)
    if (const auto version = ParseVersion(name)) found.push_back({*version, std::move(location)});
  std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.version > b.version; });
  const auto same = [](const auto& a, const auto& b) { return a.version == b.version; };
  found.erase(std::unique(found.begin(), found.end(), same), found.end());
  return found;
}

std::vector<FoundVersion> SelectVersions(const VersionPolicy& policy, const std::vector<FoundVersion>& found) {
  switch (policy.kind) {
    case VersionPolicy::Kind::kAll: return found;
    case VersionPolicy::Kind::kLatest:
      return {found.begin(), found.begin() + static_cast<ptrdiff_t>(std::min<size_t>(policy.latest, found.size()))};
    case VersionPolicy::Kind::kSpecific: break;
  }
  std::vector<FoundVersion> selected;
  for (const auto& version : found)
    if (std::find(policy.versions.begin(), policy.versions.end(), version.version) != policy.versions.end())
      selected.push_back(version);
  return selected;
}

std::vector<std::pair<std::string, std::string>> FindModels(const std::string& root) {
  std::vector<std::pair<std::string, std::string>> models;
  for (auto& [name, path] : LocalFolders(root).value_or(Folders{})) {
    if (name.starts_with('.')) continue;
    const auto versions = FindVersions(path, nullptr);
    if (versions && !versions->empty()) models.emplace_back(std::move(name), std::move(path));
  }
  return models;
}

std::string Fingerprint(const std::string& location, ArtifactStore* store) {
  if (!IsUri(location)) return LocalFingerprint(location);
  std::string out;
  if (store == nullptr) return out;
  for (const auto& entry : store->List(location).value_or(std::vector<ArtifactEntry>{}))
    AppendEntry(&out, entry.uri, static_cast<uint64_t>(entry.bytes), 0);
  return out;
}

}  // namespace headrace::serving
