#include "headrace/protocols/tfserving/rest_predict.h"

#include <memory>
#include <utility>

#include "headrace/protocols/common/arena.h"
#include "headrace/protocols/common/request_origin.h"
#include "headrace/protocols/tfserving/json_predict.h"
#include "headrace/protocols/tfserving/rest_reply.h"

namespace headrace::tfserving {
namespace {

class RestSignatures final : public SignatureFinder {
 public:
  explicit RestSignatures(const serving::ServableHandle& servable) : servable_(servable) {}
  Result<const Signature*> Find(std::string_view name) override { return FindRestSignature(servable_, name); }

 private:
  const serving::ServableHandle& servable_;
};

// One request on its way.
class RestPredict {
 public:
  RestPredict(const ModelServer& server, net::HttpResponder responder)
      : server_(server), responder_(std::move(responder)) {}

  Status Prepare(const RestPath& path, net::HttpRequest& request) {
    call_.arrived = request.arrived();
    HR_ASSIGN_OR_RETURN(call_.servable, FindServable(server_, path, request));
    RestSignatures signatures(call_.servable);
    HR_ASSIGN_OR_RETURN(format_, DecodePredict(request.body_text(), signatures, &arena_, &call_.request));
    call_.origin = OriginOf(request);
    call_.request.deadline = DeadlineOf(request.arrived(), server_.options.rest_timeout);
    return OkStatus();
  }
  // `self` is this; it ends once it has answered.
  void Run(std::unique_ptr<RestPredict> self) {
    server_.predictor->Predict(&call_, [self = std::move(self)](Status status) { self->Finish(std::move(status)); });
  }
  // Of what Prepare said.
  void Refuse(const RestPath& path, const Status& status) {
    server_.predictor->CountRefused(call_.servable, path.model, status.code(), call_.arrived);
    Fail(status);
  }

 private:
  void Fail(const Status& status) { SendError(status, std::move(responder_)); }
  void Finish(Status status) {
    if (status.ok())
      status = EncodePredict(format_, *call_.request.signature, call_.request.outputs, call_.response.outputs,
                             &responder_.body());
    if (!status.ok()) return Fail(status);
    responder_.Send(200, kJsonType);
  }

  const ModelServer& server_;
  net::HttpResponder responder_;
  PredictFormat format_ = PredictFormat::kRows;
  Arena arena_;
  serving::PredictCall call_;
};

}  // namespace

Result<serving::ServableHandle> FindServable(const ModelServer& server, const RestPath& path,
                                             const net::HttpRequest& request) {
  serving::VersionSelector selector{.model = path.model, .version = path.version, .label = path.label, .route_key = {}};
  if (!path.version && path.label.empty()) {
    const std::string header = server.manager->RouteHeader(path.model);
    if (!header.empty()) selector.route_key = request.header(header).value_or("");
  }
  return server.manager->Lookup(selector);
}

Result<const Signature*> FindRestSignature(const serving::ServableHandle& servable, std::string_view name) {
  if (name.empty()) name = kDefaultSignature;
  if (const Signature* found = servable.FindSignature(name)) return found;
  return std::unexpected(InvalidArgument("Serving signature name: \"{}\" not found in signature def", name));
}

void HandlePredict(const ModelServer& server, const RestPath& path, net::HttpRequest& request,
                   net::HttpResponder responder) {
  auto predict = std::make_unique<RestPredict>(server, std::move(responder));
  if (const Status status = predict->Prepare(path, request); !status.ok()) return predict->Refuse(path, status);
  RestPredict& call = *predict;
  call.Run(std::move(predict));
}

}  // namespace headrace::tfserving
