// One process with all of its descendants, under a supervisor that leaves none of them behind.
//
// The supervisor is a fork of this process that runs nothing but system calls. It is its descendants' subreaper; when
// the task's own process ends, when the grace period after a request to stop is over, or when this process dies however
// it dies, it kills what is left of the tree, sessions of their own included, and ends.
#pragma once
#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/base/clock.h"
#include "headrace/base/status.h"

namespace headrace::process {

struct ChildSpec {
  std::vector<std::string> argv;           // argv[0] is an absolute path or a name that is looked up in env's PATH
  std::map<std::string, std::string> env;  // all of it
  std::filesystem::path work_dir;
  std::chrono::milliseconds grace{30'000};  // between SIGTERM and SIGKILL
};

// A request to stop that another thread may make. Thread-safe.
class StopToken {
 public:
  StopToken();
  ~StopToken();
  StopToken(const StopToken&) = delete;
  StopToken& operator=(const StopToken&) = delete;
  void Stop();
  bool stopped() const;
  int fd() const { return fd_; }  // readable once stopped

 private:
  int fd_;
};

struct ChildExit {
  enum class Cause { kExited, kStopped, kTimedOut };
  Cause cause = Cause::kExited;
  int code = 0;  // 128 + the signal's number when killed by one
};

// Runs `spec` on the calling thread until it ends, handing what it writes to standard output and error to `output` as
// it comes. Stops it when `stop` is or `timeout` (zero: none) passes. kNotFound, kPermissionDenied … when it could not
// be started: the message names the program.
Result<ChildExit> RunChild(const ChildSpec& spec, const StopToken& stop, Duration timeout,
                           const std::function<void(std::string_view bytes)>& output);

}  // namespace headrace::process
