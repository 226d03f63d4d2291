#include "headrace/net/grpc_server.h"

#include <utility>

#include "headrace/net/grpc_connection.h"
#include "headrace/net/grpc_reflection.h"
#include "headrace/net/socket_server.h"

namespace headrace::net {

GrpcServer::~GrpcServer() { Stop(Deadline::min()); }

Result<std::unique_ptr<GrpcServer>> GrpcServer::Start(const GrpcServerOptions& options, GrpcServices services) {
  std::unique_ptr<GrpcServer> server(new GrpcServer());
  server->services_ = std::move(services);
  if (options.health) server->health_.AddTo(server->services_);
  if (options.reflection) AddGrpcReflection(server->services_);
  const GrpcConnectionOptions connection{.max_message_bytes = options.max_message_bytes,
                                         .max_concurrent_streams = options.max_concurrent_streams,
                                         .access_log = options.access_log,
                                         .inflated = options.inflated,
                                         .guard = options.guard};
  auto sockets = SocketServer::Start(
      {.address = options.address,
       .port = options.port,
       .unix_socket = options.unix_socket,
       .threads = options.threads,
       .thread_name = "grpc",
       .max_connections = options.max_connections,
       .tls = options.tls,
       .application = "h2"},
      [services = &server->services_, connection](const auto& loop, int fd, std::string peer, auto tls) {
        return new GrpcConnection(loop, fd, std::move(peer), std::move(tls), services, connection);
      });
  if (!sockets) return std::unexpected(std::move(sockets).error());
  server->sockets_ = *std::move(sockets);
  return server;
}

int GrpcServer::port() const { return sockets_->port(); }
Status GrpcServer::ReloadTls(const TlsOptions& tls) { return sockets_->ReloadTls(tls); }

void GrpcServer::Stop(Deadline deadline) {
  if (!sockets_) return;
  health_.Shutdown();
  sockets_->Stop(deadline);
}

}  // namespace headrace::net
