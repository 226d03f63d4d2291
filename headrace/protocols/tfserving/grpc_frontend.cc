#include "headrace/protocols/tfserving/grpc_frontend.h"

#include <utility>

#include "headrace/base/thread_pool.h"
#include "headrace/net/grpc_proto.h"
#include "headrace/protocols/tfserving/config_files.h"
#include "headrace/protocols/tfserving/grpc_examples.h"
#include "headrace/protocols/tfserving/grpc_predict.h"
#include "headrace/protocols/tfserving/grpc_spec.h"
#include "headrace/protocols/tfserving/model_metadata.h"
#include "proto/tfserving/model_service.pb.h"
#include "proto/tfserving/prediction_service.pb.h"

namespace headrace::tfserving {

namespace wire = ::tensorflow::serving;

namespace {

constexpr size_t kMaxMessageBytes = 1024;
constexpr std::string_view kTruncated = "...TRUNCATED";
constexpr std::string_view kSignatureField = "signature_def";

using MetadataCall = net::ProtoCall<wire::GetModelMetadataRequest, wire::GetModelMetadataResponse>;
using StatusCall = net::ProtoCall<wire::GetModelStatusRequest, wire::GetModelStatusResponse>;
using ReloadCall = net::ProtoCall<wire::ReloadConfigRequest, wire::ReloadConfigResponse>;

constexpr auto kLongestReload = std::chrono::minutes(30);

Status CheckFields(const wire::GetModelMetadataRequest& request) {
  if (!request.has_model_spec()) return InvalidArgument("Missing ModelSpec");
  if (request.metadata_field().empty())
    return InvalidArgument("GetModelMetadataRequest must specify at least one metadata_field");
  for (const std::string& field : request.metadata_field())
    if (field != kSignatureField) return InvalidArgument("Metadata field {} is not supported", field);
  return OkStatus();
}

Status GetModelMetadata(const ModelServer& server, MetadataCall& call) {
  HR_RETURN_IF_ERROR(CheckFields(call.request()));
  HR_ASSIGN_OR_RETURN(const auto servable, FindServable(server, ViewOf(call.request().model_spec()), call.call()));
  SetSpec(servable, "", call.response().mutable_model_spec());
  wire::SignatureDefMap map;
  ToProto(servable.signatures(), &map);
  (*call.response().mutable_metadata())[std::string(kSignatureField)].PackFrom(map);
  return OkStatus();
}

Status GetModelStatus(const ModelServer& server, StatusCall& call) {
  if (!call.request().has_model_spec()) return InvalidArgument("Missing ModelSpec");
  const ModelSpecView spec = ViewOf(call.request().model_spec());
  HR_ASSIGN_OR_RETURN(const auto version, ResolveVersion(*server.manager, spec.name, spec.version, spec.label));
  HR_ASSIGN_OR_RETURN(const auto versions, server.manager->Statuses(spec.name, version));
  ToProto(versions, &call.response());
  return OkStatus();
}

Status CheckPlatforms(const serving::ServerConfig& config, const serving::ModelManager& manager) {
  for (const auto& model : config.models) {
    const auto old = manager.Config(model.name);
    if (!old || old->platform == model.platform || old->platform.empty() || model.platform.empty()) continue;
    return FailedPrecondition(
        "Illegal to change a model's platform. For model {}, it is {} in the new config and {} in the old config",
        model.name, model.platform, old->platform);
  }
  return OkStatus();
}

// All or nothing: on an error what was served before is served on.
Status Reload(const ModelServer& server, const wire::ReloadConfigRequest& request, Deadline deadline) {
  if (!request.config().has_model_config_list())
    return InvalidArgument(
        "ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList is currently "
        "supported");
  HR_ASSIGN_OR_RETURN(serving::ServerConfig named, ToServerConfig(request.config(), server.options.model_defaults));
  HR_RETURN_IF_ERROR(CheckPlatforms(named, *server.manager));
  serving::ServerConfig config = server.manager->config();
  config.models = std::move(named.models);
  return server.manager->SetConfig(std::move(config),
                                   std::min(deadline, std::chrono::steady_clock::now() + kLongestReload));
}

void FinishReload(const ModelServer& server, ReloadCall& call) {
  const Status status = Reload(server, call.request(), call.call().deadline());
  ToProto(status, call.response().mutable_status());
  call.Finish(TruncateMessage(status));
}

}  // namespace

class GrpcFrontend::Impl {
 public:
  explicit Impl(const ModelServer& server) : server_(server) {}

  void AddTo(net::GrpcServices* services) {
    const std::string prediction = "tensorflow.serving.PredictionService";
    const std::string models = "tensorflow.serving.ModelService";
    services->AddUnary("/" + prediction + "/Predict",
                       [this](net::GrpcCall call) { HandleGrpcPredict(server_, std::move(call)); });
    net::AddProtoMethod<wire::GetModelMetadataRequest, wire::GetModelMetadataResponse>(
        *services, prediction, "GetModelMetadata",
        [this](MetadataCall call) { call.Finish(TruncateMessage(GetModelMetadata(server_, call))); });
    net::AddProtoMethod<wire::GetModelStatusRequest, wire::GetModelStatusResponse>(
        *services, models, "GetModelStatus",
        [this](StatusCall call) { call.Finish(TruncateMessage(GetModelStatus(server_, call))); });
    net::AddProtoMethod<wire::ReloadConfigRequest, wire::ReloadConfigResponse>(
        *services, models, "HandleReloadConfigRequest", [this](ReloadCall call) { QueueReload(std::move(call)); });
    AddExampleMethods(server_, services);
  }

 private:
  void QueueReload(ReloadCall call) {
    auto shared = std::make_shared<ReloadCall>(std::move(call));
    const Status status = reloads_.Submit([this, shared] { FinishReload(server_, *shared); });
    if (!status.ok()) shared->Finish(status);
  }

  const ModelServer server_;
  ThreadPool reloads_{"reload", 1, 16};  // a reload waits for models to load
};

GrpcFrontend::GrpcFrontend(const ModelServer& server) : impl_(std::make_unique<Impl>(server)) {}
GrpcFrontend::~GrpcFrontend() = default;
void GrpcFrontend::AddTo(net::GrpcServices* services) { impl_->AddTo(services); }

Status TruncateMessage(Status status) {
  if (status.message().size() <= kMaxMessageBytes) return status;
  return Status(status.code(), status.message().substr(0, kMaxMessageBytes) + std::string(kTruncated));
}

}  // namespace headrace::tfserving
