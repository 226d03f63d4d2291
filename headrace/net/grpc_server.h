// Builds and runs a gRPC server around callback services.
#pragma once
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "headrace/base/clock.h"
#include "headrace/base/status.h"
#include "headrace/net/tls.h"

namespace grpc {
class Server;
class Service;
class Status;
}  // namespace grpc

namespace headrace::net {

struct GrpcServerOptions {
  std::string address = "127.0.0.1";
  int port = 0;                                             // 0: any free one; -1: no TCP
  std::string unix_socket = {};                             // a path to listen on too
  int max_message_bytes = std::numeric_limits<int>::max();  // received and sent
  bool health = true;  // grpc.health.v1.Health; names are set with SetServing, "" is serving from the start
  bool reflection = false;
  std::optional<TlsOptions> tls = {};  // for TCP
};

// Thread-safe.
class GrpcServer {
 public:
  // Serves when it returns. The services must outlive the server; their methods run on gRPC's few callback threads and
  // must not block. kUnavailable when the address is taken.
  static Result<std::unique_ptr<GrpcServer>> Start(const GrpcServerOptions& options,
                                                   const std::vector<grpc::Service*>& services);
  // Stop(now).
  ~GrpcServer();

  int port() const { return port_; }  // the real one; -1 without TCP
  // What the health service answers for `service`; without a call it is SERVICE_UNKNOWN (NOT_FOUND).
  void SetServing(const std::string& service, bool serving);
  // Refuses new calls, lets those in flight finish until `deadline`, cancels the rest. Idempotent.
  void Stop(Deadline deadline);

 private:
  GrpcServer();
  std::unique_ptr<grpc::Server> server_;
  int port_ = -1;
};

// The same code and message.
grpc::Status ToGrpcStatus(const Status& status);
Status FromGrpcStatus(const grpc::Status& status);

}  // namespace headrace::net
