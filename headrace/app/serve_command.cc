// `headrace serve`: the model server alone.
#include <fmt/core.h>

#include <memory>
#include <thread>

#include "headrace/app/commands.h"
#include "headrace/app/model_server.h"
#include "headrace/app/serve_flags.h"
#include "headrace/app/shutdown.h"
#include "headrace/base/files.h"
#include "headrace/base/log.h"
#include "headrace/base/mutex.h"

namespace headrace::app {
namespace {

constexpr Duration kReloadWait = std::chrono::minutes(5);

constexpr char kDescription[] =
    "Serve models: TensorFlow Serving's and the Open Inference Protocol's REST and gRPC.\n\n"
    "A drop-in for tensorflow_model_server: the same flags, ports and answers. A model is a folder with a numbered\n"
    "folder for each version (models/flights/1/model.onnx); a new version is found, loaded and swapped in while\n"
    "the old one serves.\n\n"
    "  headrace serve --model_name=flights --model_base_path=$PWD/models/flights\n"
    "  curl localhost:8501/v1/models/flights:predict -d '{\"instances\": [[1.0, 2.0]]}'\n\n"
    "Metrics: /monitoring/prometheus/metrics. API: /openapi.json, /docs. SIGTERM lets requests finish.";

// Reads the configuration file again every so often; a new text that cannot be applied changes nothing.
class ConfigPoller {
 public:
  ConfigPoller(const ServeFlags& flags, serving::ModelManager* manager) : flags_(flags), manager_(*manager) {
    if (flags.model_config_file_poll_wait_seconds <= 0 || flags.model_config_file.empty()) return;
    applied_ = ReadFile(flags.model_config_file).value_or("");
    thread_ = std::thread([this] { Run(); });
  }
  ~ConfigPoller() {
    {
      MutexLock lock(mutex_);
      stopping_ = true;
    }
    wake_.NotifyAll();
    manager_.EndWaits();
    if (thread_.joinable()) thread_.join();
  }

 private:
  void Run() {
    const auto interval = std::chrono::seconds(flags_.model_config_file_poll_wait_seconds);
    for (;;) {
      const Deadline next = std::chrono::steady_clock::now() + interval;
      {
        MutexLock lock(mutex_);
        while (!stopping_ && std::chrono::steady_clock::now() < next) wake_.WaitUntil(mutex_, next);
        if (stopping_) return;
      }
      Look();
    }
  }

  void Look() {
    auto text = ReadFile(flags_.model_config_file);
    if (!text || *text == applied_) return;
    applied_ = *std::move(text);
    auto config = ReadModels(flags_);
    const Status status = config
                              ? manager_.SetConfig(*std::move(config), std::chrono::steady_clock::now() + kReloadWait)
                              : config.error();
    if (status.ok())
      HR_LOG(info, "applied the new {}", flags_.model_config_file);
    else
      HR_LOG(err, "the new {} is not applied, the former configuration stays: {}", flags_.model_config_file,
             status.ToString());
  }

  const ServeFlags& flags_;
  serving::ModelManager& manager_;
  std::string applied_;
  Mutex mutex_;
  CondVar wake_;
  bool stopping_ HR_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

Status Serve(const ServeFlags& flags) {
  ShutdownSignal shutdown;
  HR_ASSIGN_OR_RETURN(const ModelServerOptions options, ToOptions(flags));
  HR_ASSIGN_OR_RETURN(auto models, ReadModels(flags));
  HR_ASSIGN_OR_RETURN(const auto server, ModelServer::Start(options, std::move(models)));
  if (!flags.ports_file.empty())
    HR_RETURN_IF_ERROR(WriteFileAtomically(
        flags.ports_file, fmt::format("{{\"grpc\":{},\"rest\":{}}}\n", server->grpc_port(), server->rest_port())));
  {
    const ConfigPoller poller(flags, &server->manager());
    const int signal = shutdown.Wait();
    HR_LOG(info, "signal {}: answering what is under way, then ending; a second signal ends at once", signal);
  }
  server->Drain(std::chrono::steady_clock::now() +
                std::chrono::milliseconds(static_cast<int64_t>(flags.drain_seconds * 1000)));
  return OkStatus();
}

}  // namespace

void AddServeCommand(CLI::App& program, int* exit_code) {
  auto* command = program.add_subcommand("serve", kDescription);
  auto flags = std::make_shared<ServeFlags>();
  AddServeFlags(command, flags.get());
  command->callback([=] {
    WarnOfIgnoredFlags(*command);
    *exit_code = Report("serve", Serve(*flags));
  });
}

}  // namespace headrace::app
