#include "headrace/protocols/oip/grpc_infer.h"

#include <atomic>
#include <deque>

#include "headrace/base/mutex.h"
#include "headrace/base/proto_wire.h"
#include "headrace/protocols/common/request_origin.h"
#include "headrace/protocols/oip/grpc_codec.h"

namespace headrace::oip {
namespace {

using Metadata = std::function<std::optional<std::string_view>(std::string_view)>;

// One message on its way to an answer.
class Inference {
 public:
  // `metadata` is used before it returns; `message` must stay until the answer is written.
  Status Prepare(const ModelService& service, std::string_view message, Deadline deadline, const Metadata& metadata) {
    HR_RETURN_IF_ERROR(DecodeHead(message, &call_));
    HR_ASSIGN_OR_RETURN(predict.servable, service.Find(call_.model, call_.version, RouteKey(service, metadata)));
    HR_RETURN_IF_ERROR(DecodeRequest(message, &arena_, &call_));
    return service.Prepare(call_.call, &arena_, deadline, &predict);
  }
  Status Write(std::string* out, Tensor* tail) const {
    const InferAnswer answer{predict.servable.model(), predict.servable.version(), &predict.request, &predict.response};
    return EncodeResponse(call_, answer, out, tail);
  }
  std::string_view id() const { return call_.call.id; }
  // Of what Prepare said.
  void CountRefused(const ModelService& service, const Status& status) const {
    service.predictor().CountRefused(predict.servable, call_.model, status.code(), predict.arrived);
  }

  serving::PredictCall predict;

 private:
  std::string_view RouteKey(const ModelService& service, const Metadata& metadata) const {
    if (!call_.version.empty()) return {};
    const std::string key = service.manager().RouteHeader(call_.model);
    return key.empty() ? std::string_view() : metadata(key).value_or("");
  }

  Arena arena_;
  GrpcInferCall call_;
};

// A unary call; deletes itself once it has answered.
class UnaryInfer {
 public:
  explicit UnaryInfer(net::GrpcCall call) : call_(std::move(call)) {}

  Status Start(const ModelService& service) {
    const auto bytes = call_.request();
    const auto metadata = [this](std::string_view name) { return call_.metadata(name); };
    inference_.predict.origin = OriginOf(call_);
    inference_.predict.arrived = call_.arrived();
    inference_.predict.request.cancelled = call_.cancel_flag();
    HR_RETURN_IF_ERROR(inference_.Prepare(service, {bytes.data(), bytes.size()}, call_.deadline(), metadata));
    service.predictor().Predict(&inference_.predict, [this](const Status& status) {
      Finish(status);
      delete this;
    });
    return OkStatus();
  }
  void Refuse(const ModelService& service, const Status& status) {
    inference_.CountRefused(service, status);
    Finish(status);
  }

 private:
  void Finish(Status status) {
    Tensor tail;
    if (status.ok()) status = inference_.Write(&call_.response(), &tail);
    if (status.ok() && tail.data() != nullptr)
      call_.Append({static_cast<const char*>(tail.data()), tail.bytes()}, tail.owner());
    call_.Finish(status);
  }

  net::GrpcCall call_;
  Inference inference_;
};

std::string StreamError(std::string_view id, std::string_view message) {
  std::string answer, out;
  ProtoWriter(&answer).String(3, id);
  ProtoWriter(&out).String(1, message);
  ProtoWriter(&out).Bytes(2, answer);
  return out;
}

constexpr size_t kMaxWaiting = 1024;

// What the reader of a stream and the inference under way share.
class Stream : public std::enable_shared_from_this<Stream> {
 public:
  Stream(const ModelService& service, net::GrpcOpening opening, net::GrpcWriter writer)
      : service_(service), opening_(std::move(opening)), writer_(std::move(writer)) {}

  struct Message {
    std::string bytes;
    net::ClientName client;
    Deadline arrived;
  };

  void Add(Message message) {
    {
      MutexLock lock(mutex_);
      if (waiting_.size() == kMaxWaiting) {
        writer_.Finish(
            ResourceExhausted("{} requests of this stream wait for an answer; read answers meanwhile", kMaxWaiting));
        return;
      }
      waiting_.push_back(std::move(message));
      if (std::exchange(busy_, true)) return;
    }
    Pump();
  }
  void HalfClose() {
    MutexLock lock(mutex_);
    half_closed_ = true;
    if (!busy_) writer_.Finish(OkStatus());
  }

 private:
  class Request;

  // Answers what waits, as long as answers come at once; the last one that does not calls it again.
  void Pump();
  bool Next(Message* message) {
    MutexLock lock(mutex_);
    if (waiting_.empty()) {
      busy_ = false;
      if (half_closed_) writer_.Finish(OkStatus());
      return false;
    }
    *message = std::move(waiting_.front());
    waiting_.pop_front();
    return true;
  }

  const ModelService& service_;
  const net::GrpcOpening opening_;
  net::GrpcWriter writer_;
  Mutex mutex_;
  std::deque<Message> waiting_ HR_GUARDED_BY(mutex_);
  bool busy_ HR_GUARDED_BY(mutex_) = false;
  bool half_closed_ HR_GUARDED_BY(mutex_) = false;
};

class Stream::Request {
 public:
  Request(std::shared_ptr<Stream> stream, Message message) : stream_(std::move(stream)), message_(std::move(message)) {}

  // True when the answer is written; false when it will come from another thread, which then pumps on.
  bool Run() {
    const net::GrpcOpening& opening = stream_->opening_;
    const auto metadata = [&](std::string_view name) { return opening.Find(name); };
    inference_.predict.origin = OriginOf(opening.trace_id, message_.client);
    inference_.predict.arrived = message_.arrived;
    const Status status = inference_.Prepare(stream_->service_, message_.bytes, opening.deadline, metadata);
    if (!status.ok()) {
      inference_.CountRefused(stream_->service_, status);
      Answer(status);
      delete this;
      return true;
    }
    stream_->service_.predictor().Predict(&inference_.predict, [this](const Status& done) {
      Answer(done);
      if (!met_.exchange(true)) return;  // Run has not returned yet: it goes on
      const auto stream = stream_;
      delete this;
      stream->Pump();
    });
    if (!met_.exchange(true)) return false;
    delete this;
    return true;
  }

 private:
  void Answer(Status status) {
    std::string answer;
    Tensor tail;
    if (status.ok()) status = inference_.Write(&answer, &tail);
    if (!status.ok()) return stream_->writer_.Write(StreamError(inference_.id(), status.message()));
    const std::string_view rest(static_cast<const char*>(tail.data()), tail.bytes());
    std::string message;
    message.reserve(answer.size() + rest.size() + 16);
    ProtoWriter(&message).BytesHead(2, answer.size() + rest.size());
    message.append(answer).append(rest);
    stream_->writer_.Write(std::move(message));
  }

  const std::shared_ptr<Stream> stream_;
  const Message message_;
  Inference inference_;
  std::atomic<bool> met_{false};  // set by the first of Run's return and the answer
};

void Stream::Pump() {
  Message message;
  while (Next(&message))
    if (!(new Request(shared_from_this(), std::move(message)))->Run()) return;
}

class StreamReader : public net::GrpcStreamReader {
 public:
  explicit StreamReader(std::shared_ptr<Stream> stream) : stream_(std::move(stream)) {}
  void OnMessage(std::span<char> message, const net::ClientName& client) override {
    stream_->Add(
        {.bytes = {message.data(), message.size()}, .client = client, .arrived = std::chrono::steady_clock::now()});
  }
  void OnHalfClose() override { stream_->HalfClose(); }

 private:
  const std::shared_ptr<Stream> stream_;
};

}  // namespace

void HandleInfer(const ModelService& service, net::GrpcCall call) {
  auto* infer = new UnaryInfer(std::move(call));
  if (const Status status = infer->Start(service); !status.ok()) {
    infer->Refuse(service, status);
    delete infer;
  }
}

std::unique_ptr<net::GrpcStreamReader> HandleStream(const ModelService& service, net::GrpcOpening opening,
                                                    net::GrpcWriter writer) {
  return std::make_unique<StreamReader>(std::make_shared<Stream>(service, std::move(opening), std::move(writer)));
}

}  // namespace headrace::oip
