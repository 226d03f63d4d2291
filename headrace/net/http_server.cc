#include "headrace/net/http_server.h"

#include <algorithm>
#include <utility>

#include "headrace/net/http_connection.h"
#include "headrace/net/socket_server.h"

namespace headrace::net {
namespace {

// A quarter of the shortest limit, so that limits hold to within that; never busy.
int TickMs(const HttpServerOptions& options) {
  const Duration shortest = std::min({options.header_timeout, options.body_timeout, options.idle_timeout});
  const int64_t quarter = std::chrono::duration_cast<std::chrono::milliseconds>(shortest).count() / 4;
  return static_cast<int>(std::clamp<int64_t>(quarter, 10, 500));
}

}  // namespace

HttpServer::HttpServer(std::unique_ptr<SocketServer> sockets) : sockets_(std::move(sockets)) {}

HttpServer::~HttpServer() = default;

Result<std::unique_ptr<HttpServer>> HttpServer::Start(HttpServerOptions options, HttpHandler* handler) {
  const SocketServerOptions sockets{.address = options.address,
                                    .port = options.port,
                                    .unix_socket = options.unix_socket,
                                    .threads = options.threads,
                                    .thread_name = "http",
                                    .tick_ms = TickMs(options),
                                    .max_connections = options.max_connections,
                                    .tls = options.tls,
                                    .application = "http/1.1"};
  const auto shared = std::make_shared<const HttpShared>(std::move(options), handler);
  auto server = SocketServer::Start(sockets, [shared](const auto& loop, int fd, std::string peer, auto tls) {
    return new HttpConnection(loop, shared, fd, std::move(peer), std::move(tls));
  });
  if (!server) return std::unexpected(std::move(server).error());
  return std::unique_ptr<HttpServer>(new HttpServer(*std::move(server)));
}

int HttpServer::port() const { return sockets_->port(); }
size_t HttpServer::connections() const { return sockets_->connections(); }
Status HttpServer::ReloadTls(const TlsOptions& tls) { return sockets_->ReloadTls(tls); }
void HttpServer::Stop(Deadline deadline) { sockets_->Stop(deadline); }

}  // namespace headrace::net
