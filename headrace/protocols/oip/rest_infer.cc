#include "headrace/protocols/oip/rest_infer.h"

#include <memory>

#include "headrace/net/compression.h"
#include "headrace/protocols/common/request_origin.h"
#include "headrace/protocols/oip/json_request.h"
#include "headrace/protocols/oip/json_response.h"
#include "headrace/protocols/oip/rest_reply.h"

namespace headrace::oip {
namespace {

constexpr std::string_view kJsonLength = "Inference-Header-Content-Length";
constexpr size_t kSmallestCompressed = 1024;

// One request on its way.
class RestInfer {
 public:
  RestInfer(const ModelService& service, net::HttpRequest& request, net::HttpResponder responder)
      : service_(service), request_(request), responder_(std::move(responder)) {}

  Status Prepare(std::string_view model, std::string_view version) {
    predict_.arrived = request_.arrived();
    HR_ASSIGN_OR_RETURN(predict_.servable, service_.Find(model, version, RouteKey(model, version)));
    const std::string_view body = request_.body_text();
    HR_ASSIGN_OR_RETURN(const size_t json_bytes, JsonBytes(request_.header(kJsonLength), body.size()));
    HR_RETURN_IF_ERROR(ReadInferRequest(body, json_bytes, model, &arena_, &call_));
    predict_.origin = OriginOf(request_);
    return service_.Prepare(call_, &arena_, Deadline::max(), &predict_);
  }
  // `self` is this; it ends once it has answered.
  void Run(std::unique_ptr<RestInfer> self) {
    service_.predictor().Predict(&predict_,
                                 [self = std::move(self)](Status status) { self->Finish(std::move(status)); });
  }
  // Of what Prepare said.
  void Refuse(std::string_view model, const Status& status) {
    service_.predictor().CountRefused(predict_.servable, model, status.code(), request_.arrived());
    Fail(status);
  }

 private:
  void Fail(const Status& status) { SendError(status, std::move(responder_)); }
  std::string_view RouteKey(std::string_view model, std::string_view version) {
    if (!version.empty()) return {};
    const std::string header = service_.manager().RouteHeader(model);
    return header.empty() ? std::string_view() : request_.header(header).value_or("");
  }

  void Finish(Status status) {
    if (!status.ok()) return Fail(status);
    const InferAnswer answer{predict_.servable.model(), predict_.servable.version(), &predict_.request,
                             &predict_.response};
    BinaryTail tail;
    const auto json_bytes = WriteInferResponse(call_, answer, &responder_.body(), &tail);
    if (!json_bytes) {
      responder_.body().clear();
      return Fail(json_bytes.error());
    }
    if (*json_bytes > 0) responder_.SetHeader(kJsonLength, std::to_string(*json_bytes));
    const bool compress = WantsCompressed(responder_.body().size());
    for (Tensor& tensor : tail) AppendTail(tensor, compress);
    if (compress) responder_.CompressIfAccepted();
    responder_.Send(200, *json_bytes > 0 ? "application/octet-stream" : kJsonType);
  }

  bool WantsCompressed(size_t bytes) const {
    if (bytes < kSmallestCompressed) return false;
    const auto accepted = request_.header("Accept-Encoding");
    return accepted && net::PreferredEncoding(*accepted) != net::Encoding::kIdentity;
  }

  void AppendTail(const Tensor& tensor, bool copy) {
    const std::string_view bytes(static_cast<const char*>(tensor.data()), tensor.bytes());
    if (copy) {
      responder_.body().append(bytes);
    } else {
      responder_.Append(bytes, tensor.owner());
    }
  }

  const ModelService& service_;
  net::HttpRequest& request_;
  net::HttpResponder responder_;
  Arena arena_;
  InferCall call_;
  serving::PredictCall predict_;
};

}  // namespace

void HandleInfer(const ModelService& service, std::string_view model, std::string_view version,
                 net::HttpRequest& request, net::HttpResponder responder) {
  auto infer = std::make_unique<RestInfer>(service, request, std::move(responder));
  if (const Status status = infer->Prepare(model, version); !status.ok()) return infer->Refuse(model, status);
  RestInfer& call = *infer;
  call.Run(std::move(infer));
}

}  // namespace headrace::oip
