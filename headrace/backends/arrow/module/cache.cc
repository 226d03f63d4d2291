#include "headrace/backends/arrow/module/cache.h"

#include <algorithm>
#include <vector>

#include "headrace/base/files.h"

namespace headrace::arrow {
namespace {

namespace fs = std::filesystem;

constexpr size_t kNameChars = 32;

void RemoveOldStates(const fs::path& folder, const fs::path& kept) {
  std::vector<std::pair<fs::file_time_type, fs::path>> others;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (entry.path() != kept && entry.path().extension().empty())
      others.emplace_back(entry.last_write_time(error), entry.path());
  std::sort(others.rbegin(), others.rend());
  for (size_t i = 1; i < others.size(); i++) fs::remove_all(others[i].second, error);
}

}  // namespace

Result<fs::path> Cache::Get(std::string_view uri, std::string_view digest, const std::string& name,
                            const std::function<Status(const fs::path&)>& fetch) const {
  const fs::path folder = folder_ / Sha256(uri).substr(0, kNameChars);
  const fs::path state = folder / std::string(digest.substr(0, kNameChars));
  std::error_code error;
  if (fs::exists(state, error)) return state / name;
  fs::create_directories(folder, error);
  if (error) return std::unexpected(ErrnoStatus(error.value(), "cannot make the cache " + folder.string()));
  const fs::path aside = folder / (NewUuid() + ".part");
  fs::create_directory(aside, error);
  const Status fetched = fetch(aside / name);
  Status published = fetched.ok() ? PublishByRename(aside, state) : fetched;
  // Another process was quicker with the same state.
  if (published.code() == Code::kAlreadyExists) published = OkStatus();
  fs::remove_all(aside, error);
  HR_UNEXPECTED_IF_ERROR(published);
  RemoveOldStates(folder, state);
  return state / name;
}

}  // namespace headrace::arrow
