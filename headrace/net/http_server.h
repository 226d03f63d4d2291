// An HTTP/1.1 server: a few loops, each with its own connections, one handler.
//
// Keep-alive, pipelining (answers in order), chunked and Expect: 100-continue uploads, HEAD (the handler answers as for
// GET; the body is not sent). The server itself answers malformed requests with 400, a head over its limit with 431, a
// body over its limit with 413, an unknown content coding with 415, an unknown transfer coding with 501, each with
// {"error":"…"} as application/json, and closes the connection. A request with a W3C traceparent is answered with one
// of the same trace.
#pragma once
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "headrace/base/clock.h"
#include "headrace/base/status.h"
#include "headrace/net/http.h"
#include "headrace/net/tls.h"

namespace headrace::net {

class AccessLog;
class MemoryBudget;
class SocketServer;

struct HttpServerOptions {
  std::string address = "127.0.0.1";  // numeric; "0.0.0.0" or "::" for all
  int port = 0;                       // 0: any free one, see HttpServer::port(); -1: no TCP
  std::string unix_socket = {};       // a path to listen on too; an old socket there is replaced
  int threads = 1;                    // loops
  size_t max_header_bytes = 32 << 10;
  size_t max_body_bytes = size_t{1} << 30;             // as sent and, when compressed, inflated
  size_t max_connections = 16384;                      // further ones are closed at once
  Duration header_timeout = std::chrono::seconds(30);  // from a request's first byte to the end of its head
  Duration body_timeout = std::chrono::seconds(60);    // without any progress of an upload or a download
  Duration idle_timeout = std::chrono::seconds(120);   // between two requests
  std::optional<TlsOptions> tls = {};                  // for TCP; a Unix socket stays plain
  AccessLog* access_log = nullptr;                     // not owned; null: none
  // What inflated bodies may hold at a time, all connections together; beyond: 429. Not owned; null: no limit.
  MemoryBudget* inflated = nullptr;
};

// Thread-safe.
class HttpServer {
 public:
  // Listens when it returns. `handler` must outlive the server. kUnavailable when the address is taken,
  // kInvalidArgument for an address or a certificate that cannot be used.
  static Result<std::unique_ptr<HttpServer>> Start(HttpServerOptions options, HttpHandler* handler);
  // Stop(now).
  ~HttpServer();

  int port() const;  // the real one; -1 without TCP
  // Open connections.
  size_t connections() const;
  // New certificates for connections accepted from now on. kInvalidArgument, and nothing changes, when unusable.
  Status ReloadTls(const TlsOptions& tls);

  // Stops accepting, closes idle connections, lets requests in flight finish until `deadline` (answers then carry
  // Connection: close), closes the rest, joins the threads. Idempotent. Responders may be used after it; what they send
  // goes nowhere.
  void Stop(Deadline deadline);

 private:
  explicit HttpServer(std::unique_ptr<SocketServer> sockets);
  std::unique_ptr<SocketServer> sockets_;
};

}  // namespace headrace::net
