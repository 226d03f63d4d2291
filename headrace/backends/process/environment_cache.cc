#include "headrace/backends/process/environment_cache.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "headrace/base/files.h"
#include "headrace/base/json.h"

namespace headrace::process {
namespace fs = std::filesystem;
namespace {

constexpr auto kBuildLimit = std::chrono::minutes(30);

bool IsProgram(const fs::path& path) { return ::access(path.c_str(), X_OK) == 0 && !fs::is_directory(path); }

// flock on <key>.lock; released when destroyed or when the process dies.
class KeyLock {
 public:
  KeyLock() = default;
  ~KeyLock() {
    if (fd_ >= 0) ::close(fd_);
  }
  KeyLock(const KeyLock&) = delete;
  KeyLock& operator=(const KeyLock&) = delete;

  // `waiting` is called once when another holds it.
  Status Acquire(const fs::path& file, const StopToken& stop, const std::function<void()>& waiting) {
    fd_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd_ < 0) return ErrnoStatus(errno, file.string());
    bool told = false;
    while (::flock(fd_, LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK && errno != EINTR) return ErrnoStatus(errno, file.string());
      if (stop.stopped()) return Cancelled("cancelled while another task built the same environment");
      if (!told) waiting();
      told = true;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    return OkStatus();
  }

 private:
  int fd_ = -1;
};

std::string Describe(const std::vector<std::vector<std::string>>& pip_installs) {
  std::string out;
  for (const auto& install : pip_installs)
    for (const auto& word : install)
      if (!word.starts_with('-') && word.find("://") == std::string::npos) out += (out.empty() ? "" : ", ") + word;
  return out.empty() ? "no packages" : out;
}

// uv's error without its box and its greeting: "No solution found when resolving dependencies: Because …".
std::string OneLine(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    while (!line.empty() && (line[0] == ' ' || static_cast<unsigned char>(line[0]) >= 0x80)) line.remove_prefix(1);
    if (line.empty() || line.starts_with("Using Python")) continue;
    out += (out.empty() ? "" : " ") + std::string(line);
  }
  return out;
}

}  // namespace

std::vector<std::string> UvArguments(const std::vector<std::string>& pip_arguments) {
  std::vector<std::string> out;
  for (const auto& argument : pip_arguments) {
    if (argument == "--index-url") {
      out.emplace_back("--default-index");
    } else if (argument == "--extra-index-url") {
      out.emplace_back("--index");
    } else if (argument == "--trusted-host") {
      out.emplace_back("--allow-insecure-host");
    } else {
      out.push_back(argument);
    }
  }
  return out;
}

std::string EnvironmentCache::KeyOf(const Interpreter& interpreter,
                                    const std::vector<std::vector<std::string>>& pip_installs) const {
  json::array installs;
  for (const auto& install : pip_installs) installs.emplace_back(json::array(install.begin(), install.end()));
  json::object identity = {{"abi", interpreter.abi},
                           {"interpreter", interpreter.path.string()},
                           {"installs", std::move(installs)},
                           {"options", json::array(index_.uv_options.begin(), index_.uv_options.end())}};
  for (const auto& [name, value] : index_.environment)
    if (name.starts_with("UV_")) identity[name] = value;
  return Sha256(CanonicalJson(identity)).substr(0, 32);
}

Result<fs::path> EnvironmentCache::FindUv() const {
  std::vector<fs::path> places;
  if (!options_.uv.empty()) places.push_back(options_.uv);
  if (const char* deps = std::getenv("HEADRACE_DEPS")) places.push_back(fs::path(deps) / "bin/uv");
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  if (!error) places.push_back(self.parent_path() / "uv");
  if (!error) places.push_back(self.parent_path().parent_path() / ".deps/bin/uv");
  if (const auto path = index_.environment.find("PATH"); path != index_.environment.end()) {
    std::string_view rest = path->second;
    while (!rest.empty()) {
      const size_t colon = rest.find(':');
      places.push_back(fs::path(rest.substr(0, colon)) / "uv");
      rest.remove_prefix(colon == std::string_view::npos ? rest.size() : colon + 1);
    }
  }
  for (const auto& place : places)
    if (place.is_absolute() && IsProgram(place)) return place;
  return std::unexpected(NotFound(
      "uv, which builds the environments of Python components, was not found; run ./dev setup, or pip install uv, "
      "or put it into PATH"));
}

Result<fs::path> EnvironmentCache::Get(const Interpreter& interpreter,
                                       const std::vector<std::vector<std::string>>& pip_installs, const StopToken& stop,
                                       const std::function<void(std::string_view)>& progress,
                                       const std::function<void(std::string_view)>& log) {
  const std::string key = KeyOf(interpreter, pip_installs);
  const fs::path target = options_.folder / key;
  std::error_code error;
  if (fs::exists(target, error)) return target;
  HR_ASSIGN_OR_UNEXPECTED(const fs::path uv, FindUv());
  fs::create_directories(options_.folder, error);
  const std::string what = fmt::format("Python 3.{} environment with {}", interpreter.minor, Describe(pip_installs));
  KeyLock lock;
  HR_UNEXPECTED_IF_ERROR(lock.Acquire(options_.folder / (key + ".lock"), stop,
                                      [&] { progress("waiting for another task that builds the " + what); }));
  if (fs::exists(target, error)) return target;
  progress("building the " + what);
  const auto start = std::chrono::steady_clock::now();
  // Whoever holds the lock may remove what a killed builder left.
  const fs::path aside = options_.folder / (key + ".building");
  fs::remove_all(aside, error);
  Status status = Build(uv, aside, interpreter, pip_installs, stop, log);
  if (status.ok() && ::rename(aside.c_str(), target.c_str()) != 0) status = ErrnoStatus(errno, target.string());
  if (!status.ok()) {
    fs::remove_all(aside, error);
    return std::unexpected(status.WithContext(what));
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  progress(fmt::format("built the environment in {:.1f} s", seconds.count()));
  return target;
}

Status EnvironmentCache::Build(const fs::path& uv, const fs::path& target, const Interpreter& interpreter,
                               const std::vector<std::vector<std::string>>& pip_installs, const StopToken& stop,
                               const std::function<void(std::string_view)>& log) const {
  HR_RETURN_IF_ERROR(RunUv(
      uv, {"venv", "--quiet", "--no-config", "--no-project", "--relocatable", "--python", interpreter.path, target},
      stop, log));
  for (const auto& install : pip_installs) {
    std::vector<std::string> arguments = {"pip",
                                          "install",
                                          "--no-config",
                                          "--no-progress",
                                          "--python",
                                          target / "bin/python3",
                                          "--index-strategy",
                                          "unsafe-best-match"};
    arguments.insert(arguments.end(), index_.uv_options.begin(), index_.uv_options.end());
    const auto packages = UvArguments(install);
    arguments.insert(arguments.end(), packages.begin(), packages.end());
    HR_RETURN_IF_ERROR(RunUv(uv, std::move(arguments), stop, log));
  }
  return OkStatus();
}

Status EnvironmentCache::RunUv(const fs::path& uv, std::vector<std::string> arguments, const StopToken& stop,
                               const std::function<void(std::string_view)>& log) const {
  arguments.insert(arguments.begin(), uv.string());
  const ChildSpec spec{.argv = std::move(arguments), .env = index_.environment, .work_dir = options_.folder};
  std::string last;
  const auto exit = RunChild(spec, stop, kBuildLimit, [&](std::string_view bytes) {
    log(bytes);
    last += bytes;
    if (last.size() > 4000) last.erase(0, last.size() - 2000);
  });
  if (!exit) return exit.error();
  if (exit->cause == ChildExit::Cause::kStopped) return Cancelled("cancelled while its environment was built");
  if (exit->cause == ChildExit::Cause::kTimedOut) return DeadlineExceeded("uv took longer than 30 minutes");
  if (exit->code == 0) return OkStatus();
  return FailedPrecondition("uv {} failed: {}", spec.argv[1], OneLine(last));
}

}  // namespace headrace::process
