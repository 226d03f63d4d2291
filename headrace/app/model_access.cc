#include "headrace/app/model_access.h"

#include <algorithm>

#include "headrace/base/proto_wire.h"

namespace headrace::app {
namespace {

using net::EqualIgnoringCase;
using net::Right;

Access Open() { return {.open = true, .right = Right::kPredict, .models = {}}; }
Access Need(Right right, std::string model = "") {
  return {.open = false, .right = right, .models = {std::move(model)}};
}

// The decoded segments of "/v1/models/a%20b:predict".
std::vector<std::string> Segments(std::string_view path) {
  std::vector<std::string> segments;
  while (!path.empty()) {
    path.remove_prefix(1);
    const std::string_view segment = path.substr(0, path.find('/'));
    segments.push_back(net::PercentDecode(segment).value_or(std::string(segment)));
    path.remove_prefix(segment.size());
  }
  return segments;
}

// TensorFlow Serving's: /v1/models/NAME…[:verb]. The verb is taken off before names are decoded: "a%3Ab" is the model
// "a:b".
Access AccessOfV1(std::string_view path) {
  const size_t colon = path.rfind(':');
  if (colon != std::string_view::npos && path.find('/', colon) == std::string_view::npos) path = path.substr(0, colon);
  const std::vector<std::string> segments = Segments(path);
  if (segments.size() < 3 || !EqualIgnoringCase(segments[1], "models")) return Need(Right::kPredict);
  return Need(Right::kPredict, segments[2]);
}

Access AccessOfV2(std::string_view method, const std::vector<std::string>& segments) {
  if (segments.size() == 1 || segments[1] == "health") return Open();
  if (segments[1] == "models")
    return Need(Right::kPredict, segments.size() > 2 && segments[2] != "stats" ? segments[2] : "");
  if (segments[1] == "repository" && segments.size() == 5 && segments[2] == "models")
    return Need(Right::kAdmin, segments[3]);
  if (segments[1] == "repository" && segments.size() == 3 && segments[2] == "index") return Need(Right::kPredict);
  return Need(method == "GET" ? Right::kPredict : Right::kAdmin);
}

// The last string of field `number` in a message: as parsers have it when it occurs more than once.
std::string LastString(std::string_view message, uint32_t number) {
  std::string value;
  ProtoReader reader(message);
  while (reader.Next())
    if (reader.field() == number && reader.is_bytes()) value = std::string(reader.bytes());
  return value;
}

// ModelSpec.name of a request whose model_spec is field 1; later occurrences are merged into earlier ones.
std::string ModelSpecName(std::string_view message) {
  std::string name;
  ProtoReader reader(message);
  while (reader.Next())
    if (reader.field() == 1 && reader.is_bytes())
      if (auto found = LastString(reader.bytes(), 1); !found.empty()) name = std::move(found);
  return name;
}

// MultiInferenceRequest: each task's model.
Access AccessOfTasks(std::string_view message) {
  Access access{.open = false, .right = Right::kPredict, .models = {}};
  ProtoReader reader(message);
  while (reader.Next())
    if (reader.field() == 1 && reader.is_bytes()) access.models.push_back(ModelSpecName(reader.bytes()));
  if (access.models.empty()) access.models.emplace_back();
  return access;
}

Access AccessOfTensorFlowServing(std::string_view method, std::string_view message) {
  if (method == "MultiInference") return AccessOfTasks(message);
  for (const char* name : {"Predict", "Classify", "Regress", "GetModelMetadata", "GetModelStatus"})
    if (method == name) return Need(Right::kPredict, ModelSpecName(message));
  return Need(Right::kAdmin);
}

Access AccessOfInference(std::string_view method, std::string_view message) {
  if (method == "ServerLive" || method == "ServerReady" || method == "ServerMetadata") return Open();
  for (const char* name :
       {"ModelReady", "ModelMetadata", "ModelConfig", "ModelStatistics", "ModelInfer", "ModelStreamInfer"})
    if (method == name) return Need(Right::kPredict, LastString(message, 1));
  if (method == "RepositoryIndex") return Need(Right::kPredict);
  if (method == "RepositoryModelLoad" || method == "RepositoryModelUnload") {
    const std::string triton = LastString(message, 2), kserve = LastString(message, 1);
    return Need(Right::kAdmin, triton.empty() ? kserve : triton);
  }
  return Need(Right::kAdmin);
}

Status Check(const net::Authorizer& authorizer, const Access& access, const net::Credentials& credentials,
             net::ClientName* name) {
  if (access.open) return OkStatus();
  for (const auto& model : access.models) HR_RETURN_IF_ERROR(authorizer.Check(credentials, model, access.right, name));
  return OkStatus();
}

}  // namespace

Access AccessOfRest(std::string_view method, std::string_view path, std::string_view health_route) {
  const bool reads = method == "GET" || method == "HEAD";
  if (!health_route.empty() && path == health_route && reads) return Open();
  const std::vector<std::string> segments = Segments(path);
  if (segments.empty()) return Need(Right::kPredict);
  if (EqualIgnoringCase(segments[0], "v1")) return AccessOfV1(path);
  if (segments[0] == "v2") return AccessOfV2(method, segments);
  if (segments.size() == 1 && reads && (segments[0] == "ping" || segments[0] == "health")) return Open();
  if (segments[0] == "admin")
    return Need(Right::kAdmin, segments.size() > 2 && segments[1] == "models" ? segments[2] : "");
  return Need(Right::kPredict);  // metrics, the API's description, what names no model
}

Access AccessOfGrpc(std::string_view path, std::string_view message) {
  const size_t slash = path.rfind('/');
  const std::string_view service = slash == std::string_view::npos || slash == 0 ? "" : path.substr(1, slash - 1);
  const std::string_view method = path.substr(slash + 1);
  if (service.starts_with("grpc.health.")) return Open();
  if (service.starts_with("grpc.reflection.")) return Need(Right::kPredict);
  if (service.starts_with("tensorflow.serving.")) return AccessOfTensorFlowServing(method, message);
  if (service == "inference.GRPCInferenceService") return AccessOfInference(method, message);
  return Need(Right::kAdmin);
}

Status CheckRest(const net::Authorizer& authorizer, net::HttpRequest* request, std::string_view health_route) {
  net::ClientName name;
  const Access access = AccessOfRest(request->method(), request->path(), health_route);
  HR_RETURN_IF_ERROR(Check(
      authorizer, access,
      {.authorization = request->header("authorization"), .certificate_subject = request->client_subject()}, &name));
  request->set_client(std::move(name));
  return OkStatus();
}

Status CheckGrpc(const net::Authorizer& authorizer, const net::GrpcQuestion& question) {
  return Check(authorizer, AccessOfGrpc(question.path, {question.message.data(), question.message.size()}),
               {.authorization = question.authorization, .certificate_subject = question.client_subject},
               question.client);
}

}  // namespace headrace::app
