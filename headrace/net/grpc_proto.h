// gRPC methods over protobuf messages: what generated code would be, without gRPC's own server behind it.
#pragma once
#include <google/protobuf/arena.h>
#include <google/protobuf/message.h>

#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <utility>

#include "headrace/net/grpc_call.h"

namespace headrace::net {

// A unary call whose messages are protobuf's. Request and response live on an arena that lives until Finish.
template <class Request, class Response>
class ProtoCall {
 public:
  explicit ProtoCall(GrpcCall call) : call_(std::move(call)), arena_(std::make_unique<google::protobuf::Arena>()) {
    request_ = google::protobuf::Arena::CreateMessage<Request>(arena_.get());
    response_ = google::protobuf::Arena::CreateMessage<Response>(arena_.get());
  }

  // False when the bytes are not such a message; then only Finish may follow.
  bool Parse() {
    const auto bytes = call_.request();
    return bytes.size() <= std::numeric_limits<int>::max() &&
           request_->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
  }
  const Request& request() const { return *request_; }
  Response& response() { return *response_; }
  GrpcCall& call() { return call_; }
  // Sends the response when `status` is OK.
  void Finish(const Status& status) {
    if (status.ok()) response_->AppendToString(&call_.response());
    call_.Finish(status);
  }

 private:
  GrpcCall call_;
  std::unique_ptr<google::protobuf::Arena> arena_;
  Request* request_;
  Response* response_;
};

// Adds the method `name` ("Predict") of `service` ("tensorflow.serving.PredictionService"). `method` runs on a loop,
// must not block, and finishes the call then or later, on any thread.
template <class Request, class Response>
void AddProtoMethod(GrpcServices& services, const std::string& service, const std::string& name,
                    std::function<void(ProtoCall<Request, Response>)> method) {
  services.AddUnary("/" + service + "/" + name, [method = std::move(method), name](GrpcCall raw) {
    ProtoCall<Request, Response> call(std::move(raw));
    if (!call.Parse())
      return call.Finish(Internal("{}: the request is not a {}", name, Request::descriptor()->full_name()));
    method(std::move(call));
  });
}

}  // namespace headrace::net
