// `headrace serve`: the model server alone.
#include <fmt/core.h>

#include <memory>

#include "headrace/app/cloud_environment.h"
#include "headrace/app/commands.h"
#include "headrace/app/file_watcher.h"
#include "headrace/app/model_server.h"
#include "headrace/app/serve_flags.h"
#include "headrace/app/shutdown.h"
#include "headrace/base/files.h"
#include "headrace/base/log.h"
#include "headrace/protocols/tfserving/config_files.h"

namespace headrace::app {
namespace {

constexpr Duration kReloadWait = std::chrono::minutes(5);
constexpr Duration kSecurityPoll = std::chrono::seconds(1);  // of certificates and tokens

constexpr char kDescription[] =
    "Serve models: TensorFlow Serving's and the Open Inference Protocol's REST and gRPC.\n\n"
    "A drop-in for tensorflow_model_server: the same flags, ports and answers. A model is a folder with a numbered\n"
    "folder for each version (models/flights/1/model.onnx); a new version is found, loaded and swapped in while\n"
    "the old one serves.\n\n"
    "  headrace serve --model_name=flights --model_base_path=$PWD/models/flights\n"
    "  curl localhost:8501/v1/models/flights:predict -d '{\"instances\": [[1.0, 2.0]]}'\n\n"
    "Metrics: /monitoring/prometheus/metrics. API: /openapi.json, /docs. SIGTERM lets requests finish.";

// The watched files before they are read in earnest: what changes behind that is a change.
struct WatchedTexts {
  explicit WatchedTexts(const ServeFlags& flags)
      : models(Text(flags.model_config_file)), ssl(Text(flags.ssl_config_file)), auth(Text(flags.auth_file)) {}
  static std::string Text(const std::string& path) { return path.empty() ? "" : ReadFile(path).value_or(""); }

  std::string models, ssl, auth;
};

// Files whose changes are applied without a restart: the models', at SIGHUP alone when they are not polled.
void WatchModels(const ServeFlags& flags, const WatchedTexts& texts, ModelServer* server, FileWatcher* watcher) {
  const int64_t poll = flags.model_config_file_poll_wait_seconds;
  if (!flags.model_config_file.empty())
    watcher->Add(
        flags.model_config_file, poll > 0 ? std::chrono::seconds(poll) : FileWatcher::kNever,
        [&flags, server](const std::string&) -> Status {
          HR_ASSIGN_OR_RETURN(auto config, ReadModels(flags));
          return server->manager().SetConfig(std::move(config), std::chrono::steady_clock::now() + kReloadWait);
        },
        texts.models);
  watcher->Start();
}

// Certificates and tokens, which do not wait for models to load.
void WatchSecurity(const ServeFlags& flags, const WatchedTexts& texts, ModelServer* server, FileWatcher* watcher) {
  const auto reload_tls = [server](const std::string& text) -> Status {
    HR_ASSIGN_OR_RETURN(const net::TlsOptions tls, tfserving::ParseSslConfig(text));
    return server->ReloadTls(tls);
  };
  const auto load_auth = [server](const std::string& text) { return server->LoadAuth(text); };
  if (!flags.ssl_config_file.empty()) watcher->Add(flags.ssl_config_file, kSecurityPoll, reload_tls, texts.ssl);
  if (!flags.auth_file.empty()) watcher->Add(flags.auth_file, kSecurityPoll, load_auth, texts.auth);
  watcher->Start();
}

Status Serve(const ServeFlags& flags) {
  ShutdownSignal shutdown(true);
  const WatchedTexts texts(flags);
  HR_ASSIGN_OR_RETURN(const ModelServerOptions options, ToOptions(flags));
  HR_ASSIGN_OR_RETURN(auto models, ReadModels(flags));
  HR_ASSIGN_OR_RETURN(const auto server, ModelServer::Start(options, std::move(models)));
  {
    FileWatcher models_watcher, security;
    WatchModels(flags, texts, server.get(), &models_watcher);
    WatchSecurity(flags, texts, server.get(), &security);
    if (!flags.ports_file.empty())
      HR_RETURN_IF_ERROR(WriteFileAtomically(
          flags.ports_file, fmt::format("{{\"grpc\":{},\"rest\":{}}}\n", server->grpc_port(), server->rest_port())));
    const int signal = shutdown.Wait([&] {
      HR_LOG(info, "SIGHUP: opening the access log again and looking at the files that are watched");
      server->ReopenAccessLog();
      models_watcher.LookNow();
      security.LookNow();
    });
    HR_LOG(info, "signal {}: answering what is under way, then ending; a second signal ends at once", signal);
    server->manager().EndWaits();
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
    const auto cloud = ApplyCloudEnvironment(*command, flags.get());
    *exit_code = Report("serve", cloud ? Serve(*flags) : cloud.error());
  });
}

}  // namespace headrace::app
