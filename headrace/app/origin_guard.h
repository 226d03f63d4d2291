// Keeps web pages from using a server on this machine through the user's browser. What listens on loopback without a
// password is still reachable by every page that the user opens: by a form posted across origins, or by a name that
// resolves to 127.0.0.1.
#pragma once
#include <string_view>

#include "headrace/base/status.h"
#include "headrace/net/http.h"

namespace headrace::app {

// kPermissionDenied, saying why, for a request that changes something and has an Origin other than the server's own
// (`host` is the Host header), and, when `loopback` (the server listens on loopback alone), for a Host that is not
// this machine. Empty headers are fine: programs do not send Origin.
Status CheckOrigin(std::string_view method, std::string_view host, std::string_view origin, bool loopback);

// "127.0.0.1", "::1", "localhost".
bool IsLoopback(std::string_view host);

// Answers what CheckOrigin refuses with 403 and passes the rest on.
class OriginGuard : public net::HttpHandler {
 public:
  // `next` outlives the guard.
  OriginGuard(net::HttpHandler* next, bool loopback) : next_(*next), loopback_(loopback) {}
  void Handle(net::HttpRequest& request, net::HttpResponder responder) override;
  net::BodyPlan PlanBody(const net::HttpRequest& request) override { return next_.PlanBody(request); }

 private:
  net::HttpHandler& next_;
  const bool loopback_;
};

}  // namespace headrace::app
