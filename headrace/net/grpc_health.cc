#include "headrace/net/grpc_health.h"

#include "headrace/net/grpc_proto.h"
#include "proto/grpc/health.pb.h"

namespace headrace::net {
namespace {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

std::string Message(int status) {
  HealthCheckResponse response;
  response.set_status(static_cast<HealthCheckResponse::ServingStatus>(status));
  return response.SerializeAsString();
}

}  // namespace

// One client's watch: registered from its request to its end.
class GrpcHealth::Watch final : public GrpcStreamReader {
 public:
  Watch(GrpcHealth* health, GrpcWriter writer) : health_(*health), writer_(std::move(writer)) {}
  ~Watch() override {
    MutexLock lock(health_.mutex_);
    health_.watchers_.erase(this);
  }
  void OnMessage(std::span<char> message, const ClientName&) override {
    HealthCheckRequest request;
    if (!request.ParseFromArray(message.data(), static_cast<int>(message.size())))
      return writer_.Finish(Internal("Watch: the request is not a HealthCheckRequest"));
    MutexLock lock(health_.mutex_);
    if (health_.stopping_) return writer_.Finish(Unavailable("the server is shutting down"));
    health_.watchers_.emplace(this, Watcher{request.service(), writer_});
    writer_.Write(Message(health_.StatusOf(request.service())));
  }
  void OnHalfClose() override {}

 private:
  GrpcHealth& health_;
  GrpcWriter writer_;
};

GrpcHealth::GrpcHealth() { serving_[""] = true; }

void GrpcHealth::AddTo(GrpcServices& services) {
  AddProtoMethod<HealthCheckRequest, HealthCheckResponse>(
      services, "grpc.health.v1.Health", "Check", [this](ProtoCall<HealthCheckRequest, HealthCheckResponse> call) {
        const std::string& service = call.request().service();
        int status = 0;
        {
          MutexLock lock(mutex_);
          status = StatusOf(service);
        }
        if (status == HealthCheckResponse::SERVICE_UNKNOWN)
          return call.Finish(NotFound("unknown service \"{}\"", service));
        call.response().set_status(static_cast<HealthCheckResponse::ServingStatus>(status));
        call.Finish(OkStatus());
      });
  services.AddStream("/grpc.health.v1.Health/Watch", [this](const GrpcOpening&, GrpcWriter writer) {
    return std::make_unique<Watch>(this, std::move(writer));
  });
}

int GrpcHealth::StatusOf(const std::string& service) const {
  const auto found = serving_.find(service);
  if (found == serving_.end()) return HealthCheckResponse::SERVICE_UNKNOWN;
  return found->second ? HealthCheckResponse::SERVING : HealthCheckResponse::NOT_SERVING;
}

void GrpcHealth::Notify(const std::string& service) {
  for (auto& [watch, watcher] : watchers_)
    if (watcher.service == service) watcher.writer.Write(Message(StatusOf(service)));
}

void GrpcHealth::SetServing(const std::string& service, bool serving) {
  MutexLock lock(mutex_);
  const auto [entry, is_new] = serving_.try_emplace(service, serving);
  if (!is_new && entry->second == serving) return;
  entry->second = serving;
  Notify(service);
}

void GrpcHealth::Shutdown() {
  MutexLock lock(mutex_);
  stopping_ = true;
  for (auto& [service, serving] : serving_) {
    serving = false;
    Notify(service);
  }
  for (auto& [watch, watcher] : watchers_) watcher.writer.Finish(Unavailable("the server is shutting down"));
}

}  // namespace headrace::net
