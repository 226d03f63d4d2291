#include "headrace/protocols/tfserving/grpc_frontend.h"

#include <utility>

#include "headrace/net/grpc_proto.h"
#include "headrace/protocols/tfserving/grpc_predict.h"
#include "headrace/protocols/tfserving/model_metadata.h"
#include "proto/tfserving/model_service.pb.h"
#include "proto/tfserving/prediction_service.pb.h"

namespace headrace::tfserving {

namespace wire = ::tensorflow::serving;

namespace {

constexpr size_t kMaxMessageBytes = 1024;
constexpr std::string_view kTruncated = "...TRUNCATED";
constexpr std::string_view kSignatureField = "signature_def";

ModelSpecView View(const wire::ModelSpec& spec) {
  ModelSpecView view{.present = true,
                     .name = spec.name(),
                     .version = {},
                     .label = spec.version_label(),
                     .signature = spec.signature_name()};
  if (spec.has_version()) view.version = spec.version().value();
  return view;
}

using MetadataCall = net::ProtoCall<wire::GetModelMetadataRequest, wire::GetModelMetadataResponse>;
using StatusCall = net::ProtoCall<wire::GetModelStatusRequest, wire::GetModelStatusResponse>;

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
  HR_ASSIGN_OR_RETURN(const auto servable, FindServable(server, View(call.request().model_spec()), call.call()));
  auto* spec = call.response().mutable_model_spec();
  spec->set_name(servable.model());
  spec->mutable_version()->set_value(servable.version());
  wire::SignatureDefMap map;
  ToProto(servable.signatures(), &map);
  (*call.response().mutable_metadata())[std::string(kSignatureField)].PackFrom(map);
  return OkStatus();
}

Status GetModelStatus(const ModelServer& server, StatusCall& call) {
  if (!call.request().has_model_spec()) return InvalidArgument("Missing ModelSpec");
  const ModelSpecView spec = View(call.request().model_spec());
  HR_ASSIGN_OR_RETURN(const auto version, ResolveVersion(*server.manager, spec.name, spec.version, spec.label));
  HR_ASSIGN_OR_RETURN(const auto versions, server.manager->Statuses(spec.name, version));
  ToProto(versions, &call.response());
  return OkStatus();
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
  }

 private:
  const ModelServer server_;
};

GrpcFrontend::GrpcFrontend(const ModelServer& server) : impl_(std::make_unique<Impl>(server)) {}
GrpcFrontend::~GrpcFrontend() = default;
void GrpcFrontend::AddTo(net::GrpcServices* services) { impl_->AddTo(services); }

Status TruncateMessage(Status status) {
  if (status.message().size() <= kMaxMessageBytes) return status;
  return Status(status.code(), status.message().substr(0, kMaxMessageBytes) + std::string(kTruncated));
}

}  // namespace headrace::tfserving
