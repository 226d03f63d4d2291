#include "headrace/net/router.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "headrace/base/files.h"
#include "headrace/net/http_client.h"
#include "headrace/net/http_server.h"
#include "headrace/net/net_test_util.h"

namespace headrace::net {
namespace {

using testing::HasSubstr;

class RouterTest : public testing::Test {
 protected:
  void SetUp() override {
    const auto echo = [](const std::string& name) {
      return [name](RouteRequest& request) -> Result<RouteResponse> {
        return TextResponse(name + " id=" + request.Variable("id") + " path=" + request.Variable("path"));
      };
    };
    router_.Add("GET", "/runs/{id}", echo("get"));
    router_.Add("GET", "/runs/latest", echo("latest"));
    router_.Add("POST", "/runs/{id}:archive", echo("archive"));
    router_.Add("GET", "/files/{id}/{path=**}", echo("files"));
    router_.Add("GET", "/page", [](RouteRequest& request) -> Result<RouteResponse> {
      HR_ASSIGN_OR_UNEXPECTED(const int64_t size, request.QueryInt("size", 7));
      return JsonResponse(json::object{{"size", size}, {"name", request.Query("name").value_or("none")}});
    });
    router_.Add("POST", "/json", [](RouteRequest& request) -> Result<RouteResponse> {
      HR_ASSIGN_OR_UNEXPECTED(const json::object body, request.JsonBody());
      return JsonResponse(body, 201);
    });
    router_.Add("GET", "/fails",
                [](RouteRequest&) -> Result<RouteResponse> { return std::unexpected(NotFound("no such run")); });
    router_.AddUpload("PUT", "/upload", folder_.path() / "spool", 1 << 20,
                      [](RouteRequest& request) -> Result<RouteResponse> {
                        HR_ASSIGN_OR_UNEXPECTED(const std::string content, ReadFile(request.http().body_file()));
                        return TextResponse(std::to_string(content.size()));
                      });
    router_.Mount("/mounted/", &mounted_);
    server_ = HttpServer::Start({}, &router_).value();
  }

  ClientResponse Fetch(const std::string& method, const std::string& target, const std::string& body = "") {
    const std::string url = fmt::format("http://127.0.0.1:{}{}", server_->port(), target);
    auto response = client_.Fetch({.method = method, .url = url, .body = body});
    EXPECT_TRUE(response) << response.error().ToString();
    return response.value_or(ClientResponse{});
  }

  TempDir folder_;
  ThreadPool pool_{"router", 2, 16};
  Router router_{&pool_};
  FunctionHandler mounted_{
      [](HttpRequest& request, HttpResponder responder) { responder.Send(200, "text/plain", request.target()); }};
  std::unique_ptr<HttpServer> server_;
  HttpClient client_;
};

TEST_F(RouterTest, MatchesTemplates) {
  EXPECT_EQ(Fetch("GET", "/runs/a%20b").body, "get id=a b path=");
  EXPECT_EQ(Fetch("GET", "/runs/latest").body, "latest id= path=");
  EXPECT_EQ(Fetch("POST", "/runs/7:archive").body, "archive id=7 path=");
  EXPECT_EQ(Fetch("GET", "/files/x/a/b%2Fc").body, "files id=x path=a/b/c");
  EXPECT_EQ(Fetch("GET", "/mounted/deep?q=1").body, "/mounted/deep?q=1");
  EXPECT_EQ(Fetch("HEAD", "/runs/a").status, 200);
}

TEST_F(RouterTest, ReadsQueriesAndBodies) {
  EXPECT_EQ(Fetch("GET", "/page?size=3&name=a+b%26").body, R"({"size":3,"name":"a b&"})");
  EXPECT_EQ(Fetch("GET", "/page").body, R"({"size":7,"name":"none"})");
  EXPECT_THAT(Fetch("GET", "/page?size=x").body, HasSubstr("query parameter size: expected an integer"));
  const ClientResponse created = Fetch("POST", "/json", R"({"a": [1.5]})");
  EXPECT_EQ(created.status, 201);
  EXPECT_EQ(created.body, R"({"a":[1.5]})");
  EXPECT_EQ(Fetch("POST", "/json", "[1]").status, 400);
  EXPECT_EQ(Fetch("POST", "/json", "{").status, 400);
  EXPECT_EQ(Fetch("PUT", "/upload", std::string(300'000, 'u')).body, "300000");
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path() / "spool"));
}

TEST_F(RouterTest, AnswersErrorsAsGatewaysDo) {
  const ClientResponse failed = Fetch("GET", "/fails");
  EXPECT_EQ(failed.status, 404);
  EXPECT_EQ(failed.header("content-type"), "application/json");
  EXPECT_EQ(failed.body, R"({"error":"no such run","code":5,"message":"no such run","details":[]})");
  EXPECT_EQ(Fetch("GET", "/absent").status, 404);
  EXPECT_EQ(Fetch("DELETE", "/runs/a").status, 405);
  RawClient raw(server_->port());
  raw.Send("GET /runs/%zz HTTP/1.1\r\n\r\n");
  EXPECT_EQ(StatusOf(raw.ReadResponse()), 404);
}

TEST_F(RouterTest, RefusesWhenThePoolIsFull) {
  std::promise<void> release;
  const std::shared_future<void> released = release.get_future().share();
  ThreadPool narrow("narrow", 1, 1);
  Router router(&narrow);
  std::promise<void> entered;
  router.Add("GET", "/wait", [&](RouteRequest&) -> Result<RouteResponse> {
    entered.set_value();
    released.wait();
    return TextResponse("done");
  });
  router.Add("GET", "/quick", [](RouteRequest&) -> Result<RouteResponse> { return TextResponse("quick"); });
  const auto server = HttpServer::Start({}, &router).value();
  RawClient running(server->port()), queued(server->port()), refused(server->port());
  running.Send("GET /wait HTTP/1.1\r\n\r\n");
  entered.get_future().wait();
  queued.Send("GET /quick HTTP/1.1\r\n\r\n");
  while (narrow.queued() == 0) std::this_thread::yield();
  refused.Send("GET /quick HTTP/1.1\r\n\r\n");
  EXPECT_EQ(StatusOf(refused.ReadResponse()), 503);
  release.set_value();
  EXPECT_EQ(BodyOf(running.ReadResponse()), "done");
  EXPECT_EQ(BodyOf(queued.ReadResponse()), "quick");
}

}  // namespace
}  // namespace headrace::net
