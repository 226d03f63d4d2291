// GET /openapi.json, and /docs: Swagger UI to try it.
#pragma once
#include <string_view>

#include "headrace/net/http.h"
#include "headrace/serving/model_manager.h"

namespace headrace::openapi {

// Thread-safe. The document is made anew for each request, so it shows what is served now. `manager` must outlive this.
class Frontend : public net::HttpHandler {
 public:
  Frontend(const serving::ModelManager* manager, bool secured) : manager_(*manager), secured_(secured) {}
  void Handle(net::HttpRequest& request, net::HttpResponder responder) override;
  static bool Serves(std::string_view path);

 private:
  const serving::ModelManager& manager_;
  const bool secured_;
};

}  // namespace headrace::openapi
