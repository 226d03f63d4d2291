// Which model, and which right on it, a request to the model server needs: what stands between both doors and
// net::Authorizer. A request of a kind that is not known here needs the right to administer the whole server.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "headrace/net/authorizer.h"
#include "headrace/net/grpc_call.h"
#include "headrace/net/http.h"

namespace headrace::app {

struct Access {
  bool open = false;  // health checks: everybody may
  net::Right right = net::Right::kAdmin;
  std::vector<std::string> models;  // each of them is needed; "" is the server as a whole
};

// A GET or HEAD of exactly `health_route` (scoring::FrontendOptions; empty: none) is a health check.
Access AccessOfRest(std::string_view method, std::string_view path, std::string_view health_route = {});
Access AccessOfGrpc(std::string_view path, std::string_view message);

// OK when `authorizer` lets the request through; the client's name is then in the request, or in `question.client`.
Status CheckRest(const net::Authorizer& authorizer, net::HttpRequest* request, std::string_view health_route);
Status CheckGrpc(const net::Authorizer& authorizer, const net::GrpcQuestion& question);

}  // namespace headrace::app
