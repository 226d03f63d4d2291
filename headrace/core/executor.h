// Where a pipeline's tasks run: local processes, containers, Kubernetes Jobs.
#pragma once
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/base/clock.h"
#include "headrace/base/status.h"

namespace headrace {

// One try of one task, with every placeholder resolved.
struct TaskSpec {
  std::string id;                    // unique for each try
  std::string name;                  // for logs: "run/task"
  std::string image;                 // as the pipeline names it; a process executor maps it to an environment
  std::vector<std::string> command;  // argv
  std::map<std::string, std::string> environment;  // beside what the executor sets
  std::filesystem::path work_dir;                  // exists; the task's current folder
  std::filesystem::path log_file;                  // standard output and error are appended here
  Duration timeout = Duration::zero();             // zero: none
  // What happens before the command runs, one line each ("building a Python environment: numpy==2.4.6"); may be empty.
  // Called from any thread, never after `done` has.
  std::function<void(std::string_view line)> progress;
};

struct TaskResult {
  Status status;  // OK: exit code 0. kCancelled, kDeadlineExceeded, kUnavailable (could not be started), kUnknown (exit
                  // code)
  int exit_code = 0;  // 128 + the signal's number when killed by one
  TimePoint started;
  TimePoint finished;
};

using TaskDone = std::move_only_function<void(TaskResult)>;

// Thread-safe. The destructor cancels what runs and waits for it.
class Executor {
 public:
  virtual ~Executor() = default;
  // Whether this executor can run tasks of `spec`'s image and command; the reason when not. Cheap, starts nothing.
  virtual Status Accepts(const TaskSpec& spec) const = 0;
  // Starts the task and returns; `done` runs exactly once, on a thread of the executor's. An error means that nothing
  // was started and `done` will not run. kAlreadyExists when a task of that id is running.
  virtual Status Submit(TaskSpec spec, TaskDone done) = 0;
  // Asks the task to stop: SIGTERM, and SIGKILL to all of it after a grace period. Unknown ids are ignored.
  virtual void Cancel(const std::string& id) = 0;
};

}  // namespace headrace
