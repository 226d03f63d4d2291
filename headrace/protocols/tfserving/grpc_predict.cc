#include "headrace/protocols/tfserving/grpc_predict.h"

#include <utility>

#include "headrace/protocols/common/arena.h"
#include "headrace/protocols/common/request_origin.h"
#include "headrace/protocols/tfserving/grpc_frontend.h"

namespace headrace::tfserving {
namespace {

// One call on its way; deletes itself once it has answered.
class GrpcPredict {
 public:
  GrpcPredict(const ModelServer& server, net::GrpcCall call) : server_(server), grpc_(std::move(call)) {}

  Status Start() {
    const auto bytes = grpc_.request();
    call_.arrived = grpc_.arrived();
    HR_ASSIGN_OR_RETURN(const PredictView view, ParsePredictRequest({bytes.data(), bytes.size()}));
    model_ = view.spec.name;
    HR_ASSIGN_OR_RETURN(call_.servable, FindServable(server_, view.spec, grpc_));
    HR_ASSIGN_OR_RETURN(call_.request.signature, FindSignature(call_.servable, view.spec.signature));
    HR_RETURN_IF_ERROR(BindPredict(view, &arena_, &call_.request));
    call_.origin = OriginOf(grpc_);
    call_.request.deadline = grpc_.deadline();
    call_.request.cancelled = grpc_.cancel_flag();
    server_.predictor->Predict(&call_, [this](Status status) {
      Finish(std::move(status));
      delete this;
    });
    return OkStatus();
  }
  // Of what Start said.
  void Refuse(Status status) {
    server_.predictor->CountRefused(call_.servable, model_, status.code(), call_.arrived);
    Finish(std::move(status));
  }

 private:
  void Finish(Status status) {
    if (!status.ok()) return grpc_.Finish(TruncateMessage(std::move(status)));
    AppendPredictResponse(call_.servable.model(), call_.servable.version(), call_.request, call_.response,
                          server_.options.tensor_content, &grpc_.response());
    grpc_.Finish(OkStatus());
  }

  const ModelServer& server_;
  net::GrpcCall grpc_;
  std::string_view model_;  // in the request
  Arena arena_;
  serving::PredictCall call_;
};

}  // namespace

Result<serving::ServableHandle> FindServable(const ModelServer& server, const ModelSpecView& spec,
                                             const net::GrpcCall& call) {
  if (!spec.present) return std::unexpected(InvalidArgument("Missing ModelSpec"));
  serving::VersionSelector selector{.model = spec.name, .version = spec.version, .label = spec.label, .route_key = {}};
  if (!spec.version && spec.label.empty()) {
    const std::string header = server.manager->RouteHeader(spec.name);
    if (!header.empty()) selector.route_key = call.metadata(header).value_or("");
  }
  return server.manager->Lookup(selector);
}

Result<const Signature*> FindSignature(const serving::ServableHandle& servable, std::string_view name) {
  if (name.empty()) name = kDefaultSignature;
  if (const Signature* found = servable.FindSignature(name)) return found;
  return std::unexpected(FailedPrecondition("Serving signature key \"{}\" not found.", name));
}

void HandleGrpcPredict(const ModelServer& server, net::GrpcCall call) {
  auto* predict = new GrpcPredict(server, std::move(call));
  if (Status status = predict->Start(); !status.ok()) {
    predict->Refuse(std::move(status));
    delete predict;
  }
}

}  // namespace headrace::tfserving
