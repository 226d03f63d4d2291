// Python environments, each built once with uv (https://docs.astral.sh/uv) and used by every task that asks for the
// same packages: <folder>/<key>, where the key is a hash of the interpreter's ABI, the pip commands in their order and
// the package indexes. An environment appears whole or not at all; processes that share the folder build it once.
#pragma once
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/backends/process/child.h"
#include "headrace/backends/process/interpreter.h"
#include "headrace/base/status.h"

namespace headrace::process {

// Where packages come from: what uv and pip are told by their variables and by pip's configuration files.
struct IndexSettings {
  std::vector<std::string> uv_options;             // "--default-index", "https://…"
  std::map<std::string, std::string> environment;  // UV_*, proxies and certificates, for uv's process
};
// From this process's environment and pip.conf.
IndexSettings ReadIndexSettings();

class EnvironmentCache {
 public:
  struct Options {
    std::filesystem::path folder;
    std::filesystem::path uv;  // empty: HEADRACE_DEPS/bin/uv, uv beside the program, uv in PATH
  };

  explicit EnvironmentCache(Options options) : options_(std::move(options)), index_(ReadIndexSettings()) {}

  // The environment's folder; its interpreter is bin/python3. Builds it when it is not there, telling `progress` a line
  // at a time and `log` what uv prints. kCancelled when `stop` was, kNotFound when there is no uv (the message says how
  // to get it), kFailedPrecondition with uv's last words when a package cannot be installed.
  Result<std::filesystem::path> Get(const Interpreter& interpreter,
                                    const std::vector<std::vector<std::string>>& pip_installs, const StopToken& stop,
                                    const std::function<void(std::string_view line)>& progress,
                                    const std::function<void(std::string_view bytes)>& log);

  std::string KeyOf(const Interpreter& interpreter, const std::vector<std::vector<std::string>>& pip_installs) const;

 private:
  Result<std::filesystem::path> FindUv() const;
  Status Build(const std::filesystem::path& uv, const std::filesystem::path& target, const Interpreter& interpreter,
               const std::vector<std::vector<std::string>>& pip_installs, const StopToken& stop,
               const std::function<void(std::string_view)>& log) const;
  Status RunUv(const std::filesystem::path& uv, std::vector<std::string> arguments, const StopToken& stop,
               const std::function<void(std::string_view)>& log) const;

  const Options options_;
  const IndexSettings index_;
};

// pip's arguments as uv spells them.
std::vector<std::string> UvArguments(const std::vector<std::string>& pip_arguments);

}  // namespace headrace::process
