// The model server as one object: models, prediction, and its REST and gRPC doors. `headrace serve` and `headrace up`
// run it.
#pragma once
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "headrace/app/cross_origin.h"
#include "headrace/base/clock.h"
#include "headrace/base/status.h"
#include "headrace/net/tls.h"
#include "headrace/protocols/scoring/frontend.h"
#include "headrace/serving/model_manager.h"
#include "headrace/serving/predictor.h"

namespace headrace::app {

struct ModelServerOptions {
  static constexpr int kNoPort = -1;
  std::string address = "0.0.0.0";
  int grpc_port = 8500;  // 0: any free one
  int rest_port = 8501;
  std::string grpc_socket = {};  // a Unix socket for gRPC too
  int rest_threads = 0;          // loops; 0: a quarter of the cores, at least 1
  int grpc_threads = 0;
  std::optional<net::TlsOptions> tls = {};  // of both doors
  std::string auth = {};                    // net::Authorizer's rules; empty: everybody may do everything
  std::string access_log = {};              // net::AccessLog's path; empty: none
  serving::ModelManagerOptions manager = {};
  serving::ModelConfig model_defaults = {};  // what a configuration sent by a client cannot say of a model
  serving::PredictorOptions predictor = {};
  Duration rest_timeout = std::chrono::seconds(30);
  size_t max_request_bytes = size_t{1} << 30;  // of a body or message, inflated too; twice that of all inflated ones
  CrossOriginRules pages = {};
  scoring::FrontendOptions scoring = {};
  bool tensor_content = false;                // gRPC answers carry tensor_content
  std::filesystem::path prediction_log = {};  // folder of the sampled predictions; empty: none are logged
  std::string metrics_path = {};              // empty: no metrics are served
  Duration startup_wait = Duration::zero();   // how long the doors stay shut while the first models load
};

// Thread-safe.
class ModelServer {
 public:
  // Serves `config`. With `startup_wait`, clients can connect once each model is available or has failed, so that the
  // first request after the port opens finds its model. kUnavailable when a port is taken, kInvalidArgument for a
  // configuration or certificate that cannot be used.
  static Result<std::unique_ptr<ModelServer>> Start(const ModelServerOptions& options, serving::ServerConfig config);
  // Drain(now).
  ~ModelServer();

  serving::ModelManager& manager();
  // For connections accepted from now on. kInvalidArgument, and nothing changes, when unusable.
  Status ReloadTls(const net::TlsOptions& tls);
  // New rules of who may do what; kInvalidArgument, and the former stay, when they cannot be read.
  Status LoadAuth(const std::string& rules);
  // Opens the access log's path again, for whoever has renamed the file.
  void ReopenAccessLog();
  int grpc_port() const;  // the real ones; kNoPort when that door is not there
  int rest_port() const;
  // Answers what is under way until `deadline`, then closes. Idempotent.
  void Drain(Deadline deadline);

 private:
  class Impl;
  explicit ModelServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace headrace::app
