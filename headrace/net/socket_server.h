// Listens, accepts, and spreads connections over loops: what the HTTP and the gRPC server have in common.
#pragma once
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "headrace/base/clock.h"
#include "headrace/base/status.h"
#include "headrace/net/connection_loop.h"
#include "headrace/net/tls.h"

namespace headrace::net {

struct SocketServerOptions {
  std::string address = "127.0.0.1";  // numeric; "0.0.0.0" or "::" for all
  int port = 0;                       // 0: any free one; -1: no TCP
  std::string unix_socket;            // a path to listen on too; an old socket there is replaced
  int threads = 1;                    // loops
  std::string thread_name;
  int tick_ms = 500;
  size_t max_connections = 16384;  // further ones are closed at once
  std::optional<TlsOptions> tls;   // for TCP; a Unix socket stays plain
  std::string application;         // ALPN: "http/1.1", "h2"
};

class Acceptor;

// Thread-safe.
class SocketServer {
 public:
  // Listens when it returns. kUnavailable when the address is taken, kInvalidArgument for an address or a certificate
  // that cannot be used.
  static Result<std::unique_ptr<SocketServer>> Start(const SocketServerOptions& options, ConnectionShared::Make make);
  // Stop(now).
  ~SocketServer();

  int port() const { return port_; }  // the real one; -1 without TCP
  size_t connections() const { return shared_->connections.load(); }
  // For connections accepted from now on. kInvalidArgument, and nothing changes, when unusable.
  Status ReloadTls(const TlsOptions& tls);
  // Stops accepting, drains each connection until `deadline`, closes the rest, joins the threads. Idempotent.
  void Stop(Deadline deadline);

 private:
  explicit SocketServer(const SocketServerOptions& options);
  Status Open(ConnectionShared::Make make);
  Status ListenTcp();
  Status ListenUnix();

  const SocketServerOptions options_;
  const std::shared_ptr<ConnectionShared> shared_;
  std::vector<std::shared_ptr<ConnectionLoop>> loops_;
  std::vector<std::unique_ptr<Acceptor>> acceptors_;
  int port_ = -1;
  std::mutex stopping_;
  bool started_ = false;
};

}  // namespace headrace::net
