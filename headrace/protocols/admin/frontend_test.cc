#include "headrace/protocols/admin/frontend.h"

#include <gmock/gmock.h>

#include "headrace/net/http_client.h"
#include "headrace/net/http_server.h"
#include "headrace/serving/engine_test_util.h"

namespace headrace::admin {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class FrontendTest : public testing::Test {
 protected:
  FrontendTest() {
    std::filesystem::create_directories(root());
    serving::PublishAdd(root() / "listed", "1", "3");
    serving::PublishAdd(root() / "listed", "2", "4");
    serving::PublishAdd(root() / "found", "1", "3");
    serving::ServerConfig config;
    config.models_root = root().string();
    auto& model = config.models.emplace_back();
    model.name = "listed";
    model.base_path = (root() / "listed").string();
    model.versions.kind = serving::VersionPolicy::Kind::kAll;
    EXPECT_EQ(manager_.SetConfig(config), OkStatus());
    EXPECT_EQ(manager_.WaitSettled(serving::In(std::chrono::seconds(30))), OkStatus());
    server_ = *net::HttpServer::Start({}, &frontend_);
  }
  std::filesystem::path root() const { return folder_.path() / "models"; }

  // "STATUS body"
  std::string Fetch(const std::string& method, const std::string& path, const std::string& body = "") {
    net::ClientRequest request;
    request.method = method;
    request.url = "http://127.0.0.1:" + std::to_string(server_->port()) + "/admin/models/" + path;
    request.body = body;
    const auto response = client_.Fetch(request);
    return response ? std::to_string(response->status) + " " + response->body : response.error().ToString();
  }

  // How many of 400 requests to "listed" that name no version get version 2.
  int SecondVersions() {
    int second = 0;
    for (int i = 0; i < 400; i++) second += manager_.Lookup({.model = "listed"})->version() == 2;
    return second;
  }

  TempDir folder_;
  serving::AddEngine engine_;
  serving::ModelManager manager_{{.engines = {&engine_}}};
  Frontend frontend_{&manager_};
  net::HttpClient client_;
  std::unique_ptr<net::HttpServer> server_;
};

TEST_F(FrontendTest, TrafficIsSetReadAndReset) {
  EXPECT_EQ(Fetch("GET", "listed/traffic"), R"(200 {"shadow_fraction":1})");
  EXPECT_EQ(SecondVersions(), 400);
  const std::string policy =
      R"({"weights":[{"version":"1","weight":3},{"version":"2","weight":1}],"sticky_header":"x-user","shadow_fraction":1})";
  EXPECT_EQ(Fetch("PUT", "listed/traffic",
                  R"({"weights":[{"version":1,"weight":3},{"version":2,"weight":1}],"sticky_header":"X-User"})"),
            "200 " + policy);
  EXPECT_EQ(Fetch("GET", "listed/traffic"), "200 " + policy);
  EXPECT_NEAR(SecondVersions(), 100, 50);
  EXPECT_EQ(Fetch("DELETE", "listed/traffic"), R"(200 {"shadow_fraction":1})");
  EXPECT_EQ(SecondVersions(), 400);
}

TEST_F(FrontendTest, LabelsAreReplaced) {
  EXPECT_EQ(Fetch("PUT", "listed/labels", R"({"labels":{"stable":1}})"), R"(200 {"labels":{"stable":"1"}})");
  EXPECT_EQ(manager_.Lookup({.model = "listed", .label = "stable"})->version(), 1);
  EXPECT_THAT(Fetch("PUT", "listed/traffic", R"({"weights":[{"label":"stable","weight":1}]})"), StartsWith("200 "));
  EXPECT_EQ(SecondVersions(), 0);
  EXPECT_THAT(Fetch("PUT", "listed/labels", R"({"labels":{}})"), HasSubstr("400 "))
      << "the traffic policy names the label";
  EXPECT_EQ(SecondVersions(), 0);
}

TEST_F(FrontendTest, AModelFoundBelowTheRootCanBeChangedAndStaysThroughReloads) {
  EXPECT_THAT(Fetch("PUT", "found/labels", R"({"labels":{"stable":1}})"), StartsWith("200 "));
  EXPECT_EQ(manager_.Lookup({.model = "found", .label = "stable"})->version(), 1);
  serving::ServerConfig config = manager_.config();
  config.models.clear();
  ASSERT_EQ(manager_.SetConfig(config), OkStatus());
  EXPECT_EQ(manager_.Lookup({.model = "found", .label = "stable"})->version(), 1);
  std::filesystem::remove_all(root() / "found");
  manager_.PollNow();
  EXPECT_FALSE(manager_.Config("found"));
}

TEST_F(FrontendTest, VersionsThatAreNotLoadedAreRefused) {
  EXPECT_THAT(Fetch("PUT", "listed/traffic", R"({"weights":[{"version":9,"weight":1},{"version":2,"weight":1}]})"),
              AllOf(StartsWith("400 "), HasSubstr("version 9 of model listed is not available")));
  EXPECT_THAT(Fetch("PUT", "listed/traffic", R"({"shadows":[{"version":9}]})"),
              AllOf(StartsWith("400 "), HasSubstr("traffic.shadows: version 9 of model listed is not available")));
  EXPECT_THAT(Fetch("GET", "listed/traffic"), Not(HasSubstr("shadows")));
  EXPECT_THAT(Fetch("PUT", "listed/labels", R"({"labels":{"stable":9}})"),
              AllOf(StartsWith("400 "), HasSubstr("version 9 of model listed")));
  EXPECT_EQ(Fetch("GET", "listed/labels"), "200 {}");
  EXPECT_EQ(SecondVersions(), 400);
}

TEST_F(FrontendTest, ErrorsNameTheFieldAndChangeNothing) {
  EXPECT_THAT(Fetch("PUT", "listed/traffic", R"({"wieghts":[]})"), AllOf(StartsWith("400 "), HasSubstr("wieghts")));
  EXPECT_THAT(Fetch("PUT", "listed/traffic", "{"), StartsWith("400 "));
  EXPECT_THAT(Fetch("PUT", "listed/traffic", R"({"weights":[{"version":1,"weight":-1}]})"),
              AllOf(StartsWith("400 "), HasSubstr("weight -1")));
  EXPECT_THAT(Fetch("PUT", "listed/traffic", R"({"weights":[{"weight":1}]})"), HasSubstr("traffic.weights[0]"));
  EXPECT_THAT(Fetch("PUT", "listed/traffic", R"({"sticky_header":"a","sticky_input":"b"})"), StartsWith("400 "));
  EXPECT_EQ(Fetch("GET", "listed/traffic"), R"(200 {"shadow_fraction":1})");
  EXPECT_THAT(Fetch("GET", "unknown/traffic"), StartsWith("404 "));
  EXPECT_THAT(Fetch("PUT", "unknown/traffic", "{}"), StartsWith("404 "));
  EXPECT_THAT(Fetch("GET", "listed/colour"), StartsWith("404 "));
  EXPECT_THAT(Fetch("POST", "listed/traffic", "{}"), StartsWith("405 "));
  EXPECT_THAT(Fetch("DELETE", "listed/labels"), StartsWith("405 "));
}

}  // namespace
}  // namespace headrace::admin
