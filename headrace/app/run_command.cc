#include <unistd.h>

#include <memory>
#include <optional>

#include "headrace/app/commands.h"
#include "headrace/app/data_dir.h"
#include "headrace/app/pipeline_runtime.h"
#include "headrace/app/run_progress.h"
#include "headrace/app/shutdown.h"
#include "headrace/base/files.h"
#include "headrace/pipeline/values.h"

namespace headrace::app {
namespace {

using pipeline::RunService;

struct RunOptions {
  std::string file;
  std::vector<std::string> parameters;
  std::string data_dir = DefaultDataDir();
  std::string name;
  size_t max_parallel = 0;
  bool as_json = false;
  bool no_cache = false;
  bool resume = false;
  bool check = false;
};

constexpr char kFooter[] =
    "FILE is what the kfp SDK's compiler wrote (YAML or JSON). Tasks run as processes on this machine, Python "
    "functions in\n"
    "environments that are built once with uv. Results are cached: what has not changed is not run again. State, "
    "artifacts\n"
    "and logs are kept below --data-dir.\n\n"
    "Exit codes: 0 the run succeeded, 1 it failed or was cancelled, 2 wrong usage or pipeline, 3 the machine failed.";

Result<std::unique_ptr<PipelineRuntime>> OpenRuntime(const RunOptions& options, RunProgress* progress) {
  HR_ASSIGN_OR_UNEXPECTED(const DataDir data_dir, OpenDataDir(options.data_dir));
  return PipelineRuntime::Open(data_dir,
                               {.listener = [progress](const pipeline::RunEvent& event) { progress->OnEvent(event); },
                                .max_parallel = options.max_parallel});
}

// In the experiment that takes runs whose maker named none.
Result<pipeline::Run> Create(PipelineRuntime& runtime, pipeline::CreateRunRequest request) {
  HR_ASSIGN_OR_UNEXPECTED(const auto experiment, runtime.experiments().Default());
  request.experiment_id = experiment.id;
  request.in_transaction = [&](Transaction& transaction, const pipeline::Run& run) {
    return runtime.experiments().NoteRun(transaction, run.experiment_id, run.created);
  };
  return runtime.runs().Create(std::move(request));
}

// "k=v" as the pipeline's parameter k.
Status AddParameter(const std::string& text, const pipeline::Pipeline& pipeline, json::object* out) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) return InvalidArgument("--parameter {}: expected NAME=VALUE", text);
  const std::string name = text.substr(0, equals);
  const auto spec = pipeline.root.input_parameters.find(name);
  if (spec == pipeline.root.input_parameters.end()) {
    std::string known;
    for (const auto& [other, ignored] : pipeline.root.input_parameters) known += (known.empty() ? "" : ", ") + other;
    return InvalidArgument("--parameter {}: the pipeline has no such parameter; it has {}", name,
                           known.empty() ? "none" : known);
  }
  auto value = pipeline::ParseParameterText(std::string_view(text).substr(equals + 1), spec->second);
  if (!value) return value.error().WithContext("--parameter " + name);
  (*out)[name] = *std::move(value);
  return OkStatus();
}

Result<pipeline::CreateRunRequest> ReadRequest(const RunOptions& options) {
  pipeline::CreateRunRequest request;
  HR_ASSIGN_OR_UNEXPECTED(const std::string text, ReadFile(options.file));
  auto spec = pipeline::ReadPipelineFile(text);
  if (!spec) return std::unexpected(spec.error().WithContext(options.file));
  request.spec = *std::move(spec);
  const auto parsed = pipeline::ParsePipeline(request.spec);
  if (!parsed) return std::unexpected(parsed.error().WithContext(options.file));
  for (const auto& warning : (*parsed)->warnings) fmt::print(stderr, "warning: {}\n", warning);
  for (const auto& parameter : options.parameters)
    HR_UNEXPECTED_IF_ERROR(AddParameter(parameter, **parsed, &request.parameters));
  request.display_name = options.name;
  request.use_cache = !options.no_cache;
  return request;
}

// --check: what Create would refuse, without a data folder.
Result<ExitCode> Check(const pipeline::CreateRunRequest& request) {
  HR_ASSIGN_OR_UNEXPECTED(const auto pipeline, pipeline::ParsePipeline(request.spec));
  process::ProcessExecutorOptions process;
  process.max_parallel = 1;
  const process::ProcessExecutor executor(std::move(process));
  HR_UNEXPECTED_IF_ERROR(pipeline::CheckExecutor(*pipeline, executor));
  HR_UNEXPECTED_IF_ERROR(pipeline::Scheduler::Create(pipeline, request.parameters, {}));
  fmt::print("{}: can be run, {} components\n", pipeline->name, pipeline->components.size());
  return kSuccess;
}

// Waits for the run, which the first SIGINT or SIGTERM cancels.
Result<pipeline::Run> Await(RunService& service, const std::string& id, ShutdownSignal& signal) {
  struct Target {
    Mutex mutex;
    RunService* service HR_GUARDED_BY(mutex);
  };
  auto target = std::make_shared<Target>();
  target->service = &service;
  signal.Notify([target, id](int) {
    const MutexLock lock(target->mutex);
    if (target->service == nullptr) return;
    fmt::print(stderr, "cancelling; once more to leave at once\n");
    target->service->Terminate(id).IgnoreError();
  });
  auto run = service.Wait(id);
  const MutexLock lock(target->mutex);
  target->service = nullptr;
  return run;
}

Result<ExitCode> Show(const RunOptions& options, RunService& service, const pipeline::Run& run, RunProgress& progress) {
  progress.Stop();
  HR_ASSIGN_OR_UNEXPECTED(const auto tasks, service.Tasks(run.id));
  if (options.as_json) {
    fmt::print("{}\n", ToJson(SummaryJson(run, tasks)));
  } else {
    fmt::print("{}{}{}\n", FailureText(tasks), run.state == pipeline::RunState::kFailed ? "\n" : "",
               SummaryText(run, Summarize(tasks)));
  }
  return run.state == pipeline::RunState::kSucceeded ? kSuccess : kFailed;
}

Result<ExitCode> RunPipeline(const RunOptions& options) {
  ShutdownSignal signal;
  std::FILE* out = options.as_json ? stderr : stdout;
  RunProgress progress(out, ::isatty(::fileno(out)) == 1);
  std::optional<pipeline::CreateRunRequest> request;
  if (!options.file.empty()) {
    HR_ASSIGN_OR_UNEXPECTED(request, ReadRequest(options));
  }
  if (options.check) return Check(*request);
  HR_ASSIGN_OR_UNEXPECTED(const auto runtime, OpenRuntime(options, &progress));
  RunService& service = runtime->runs();
  if (request) {
    HR_ASSIGN_OR_UNEXPECTED(const pipeline::Run run, Create(*runtime, *std::move(request)));
    if (!options.as_json) fmt::print("run {} of {}\n", run.id, run.pipeline);
    std::fflush(stdout);
    HR_ASSIGN_OR_UNEXPECTED(const pipeline::Run ended, Await(service, run.id, signal));
    return Show(options, service, ended, progress);
  }
  ListRequest newest{.page_size = 1, .sort_by = "created_at", .descending = true};
  newest.predicates = {
      {ListOperation::kIn, "state", {std::string("RUNNING"), std::string("PENDING"), std::string("CANCELING")}}};
  HR_ASSIGN_OR_UNEXPECTED(const auto unfinished, service.List(newest));
  if (unfinished.runs.empty()) return std::unexpected(NotFound("no run is unfinished; name a FILE to start one"));
  HR_UNEXPECTED_IF_ERROR(service.Resume());
  const std::string id = unfinished.runs[0].id;
  if (!options.as_json) fmt::print("continuing run {} of {}\n", id, unfinished.runs[0].pipeline);
  HR_ASSIGN_OR_UNEXPECTED(const pipeline::Run ended, Await(service, id, signal));
  return Show(options, service, ended, progress);
}

}  // namespace

void AddRunCommand(CLI::App& program, int* exit_code) {
  auto* command = program.add_subcommand("run", "Run a compiled KFP pipeline here, without a server");
  auto options = std::make_shared<RunOptions>();
  command->footer(kFooter);
  auto* file = command->add_option("FILE", options->file, "The compiled pipeline")->check(CLI::ExistingFile);
  command->add_option("-p,--parameter", options->parameters, "NAME=VALUE of a pipeline parameter; may be repeated")
      ->allow_extra_args(false);
  command->add_option("--data-dir", options->data_dir, "Where the state is kept")->capture_default_str();
  command->add_option("--name", options->name, "What to call the run");
  command->add_option("--max-parallel", options->max_parallel, "Tasks at once (default: as many as there are cores)");
  command->add_flag("--json", options->as_json, "Print one JSON object at the end; progress goes to standard error");
  command->add_flag("--no-cache", options->no_cache, "Run every task, whatever was done before");
  auto* resume = command->add_flag("--resume", options->resume, "Continue the newest run that was interrupted");
  resume->excludes(file);
  command->add_flag("--check", options->check, "Say whether the pipeline can be run here; run nothing")->needs(file);
  command->callback([options, exit_code] {
    if (options->file.empty() && !options->resume) throw CLI::RequiredError("FILE");
    const auto code = RunPipeline(*options);
    *exit_code = code ? *code : Report("run", code.error());
  });
}

}  // namespace headrace::app
