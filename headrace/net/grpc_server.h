// A gRPC server on this room's own loops: HTTP/2 by nghttp2, calls by GrpcServices.
//
// Not gRPC C++'s server: a call costs that one more than the whole of a small prediction (docs/performance.md). Unary
// and streaming calls, deadlines, gzip and deflate requests, cancellation, keep-alive pings, GOAWAY when it stops. A
// call with a W3C traceparent is answered with one of the same trace.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "headrace/base/clock.h"
#include "headrace/base/status.h"
#include "headrace/net/grpc_call.h"
#include "headrace/net/grpc_health.h"
#include "headrace/net/tls.h"

namespace headrace::net {

class AccessLog;
class MemoryBudget;
class SocketServer;

struct GrpcServerOptions {
  std::string address = "127.0.0.1";
  int port = 0;                  // 0: any free one; -1: no TCP
  std::string unix_socket = {};  // a path to listen on too
  int threads = 1;               // loops
  size_t max_message_bytes = size_t{1} << 30;
  size_t max_connections = 16384;
  uint32_t max_concurrent_streams = 1024;  // of one connection
  bool health = true;                      // grpc.health.v1.Health, set with SetServing
  bool reflection = false;
  std::optional<TlsOptions> tls = {};  // for TCP
  AccessLog* access_log = nullptr;     // not owned; null: none
  // What inflated messages may hold at a time, all calls together; beyond: RESOURCE_EXHAUSTED. Not owned; null: no
  // limit.
  MemoryBudget* inflated = nullptr;
  GrpcGuard guard = {};  // empty: everything is let through
};

// Thread-safe.
class GrpcServer {
 public:
  // Serves when it returns. kUnavailable when the address is taken, kInvalidArgument for an address or a certificate
  // that cannot be used.
  static Result<std::unique_ptr<GrpcServer>> Start(const GrpcServerOptions& options, GrpcServices services);
  // Stop(now).
  ~GrpcServer();

  int port() const;  // the real one; -1 without TCP
  // What the health service answers for `service`; without a call NOT_FOUND. "" is serving from the start.
  void SetServing(const std::string& service, bool serving) { health_.SetServing(service, serving); }
  Status ReloadTls(const TlsOptions& tls);
  // Health says NOT_SERVING; new calls are refused, those in flight finish until `deadline`, the rest are cancelled.
  // Idempotent. Calls may be finished after it; what they send goes nowhere.
  void Stop(Deadline deadline);

 private:
  GrpcServer() = default;
  GrpcHealth health_;
  GrpcServices services_;
  std::unique_ptr<SocketServer> sockets_;
};

}  // namespace headrace::net
