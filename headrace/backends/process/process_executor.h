// Tasks as processes on this machine: core/executor.h without containers.
//
// What a task gets: its own session and process tree (child.h), a clean environment (PATH, HOME and TMPDIR in its work
// folder, LANG, proxies and certificates, what Options and the task add), its work folder, and a log. What it does not
// get: isolation. It runs as this user and sees this user's files.
//
// Images stand for what is installed: python:3.N is an interpreter on this machine with an environment of its own when
// the command is the SDK's for a function component (python_component.h); headrace is this program, also as argv[0].
// Others are refused.
#pragma once
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "headrace/backends/process/environment_cache.h"
#include "headrace/backends/process/interpreter.h"
#include "headrace/base/clock.h"
#include "headrace/base/mutex.h"
#include "headrace/core/executor.h"

namespace headrace::process {

class LogWriter;

struct ProcessExecutorOptions {
  std::filesystem::path environments;              // the folder of the environment cache
  std::filesystem::path headrace;                  // what argv[0] "headrace" runs; empty: this program
  std::filesystem::path uv;                        // empty: looked for
  std::map<std::string, std::string> environment;  // for every task
  size_t max_parallel = 0;                  // tasks at once, others wait; 0: the cores of this machine, at least 2
  std::chrono::milliseconds grace{30'000};  // between SIGTERM and SIGKILL
  size_t max_log_bytes = 64 << 20;          // of one task's log file
  const Clock* clock = Clock::Real();
};

class ProcessExecutor : public Executor {
 public:
  explicit ProcessExecutor(ProcessExecutorOptions options);
  ~ProcessExecutor() override;

  // kUnimplemented for an image that stands for nothing here.
  Status Accepts(const TaskSpec& spec) const override;
  Status Submit(TaskSpec spec, TaskDone done) override;
  void Cancel(const std::string& id) override;

 private:
  struct Job {
    TaskSpec spec;
    TaskDone done;
    StopToken stop;
  };

  void Work();
  TaskResult Run(Job& job);
  Status RunLogged(Job& job, LogWriter& log, int* exit_code);
  // The command as it is run here: environment built, argv[0] found.
  Result<ChildSpec> Prepare(Job& job, LogWriter& log);
  Result<ChildSpec> PreparePython(Job& job, LogWriter& log, ChildSpec child);

  const ProcessExecutorOptions options_;
  EnvironmentCache environments_;
  InterpreterFinder interpreters_;

  Mutex mutex_;
  CondVar changed_;
  std::deque<std::shared_ptr<Job>> queue_ HR_GUARDED_BY(mutex_);
  std::map<std::string, std::shared_ptr<Job>> jobs_ HR_GUARDED_BY(mutex_);  // queued and running, by id
  bool stopping_ HR_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace headrace::process
