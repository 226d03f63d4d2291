#include "headrace/net/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <future>
#include <thread>
#include <vector>

#include "headrace/base/files.h"
#include "headrace/base/json.h"
#include "headrace/base/thread_pool.h"
#include "headrace/net/access_log.h"
#include "headrace/net/compression.h"
#include "headrace/net/net_test_util.h"

namespace headrace::net {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;
using testing::StartsWith;

Deadline In(Duration duration) {
  return std::chrono::steady_clock::now() + std::chrono::duration_cast<Deadline::duration>(duration);
}

// Says what it saw.
void Echo(HttpRequest& request, HttpResponder responder) {
  responder.body()
      .append(request.method())
      .append(" ")
      .append(request.target())
      .append(" ")
      .append(request.body_text());
  responder.Send(200, "text/plain");
}

class HttpServerTest : public testing::Test {
 protected:
  void Start(FunctionHandler::Function function, HttpServerOptions options = {}) {
    handler_ = std::make_unique<FunctionHandler>(std::move(function));
    auto server = HttpServer::Start(std::move(options), handler_.get());
    ASSERT_TRUE(server) << server.error().ToString();
    server_ = std::move(*server);
  }
  // Sends `bytes` on a new connection and returns the first answer.
  std::string Exchange(std::string_view bytes) {
    RawClient client(server_->port());
    client.Send(bytes);
    return client.ReadResponse();
  }

  std::unique_ptr<FunctionHandler> handler_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, AnswersAndKeepsAlive) {
  Start(Echo);
  RawClient client(server_->port());
  for (int i = 0; i < 3; i++) {
    client.Send("POST /a?b=c HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
    const std::string response = client.ReadResponse();
    EXPECT_THAT(response, StartsWith("HTTP/1.1 200 OK\r\nDate: "));
    EXPECT_THAT(response, HasSubstr("\r\nContent-Type: text/plain\r\nContent-Length: 17\r\n"));
    EXPECT_EQ(BodyOf(response), "POST /a?b=c hello");
  }
}

TEST_F(HttpServerTest, TakesARequestByteByByte) {
  Start(Echo);
  RawClient client(server_->port());
  for (const char c : std::string("PUT /x HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")) client.Send({&c, 1});
  EXPECT_EQ(BodyOf(client.ReadResponse()), "PUT /x abc");
  for (const char c :
       std::string("PUT /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;e=v\r\nc\r\n0\r\nT: v\r\n\r\n"))
    client.Send({&c, 1});
  EXPECT_EQ(BodyOf(client.ReadResponse()), "PUT /x abc");
}

TEST_F(HttpServerTest, AnswersPipelinedRequestsInOrder) {
  ThreadPool pool("slow", 2, 100);
  Start([&](HttpRequest& request, HttpResponder responder) {
    if (request.body_text().empty()) return Echo(request, std::move(responder));
    auto shared = std::make_shared<HttpResponder>(std::move(responder));
    ASSERT_TRUE(pool.Submit([&request, shared] { Echo(request, std::move(*shared)); }).ok());
  });
  std::string bytes;
  for (int i = 0; i < 100; i++) {
    bytes += fmt::format("GET /{} HTTP/1.1\r\n\r\n", i);
    bytes += fmt::format("POST /{} HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi", i);
    bytes += fmt::format("POST /{} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nho\r\n0\r\n\r\n", i);
  }
  RawClient client(server_->port());
  client.Send(bytes);
  for (int i = 0; i < 100; i++) {
    ASSERT_EQ(BodyOf(client.ReadResponse()), fmt::format("GET /{} ", i));
    ASSERT_EQ(BodyOf(client.ReadResponse()), fmt::format("POST /{} hi", i));
    ASSERT_EQ(BodyOf(client.ReadResponse()), fmt::format("POST /{} ho", i));
  }
}

TEST_F(HttpServerTest, RefusesWhatIsMalformed) {
  Start(Echo);
  for (const std::string_view bytes : {
           "\x16\x03\x01\x02\r\n\r\n",
           "GET\r\n\r\n",
           "GET / HTTP/3.0\r\n\r\n",
           "GET / HTTP/1.1\r\nNo Colon\r\n\r\n",
           "GET / HTTP/1.1\r\nA b: c\r\n\r\n",
           "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
           "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
           "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
           "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
           "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabcdef\r\n",
       }) {
    RawClient client(server_->port());
    client.Send(bytes);
    const std::string response = client.ReadResponse();
    EXPECT_EQ(StatusOf(response), 400) << bytes << "\n" << response;
    EXPECT_THAT(response, HasSubstr("Connection: close"));
    EXPECT_THAT(BodyOf(response), StartsWith(R"({"error":")"));
    EXPECT_TRUE(client.AtEnd()) << bytes;
  }
  EXPECT_EQ(StatusOf(Exchange("POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n")), 501);
  EXPECT_EQ(StatusOf(Exchange("POST / HTTP/1.1\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\nx")), 415);
}

TEST_F(HttpServerTest, HoldsItsLimits) {
  Start(Echo, {.max_header_bytes = 1000, .max_body_bytes = 100});
  EXPECT_EQ(StatusOf(Exchange("GET / HTTP/1.1\r\nA: " + std::string(2000, 'a') + "\r\n\r\n")), 431);
  EXPECT_EQ(StatusOf(Exchange("GET / HTTP/1.1\r\nA: " + std::string(2000, 'a'))), 431);
  EXPECT_EQ(StatusOf(Exchange("GET / HTTP/1.1\r\nA: " + std::string(900, 'a') + "\r\n\r\n")), 200);
  EXPECT_EQ(StatusOf(Exchange("POST / HTTP/1.1\r\nContent-Length: 101\r\n\r\n")), 413);
  EXPECT_EQ(StatusOf(Exchange("POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\n" + std::string(100, 'b'))), 200);
  EXPECT_EQ(StatusOf(Exchange("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n" + std::string(64, 'b') +
                              "\r\n40\r\n" + std::string(64, 'b') + "\r\n0\r\n\r\n")),
            413);
}

TEST_F(HttpServerTest, ACloseBecauseOfALimitDoesNotLoseTheAnswer) {
  Start(Echo, {.max_body_bytes = 100});
  const std::string body(8 << 20, 'x');
  RawClient client(server_->port());
  std::thread sender(
      [&] { client.Send(fmt::format("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n", body.size()) + body); });
  EXPECT_EQ(StatusOf(client.ReadResponse()), 413);
  sender.join();
}

TEST_F(HttpServerTest, TakesLargeBodiesWithPaddingBehindThem) {
  Start([](HttpRequest& request, HttpResponder responder) {
    const std::string_view padded(request.body().data(), request.body().size() + kBodyPadding);
    size_t sum = 0;
    for (const char c : padded) sum += static_cast<unsigned char>(c);
    responder.Send(200, "text/plain", fmt::format("{} {}", request.body().size(), sum > 0));
  });
  RawClient client(server_->port());
  for (const size_t size : {1u, 1000u, 16'000u, 16'384u, 20'000u, 600'000u, 9'000'000u}) {
    const std::string body(size, 'a');
    client.Send(fmt::format("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n", size) + body);
    EXPECT_EQ(BodyOf(client.ReadResponse()), fmt::format("{} true", size));
    client.Send(fmt::format("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n", size) + body +
                "\r\n0\r\n\r\n");
    EXPECT_EQ(BodyOf(client.ReadResponse()), fmt::format("{} true", size));
  }
}

TEST_F(HttpServerTest, SendsLargeAnswersAndAppendedPieces) {
  const std::string large(5'000'000, 'z');
  const auto owner = std::make_shared<const std::string>(3'000'000, 'y');
  Start([&](HttpRequest&, HttpResponder responder) {
    responder.body() = large;
    responder.Append(*owner, owner);
    responder.SetHeader("X-Extra", "1");
    responder.Send(200, "application/octet-stream");
  });
  RawClient client(server_->port());
  for (int i = 0; i < 3; i++) {
    client.Send("GET / HTTP/1.1\r\n\r\n");
    const std::string response = client.ReadResponse();
    EXPECT_THAT(response.substr(0, 300), HasSubstr("\r\nX-Extra: 1\r\n"));
    EXPECT_TRUE(BodyOf(response) == large + *owner);
  }
  server_->Stop(Deadline::max());  // the client may have read the answer before the server let go of it
  EXPECT_EQ(owner.use_count(), 1);
}

TEST_F(HttpServerTest, LogsRequestsWithTheirTrace) {
  TempDir folder;
  const auto path = folder.path() / "access.log";
  auto log = *AccessLog::Open(path.string());
  HttpServerOptions options;
  options.access_log = log.get();
  Start(Echo, options);
  RawClient client(server_->port());
  client.Send(
      "POST /a?b HTTP/1.1\r\nContent-Length: 3\r\n"
      "Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\r\nabc");
  EXPECT_THAT(client.ReadResponse(), HasSubstr("\r\ntraceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-"));
  client.Send("BAD\r\n\r\n");
  EXPECT_THAT(client.ReadResponse(), HasSubstr(" 400 "));
  server_->Stop(Deadline::max());
  log.reset();
  const std::string text = *ReadFile(path);
  const json::object first = ParseJson(text.substr(0, text.find('\n')))->as_object();
  EXPECT_EQ(first.at("method"), "POST");
  EXPECT_EQ(first.at("target"), "/a?b");
  EXPECT_EQ(first.at("status"), 200);
  EXPECT_EQ(first.at("request_bytes"), 3);
  EXPECT_EQ(first.at("parent_span_id"), "00f067aa0ba902b7");
  EXPECT_THAT(text, HasSubstr("\"status\":400"));
}

TEST_F(HttpServerTest, EachRequestHasItsOwnTraceAndClient) {
  Start([](HttpRequest& request, HttpResponder responder) {
    const std::string before = request.client() ? *request.client() : "nobody";
    request.set_client(std::make_shared<const std::string>("shop"));
    responder.Send(200, "text/plain", fmt::format("[{}] {} {}", request.trace_id(), before, *request.client()));
  });
  RawClient client(server_->port());
  client.Send("GET / HTTP/1.1\r\nTraceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\r\n");
  EXPECT_EQ(BodyOf(client.ReadResponse()), "[4bf92f3577b34da6a3ce929d0e0e4736] nobody shop");
  client.Send("GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(BodyOf(client.ReadResponse()), "[] nobody shop");
}

TEST_F(HttpServerTest, HeadHasNoBodyAndHttp10Closes) {
  Start(Echo);
  RawClient client(server_->port());
  client.Send("HEAD /h HTTP/1.1\r\n\r\nGET /g HTTP/1.0\r\n\r\n");
  const std::string head = client.ReadResponse(true);
  EXPECT_THAT(head, HasSubstr("Content-Length: 8\r\n"));
  const std::string get = client.ReadResponse();
  EXPECT_EQ(BodyOf(get), "GET /g ");
  EXPECT_THAT(get, HasSubstr("Connection: close\r\n"));
  EXPECT_TRUE(client.AtEnd());
}

TEST_F(HttpServerTest, AsksForABodyThatIsHeldBack) {
  Start(Echo, {.max_body_bytes = 100});
  RawClient client(server_->port());
  client.Send("POST /e HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(client.ReadResponse(), "HTTP/1.1 100 Continue\r\n\r\n");
  client.Send("ok");
  EXPECT_EQ(BodyOf(client.ReadResponse()), "POST /e ok");
  client.Send("POST /e HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 200\r\n\r\n");
  EXPECT_EQ(StatusOf(client.ReadResponse()), 413);
}

TEST_F(HttpServerTest, InflatesBodiesWithinTheLimit) {
  Start(Echo, {.max_body_bytes = 1000});
  for (const Encoding encoding : {Encoding::kGzip, Encoding::kDeflate}) {
    for (const auto& [size, status] : {std::pair(500, 200), std::pair(100'000, 413)}) {
      std::string packed;
      ASSERT_TRUE(Deflate(encoding, std::string(static_cast<size_t>(size), 'q'), &packed).ok());
      ASSERT_LT(packed.size(), 1000u);
      const std::string response =
          Exchange(fmt::format("POST / HTTP/1.1\r\nContent-Encoding: {}\r\nContent-Length: {}\r\n\r\n{}",
                               EncodingName(encoding), packed.size(), packed));
      EXPECT_EQ(StatusOf(response), status);
      if (status == 200) {
        EXPECT_EQ(BodyOf(response), "POST / " + std::string(500, 'q'));
      }
    }
  }
  EXPECT_EQ(StatusOf(Exchange("POST / HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc")), 400);
}

TEST_F(HttpServerTest, SmallBodiesThatInflateToMuchShareABudgetUntilTheyAreAnswered) {
  MemoryBudget budget(3 << 20);
  std::promise<HttpResponder> first;
  std::atomic<int> calls{0};
  Start(
      [&](HttpRequest&, HttpResponder responder) {
        if (calls++ == 0) return first.set_value(std::move(responder));
        responder.Send(200, "text/plain");
      },
      {.inflated = &budget});
  std::string packed;
  ASSERT_TRUE(Deflate(Encoding::kGzip, std::string(2 << 20, 'q'), &packed).ok());
  const std::string request =
      fmt::format("POST / HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n{}", packed.size(), packed);
  RawClient waiting(server_->port());
  waiting.Send(request);
  HttpResponder responder = first.get_future().get();
  const std::string refused = Exchange(request);
  EXPECT_EQ(StatusOf(refused), 429);
  EXPECT_THAT(refused, HasSubstr("compressed"));
  responder.Send(200, "text/plain");
  EXPECT_EQ(StatusOf(waiting.ReadResponse()), 200);
  // What the first held is given back once its answer is on its way.
  const Deadline patience = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  int status = 0;
  while (status != 200 && std::chrono::steady_clock::now() < patience) status = StatusOf(Exchange(request));
  EXPECT_EQ(status, 200);
  server_->Stop(Deadline::min());  // before the budget is gone
}

TEST_F(HttpServerTest, CompressesWhenAsked) {
  const std::string text(10'000, 'c');
  Start([&](HttpRequest&, HttpResponder responder) {
    responder.CompressIfAccepted();
    responder.Send(200, "text/plain", text);
  });
  const std::string plain = Exchange("GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(BodyOf(plain), text);
  const std::string packed = Exchange("GET / HTTP/1.1\r\nAccept-Encoding: br;q=1, gzip;q=0.8\r\n\r\n");
  EXPECT_THAT(packed, HasSubstr("Content-Encoding: gzip\r\n"));
  std::string unpacked;
  ASSERT_TRUE(Inflate(Encoding::kGzip, BodyOf(packed), 1 << 20, &unpacked).ok());
  EXPECT_EQ(unpacked, text);
}

TEST_F(HttpServerTest, SpoolsAnUploadAndStreamsAFile) {
  const TempDir folder;
  std::string kept;
  Start([&](HttpRequest& request, HttpResponder responder) {
    if (request.method() == "GET") return responder.SendFile(folder.path() / "kept", "text/plain");
    std::filesystem::rename(request.body_file(), folder.path() / "kept");
    responder.Send(200, "text/plain", "");
  });
  handler_->plan = {.max_bytes = 10 << 20, .spool_into = folder.path() / "uploads"};
  std::string body;
  for (int i = 0; i < 1'000'000; i++) body += static_cast<char>(i % 251);
  RawClient client(server_->port());
  client.Send(fmt::format("PUT / HTTP/1.1\r\nContent-Length: {}\r\n\r\n", body.size()) + body);
  ASSERT_EQ(StatusOf(client.ReadResponse()), 200);
  EXPECT_TRUE(*ReadFile(folder.path() / "kept") == body);
  client.Send("GET / HTTP/1.1\r\n\r\n");
  EXPECT_TRUE(BodyOf(client.ReadResponse()) == body);
  client.Send("GET / HTTP/1.1\r\nRange: bytes=10-19\r\n\r\n");
  const std::string part = client.ReadResponse();
  EXPECT_EQ(StatusOf(part), 206);
  EXPECT_THAT(part, HasSubstr("Content-Range: bytes 10-19/1000000\r\n"));
  EXPECT_EQ(BodyOf(part), body.substr(10, 10));
  client.Send("GET / HTTP/1.1\r\nRange: bytes=1000000-\r\n\r\n");
  EXPECT_EQ(StatusOf(client.ReadResponse()), 416);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path() / "uploads"));
}

TEST_F(HttpServerTest, ADroppedResponderAnswers500) {
  Start([](HttpRequest&, HttpResponder) {});
  EXPECT_EQ(StatusOf(Exchange("GET / HTTP/1.1\r\n\r\n")), 500);
}

TEST_F(HttpServerTest, ClosesSlowAndIdleClients) {
  Start(Echo, {.idle_timeout = milliseconds(100)});
  RawClient idle(server_->port());
  EXPECT_TRUE(idle.AtEnd());
  server_->Stop(Deadline::min());
  Start(Echo, {.header_timeout = milliseconds(100), .body_timeout = milliseconds(100)});
  RawClient slow_head(server_->port());
  slow_head.Send("GET / HT");
  EXPECT_EQ(StatusOf(slow_head.ReadResponse()), 408);
  RawClient slow_body(server_->port());
  slow_body.Send("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nab");
  EXPECT_EQ(StatusOf(slow_body.ReadResponse()), 408);
}

TEST_F(HttpServerTest, RefusesConnectionsOverItsLimit) {
  Start(Echo, {.max_connections = 2});
  RawClient first(server_->port());
  RawClient second(server_->port());
  for (RawClient* client : {&first, &second}) {
    client->Send("GET / HTTP/1.1\r\n\r\n");
    EXPECT_EQ(StatusOf(client->ReadResponse()), 200);
  }
  RawClient third(server_->port());
  EXPECT_TRUE(third.AtEnd());
  EXPECT_EQ(server_->connections(), 2u);
}

TEST_F(HttpServerTest, ServesAUnixSocket) {
  const TempDir folder;
  const std::string path = folder.path() / "s.sock";
  Start(Echo, {.port = -1, .unix_socket = path});
  EXPECT_EQ(server_->port(), -1);
  EXPECT_TRUE(std::filesystem::is_socket(path));
  server_->Stop(In(seconds(1)));
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(HttpServerTest, SaysWhyItCannotListen) {
  Start(Echo);
  FunctionHandler handler(Echo);
  const auto taken = HttpServer::Start({.port = server_->port()}, &handler);
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code(), Code::kUnavailable);
  EXPECT_THAT(taken.error().message(), HasSubstr(std::to_string(server_->port())));
  const auto bad = HttpServer::Start({.address = "localhost"}, &handler);
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().code(), Code::kInvalidArgument);
}

TEST_F(HttpServerTest, StopsUnderLoadWithoutCuttingAnAnswer) {
  ThreadPool pool("pool", 2, 1000);
  Start(
      [&](HttpRequest& request, HttpResponder responder) {
        auto shared = std::make_shared<HttpResponder>(std::move(responder));
        const Status status = pool.Submit([&request, shared] { Echo(request, std::move(*shared)); });
        ASSERT_TRUE(status.ok());
      },
      {.threads = 2});
  std::atomic<int> good{0};
  std::atomic<int> cut{0};
  constexpr int kClients = 8;
  std::vector<std::thread> clients;
  clients.reserve(kClients);
  for (int i = 0; i < kClients; i++) {
    clients.emplace_back([&] {
      RawClient client(server_->port());
      while (client.Send("POST /load HTTP/1.1\r\nContent-Length: 2\r\n\r\nok")) {
        const std::string response = client.ReadResponse();
        if (response.empty()) return;  // closed between two requests
        (BodyOf(response) == "POST /load ok" ? good : cut)++;
      }
    });
  }
  while (good < 500) std::this_thread::yield();
  server_->Stop(In(seconds(10)));
  for (auto& client : clients) client.join();
  EXPECT_EQ(cut, 0);
  EXPECT_EQ(server_->connections(), 0u);
}

TEST_F(HttpServerTest, AResponderOutlivesTheServer) {
  std::promise<HttpResponder> taken;
  Start([&](HttpRequest&, HttpResponder responder) { taken.set_value(std::move(responder)); });
  RawClient client(server_->port());
  client.Send("GET / HTTP/1.1\r\n\r\n");
  HttpResponder responder = taken.get_future().get();
  server_->Stop(In(milliseconds(20)));
  server_.reset();
  EXPECT_TRUE(client.AtEnd());
  responder.Send(200, "text/plain", "to nobody");
}

TEST_F(HttpServerTest, AnswersAfterTheClientHasGone) {
  std::promise<HttpResponder> taken;
  Start([&](HttpRequest&, HttpResponder responder) { taken.set_value(std::move(responder)); });
  {
    RawClient client(server_->port());
    client.Send("GET / HTTP/1.1\r\n\r\n");
    const linger reset{1, 0};
    setsockopt(client.fd(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    HttpResponder responder = taken.get_future().get();
    taken = {};
    taken.set_value(std::move(responder));
  }
  while (server_->connections() > 0) std::this_thread::yield();
  taken.get_future().get().Send(200, "text/plain", "to nobody");
  EXPECT_EQ(server_->connections(), 0u);
}

}  // namespace
}  // namespace headrace::net
