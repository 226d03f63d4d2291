#include "headrace/net/http_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "headrace/base/files.h"
#include "headrace/net/compression.h"
#include "headrace/net/net_test_util.h"
#include "headrace/net/response_writer.h"

namespace headrace::net {
namespace {

using std::chrono::milliseconds;

std::unique_ptr<HttpServer> StartEcho(FunctionHandler* handler, HttpServerOptions options = {}) {
  return HttpServer::Start(std::move(options), handler).value();
}

FunctionHandler MakeEcho() {
  return FunctionHandler([](HttpRequest& request, HttpResponder responder) {
    responder.SetHeader("X-Method", request.method());
    responder.SetHeader("X-Host", request.header("Host").value_or(""));
    responder.Send(request.path() == "/missing" ? 404 : 200, "text/plain",
                   std::string(request.target()) + " " + std::string(request.body_text()));
  });
}

TEST(HttpClient, SendsAndReceives) {
  FunctionHandler handler = MakeEcho();
  const auto server = StartEcho(&handler);
  const std::string base = fmt::format("http://127.0.0.1:{}", server->port());
  HttpClient client;
  for (int i = 0; i < 3; i++) {
    const auto response = client.Fetch({.method = "POST", .url = base + "/a?b=1", .body = "body"});
    ASSERT_TRUE(response) << response.error().ToString();
    EXPECT_EQ(response->status, 200);
    EXPECT_EQ(response->body, "/a?b=1 body");
    EXPECT_EQ(response->header("x-method"), "POST");
  }
  EXPECT_EQ(server->connections(), 1u);
  EXPECT_EQ(client.Fetch({.url = base + "/missing"})->status, 404);
  EXPECT_EQ(client.Fetch({.url = base})->body, "/ ");
  EXPECT_EQ(client.Fetch({.method = "HEAD", .url = base})->body, "");
}

TEST(HttpClient, SurvivesAServerThatClosedAKeptConnection) {
  FunctionHandler handler = MakeEcho();
  auto server = StartEcho(&handler);
  const int port = server->port();
  HttpClient client;
  const std::string url = fmt::format("http://127.0.0.1:{}/", port);
  ASSERT_TRUE(client.Fetch({.url = url}));
  server.reset();
  server = StartEcho(&handler, {.port = port});
  EXPECT_TRUE(client.Fetch({.url = url}));
}

TEST(HttpClient, ReachesAUnixSocket) {
  const TempDir folder;
  FunctionHandler handler = MakeEcho();
  const std::string path = folder.path() / "s";
  const auto server = StartEcho(&handler, {.port = -1, .unix_socket = path});
  const auto response = HttpClient().Fetch({.url = "http+unix://" + PercentEncode(path) + "/x"});
  ASSERT_TRUE(response) << response.error().ToString();
  EXPECT_EQ(response->body, "/x ");
}

TEST(HttpClient, SaysWhatWentWrong) {
  FunctionHandler silent([](HttpRequest&, HttpResponder responder) {
    static std::vector<HttpResponder> kept;
    kept.push_back(std::move(responder));
  });
  auto server = StartEcho(&silent);
  const std::string url = fmt::format("http://127.0.0.1:{}/", server->port());
  HttpClient client;
  EXPECT_EQ(client.Fetch({.url = url, .timeout = milliseconds(50)}).error().code(), Code::kDeadlineExceeded);
  server.reset();
  EXPECT_EQ(client.Fetch({.url = url}).error().code(), Code::kUnavailable);
  EXPECT_EQ(client.Fetch({.url = "ftp://x/"}).error().code(), Code::kInvalidArgument);
  EXPECT_EQ(client.Fetch({.url = "not a url"}).error().code(), Code::kInvalidArgument);
}

TEST(Compression, RoundTrips) {
  std::string text;
  for (int i = 0; i < 100'000; i++) text += static_cast<char>(i * i);
  for (const Encoding encoding : {Encoding::kIdentity, Encoding::kGzip, Encoding::kDeflate}) {
    for (const std::string& input : {std::string(), text}) {
      std::string packed = "kept", unpacked = "kept";
      ASSERT_TRUE(Deflate(encoding, input, &packed).ok());
      ASSERT_TRUE(Inflate(encoding, std::string_view(packed).substr(4), 1 << 20, &unpacked).ok());
      EXPECT_EQ(unpacked, "kept" + input);
    }
  }
}

TEST(Compression, RefusesBombsAndRubbish) {
  std::string bomb, out;
  ASSERT_TRUE(Deflate(Encoding::kGzip, std::string(10 << 20, '0'), &bomb).ok());
  EXPECT_EQ(Inflate(Encoding::kGzip, bomb, 1 << 20, &out).code(), Code::kResourceExhausted);
  EXPECT_EQ(Inflate(Encoding::kGzip, bomb.substr(0, 100), 100 << 20, &out).code(), Code::kInvalidArgument);
  EXPECT_EQ(Inflate(Encoding::kGzip, "rubbish", 1 << 20, &out).code(), Code::kInvalidArgument);
  EXPECT_EQ(ParseEncoding("br").error().code(), Code::kUnimplemented);
}

TEST(Compression, PrefersWhatTheClientPrefers) {
  EXPECT_EQ(PreferredEncoding(""), Encoding::kIdentity);
  EXPECT_EQ(PreferredEncoding("gzip, deflate"), Encoding::kGzip);
  EXPECT_EQ(PreferredEncoding("gzip;q=0.5, deflate"), Encoding::kDeflate);
  EXPECT_EQ(PreferredEncoding("gzip;q=0, br"), Encoding::kIdentity);
  EXPECT_EQ(PreferredEncoding("*"), Encoding::kGzip);
}

TEST(Ranges, OfFiles) {
  const auto range = [](std::string_view text) { return ParseRange(text, 100); };
  EXPECT_FALSE(range("").partial);
  EXPECT_FALSE(range("lines=1-2").partial);
  EXPECT_FALSE(range("bytes=1-2,5-6").partial);
  EXPECT_EQ(range("bytes=10-").first, 10u);
  EXPECT_EQ(range("bytes=10-").length, 90u);
  EXPECT_EQ(range("bytes=-5").first, 95u);
  EXPECT_EQ(range("bytes=98-500").length, 2u);
  EXPECT_FALSE(range("bytes=100-").satisfiable);
}

TEST(Percent, DecodesAndEncodes) {
  EXPECT_EQ(PercentDecode("a%20b%2F"), "a b/");
  EXPECT_EQ(PercentDecode("%"), std::nullopt);
  EXPECT_EQ(PercentDecode("%2"), std::nullopt);
  EXPECT_EQ(PercentDecode("%g0"), std::nullopt);
  EXPECT_EQ(PercentEncode("a b/é"), "a%20b%2F%C3%A9");
  EXPECT_EQ(QueryParameter("a=1&b=x%3Dy&c", "b"), "x=y");
  EXPECT_EQ(QueryParameter("a=1&c", "c"), "");
  EXPECT_EQ(QueryParameter("a=1", "d"), std::nullopt);
}

}  // namespace
}  // namespace headrace::net
