#include "headrace/protocols/openapi/frontend.h"

#include "headrace/protocols/openapi/document.h"
#include "headrace/protocols/openapi/swagger_ui.h"

namespace headrace::openapi {
namespace {

constexpr std::string_view kPage = R"(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Headrace model server</title>
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script>SwaggerUIBundle({url: "openapi.json", dom_id: "#ui", deepLinking: true, tryItOutEnabled: true});</script>
</body>
</html>
)";

ServedModel Describe(const serving::ModelManager& manager, const std::string& name) {
  ServedModel model{.name = name, .versions = {}, .signatures = {}};
  if (const auto statuses = manager.Statuses(name))
    for (const auto& status : *statuses)
      if (status.state == serving::VersionState::kAvailable) model.versions.push_back(status.version);
  if (const auto handle = manager.Lookup({.model = name, .version = {}, .label = {}, .route_key = {}}))
    model.signatures = handle->signatures();
  return model;
}

// Compressed bytes that are part of the program.
void SendAsset(net::HttpResponder responder, std::string_view gzip, std::string_view content_type) {
  responder.SetHeader("Content-Encoding", "gzip");
  responder.SetHeader("Cache-Control", "max-age=86400");
  responder.Append(gzip, nullptr);
  responder.Send(200, content_type);
}

}  // namespace

bool Frontend::Serves(std::string_view path) {
  return path == "/openapi.json" || path == "/docs" || path.starts_with("/docs/");
}

void Frontend::Handle(net::HttpRequest& request, net::HttpResponder responder) {
  const std::string_view path = request.path();
  if (request.method() != "GET" && request.method() != "HEAD")
    return responder.Send(405, "application/json", R"({"error":"only GET"})");
  if (path == "/docs/swagger-ui-bundle.js")
    return SendAsset(std::move(responder), SwaggerUiBundleJs(), "text/javascript");
  if (path == "/docs/swagger-ui.css") return SendAsset(std::move(responder), SwaggerUiCss(), "text/css");
  if (path == "/docs") return responder.Send(200, "text/html; charset=utf-8", kPage);
  if (path != "/openapi.json") return responder.Send(404, "application/json", R"({"error":"no such page"})");
  std::vector<ServedModel> models;
  for (const auto& name : manager_.Models()) models.push_back(Describe(manager_, name));
  responder.body() = ToJson(Document(models, secured_));
  responder.CompressIfAccepted();
  responder.Send(200, "application/json");
}

}  // namespace headrace::openapi
