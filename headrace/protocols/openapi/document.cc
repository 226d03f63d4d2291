#include "headrace/protocols/openapi/document.h"

#include "headrace/protocols/openapi/schema.h"

namespace headrace::openapi {
namespace {

json::object JsonContent(json::object schema) { return {{"application/json", {{"schema", std::move(schema)}}}}; }

json::object Reference(std::string_view name) { return {{"$ref", fmt::format("#/components/schemas/{}", name)}}; }

json::object Response(std::string_view description, json::object schema) {
  return {{"description", description}, {"content", JsonContent(std::move(schema))}};
}

json::object Operation(std::string_view tag, std::string_view id, std::string_view summary, json::object schema) {
  return {{"tags", json::array{json::string(tag)}},
          {"operationId", id},
          {"summary", summary},
          {"responses",
           {{"200", Response("OK", std::move(schema))}, {"default", Response("an error", Reference("Error"))}}}};
}

json::object Get(std::string_view tag, std::string_view id, std::string_view summary, json::object schema) {
  return {{"get", Operation(tag, id, summary, std::move(schema))}};
}

json::object WithBody(json::object operation, json::object schema, json::object example,
                      std::string_view verb = "post") {
  operation["requestBody"] = {
      {"required", true},
      {"content", {{"application/json", {{"schema", std::move(schema)}, {"example", std::move(example)}}}}}};
  return {{verb, std::move(operation)}};
}

json::object OneOf(json::object a, json::object b) { return {{"oneOf", json::array{std::move(a), std::move(b)}}}; }

json::object VersionParameter(const ServedModel& model) {
  json::object schema{{"type", "integer"}, {"format", "int64"}};
  if (!model.versions.empty()) schema["example"] = model.versions.front();
  return {{"name", "version"}, {"in", "path"}, {"required", true}, {"schema", std::move(schema)}};
}

// The same operation below /versions/{version}.
json::object Versioned(json::object item, const ServedModel& model) {
  item["parameters"] = json::array{VersionParameter(model)};
  for (auto& member : item)
    if (auto* operation = member.value().if_object(); operation && operation->contains("operationId"))
      (*operation)["operationId"] =
          std::string(std::string_view(operation->at("operationId").get_string())) + "_version";
  return item;
}

void AddModel(const ServedModel& model, json::object& paths) {
  const std::string& name = model.name;
  const std::string tfs = "/v1/models/" + name;
  const std::string oip = "/v2/models/" + name;
  const json::object any{{"type", "object"}};
  paths[tfs] = Get(name, name + "_status", "State of every version", any);
  paths[tfs + "/metadata"] = Get(name, name + "_metadata", "Signatures", any);
  paths[oip] = Get(name, name + "_v2_metadata", "Inputs, outputs and versions", any);
  paths[oip + "/ready"] = Get(name, name + "_v2_ready", "Whether a version is loaded", any);
  if (model.signatures.empty()) return;
  const Signature& signature = model.signatures.front();
  const json::object predict =
      WithBody(Operation(name, name + "_predict", "Predict (TensorFlow Serving)", RowResponseSchema(signature)),
               OneOf(RowRequestSchema(signature), ColumnRequestSchema(signature)), RowRequestExample(signature));
  const json::object infer =
      WithBody(Operation(name, name + "_infer", "Infer (Open Inference Protocol v2)", InferResponseSchema(signature)),
               InferRequestSchema(signature), InferRequestExample(signature));
  paths[tfs + ":predict"] = predict;
  paths[tfs + "/versions/{version}:predict"] = Versioned(predict, model);
  paths[oip + "/infer"] = infer;
  paths[oip + "/versions/{version}/infer"] = Versioned(infer, model);
}

// What an operator may change: protocols/admin.
void AddAdmin(const std::string& name, json::object& paths) {
  const std::string base = "/admin/models/" + name;
  json::object traffic = Get("admin", name + "_traffic", "How requests are spread over versions", Reference("Traffic"));
  traffic["put"] =
      WithBody(Operation("admin", name + "_set_traffic", "Spread requests over versions", Reference("Traffic")),
               Reference("Traffic"), {{"weights", json::array{{{"version", "1"}, {"weight", 1}}}}}, "put")["put"];
  traffic["delete"] =
      Operation("admin", name + "_reset_traffic", "All requests to the latest version", Reference("Traffic"));
  paths[base + "/traffic"] = std::move(traffic);
  json::object labels = Get("admin", name + "_labels", "Version labels", Reference("Labels"));
  labels["put"] = WithBody(Operation("admin", name + "_set_labels", "Replace the version labels", Reference("Labels")),
                           Reference("Labels"), {{"labels", {{"stable", "1"}}}}, "put")["put"];
  paths[base + "/labels"] = std::move(labels);
}

// The schemas of AddAdmin: proto/headrace/serving/v1/traffic.proto in protobuf's JSON form.
void AddAdminSchemas(json::object& schemas) {
  const json::object number{{"type", "number"}}, text{{"type", "string"}},
      int64{{"type", "string"}, {"format", "int64"}};
  const auto list = [](json::object properties) {
    return json::object{{"type", "array"}, {"items", {{"type", "object"}, {"properties", std::move(properties)}}}};
  };
  schemas["Traffic"] = {{"type", "object"},
                        {"properties",
                         {{"weights", list({{"version", int64}, {"label", text}, {"weight", number}})},
                          {"sticky_header", text},
                          {"sticky_input", text},
                          {"shadows", list({{"version", int64}, {"label", text}})},
                          {"shadow_fraction", number}}}};
  schemas["Labels"] = {{"type", "object"},
                       {"properties", {{"labels", {{"type", "object"}, {"additionalProperties", int64}}}}}};
}

json::object ServerPaths() {
  const json::object any{{"type", "object"}};
  return {{"/v2", Get("server", "server_metadata", "Name, version and extensions", any)},
          {"/v2/health/live", Get("server", "server_live", "Whether the server answers", any)},
          {"/v2/health/ready", Get("server", "server_ready", "Whether every model is loaded", any)}};
}

}  // namespace

json::object Document(const std::vector<ServedModel>& models, bool secured) {
  json::object paths = ServerPaths();
  for (const ServedModel& model : models) AddModel(model, paths), AddAdmin(model.name, paths);
  json::object schemas{
      {"Error", {{"type", "object"}, {"required", {"error"}}, {"properties", {{"error", {{"type", "string"}}}}}}}};
  AddAdminSchemas(schemas);
  json::object components{{"schemas", std::move(schemas)}};
  json::object document{{"openapi", "3.0.3"},
                        {"info",
                         {{"title", "Headrace model server"},
                          {"version", "1"},
                          {"description",
                           "TensorFlow Serving's REST API and the Open Inference Protocol v2, with each served model's "
                           "own tensors, and what an "
                           "operator may change."}}},
                        {"paths", std::move(paths)}};
  if (secured) {
    components["securitySchemes"] = {{"token", {{"type", "http"}, {"scheme", "bearer"}}}};
    document["security"] = json::array{json::object{{"token", json::array()}}};
  }
  document["components"] = std::move(components);
  return document;
}

}  // namespace headrace::openapi
