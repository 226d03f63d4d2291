// TensorFlow Serving's REST API: everything below /v1/.
#pragma once
#include <string_view>

#include "headrace/net/http.h"
#include "headrace/protocols/tfserving/model_server.h"
#include "headrace/protocols/tfserving/rest_path.h"

namespace headrace::tfserving {

// Thread-safe. Errors are { "error": "message" }; a path below /v1/ that is none of the API's, or another verb, is 400
// "Malformed request: …", as that server answers.
class RestFrontend : public net::HttpHandler {
 public:
  explicit RestFrontend(const ModelServer& server) : server_(server) {}
  void Handle(net::HttpRequest& request, net::HttpResponder responder) override;
  // Whether `path` is this front end's.
  static bool Serves(std::string_view path) { return path.starts_with("/v1/") || path.starts_with("/V1/"); }

 private:
  void Answer(const RestPath& path, net::HttpRequest& request, net::HttpResponder responder);
  Result<std::string> ModelStatus(const RestPath& path) const;
  Result<std::string> ModelMetadata(const RestPath& path, const net::HttpRequest& request) const;

  const ModelServer server_;
};

}  // namespace headrace::tfserving
