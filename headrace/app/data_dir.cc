#include "headrace/app/data_dir.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "headrace/base/files.h"

namespace headrace::app {
namespace fs = std::filesystem;

std::string DefaultDataDir() {
  if (const char* chosen = std::getenv("HEADRACE_DATA_DIR"); chosen && *chosen) return chosen;
  if (const char* data = std::getenv("XDG_DATA_HOME"); data && *data) return (fs::path(data) / "headrace").string();
  const char* home = std::getenv("HOME");
  return (fs::path(home && *home ? home : ".") / ".local/share/headrace").string();
}

Result<DataDir> OpenDataDir(const std::string& path) {
  std::error_code error;
  DataDir data_dir{fs::absolute(path, error).lexically_normal()};
  for (const auto& folder : {data_dir.root, data_dir.models(), data_dir.artifacts(), data_dir.logs()}) {
    fs::create_directories(folder, error);
    if (error) return std::unexpected(ErrnoStatus(error.value(), "data folder " + folder.string()));
  }
  return data_dir;
}

DataDirLock::~DataDirLock() { ::close(fd_); }

Result<std::unique_ptr<DataDirLock>> DataDirLock::Acquire(const DataDir& data_dir) {
  const fs::path path = data_dir.root / "lock";
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return std::unexpected(ErrnoStatus(errno, path.string()));
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    ::close(fd);
    const std::string holder = ReadFile(path).value_or("unknown");
    return std::unexpected(
        FailedPrecondition("data folder {}: process {} uses it already; stop that one or choose another --data-dir",
                           data_dir.root.string(), holder));
  }
  const std::string pid = std::to_string(::getpid());
  if (::ftruncate(fd, 0) != 0 || ::pwrite(fd, pid.data(), pid.size(), 0) < 0) {
    const Status status = ErrnoStatus(errno, path.string());
    ::close(fd);
    return std::unexpected(status);
  }
  return std::unique_ptr<DataDirLock>(new DataDirLock(fd));
}

}  // namespace headrace::app
