// The server against gRPC C++'s own client.
#include "headrace/net/grpc_server.h"

#include <arpa/inet.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "headrace/base/files.h"
#include "headrace/base/json.h"
#include "headrace/net/access_log.h"
#include "headrace/net/grpc_proto.h"
#include "headrace/net/http.h"
#include "proto/grpc/health.pb.h"
#include "proto/grpc/reflection.pb.h"

namespace headrace::net {
namespace {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

std::string Bytes(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  EXPECT_TRUE(buffer.Dump(&slices).ok());
  std::string out;
  for (const auto& slice : slices) out.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return out;
}

grpc::ByteBuffer Buffer(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

struct Answer {
  grpc::Status status;
  std::string message;
};

class Client {
 public:
  explicit Client(const std::string& target, grpc::ChannelArguments arguments = {})
      : stub_([&] {
          arguments.SetMaxReceiveMessageSize(-1);
          return grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), arguments);
        }()) {}

  Answer Call(const std::string& path, const std::string& message, grpc::ClientContext* context) {
    Answer answer;
    const grpc::ByteBuffer request = Buffer(message);
    grpc::ByteBuffer response;
    grpc::CompletionQueue queue;
    auto call = stub_.PrepareUnaryCall(context, path, request, &queue);
    call->StartCall();
    call->Finish(&response, &answer.status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    queue.Shutdown();
    while (queue.Next(&tag, &ok)) continue;
    if (answer.status.ok()) answer.message = Bytes(response);
    return answer;
  }
  Answer Call(const std::string& path, const std::string& message) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    return Call(path, message, &context);
  }
  grpc::GenericStub& stub() { return stub_; }

 private:
  grpc::GenericStub stub_;
};

GrpcServerOptions Limit(size_t max_message_bytes) {
  GrpcServerOptions options;
  options.max_message_bytes = max_message_bytes;
  return options;
}

GrpcServerOptions TwoLoops() {
  GrpcServerOptions options;
  options.threads = 2;
  return options;
}

// Echoes each message of a stream; finishes when the client does.
class EchoReader final : public GrpcStreamReader {
 public:
  explicit EchoReader(GrpcWriter writer) : writer_(std::move(writer)) {}
  void OnMessage(std::span<char> message, const ClientName& client) override {
    writer_.Write(std::string(message.data(), message.size()) + (client ? " of " + *client : ""));
  }
  void OnHalfClose() override { writer_.Finish(OkStatus()); }

 private:
  GrpcWriter writer_;
};

class GrpcServerTest : public testing::Test {
 protected:
  void SetUp() override {
    services_.AddUnary("/t.T/Echo", [](GrpcCall call) {
      call.response().assign(call.request().data(), call.request().size());
      call.Finish(OkStatus());
    });
    services_.AddUnary("/t.T/Append", [](GrpcCall call) {
      auto owner = std::make_shared<const std::string>(call.request().data(), call.request().size());
      const std::string_view bytes = *owner;
      call.response() = "head:";
      call.Append(bytes, std::move(owner));
      call.Finish(OkStatus());
    });
    services_.AddUnary("/t.T/Later", [this](GrpcCall call) {
      threads_.emplace_back([call = std::move(call)]() mutable {
        call.response().assign(call.request().data(), call.request().size());
        call.Finish(OkStatus());
      });
    });
    services_.AddUnary("/t.T/Fail", [](GrpcCall call) { call.Finish(FailedPrecondition("100% of \"é\"\nfailed")); });
    services_.AddUnary("/t.T/Drop", [](GrpcCall) {});
    services_.AddUnary("/t.T/Metadata", [](GrpcCall call) {
      call.response() = std::string(call.metadata("x-key").value_or("none"));
      call.SetMetadata("x-answer", "yes");
      call.Finish(OkStatus());
    });
    services_.AddUnary("/t.T/Hold", [this](GrpcCall call) {
      MutexLock lock(mutex_);
      held_.push_back(std::move(call));
      holding_.NotifyAll();
    });
    services_.AddUnary("/t.T/Deadline", [](GrpcCall call) {
      const bool none = call.deadline() == Deadline::max();
      const auto left = call.deadline() - std::chrono::steady_clock::now();
      call.response() = none ? "none" : std::to_string(std::chrono::duration_cast<std::chrono::seconds>(left).count());
      call.Finish(OkStatus());
    });
    services_.AddStream("/t.T/EchoStream", [](const GrpcOpening&, GrpcWriter writer) {
      return std::make_unique<EchoReader>(std::move(writer));
    });
  }
  void TearDown() override {
    held_.clear();
    for (auto& thread : threads_) thread.join();
  }

  Client Start(GrpcServerOptions options = {}) {
    options.reflection = true;
    auto started = GrpcServer::Start(options, services_);
    EXPECT_TRUE(started) << started.error().ToString();
    server_ = *std::move(started);
    return Client("127.0.0.1:" + std::to_string(server_->port()));
  }
  void WaitHeld(size_t count) {
    MutexLock lock(mutex_);
    while (held_.size() < count) holding_.Wait(mutex_);
  }

  GrpcServices services_;
  std::unique_ptr<GrpcServer> server_;
  std::vector<std::thread> threads_;
  Mutex mutex_;
  CondVar holding_;
  std::vector<GrpcCall> held_;
};

TEST_F(GrpcServerTest, EchoesMessagesOfManySizes) {
  Client client = Start();
  for (const size_t size : {0, 1, 5, 4095, 4096, 16384, 65535, 65536, 1'000'003, 20'000'000}) {
    std::string message(size, 'x');
    for (size_t i = 0; i < size; i += 97) message[i] = static_cast<char>(i);
    for (const char* path : {"/t.T/Echo", "/t.T/Later"}) {
      const Answer answer = client.Call(path, message);
      ASSERT_TRUE(answer.status.ok()) << size << " " << path << " " << answer.status.error_message();
      EXPECT_TRUE(answer.message == message) << size << " " << path;
    }
    EXPECT_TRUE(client.Call("/t.T/Append", message).message == "head:" + message) << size;
  }
}

TEST_F(GrpcServerTest, TellsErrorsAsTheyAre) {
  Client client = Start();
  const Answer failed = client.Call("/t.T/Fail", "");
  EXPECT_EQ(failed.status.error_code(), grpc::FAILED_PRECONDITION);
  EXPECT_EQ(failed.status.error_message(), "100% of \"é\"\nfailed");
  EXPECT_EQ(client.Call("/t.T/Drop", "").status.error_code(), grpc::INTERNAL);
  const Answer unknown = client.Call("/t.T/Nothing", "");
  EXPECT_EQ(unknown.status.error_code(), grpc::UNIMPLEMENTED);
  EXPECT_EQ(unknown.status.error_message(), "unknown method /t.T/Nothing");
  EXPECT_TRUE(client.Call("/t.T/Echo", "still").status.ok());
}

TEST_F(GrpcServerTest, RefusesMessagesOverTheLimit) {
  Client client = Start(Limit(1000));
  EXPECT_TRUE(client.Call("/t.T/Echo", std::string(1000, 'x')).status.ok());
  const Answer answer = client.Call("/t.T/Echo", std::string(3'000'000, 'x'));
  EXPECT_EQ(answer.status.error_code(), grpc::RESOURCE_EXHAUSTED) << answer.status.error_message();
  EXPECT_TRUE(client.Call("/t.T/Echo", "still").status.ok());
}

TEST_F(GrpcServerTest, TakesCompressedRequests) {
  Client client = Start(Limit(1 << 20));
  for (const auto algorithm : {GRPC_COMPRESS_GZIP, GRPC_COMPRESS_DEFLATE}) {
    grpc::ClientContext context;
    context.set_compression_algorithm(algorithm);
    const std::string message(100'000, 'z');
    EXPECT_TRUE(client.Call("/t.T/Echo", message, &context).message == message) << algorithm;
  }
  grpc::ClientContext context;
  context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
  const Answer bomb = client.Call("/t.T/Echo", std::string(50 << 20, 'z'), &context);
  EXPECT_EQ(bomb.status.error_code(), grpc::RESOURCE_EXHAUSTED);
}

TEST_F(GrpcServerTest, CarriesMetadataAndDeadlines) {
  Client client = Start();
  grpc::ClientContext context;
  context.AddMetadata("x-key", "value");
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(100));
  EXPECT_EQ(client.Call("/t.T/Metadata", "", &context).message, "value");
  EXPECT_EQ(context.GetServerInitialMetadata().find("x-answer")->second, "yes");
  grpc::ClientContext with_deadline, without;
  with_deadline.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(100));
  const int left = std::stoi(client.Call("/t.T/Deadline", "", &with_deadline).message);
  EXPECT_GE(left, 90);
  EXPECT_LE(left, 100);
  EXPECT_EQ(client.Call("/t.T/Deadline", "", &without).message, "none");
}

TEST_F(GrpcServerTest, LogsCallsWithTheirTrace) {
  TempDir folder;
  const auto path = folder.path() / "access.log";
  auto log = *AccessLog::Open(path.string());
  GrpcServerOptions options;
  options.access_log = log.get();
  Client client = Start(options);
  grpc::ClientContext context;
  context.AddMetadata("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
  EXPECT_EQ(client.Call("/t.T/Echo", "12345", &context).message, "12345");
  const auto answered = context.GetServerInitialMetadata().find("traceparent");
  ASSERT_NE(answered, context.GetServerInitialMetadata().end());
  EXPECT_TRUE(answered->second.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"));
  EXPECT_FALSE(client.Call("/t.T/Fail", "").status.ok());
  server_->Stop(Deadline::max());
  log.reset();
  const std::string text = *ReadFile(path);
  const json::object first = ParseJson(text.substr(0, text.find('\n')))->as_object();
  EXPECT_EQ(first.at("target"), "/t.T/Echo");
  EXPECT_EQ(first.at("status"), 0);
  EXPECT_EQ(first.at("request_bytes"), 5);
  EXPECT_EQ(first.at("response_bytes"), 5);
  EXPECT_EQ(first.at("trace_id"), "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_EQ(first.at("parent_span_id"), "00f067aa0ba902b7");
  EXPECT_NE(text.find("\"status\":9"), std::string::npos) << text;
}

TEST_F(GrpcServerTest, AsksItsGuardBeforeTheMethod) {
  GrpcServerOptions options;
  options.guard = [](const GrpcQuestion& question) {
    if (!question.authorization) return Unauthenticated("who are you?");
    if (std::string_view(question.message.data(), question.message.size()) == "secret")
      return PermissionDenied("{} is not for {}", question.path, *question.authorization);
    return OkStatus();
  };
  Client client = Start(options);
  EXPECT_EQ(client.Call("/t.T/Echo", "open").status.error_code(), grpc::UNAUTHENTICATED);
  grpc::ClientContext open, secret;
  open.AddMetadata("authorization", "me");
  secret.AddMetadata("authorization", "me");
  EXPECT_EQ(client.Call("/t.T/Echo", "open", &open).message, "open");
  const Answer refused = client.Call("/t.T/Echo", "secret", &secret);
  EXPECT_EQ(refused.status.error_code(), grpc::PERMISSION_DENIED);
  EXPECT_EQ(refused.status.error_message(), "/t.T/Echo is not for me");
}

TEST_F(GrpcServerTest, AMethodSeesTheTraceAndWhomTheGuardLetThrough) {
  services_.AddUnary("/t.T/Who", [](GrpcCall call) {
    call.response() = fmt::format("[{}] {}", call.trace_id(), call.client() ? *call.client() : "nobody");
    call.Finish(OkStatus());
  });
  GrpcServerOptions options;
  options.guard = [](const GrpcQuestion& question) {
    if (question.authorization) *question.client = std::make_shared<const std::string>(*question.authorization);
    return OkStatus();
  };
  Client client = Start(options);
  grpc::ClientContext named;
  named.AddMetadata("authorization", "me");
  named.AddMetadata("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
  EXPECT_EQ(client.Call("/t.T/Who", "", &named).message, "[4bf92f3577b34da6a3ce929d0e0e4736] me");
  EXPECT_EQ(client.Call("/t.T/Who", "").message, "[] nobody");
}

TEST_F(GrpcServerTest, SeesCancellation) {
  Client client = Start();
  grpc::ClientContext context;
  std::thread caller([&] { EXPECT_EQ(client.Call("/t.T/Hold", "", &context).status.error_code(), grpc::CANCELLED); });
  WaitHeld(1);
  EXPECT_FALSE(held_[0].cancelled());
  context.TryCancel();
  caller.join();
  while (!held_[0].cancelled()) std::this_thread::yield();
  held_[0].Finish(OkStatus());  // goes nowhere
  held_.clear();
  EXPECT_TRUE(client.Call("/t.T/Echo", "still").status.ok());
}

TEST_F(GrpcServerTest, StreamsBothWays) {
  Client client = Start();
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  void* tag = nullptr;
  bool ok = false;
  const auto wait = [&] { return queue.Next(&tag, &ok) && ok; };
  auto call = client.stub().PrepareCall(&context, "/t.T/EchoStream", &queue);
  call->StartCall(nullptr);
  ASSERT_TRUE(wait());
  for (int i = 0; i < 20; i++) {
    const std::string message(static_cast<size_t>(i * i * 1000), static_cast<char>('a' + i));
    call->Write(Buffer(message), nullptr);
    ASSERT_TRUE(wait());
    grpc::ByteBuffer response;
    call->Read(&response, nullptr);
    ASSERT_TRUE(wait());
    EXPECT_TRUE(Bytes(response) == message) << i;
  }
  call->WritesDone(nullptr);
  ASSERT_TRUE(wait());
  grpc::Status status;
  call->Finish(&status, nullptr);
  ASSERT_TRUE(wait());
  EXPECT_TRUE(status.ok()) << status.error_message();
  queue.Shutdown();
  while (queue.Next(&tag, &ok)) continue;
}

TEST_F(GrpcServerTest, ServesManyAtOnce) {
  Client shared = Start(TwoLoops());
  std::atomic<int> good = 0;
  std::vector<std::thread> callers;
  for (int t = 0; t < 8; t++)
    callers.emplace_back([&, t] {
      grpc::ChannelArguments own;
      own.SetInt("own", t);
      Client separate("127.0.0.1:" + std::to_string(server_->port()), own);
      for (int i = 0; i < 100; i++) {
        const std::string message = std::to_string(t * 1000 + i);
        if ((i % 2 ? shared : separate).Call("/t.T/Echo", message).message == message) good++;
      }
    });
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(good, 800);
}

TEST_F(GrpcServerTest, DrainsWhatIsUnderWay) {
  Client client = Start();
  Answer answer;
  std::thread caller([&] { answer = client.Call("/t.T/Hold", "kept"); });
  WaitHeld(1);
  std::thread stopper([&] { server_->Stop(std::chrono::steady_clock::now() + std::chrono::seconds(20)); });
  held_[0].response() = "done";
  held_[0].Finish(OkStatus());
  caller.join();
  stopper.join();
  EXPECT_TRUE(answer.status.ok()) << answer.status.error_message();
  EXPECT_EQ(answer.message, "done");
  EXPECT_EQ(client.Call("/t.T/Echo", "late").status.error_code(), grpc::UNAVAILABLE);
}

TEST_F(GrpcServerTest, StopCancelsWhatDoesNotEnd) {
  Client client = Start();
  std::thread caller([&] { EXPECT_FALSE(client.Call("/t.T/Hold", "").status.ok()); });
  WaitHeld(1);
  server_->Stop(Deadline::min());
  caller.join();
  EXPECT_TRUE(held_[0].cancelled());
  held_[0].Finish(OkStatus());
  held_.clear();
}

TEST_F(GrpcServerTest, AnswersHealthChecks) {
  Client client = Start();
  const auto check = [&](const std::string& service) {
    HealthCheckRequest request;
    request.set_service(service);
    const Answer answer = client.Call("/grpc.health.v1.Health/Check", request.SerializeAsString());
    if (!answer.status.ok()) return -static_cast<int>(answer.status.error_code());
    HealthCheckResponse response;
    EXPECT_TRUE(response.ParseFromString(answer.message));
    return static_cast<int>(response.status());
  };
  EXPECT_EQ(check(""), HealthCheckResponse::SERVING);
  EXPECT_EQ(check("ModelService"), -grpc::NOT_FOUND);
  server_->SetServing("ModelService", true);
  EXPECT_EQ(check("ModelService"), HealthCheckResponse::SERVING);
  server_->SetServing("ModelService", false);
  EXPECT_EQ(check("ModelService"), HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(client.Call("/grpc.health.v1.Health/Check", "\xff\xff\xff").status.error_code(), grpc::INTERNAL);
}

TEST_F(GrpcServerTest, ClosesWhatIsNotHttp2) {
  Start();
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(server_->port()));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  const std::string_view request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  ASSERT_EQ(send(fd, request.data(), request.size(), 0), static_cast<ssize_t>(request.size()));
  char buffer[1024];
  ssize_t got = 0;
  while ((got = recv(fd, buffer, sizeof buffer, 0)) > 0) continue;
  EXPECT_LE(got, 0);
  close(fd);
}

}  // namespace
}  // namespace headrace::net
