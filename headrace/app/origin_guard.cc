#include "headrace/app/origin_guard.h"

#include "headrace/net/router.h"

namespace headrace::app {
namespace {

// "localhost:8080" → "localhost", "[::1]:8080" → "::1".
std::string_view WithoutPort(std::string_view host) {
  if (host.starts_with('[')) return host.substr(1, host.find(']') - 1);
  return host.substr(0, host.find(':'));
}

}  // namespace

bool IsLoopback(std::string_view host) {
  return host.starts_with("127.") || host == "::1" || net::EqualIgnoringCase(host, "localhost");
}

Status CheckOrigin(std::string_view method, std::string_view host, std::string_view origin, bool loopback) {
  if (loopback && !host.empty() && !IsLoopback(WithoutPort(host)))
    return PermissionDenied("Host {}: this server answers as localhost alone; start it with --host to serve others",
                            host);
  if (method == "GET" || method == "HEAD" || origin.empty()) return OkStatus();
  const size_t scheme = origin.find("://");
  if (scheme != origin.npos && net::EqualIgnoringCase(origin.substr(scheme + 3), host)) return OkStatus();
  return PermissionDenied("Origin {}: web pages of other sites may not use this server", origin);
}

void OriginGuard::Handle(net::HttpRequest& request, net::HttpResponder responder) {
  const Status status = CheckOrigin(request.method(), request.header("Host").value_or(""),
                                    request.header("Origin").value_or(""), loopback_);
  if (status.ok()) return next_.Handle(request, std::move(responder));
  net::SendRouteResponse(net::GatewayError(status), std::move(responder));
}

}  // namespace headrace::app
