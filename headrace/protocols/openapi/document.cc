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

json::object WithBody(json::object operation, json::object schema, json::object example) {
  operation["requestBody"] = {
      {"required", true},
      {"content", {{"application/json", {{"schema", std::move(schema)}, {"example", std::move(example)}}}}}};
  return {{"post", std::move(operation)}};
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

json::object ServerPaths() {
  const json::object any{{"type", "object"}};
  return {{"/v2", Get("server", "server_metadata", "Name, version and extensions", any)},
          {"/v2/health/live", Get("server", "server_live", "Whether the server answers", any)},
          {"/v2/health/ready", Get("server", "server_ready", "Whether every model is loaded", any)}};
}

}  // namespace

json::object Document(const std::vector<ServedModel>& models, bool secured) {
  json::object paths = ServerPaths();
  for (const ServedModel& model : models) AddModel(model, paths);
  json::object components{
      {"schemas",
       {{"Error", {{"type", "object"}, {"required", {"error"}}, {"properties", {{"error", {{"type", "string"}}}}}}}}}};
  json::object document{
      {"openapi", "3.0.3"},
      {"info",
       {{"title", "Headrace model server"},
        {"version", "1"},
        {"description",
         "TensorFlow Serving's REST API and the Open Inference Protocol v2, with each served model's own tensors."}}},
      {"paths", std::move(paths)}};
  if (secured) {
    components["securitySchemes"] = {{"token", {{"type", "http"}, {"scheme", "bearer"}}}};
    document["security"] = json::array{json::object{{"token", json::array()}}};
  }
  document["components"] = std::move(components);
  return document;
}

}  // namespace headrace::openapi
