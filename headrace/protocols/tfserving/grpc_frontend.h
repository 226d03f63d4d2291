// TensorFlow Serving's gRPC services: tensorflow.serving.PredictionService and tensorflow.serving.ModelService.
#pragma once
#include <memory>

#include "headrace/net/grpc_call.h"
#include "headrace/protocols/tfserving/model_server.h"

namespace headrace::tfserving {

// Thread-safe.
class GrpcFrontend {
 public:
  explicit GrpcFrontend(const ModelServer& server);
  // Waits for a configuration that is being applied.
  ~GrpcFrontend();
  // The methods, for net::GrpcServer. This front end must outlive the server.
  void AddTo(net::GrpcServices* services);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// Cut at 1024 bytes and "...TRUNCATED", as that server does, so that errors fit into HTTP/2 headers.
Status TruncateMessage(Status status);

}  // namespace headrace::tfserving
