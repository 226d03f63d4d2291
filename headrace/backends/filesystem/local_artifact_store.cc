#include "headrace/backends/filesystem/local_artifact_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "headrace/base/files.h"

namespace headrace::filesystem {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kAside = ".headrace-put-";

Status Failure(const std::error_code& error, const fs::path& path) { return ErrnoStatus(error.value(), path.string()); }

Result<std::string> Unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); i++) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    int code = 0;
    const char* begin = text.data() + i + 1;
    const char* end = text.data() + std::min(i + 3, text.size());
    const auto read = std::from_chars(begin, end, code, 16);
    if (read.ec != std::errc() || read.ptr != begin + 2 || code == 0)
      return std::unexpected(InvalidArgument("URI {}: \"{}\" is no percent-escape", text, text.substr(i, 3)));
    out += static_cast<char>(code);
    i += 2;
  }
  return out;
}

// The folder in which `target` is written aside; one name for each target, so that leftovers are found again.
fs::path AsideOf(const fs::path& target) {
  return target.parent_path() / (std::string(kAside) + Sha256(target.filename().string()).substr(0, 16));
}

class FolderLock {
 public:
  explicit FolderLock(const fs::path& folder) : fd_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    while (fd_ >= 0 && ::flock(fd_, LOCK_EX) != 0 && errno == EINTR) {
    }
  }
  ~FolderLock() {
    if (fd_ >= 0) ::close(fd_);
  }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  const int fd_;
};

class LocalArtifactStore : public ArtifactStore {
 public:
  bool Serves(std::string_view uri) const override { return LocalPathOf(uri).has_value(); }

  Result<std::string> Read(std::string_view uri) override {
    HR_ASSIGN_OR_UNEXPECTED(const fs::path path, Existing(uri));
    std::error_code error;
    if (fs::is_directory(path, error)) return std::unexpected(InvalidArgument("{} is a folder", path.string()));
    return ReadFile(path);
  }

  Result<fs::path> Localize(std::string_view uri) override { return Existing(uri); }

  Status Put(const fs::path& source, std::string_view uri) override {
    HR_ASSIGN_OR_RETURN(const fs::path target, LocalPathOf(uri));
    std::error_code error;
    if (!fs::exists(source, error)) return NotFound("{}: no such file or folder", source.string());
    if (fs::exists(target, error)) return AlreadyExists("{} exists", target.string());
    fs::create_directories(target.parent_path(), error);
    if (error) return Failure(error, target.parent_path());
    // One put at a time in a folder, of all processes: so what lies aside is of a crash.
    const FolderLock lock(target.parent_path());
    if (fs::exists(target, error)) return AlreadyExists("{} exists", target.string());
    const fs::path aside = AsideOf(target);
    fs::remove_all(aside, error);
    fs::copy(source, aside, fs::copy_options::recursive | fs::copy_options::copy_symlinks, error);
    if (error) {
      const Status status = Failure(error, source);
      fs::remove_all(aside, error);
      return status;
    }
    return PublishByRename(aside, target);
  }

  Result<std::vector<ArtifactEntry>> List(std::string_view uri) override {
    HR_ASSIGN_OR_UNEXPECTED(const fs::path path, Existing(uri));
    std::vector<ArtifactEntry> out;
    std::error_code error;
    if (!fs::is_directory(path, error)) return out;
    for (fs::directory_iterator entries(path, error), end; !error && entries != end; entries.increment(error)) {
      if (entries->path().filename().string().starts_with(kAside)) continue;
      std::error_code gone;  // it may be removed while we look
      ArtifactEntry entry;
      entry.uri = entries->path().string();
      entry.is_directory = entries->is_directory(gone);
      entry.bytes = entry.is_directory || gone ? 0 : static_cast<int64_t>(entries->file_size(gone));
      if (!gone) out.push_back(std::move(entry));
    }
    if (error) return std::unexpected(Failure(error, path));
    std::ranges::sort(out, {}, &ArtifactEntry::uri);
    return out;
  }

  Status Remove(std::string_view uri) override {
    HR_ASSIGN_OR_RETURN(const fs::path path, Existing(uri));
    std::error_code error;
    fs::remove_all(path, error);
    return error ? Failure(error, path) : OkStatus();
  }

 private:
  static Result<fs::path> Existing(std::string_view uri) {
    HR_ASSIGN_OR_UNEXPECTED(fs::path path, LocalPathOf(uri));
    std::error_code error;
    if (!fs::exists(path, error)) return std::unexpected(NotFound("{}: no such file or folder", path.string()));
    return path;
  }
};

}  // namespace

Result<fs::path> LocalPathOf(std::string_view uri) {
  std::string path(uri);
  if (uri.starts_with("file://")) {
    std::string_view rest = uri.substr(7);
    if (rest.starts_with("localhost/")) rest.remove_prefix(9);
    HR_ASSIGN_OR_UNEXPECTED(path, Unescape(rest));
  } else if (uri.find("://") != std::string_view::npos) {
    return std::unexpected(InvalidArgument("URI {}: expected a path or file://", uri));
  }
  if (!path.starts_with('/')) return std::unexpected(InvalidArgument("URI {}: expected an absolute path", uri));
  for (const auto& part : fs::path(path))
    if (part == "..") return std::unexpected(InvalidArgument("URI {}: \"..\" is not allowed", uri));
  fs::path normal = fs::path(path).lexically_normal();
  return normal.has_filename() || normal == "/" ? normal : normal.parent_path();
}

std::unique_ptr<ArtifactStore> MakeLocalArtifactStore() { return std::make_unique<LocalArtifactStore>(); }

}  // namespace headrace::filesystem
