#include "headrace/app/cross_origin.h"

#include "headrace/app/model_access.h"
#include "headrace/app/origin_guard.h"

namespace headrace::app {

bool ChangesServer(std::string_view method, std::string_view path) {
  const Access access = AccessOfRest(method, path);
  return !access.open && access.right == net::Right::kAdmin;
}

Status CheckPage(const CrossOriginRules& rules, const net::HttpRequest& request) {
  if (!rules.guarded) return OkStatus();
  // Only the Host of a request that changes nothing matters; so it is checked as a GET.
  const std::string_view method = ChangesServer(request.method(), request.path()) ? request.method() : "GET";
  return CheckOrigin(method, request.header("Host").value_or(""), request.header("Origin").value_or(""),
                     rules.on_loopback);
}

bool MayRead(const CrossOriginRules& rules, const net::HttpRequest& request) {
  if (!rules.any_origin || !request.header("Origin")) return false;
  const std::string_view method = request.method() == "OPTIONS"
                                      ? request.header("Access-Control-Request-Method").value_or("POST")
                                      : request.method();
  return !ChangesServer(method, request.path());
}

void AllowReading(net::HttpResponder* responder) {
  responder->SetHeader("Access-Control-Allow-Origin", "*");
  responder->SetHeader("Access-Control-Expose-Headers", "Inference-Header-Content-Length, traceparent");
}

void AnswerPreflight(const net::HttpRequest& request, net::HttpResponder responder) {
  responder.SetHeader("Access-Control-Allow-Methods", "GET, POST, OPTIONS");
  responder.SetHeader("Access-Control-Allow-Headers",
                      request.header("Access-Control-Request-Headers").value_or("Authorization, Content-Type"));
  responder.Send(200, "");
}

}  // namespace headrace::app
