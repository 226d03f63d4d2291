#include "headrace/protocols/oip/grpc_frontend.h"

#include "headrace/net/grpc_proto.h"
#include "headrace/protocols/oip/grpc_infer.h"
#include "headrace/protocols/oip/grpc_messages.h"
#include "proto/inference/grpc_service.pb.h"

namespace headrace::oip {
namespace {

constexpr std::string_view kService = "inference.GRPCInferenceService";

// Adds a method that answers at once: answer(request, &response) → Status.
template <class Request, class Response, class Answer>
void Add(net::GrpcServices* services, const std::string& name, Answer answer) {
  net::AddProtoMethod<Request, Response>(*services, std::string(kService), name,
                                         [answer](net::ProtoCall<Request, Response> call) {
                                           const Status status = answer(call.request(), &call.response());
                                           call.Finish(status);
                                         });
}

template <class T, class Write>
Status Written(const Result<T>& value, Write write) {
  if (!value) return value.error();
  write(*value);
  return OkStatus();
}

void AddServerMethods(ModelService* service, net::GrpcServices* services) {
  Add<inference::ServerLiveRequest, inference::ServerLiveResponse>(services, "ServerLive", [](auto&, auto* response) {
    response->set_live(true);
    return OkStatus();
  });
  Add<inference::ServerReadyRequest, inference::ServerReadyResponse>(services, "ServerReady",
                                                                     [service](auto&, auto* response) {
                                                                       response->set_ready(service->ServerReady());
                                                                       return OkStatus();
                                                                     });
  Add<inference::ServerMetadataRequest, inference::ServerMetadataResponse>(
      services, "ServerMetadata", [service](auto&, auto* response) {
        response->set_name(service->options().server_name);
        response->set_version(service->options().server_version);
        for (const auto& extension : Extensions()) response->add_extensions(extension);
        return OkStatus();
      });
}

void AddModelMethods(ModelService* service, net::GrpcServices* services) {
  Add<inference::ModelReadyRequest, inference::ModelReadyResponse>(
      services, "ModelReady", [service](const auto& request, auto* response) {
        response->set_ready(service->ModelReady(request.name(), request.version()).ok());
        return OkStatus();
      });
  Add<inference::ModelMetadataRequest, inference::ModelMetadataResponse>(
      services, "ModelMetadata", [service](const auto& request, auto* response) {
        return Written(service->Info(request.name(), request.version()),
                       [&](const ModelInfo& info) { WriteMetadata(info, response); });
      });
  Add<inference::ModelConfigRequest, inference::ModelConfigResponse>(
      services, "ModelConfig", [service](const auto& request, auto* response) {
        return Written(service->Info(request.name(), request.version()),
                       [&](const ModelInfo& info) { WriteConfig(info, response->mutable_config()); });
      });
  Add<inference::ModelStatisticsRequest, inference::ModelStatisticsResponse>(
      services, "ModelStatistics", [service](const auto& request, auto* response) {
        return Written(service->Statistics(request.name(), request.version()),
                       [&](const auto& statistics) { WriteStatistics(statistics, response); });
      });
}

Result<ModelOverride> ReadLoad(const inference::RepositoryModelLoadRequest& request) {
  ModelOverride override;
  for (const auto& [name, parameter] : request.parameters()) {
    const bool file = name.starts_with("file:");
    if (file ? !parameter.has_bytes_param() : !parameter.has_string_param())
      return std::unexpected(InvalidArgument("parameter '{}': expected {}", name, file ? "bytes" : "a string"));
    HR_UNEXPECTED_IF_ERROR(
        AddLoadParameter(name, file ? parameter.bytes_param() : parameter.string_param(), &override));
  }
  return override;
}

Status CheckUnload(const inference::RepositoryModelUnloadRequest& request) {
  for (const auto& [name, value] : request.parameters())
    if (name != "unload_dependents")
      return InvalidArgument("Unrecognized unload parameter '{}'; expected 'unload_dependents'", name);
  return OkStatus();
}

// Load or unload: starts control(name, request, done), which answers when it is done.
template <class Request, class Response, class Control>
void AddControl(net::GrpcServices* services, const std::string& name, void (Response::*set_done)(bool),
                Control control) {
  using Call = net::ProtoCall<Request, Response>;
  net::AddProtoMethod<Request, Response>(*services, std::string(kService), name, [set_done, control](Call raw) {
    const auto call = std::make_shared<Call>(std::move(raw));
    // KServe's message has the model's name where Triton's has the repository's.
    const Request& request = call->request();
    const std::string& model = request.model_name().empty() ? request.repository_name() : request.model_name();
    call->response().set_model_name(model);
    (call->response().*set_done)(true);
    control(model, request, [call](const Status& status) { call->Finish(status); });
  });
}

void AddRepositoryMethods(ModelService* service, net::GrpcServices* services) {
  Add<inference::RepositoryIndexRequest, inference::RepositoryIndexResponse>(
      services, "RepositoryIndex", [service](const auto& request, auto* response) {
        WriteIndex(service->Index(request.ready()), response);
        return OkStatus();
      });
  AddControl<inference::RepositoryModelLoadRequest, inference::RepositoryModelLoadResponse>(
      services, "RepositoryModelLoad", &inference::RepositoryModelLoadResponse::set_isloaded,
      [service](const std::string& model, const auto& request, const auto& done) {
        auto override = ReadLoad(request);
        if (!override) return done(override.error());
        service->repository().Load(model, *std::move(override), done);
      });
  AddControl<inference::RepositoryModelUnloadRequest, inference::RepositoryModelUnloadResponse>(
      services, "RepositoryModelUnload", &inference::RepositoryModelUnloadResponse::set_isunloaded,
      [service](const std::string& model, const auto& request, const auto& done) {
        if (const Status status = CheckUnload(request); !status.ok()) return done(status);
        service->repository().Unload(model, done);
      });
}

void AddSettingMethods(ModelService* service, net::GrpcServices* services) {
  Add<inference::LogSettingsRequest, inference::LogSettingsResponse>(
      services, "LogSettings", [service](const auto& request, auto* response) {
        return Written(ReadLogSettings(request), [&](const LogSettingsChange& change) {
          service->log().Apply(change);
          WriteLogSettings(service->log().Get(), response);
        });
      });
  Add<inference::TraceSettingRequest, inference::TraceSettingResponse>(
      services, "TraceSetting", [](const auto& request, auto* response) {
        if (!request.settings().empty())
          return Unimplemented(
              "trace settings cannot be changed here: the server continues a client's traceparent and writes it to its "
              "log");
        (*response->mutable_settings())["trace_level"].add_value("OFF");
        return OkStatus();
      });
}

void AddSharedMemoryMethods(net::GrpcServices* services) {
  for (const std::string_view kind : {"SystemSharedMemory", "CudaSharedMemory"})
    for (const std::string_view verb : {"Status", "Register", "Unregister"})
      services->AddUnary(fmt::format("/{}/{}{}", kService, kind, verb), [](net::GrpcCall call) {
        call.Finish(Unimplemented("shared memory regions are not supported; send the tensors' bytes in the request"));
      });
}

}  // namespace

void AddGrpcMethods(ModelService* service, net::GrpcServices* services) {
  AddServerMethods(service, services);
  AddModelMethods(service, services);
  AddRepositoryMethods(service, services);
  AddSettingMethods(service, services);
  AddSharedMemoryMethods(services);
  services->AddUnary(fmt::format("/{}/ModelInfer", kService),
                     [service](net::GrpcCall call) { HandleInfer(*service, std::move(call)); });
  services->AddStream(fmt::format("/{}/ModelStreamInfer", kService),
                      [service](net::GrpcOpening opening, net::GrpcWriter writer) {
                        return HandleStream(*service, std::move(opening), std::move(writer));
                      });
}

}  // namespace headrace::oip
