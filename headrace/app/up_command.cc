#include <fmt/core.h>

#include <cstdio>
#include <memory>

#include "headrace/app/builtins.h"
#include "headrace/app/commands.h"
#include "headrace/app/control_plane.h"
#include "headrace/app/data_dir.h"
#include "headrace/app/model_server.h"
#include "headrace/app/origin_guard.h"
#include "headrace/app/pipeline_runtime.h"
#include "headrace/app/shutdown.h"
#include "headrace/base/json.h"
#include "headrace/base/log.h"

namespace headrace::app {
namespace {

constexpr auto kDrain = std::chrono::seconds(5);
constexpr char kMetricsPath[] = "/monitoring/prometheus/metrics";  // TensorFlow Serving's

struct UpOptions {
  std::string data_dir = DefaultDataDir();
  std::string host = "127.0.0.1";
  int port = 8080;
  int rest_port = 8501;
  int grpc_port = 8500;
  std::string access_log;
  bool as_json = false;
};

void LogEvent(const pipeline::RunEvent& event) {
  if (event.task == nullptr) {
    HR_LOG(info, "run {} ({}) {}{}{}", event.run.id, event.run.display_name, pipeline::RunStateName(event.run.state),
           event.run.error.empty() ? "" : ": ", event.run.error);
    return;
  }
  if (event.task->path.empty()) return;
  if (!event.line.empty()) {
    HR_LOG(info, "run {} task {}: {}", event.run.id, event.task->path, event.line);
    return;
  }
  HR_LOG(info, "run {} task {} {}{}{}", event.run.id, event.task->path, pipeline::TaskStateName(event.task->state),
         event.task->message.empty() ? "" : ": ", event.task->message);
}

// What a client on this machine connects to.
std::string HostAndPort(const std::string& host, int port) {
  const std::string shown = host == "0.0.0.0" || host == "::" ? "localhost" : host;
  return fmt::format("{}:{}", shown.find(':') == shown.npos ? shown : "[" + shown + "]", port);
}

struct Doors {
  std::string control_plane, models_rest, models_grpc;
};

void PrintReady(const UpOptions& options, const DataDir& data_dir, const Doors& doors, size_t resumed) {
  if (options.as_json) {
    fmt::print("{}\n", ToJson(json::object{{"event", "ready"},
                                           {"control_plane", doors.control_plane},
                                           {"models_rest", doors.models_rest},
                                           {"models_grpc", doors.models_grpc},
                                           {"data_dir", data_dir.root.string()},
                                           {"resumed_runs", resumed}}));
  } else {
    fmt::print("Headrace is up. Stop it with Ctrl-C.\n");
    fmt::print("  pipelines    {0}   kfp.Client(host=\"{0}\")\n", doors.control_plane);
    fmt::print("  models       {}/v1/models/NAME:predict   gRPC {}\n", doors.models_rest, doors.models_grpc);
    fmt::print("  state        {}\n", data_dir.root.string());
    if (resumed > 0) fmt::print("  continuing   {} unfinished run{}\n", resumed, resumed == 1 ? "" : "s");
  }
  std::fflush(stdout);
}

Result<std::unique_ptr<ModelServer>> StartModelServer(const UpOptions& options, const DataDir& data_dir) {
  ModelServerOptions server;
  server.address = options.host;
  server.rest_port = options.rest_port;
  server.grpc_port = options.grpc_port;
  server.manager.engines = BuiltinEngines();
  server.manager.store = BuiltinStore();
  server.metrics_path = kMetricsPath;
  server.access_log = options.access_log;
  server.pages = {.guarded = true, .on_loopback = IsLoopback(options.host)};
  serving::ServerConfig config;
  config.models_root = data_dir.models().string();
  return ModelServer::Start(server, std::move(config));
}

Status Up(const UpOptions& options) {
  ShutdownSignal signal(true);
  HR_ASSIGN_OR_RETURN(const DataDir data_dir, OpenDataDir(options.data_dir));
  HR_ASSIGN_OR_RETURN(const auto runtime, PipelineRuntime::Open(data_dir, {.listener = LogEvent}));
  HR_ASSIGN_OR_RETURN(const auto models, StartModelServer(options, data_dir));
  HR_ASSIGN_OR_RETURN(const size_t resumed, runtime->runs().Resume());
  HR_ASSIGN_OR_RETURN(const auto plane, ControlPlane::Start(options.host, options.port, runtime.get()));
  const Doors doors = {"http://" + HostAndPort(options.host, plane->port()),
                       "http://" + HostAndPort(options.host, models->rest_port()),
                       HostAndPort(options.host, models->grpc_port())};
  runtime->recurring().Start();
  PrintReady(options, data_dir, doors, resumed);
  const int number = signal.Wait([&] { models->ReopenAccessLog(); });
  HR_LOG(info, "signal {}: stopping; unfinished runs go on at the next start", number);
  const Deadline deadline = Clock::Real()->Monotonic() + kDrain;
  plane->Stop(deadline);
  models->Drain(deadline);
  return OkStatus();
}

}  // namespace

void AddUpCommand(CLI::App& program, int* exit_code) {
  auto* command = program.add_subcommand("up", "Run everything on this machine: pipelines, record and model server");
  auto options = std::make_shared<UpOptions>();
  command->add_option("--data-dir", options->data_dir, "Where all state is kept")->capture_default_str();
  command->add_option("--host", options->host, "Address to listen on; 0.0.0.0 for all")->capture_default_str();
  command->add_option("--port", options->port, "Control plane (KFP's REST API); 0: any free one")
      ->capture_default_str();
  command->add_option("--rest-api-port,--rest_api_port", options->rest_port, "Model server, REST; 0: any free one")
      ->capture_default_str();
  command->add_option("--grpc-port,--grpc_port", options->grpc_port, "Model server, gRPC; 0: any free one")
      ->capture_default_str();
  command->add_option("--access-log,--access_log", options->access_log,
                      "A line of JSON for each request to the model server goes to this file; - is stderr");
  command->add_flag("--json", options->as_json, "Print one JSON object when ready");
  command->callback([options, exit_code] { *exit_code = Report("up", Up(*options)); });
}

}  // namespace headrace::app
