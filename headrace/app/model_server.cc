#include "headrace/app/model_server.h"

#include <algorithm>
#include <functional>
#include <mutex>

#include "headrace/app/model_access.h"
#include "headrace/backends/duckdb/duckdb_engine.h"
#include "headrace/base/json.h"
#include "headrace/base/log.h"
#include "headrace/base/thread_pool.h"
#include "headrace/net/access_log.h"
#include "headrace/net/authorizer.h"
#include "headrace/net/grpc_server.h"
#include "headrace/net/http_server.h"
#include "headrace/net/memory_budget.h"
#include "headrace/protocols/admin/frontend.h"
#include "headrace/protocols/oip/grpc_frontend.h"
#include "headrace/protocols/oip/rest_frontend.h"
#include "headrace/protocols/openapi/frontend.h"
#include "headrace/protocols/tfserving/grpc_frontend.h"
#include "headrace/protocols/tfserving/rest_frontend.h"
#include "headrace/protocols/tfserving/warmup_file.h"
#include "headrace/serving/prediction_log.h"
#include "headrace/serving/serving_metrics.h"

namespace headrace::app {
namespace {

constexpr int kNoPort = ModelServerOptions::kNoPort;
constexpr char kMetricsType[] = "text/plain; version=0.0.4; charset=utf-8";

int Loops(int wanted) { return wanted > 0 ? wanted : std::max(1, static_cast<int>(AvailableCores()) / 4); }

// The REST door: to each protocol what begins with its path.
class RestDoor : public net::HttpHandler {
 public:
  // `metrics` writes what is served at `metrics_path`.
  RestDoor(const tfserving::ModelServer& tfserving, oip::ModelService* oip, const scoring::FrontendOptions& scoring,
           const CrossOriginRules& pages, std::string metrics_path, std::function<std::string()> metrics,
           const net::Authorizer* authorizer, bool secured)
      : authorizer_(*authorizer),
        tfserving_(tfserving),
        oip_(oip),
        scoring_(tfserving.manager, tfserving.predictor, scoring),
        openapi_(tfserving.manager, secured),
        admin_(tfserving.manager),
        pages_(pages),
        health_route_(scoring.health_route),
        metrics_path_(std::move(metrics_path)),
        metrics_(std::move(metrics)) {}

  void Handle(net::HttpRequest& request, net::HttpResponder responder) override {
    const std::string_view path = request.path();
    if (const Status status = CheckPage(pages_, request); !status.ok()) return Refuse(status, std::move(responder));
    if (MayRead(pages_, request) && path != metrics_path_) {
      AllowReading(&responder);
      // Before credentials are asked for, which a preflight never has.
      if (request.method() == "OPTIONS") return AnswerPreflight(request, std::move(responder));
    }
    if (authorizer_.enabled())
      if (const Status status = CheckRest(authorizer_, &request, health_route_); !status.ok())
        return Refuse(status, std::move(responder));
    if (scoring_.Serves(request.method(), path)) return scoring_.Handle(request, std::move(responder));
    if (tfserving::RestFrontend::Serves(path)) return tfserving_.Handle(request, std::move(responder));
    if (oip::RestFrontend::Serves(path)) return oip_.Handle(request, std::move(responder));
    if (!metrics_path_.empty() && path == metrics_path_) return responder.Send(200, kMetricsType, metrics_());
    if (admin::Frontend::Serves(path)) return admin_.Handle(request, std::move(responder));
    if (openapi::Frontend::Serves(path)) return openapi_.Handle(request, std::move(responder));
    responder.Send(404, "application/json", R"({"error":"Not Found"})");
  }

 private:
  static void Refuse(const Status& status, net::HttpResponder responder) {
    if (status.code() == Code::kUnauthenticated) responder.SetHeader("WWW-Authenticate", "Bearer");
    responder.Send(HttpStatus(status.code()), "application/json", ToJson(json::object{{"error", status.message()}}));
  }

  const net::Authorizer& authorizer_;
  tfserving::RestFrontend tfserving_;
  oip::RestFrontend oip_;
  scoring::Frontend scoring_;
  openapi::Frontend openapi_;
  admin::Frontend admin_;
  const CrossOriginRules pages_;
  const std::string health_route_;
  const std::string metrics_path_;
  const std::function<std::string()> metrics_;
};

serving::ModelManagerOptions WithWarmup(serving::ModelManagerOptions options) {
  options.warmup = tfserving::WarmUpFromFile;
  return options;
}

scoring::FrontendOptions WithVersion(scoring::FrontendOptions options) {
  options.version = HEADRACE_VERSION;
  return options;
}

// The log with the engine that writes it, which is loaded when the first predictions are written.
struct Log {
  explicit Log(const std::filesystem::path& folder) : log(engine.get(), {.folder = folder}) {}
  std::unique_ptr<QueryEngine> engine = duckdb::MakeQueryEngine({.threads = 1});
  serving::PredictionLog log;
};

serving::PredictorOptions With(serving::PredictorOptions options, const serving::ModelManager* manager, Log* log) {
  options.manager = manager;
  if (log != nullptr)
    options.log = [log](const serving::PredictCall& call, const Status& status) { log->log.Record(call, status); };
  return options;
}

}  // namespace

class ModelServer::Impl {
 public:
  explicit Impl(const ModelServerOptions& options)
      : options_(options),
        manager(WithWarmup(options.manager)),
        log_(options.prediction_log.empty() ? nullptr : std::make_unique<Log>(options.prediction_log)),
        predictor_(With(options.predictor, &manager, log_.get())),
        tfserving_{&manager, &predictor_, {options.rest_timeout, options.tensor_content, options.model_defaults}},
        oip_({.manager = &manager,
              .predictor = &predictor_,
              .server_version = HEADRACE_VERSION,
              .request_timeout = options.rest_timeout}),
        rest_door_(
            tfserving_, &oip_, WithVersion(options.scoring), options.pages, options.metrics_path,
            [this] { return Metrics(); }, &authorizer, !options.auth.empty()),
        tfserving_grpc_(tfserving_) {}

  Status Open() {
    if (!options_.auth.empty())
      if (const Status status = authorizer.Load(options_.auth); !status.ok()) return status.WithContext("--auth_file");
    if (!options_.access_log.empty()) {
      HR_ASSIGN_OR_RETURN(access_log_, net::AccessLog::Open(options_.access_log));
    }
    if (options_.startup_wait > Duration::zero())
      if (const Status status = manager.WaitSettled(std::chrono::steady_clock::now() + options_.startup_wait);
          !status.ok())
        HR_LOG(warn, "{}", status.message());
    if (options_.grpc_port != kNoPort || !options_.grpc_socket.empty()) HR_RETURN_IF_ERROR(OpenGrpc());
    return options_.rest_port != kNoPort ? OpenRest() : OkStatus();
  }

  void Drain(Deadline deadline) {
    std::call_once(drained_, [&] {
      manager.EndWaits();
      if (rest_ != nullptr) rest_->Stop(deadline);
      if (grpc_ != nullptr) grpc_->Stop(deadline);
      predictor_.Drain();
      if (log_ != nullptr) log_->log.Flush().IgnoreError();  // which logs its own failure
    });
  }

  Status ReloadTls(const net::TlsOptions& tls) {
    if (grpc_ != nullptr) HR_RETURN_IF_ERROR(grpc_->ReloadTls(tls));
    return rest_ != nullptr ? rest_->ReloadTls(tls) : OkStatus();
  }

  void ReopenAccessLog() {
    if (access_log_ != nullptr) access_log_->Reopen();
  }

  int grpc_port() const { return grpc_ == nullptr ? kNoPort : grpc_->port(); }
  int rest_port() const { return rest_ == nullptr ? kNoPort : rest_->port(); }

 private:
  std::string Metrics() const {
    std::string text = serving::ExposeServingMetrics(manager, &predictor_, log_ == nullptr ? nullptr : &log_->log);
    if (access_log_ != nullptr)
      text += fmt::format(
          "# HELP headrace_serving_access_log_dropped_lines Requests that the access log had no room for.\n"
          "# TYPE headrace_serving_access_log_dropped_lines counter\n"
          "headrace_serving_access_log_dropped_lines {}\n",
          access_log_->dropped());
    return text;
  }

  Status OpenGrpc() {
    net::GrpcServerOptions grpc;
    grpc.address = options_.address;
    grpc.port = options_.grpc_port;
    grpc.unix_socket = options_.grpc_socket;
    grpc.threads = Loops(options_.grpc_threads);
    grpc.reflection = true;
    grpc.tls = options_.tls;
    grpc.access_log = access_log_.get();
    grpc.max_message_bytes = options_.max_request_bytes;
    grpc.inflated = &inflated_;
    if (!options_.auth.empty())
      grpc.guard = [this](const net::GrpcQuestion& question) { return CheckGrpc(authorizer, question); };
    net::GrpcServices services;
    tfserving_grpc_.AddTo(&services);
    oip::AddGrpcMethods(&oip_, &services);
    HR_ASSIGN_OR_RETURN(grpc_, net::GrpcServer::Start(grpc, std::move(services)));
    // TensorFlow Serving's literal names, and those of the protocol's own services.
    for (const char* name : {"ModelService", "PredictionService", "tensorflow.serving.PredictionService",
                             "inference.GRPCInferenceService"})
      grpc_->SetServing(name, true);
    HR_LOG(info, "Running gRPC ModelServer at {}:{} ...", options_.address, grpc_->port());
    return OkStatus();
  }

  Status OpenRest() {
    net::HttpServerOptions rest;
    rest.address = options_.address;
    rest.port = options_.rest_port;
    rest.threads = Loops(options_.rest_threads);
    rest.tls = options_.tls;
    rest.access_log = access_log_.get();
    rest.max_body_bytes = options_.max_request_bytes;
    rest.inflated = &inflated_;
    HR_ASSIGN_OR_RETURN(rest_, net::HttpServer::Start(rest, &rest_door_));
    HR_LOG(info, "Exporting HTTP/REST API at:{}:{} ...", options_.address, rest_->port());
    return OkStatus();
  }

  const ModelServerOptions options_;

 public:
  net::Authorizer authorizer;
  serving::ModelManager manager;

 private:
  std::unique_ptr<net::AccessLog> access_log_;
  net::MemoryBudget inflated_{2 * options_.max_request_bytes};
  const std::unique_ptr<Log> log_;
  serving::Predictor predictor_;
  const tfserving::ModelServer tfserving_;
  oip::ModelService oip_;
  RestDoor rest_door_;
  tfserving::GrpcFrontend tfserving_grpc_;
  std::unique_ptr<net::GrpcServer> grpc_;
  std::unique_ptr<net::HttpServer> rest_;
  std::once_flag drained_;
};

ModelServer::ModelServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

ModelServer::~ModelServer() { Drain(std::chrono::steady_clock::now()); }

Result<std::unique_ptr<ModelServer>> ModelServer::Start(const ModelServerOptions& options,
                                                        serving::ServerConfig config) {
  auto impl = std::make_unique<Impl>(options);
  HR_UNEXPECTED_IF_ERROR(impl->manager.SetConfig(std::move(config)));
  HR_UNEXPECTED_IF_ERROR(impl->Open());
  return std::unique_ptr<ModelServer>(new ModelServer(std::move(impl)));
}

serving::ModelManager& ModelServer::manager() { return impl_->manager; }
Status ModelServer::ReloadTls(const net::TlsOptions& tls) { return impl_->ReloadTls(tls); }
Status ModelServer::LoadAuth(const std::string& rules) { return impl_->authorizer.Load(rules); }
void ModelServer::ReopenAccessLog() { impl_->ReopenAccessLog(); }
int ModelServer::grpc_port() const { return impl_->grpc_port(); }
int ModelServer::rest_port() const { return impl_->rest_port(); }
void ModelServer::Drain(Deadline deadline) { impl_->Drain(deadline); }

}  // namespace headrace::app
