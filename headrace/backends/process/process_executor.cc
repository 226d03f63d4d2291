#include "headrace/backends/process/process_executor.h"

#include <algorithm>
#include <cstdlib>

#include "headrace/backends/process/log_writer.h"
#include "headrace/backends/process/python_component.h"
#include "headrace/base/files.h"
#include "headrace/base/json.h"
#include "headrace/base/thread_pool.h"

namespace headrace::process {
namespace fs = std::filesystem;
namespace {

constexpr size_t kMaxArgument = 128 * 1024;  // Linux's MAX_ARG_STRLEN

// Runs kfp.dsl.executor_main with arguments from a file: one argument may not be longer than 128 KiB.
constexpr char kFromFile[] =
    "import json, runpy, sys; sys.argv[1:] = json.load(open(sys.argv[1])); "
    "runpy.run_module('kfp.dsl.executor_main', run_name='__main__', alter_sys=True)";

fs::path ThisProgram() {
  std::error_code error;
  return fs::read_symlink("/proc/self/exe", error);
}

std::map<std::string, std::string> BaseEnvironment(const TaskSpec& spec) {
  std::map<std::string, std::string> out = {
      {"PATH", "/usr/local/bin:/usr/bin:/bin"},
      {"HOME", spec.work_dir},
      {"TMPDIR", spec.work_dir},
      {"LANG", "C.UTF-8"},
      {"PYTHONUNBUFFERED", "1"},
  };
  for (const char* name : {"http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
                           "SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "TZ"})
    if (const char* value = std::getenv(name)) out[name] = value;
  return out;
}

// `headrace component` takes @FILE for an argument that is longer than the kernel's limit.
Status MoveLongArguments(const fs::path& folder, std::vector<std::string>* argv) {
  for (size_t i = 1; i < argv->size(); i++) {
    if ((*argv)[i].size() < kMaxArgument) continue;
    const fs::path file = folder / fmt::format("argument-{}", i);
    HR_RETURN_IF_ERROR(WriteFileAtomically(file, (*argv)[i]));
    (*argv)[i] = "@" + file.string();
  }
  return OkStatus();
}

Status StatusOf(const ChildExit& exit, const TaskSpec& spec, const std::string& last_line) {
  switch (exit.cause) {
    case ChildExit::Cause::kStopped: return Cancelled("{}: cancelled", spec.name);
    case ChildExit::Cause::kTimedOut:
      return DeadlineExceeded("{}: took longer than {} s", spec.name,
                              std::chrono::duration<double>(spec.timeout).count());
    case ChildExit::Cause::kExited: break;
  }
  if (exit.code == 0) return OkStatus();
  const std::string why = last_line.empty() ? "" : ": " + last_line;
  if (exit.code > 128) return Unknown("killed by signal {}{}", exit.code - 128, why);
  return Unknown("exit code {}{}", exit.code, why);
}

}  // namespace

ProcessExecutor::ProcessExecutor(ProcessExecutorOptions options)
    : options_(std::move(options)), environments_({.folder = options_.environments, .uv = options_.uv}) {
  const size_t threads = options_.max_parallel > 0 ? options_.max_parallel : std::max<size_t>(2, AvailableCores());
  for (size_t i = 0; i < threads; i++) threads_.emplace_back([this] { Work(); });
}

ProcessExecutor::~ProcessExecutor() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    for (auto& [id, job] : jobs_) job->stop.Stop();
    changed_.NotifyAll();
  }
  for (auto& thread : threads_) thread.join();
}

Status ProcessExecutor::Accepts(const TaskSpec& spec) const {
  if (spec.command.empty())
    return Unimplemented("image {}: the command is empty, and local processes do not know an image's own", spec.image);
  if (ParsePythonImage(spec.image) || IsHeadraceImage(spec.image)) return OkStatus();
  return Unimplemented(
      "image {}: without containers only python:3.x and headrace can be run; use one of them as base_image",
      spec.image);
}

Status ProcessExecutor::Submit(TaskSpec spec, TaskDone done) {
  HR_RETURN_IF_ERROR(Accepts(spec));
  auto job = std::make_shared<Job>();
  job->spec = std::move(spec);
  job->done = std::move(done);
  const MutexLock lock(mutex_);
  if (stopping_) return Unavailable("the executor is shutting down");
  if (!jobs_.emplace(job->spec.id, job).second) return AlreadyExists("task {} is running", job->spec.id);
  queue_.push_back(std::move(job));
  changed_.NotifyOne();
  return OkStatus();
}

void ProcessExecutor::Cancel(const std::string& id) {
  const MutexLock lock(mutex_);
  if (const auto job = jobs_.find(id); job != jobs_.end()) job->second->stop.Stop();
}

void ProcessExecutor::Work() {
  while (true) {
    std::shared_ptr<Job> job;
    {
      const MutexLock lock(mutex_);
      while (queue_.empty() && !stopping_) changed_.Wait(mutex_);
      if (queue_.empty()) return;
      job = std::move(queue_.front());
      queue_.pop_front();
    }
    TaskResult result = Run(*job);
    TaskDone done = std::move(job->done);
    {
      const MutexLock lock(mutex_);
      jobs_.erase(job->spec.id);
    }
    done(std::move(result));
  }
}

TaskResult ProcessExecutor::Run(Job& job) {
  TaskResult result;
  result.started = options_.clock->Now();
  if (job.stop.stopped()) {
    result.status = Cancelled("{}: cancelled before it started", job.spec.name);
  } else if (auto log = LogWriter::Open(job.spec.log_file, options_.max_log_bytes, options_.clock); !log) {
    result.status = Unavailable("log file: {}", log.error().message());
  } else {
    result.status = RunLogged(job, **log, &result.exit_code);
    if (!result.status.ok()) (*log)->Line("headrace: " + result.status.message());
  }
  result.finished = options_.clock->Now();
  return result;
}

Status ProcessExecutor::RunLogged(Job& job, LogWriter& log, int* exit_code) {
  auto child = Prepare(job, log);
  if (!child) {
    if (child.error().code() == Code::kCancelled) return child.error();
    return Unavailable("{}", child.error().message());
  }
  log.ForgetLastLine();
  const auto exit = RunChild(*child, job.stop, job.spec.timeout, [&](std::string_view bytes) { log.Write(bytes); });
  if (!exit) return Unavailable("{}", exit.error().message());
  *exit_code = exit->code;
  return StatusOf(*exit, job.spec, log.last_line());
}

Result<ChildSpec> ProcessExecutor::Prepare(Job& job, LogWriter& log) {
  const TaskSpec& spec = job.spec;
  ChildSpec child{
      .argv = spec.command, .env = BaseEnvironment(spec), .work_dir = spec.work_dir, .grace = options_.grace};
  for (const auto& [name, value] : options_.environment) child.env[name] = value;
  for (const auto& [name, value] : spec.environment) child.env[name] = value;
  if (child.argv[0] == "headrace") {
    child.argv[0] = options_.headrace.empty() ? ThisProgram() : options_.headrace;
    HR_UNEXPECTED_IF_ERROR(MoveLongArguments(spec.work_dir, &child.argv));
  }
  if (ParsePythonImage(spec.image)) return PreparePython(job, log, std::move(child));
  return child;
}

Result<ChildSpec> ProcessExecutor::PreparePython(Job& job, LogWriter& log, ChildSpec child) {
  const auto tell = [&](std::string_view line) {
    log.Line("headrace: " + std::string(line));
    if (job.spec.progress) job.spec.progress(line);
  };
  const PythonImage image = *ParsePythonImage(job.spec.image);
  HR_ASSIGN_OR_UNEXPECTED(const Interpreter interpreter, interpreters_.Find(image.minor));
  if (image.minor && *image.minor != interpreter.minor)
    tell(fmt::format("warning: image {} asks for Python 3.{}, which is not installed; using 3.{}", job.spec.image,
                     *image.minor, interpreter.minor));
  const auto component = MatchPythonComponent(job.spec.command);
  const std::vector<std::vector<std::string>> installs = component ? component->pip_installs : decltype(installs){};
  HR_ASSIGN_OR_UNEXPECTED(
      const fs::path environment,
      environments_.Get(interpreter, installs, job.stop, tell, [&](std::string_view bytes) { log.Write(bytes); }));
  child.env["PATH"] = (environment / "bin").string() + ":" + child.env["PATH"];
  child.env["VIRTUAL_ENV"] = environment;
  if (!component) return child;

  const fs::path module = job.spec.work_dir / "ephemeral_component.py";
  HR_UNEXPECTED_IF_ERROR(WriteFileAtomically(module, component->source));
  child.env["_KFP_RUNTIME"] = "true";
  child.argv = {environment / "bin/python3", "-m", "kfp.dsl.executor_main", "--component_module_path", module};
  child.argv.insert(child.argv.end(), component->args.begin(), component->args.end());
  const bool too_long =
      std::ranges::any_of(component->args, [](const auto& arg) { return arg.size() >= kMaxArgument; });
  if (!too_long) return child;
  const fs::path arguments = job.spec.work_dir / "arguments.json";
  HR_UNEXPECTED_IF_ERROR(WriteFileAtomically(arguments, ToJson(json::array(child.argv.begin() + 3, child.argv.end()))));
  child.argv = {environment / "bin/python3", "-c", kFromFile, arguments};
  return child;
}

}  // namespace headrace::process
