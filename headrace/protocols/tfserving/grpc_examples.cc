#include "headrace/protocols/tfserving/grpc_examples.h"

#include <memory>
#include <optional>
#include <utility>

#include "headrace/net/grpc_proto.h"
#include "headrace/protocols/common/request_origin.h"
#include "headrace/protocols/tfserving/example_call.h"
#include "headrace/protocols/tfserving/example_tasks.h"
#include "headrace/protocols/tfserving/examples.h"
#include "headrace/protocols/tfserving/grpc_frontend.h"
#include "headrace/protocols/tfserving/grpc_predict.h"
#include "headrace/protocols/tfserving/grpc_spec.h"
#include "proto/tfserving/prediction_service.pb.h"

namespace headrace::tfserving {

namespace wire = ::tensorflow::serving;

namespace {

bool HasSpec(const wire::MultiInferenceRequest& request) {
  return request.tasks_size() > 0 && request.tasks(0).has_model_spec();
}
template <class Request>
bool HasSpec(const Request& request) {
  return request.has_model_spec();
}

Status Fill(const ExampleCall& call, const std::vector<ExampleTask>&, wire::ClassificationResponse* response) {
  SetSpec(call.servable(), call.signature(0).name, response->mutable_model_spec());
  return call.Classify(0, response->mutable_result());
}

Status Fill(const ExampleCall& call, const std::vector<ExampleTask>&, wire::RegressionResponse* response) {
  SetSpec(call.servable(), call.signature(0).name, response->mutable_model_spec());
  return call.Regress(0, response->mutable_result());
}

Status Fill(const ExampleCall& call, const std::vector<ExampleTask>& tasks, wire::MultiInferenceResponse* response) {
  for (size_t i = 0; i < tasks.size(); i++) {
    auto* result = response->add_results();
    SetSpec(call.servable(), call.signature(i).name, result->mutable_model_spec());
    HR_RETURN_IF_ERROR(tasks[i].method == kClassifyMethod ? call.Classify(i, result->mutable_classification_result())
                                                          : call.Regress(i, result->mutable_regression_result()));
  }
  return OkStatus();
}

// One call on its way.
template <class Request, class Response>
class GrpcExamples {
 public:
  GrpcExamples(const ModelServer& server, net::ProtoCall<Request, Response> call)
      : server_(server), grpc_(std::move(call)), tasks_(TasksOf(grpc_.request())) {}

  Status Prepare() {
    if (!HasSpec(grpc_.request())) return InvalidArgument("Missing ModelSpec");
    HR_RETURN_IF_ERROR(CheckTasks(tasks_));
    HR_ASSIGN_OR_RETURN(auto servable, FindServable(server_, ViewOf(tasks_.front().spec), grpc_.call()));
    call_.emplace(std::move(servable), grpc_.request().input(), OriginOf(grpc_.call()), grpc_.call().arrived());
    for (const ExampleTask& task : tasks_) {
      HR_ASSIGN_OR_RETURN(const Signature* signature, FindSignature(call_->servable(), task.spec.signature_name()));
      HR_RETURN_IF_ERROR(call_->Add(signature, task.method, grpc_.call().deadline()));
    }
    return OkStatus();
  }
  // `self` is this; it ends once it has answered.
  void Run(std::unique_ptr<GrpcExamples> self) {
    call_->Run(server_.predictor, [self = std::move(self)](Status status) {
      if (status.ok()) status = Fill(*self->call_, self->tasks_, &self->grpc_.response());
      self->Finish(std::move(status));
    });
  }
  // Of what Prepare said.
  void Refuse(Status status) {
    const std::string_view model = tasks_.empty() ? std::string_view() : tasks_.front().spec.name();
    server_.predictor->CountRefused(call_ ? call_->servable() : serving::ServableHandle(), model, status.code(),
                                    grpc_.call().arrived());
    Finish(std::move(status));
  }

 private:
  void Finish(Status status) { grpc_.Finish(TruncateMessage(std::move(status))); }

  const ModelServer& server_;
  net::ProtoCall<Request, Response> grpc_;
  const std::vector<ExampleTask> tasks_;
  std::optional<ExampleCall> call_;
};

template <class Request, class Response>
void AddMethod(const ModelServer& server, const std::string& name, net::GrpcServices* services) {
  net::AddProtoMethod<Request, Response>(
      *services, "tensorflow.serving.PredictionService", name, [&server](net::ProtoCall<Request, Response> call) {
        auto examples = std::make_unique<GrpcExamples<Request, Response>>(server, std::move(call));
        if (Status status = examples->Prepare(); !status.ok()) return examples->Refuse(std::move(status));
        auto& running = *examples;
        running.Run(std::move(examples));
      });
}

}  // namespace

void AddExampleMethods(const ModelServer& server, net::GrpcServices* services) {
  AddMethod<wire::ClassificationRequest, wire::ClassificationResponse>(server, "Classify", services);
  AddMethod<wire::RegressionRequest, wire::RegressionResponse>(server, "Regress", services);
  AddMethod<wire::MultiInferenceRequest, wire::MultiInferenceResponse>(server, "MultiInference", services);
}

}  // namespace headrace::tfserving
