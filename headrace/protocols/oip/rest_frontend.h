// The Open Inference Protocol over HTTP, with Triton's extensions: everything at and below /v2.
#pragma once
#include <memory>

#include "headrace/net/http.h"
#include "headrace/protocols/oip/model_service.h"

namespace headrace::oip {

// Thread-safe. Health answers always have JSON bodies. Errors are {"error": message}: 404 for an unknown path or model,
// 405 for another verb, 501 for what is not supported, 503 while a model loads, 429 when too much waits, 504 when the
// deadline has passed, else 400.
class RestFrontend : public net::HttpHandler {
 public:
  // `service` must outlive the server.
  explicit RestFrontend(ModelService* service) : service_(service) {}
  void Handle(net::HttpRequest& request, net::HttpResponder responder) override;
  // Whether `path` is this front end's.
  static bool Serves(std::string_view path) { return path == "/v2" || path.starts_with("/v2/"); }

 private:
  ModelService* const service_;
};

}  // namespace headrace::oip
