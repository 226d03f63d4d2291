#include "headrace/protocols/oip/rest_frontend.h"

#include "headrace/protocols/common/base64.h"
#include "headrace/protocols/oip/rest_infer.h"
#include "headrace/protocols/oip/rest_json.h"
#include "headrace/protocols/oip/rest_path.h"
#include "headrace/protocols/oip/rest_reply.h"

namespace headrace::oip {
namespace {

void SendResult(Result<json::value> value, net::HttpResponder responder) {
  if (!value) return SendError(value.error(), std::move(responder));
  SendJson(*value, std::move(responder));
}

void SendEmpty(const Status& status, net::HttpResponder responder) {
  if (!status.ok()) return SendError(status, std::move(responder));
  responder.Send(200, kJsonType, "");
}

std::string_view AllowedMethod(Resource resource) {
  switch (resource) {
    case Resource::kInfer:
    case Resource::kRepositoryIndex:
    case Resource::kLoad:
    case Resource::kUnload: return "POST";
    case Resource::kLogging:
    case Resource::kTrace:
    case Resource::kSharedMemory: return "";  // several
    default: return "GET";
  }
}

bool MethodFits(Resource resource, std::string_view method) {
  const std::string_view allowed = AllowedMethod(resource);
  if (allowed.empty()) return method == "GET" || method == "POST" || method == "HEAD";
  return method == allowed || (allowed == "GET" && method == "HEAD");
}

void Health(std::string_view word, bool good, net::HttpResponder responder) {
  SendJson(json::object{{word, good}}, std::move(responder), good ? 200 : 503);
}

void ModelHealth(const ModelService& service, const RestPath& path, net::HttpResponder responder) {
  const Status status = service.ModelReady(path.model, path.version);
  if (status.code() == Code::kUnavailable)
    return SendJson(json::object{{"name", path.model}, {"ready", false}}, std::move(responder), 503);
  if (!status.ok()) return SendError(status, std::move(responder));
  SendJson(json::object{{"name", path.model}, {"ready", true}}, std::move(responder));
}

Result<json::object> BodyObject(const net::HttpRequest& request) {
  if (request.body_text().empty()) return json::object();
  HR_ASSIGN_OR_UNEXPECTED(json::value value, ParseJson(request.body_text()));
  if (!value.is_object())
    return std::unexpected(InvalidArgument("failed to parse the request JSON buffer: expected an object"));
  return std::move(value.as_object());
}

Result<json::value> Index(const ModelService& service, const net::HttpRequest& request) {
  HR_ASSIGN_OR_UNEXPECTED(const json::object body, BodyObject(request));
  HR_ASSIGN_OR_UNEXPECTED(const auto ready, OptionalBool(body, "ready"));
  return IndexJson(service.Index(ready.value_or(false)));
}

Result<json::object> Parameters(const net::HttpRequest& request) {
  HR_ASSIGN_OR_UNEXPECTED(json::object body, BodyObject(request));
  json::value* parameters = body.if_contains("parameters");
  if (parameters == nullptr || parameters->is_null()) return json::object();
  if (!parameters->is_object()) return std::unexpected(InvalidArgument("parameters: expected an object"));
  return std::move(parameters->as_object());
}

Result<ModelOverride> ReadLoad(const net::HttpRequest& request) {
  HR_ASSIGN_OR_UNEXPECTED(const json::object parameters, Parameters(request));
  ModelOverride override;
  Arena arena;
  for (const auto& [key, value] : parameters) {
    const std::string_view name = key;
    if (!value.is_string()) return std::unexpected(InvalidArgument("parameters: '{}' is not a string", name));
    std::string_view text = value.as_string();
    if (name.starts_with("file:")) {
      const auto bytes = DecodeBase64(text, &arena);
      if (!bytes) return std::unexpected(bytes.error().WithContext(name));
      text = *bytes;
    }
    HR_UNEXPECTED_IF_ERROR(AddLoadParameter(name, std::string(text), &override));
  }
  return override;
}

Status CheckUnload(const net::HttpRequest& request) {
  HR_ASSIGN_OR_RETURN(const json::object parameters, Parameters(request));
  for (const auto& [key, value] : parameters)
    if (key != "unload_dependents")
      return InvalidArgument("Unrecognized unload parameter '{}'; expected 'unload_dependents'", std::string_view(key));
  return OkStatus();
}

// What ends a control call: answers the client.
std::function<void(Status)> Ending(net::HttpResponder responder) {
  const auto shared = std::make_shared<net::HttpResponder>(std::move(responder));
  return [shared](const Status& status) { SendEmpty(status, std::move(*shared)); };
}

void Load(ModelService* service, const RestPath& path, const net::HttpRequest& request, net::HttpResponder responder) {
  auto override = ReadLoad(request);
  if (!override) return SendError(override.error(), std::move(responder));
  service->repository().Load(std::string(path.model), *std::move(override), Ending(std::move(responder)));
}

void Unload(ModelService* service, const RestPath& path, const net::HttpRequest& request,
            net::HttpResponder responder) {
  if (const Status status = CheckUnload(request); !status.ok()) return SendError(status, std::move(responder));
  service->repository().Unload(std::string(path.model), Ending(std::move(responder)));
}

Result<json::value> Logging(ModelService* service, const net::HttpRequest& request) {
  if (request.method() == "POST") {
    HR_ASSIGN_OR_UNEXPECTED(const json::object body, BodyObject(request));
    HR_ASSIGN_OR_UNEXPECTED(const LogSettingsChange change, ParseLogSettings(body));
    service->log().Apply(change);
  }
  return LogSettingsJson(service->log().Get());
}

Result<json::value> Trace(const net::HttpRequest& request) {
  if (request.method() == "POST")
    return std::unexpected(
        Unimplemented("trace settings cannot be changed here: the server continues a client's "
                      "traceparent and writes it to its log"));
  return TraceJson();
}

template <class T, class Write>
Result<json::value> Written(const Result<T>& value, Write write) {
  if (!value) return std::unexpected(value.error());
  return write(*value);
}

Result<json::value> Answer(ModelService* service, const RestPath& path, const net::HttpRequest& request) {
  switch (path.resource) {
    case Resource::kServer: return ServerJson(service->options());
    case Resource::kModels: return ModelsJson(service->Models());
    case Resource::kModel: return Written(service->Info(path.model, path.version), MetadataJson);
    case Resource::kConfig: return Written(service->Info(path.model, path.version), ConfigJson);
    case Resource::kStatistics: return Written(service->Statistics(path.model, path.version), StatisticsJson);
    case Resource::kRepositoryIndex: return Index(*service, request);
    case Resource::kLogging: return Logging(service, request);
    case Resource::kTrace: return Trace(request);
    default:
      return std::unexpected(
          Unimplemented("shared memory regions are not supported; send the tensors' bytes in the request"));
  }
}

}  // namespace

void RestFrontend::Handle(net::HttpRequest& request, net::HttpResponder responder) {
  RestPath path;
  ParsePath(request.path(), &path);
  if (path.resource == Resource::kNone) return SendError(NotFound("Not Found"), std::move(responder));
  if (!MethodFits(path.resource, request.method()))
    return responder.Send(405, kJsonType, R"({"error":"Method Not Allowed"})");
  switch (path.resource) {
    case Resource::kInfer: return HandleInfer(*service_, path.model, path.version, request, std::move(responder));
    case Resource::kLive: return Health("live", true, std::move(responder));
    case Resource::kReady: return Health("ready", service_->ServerReady(), std::move(responder));
    case Resource::kModelReady: return ModelHealth(*service_, path, std::move(responder));
    case Resource::kLoad: return Load(service_, path, request, std::move(responder));
    case Resource::kUnload: return Unload(service_, path, request, std::move(responder));
    default: return SendResult(Answer(service_, path, request), std::move(responder));
  }
}

}  // namespace headrace::oip
