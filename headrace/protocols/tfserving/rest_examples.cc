#include "headrace/protocols/tfserving/rest_examples.h"

#include <memory>
#include <optional>
#include <utility>

#include "headrace/protocols/common/request_origin.h"
#include "headrace/protocols/tfserving/example_call.h"
#include "headrace/protocols/tfserving/examples.h"
#include "headrace/protocols/tfserving/json_examples.h"
#include "headrace/protocols/tfserving/rest_predict.h"
#include "headrace/protocols/tfserving/rest_reply.h"
#include "proto/tfserving/prediction_service.pb.h"

namespace headrace::tfserving {
namespace {

// One request on its way.
class RestExamples {
 public:
  RestExamples(const ModelServer& server, bool classify, net::HttpResponder responder)
      : server_(server), classify_(classify), responder_(std::move(responder)) {}

  Status Prepare(const RestPath& path, net::HttpRequest& request) {
    std::string name;
    HR_RETURN_IF_ERROR(DecodeExamples(request.body_text(), &name, &input_));
    HR_ASSIGN_OR_RETURN(auto servable, FindServable(server_, path, request));
    HR_ASSIGN_OR_RETURN(const Signature* signature, FindRestSignature(servable, name));
    call_.emplace(std::move(servable), input_, OriginOf(request), request.arrived());
    return call_->Add(signature, classify_ ? kClassifyMethod : kRegressMethod,
                      DeadlineOf(request.arrived(), server_.options.rest_timeout));
  }
  // `self` is this; it ends once it has answered.
  void Run(std::unique_ptr<RestExamples> self) {
    call_->Run(server_.predictor, [self = std::move(self)](Status status) { self->Finish(std::move(status)); });
  }
  // Of what Prepare said.
  void Refuse(const RestPath& path, const Status& status, Deadline arrived) {
    server_.predictor->CountRefused(call_ ? call_->servable() : serving::ServableHandle(), path.model, status.code(),
                                    arrived);
    Fail(status);
  }

 private:
  void Fail(const Status& status) { SendError(status, std::move(responder_)); }
  Status Encode() {
    if (classify_) {
      ::tensorflow::serving::ClassificationResult result;
      HR_RETURN_IF_ERROR(call_->Classify(0, &result));
      EncodeResults(result, &responder_.body());
    } else {
      ::tensorflow::serving::RegressionResult result;
      HR_RETURN_IF_ERROR(call_->Regress(0, &result));
      EncodeResults(result, &responder_.body());
    }
    return OkStatus();
  }
  void Finish(Status status) {
    if (status.ok()) status = Encode();
    if (!status.ok()) return Fail(status);
    responder_.Send(200, kJsonType);
  }

  const ModelServer& server_;
  const bool classify_;
  net::HttpResponder responder_;
  ::tensorflow::serving::Input input_;
  std::optional<ExampleCall> call_;
};

}  // namespace

void HandleExamples(const ModelServer& server, const RestPath& path, net::HttpRequest& request,
                    net::HttpResponder responder) {
  auto examples = std::make_unique<RestExamples>(server, path.action == RestAction::kClassify, std::move(responder));
  if (const Status status = examples->Prepare(path, request); !status.ok())
    return examples->Refuse(path, status, request.arrived());
  RestExamples& call = *examples;
  call.Run(std::move(examples));
}

}  // namespace headrace::tfserving
