#include "headrace/protocols/scoring/frontend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "headrace/net/http_client.h"
#include "headrace/net/http_server.h"
#include "headrace/protocols/scoring/answer.h"
#include "headrace/serving/engine_test_util.h"

namespace headrace::scoring {
namespace {

using testing::HasSubstr;

class FrontendTest : public testing::Test {
 protected:
  void Serve(const std::vector<std::string>& models, FrontendOptions options = {}) {
    std::filesystem::create_directories(root());
    for (const auto& model : models) serving::PublishAdd(root() / model, "1", "3");
    serving::ServerConfig config;
    config.models_root = root().string();
    ASSERT_EQ(manager_.SetConfig(config), OkStatus());
    ASSERT_EQ(manager_.WaitAvailable({}, serving::In(std::chrono::seconds(30))), OkStatus());
    frontend_ = std::make_unique<Frontend>(&manager_, &predictor_, std::move(options));
    server_ = *net::HttpServer::Start({}, frontend_.get());
  }
  std::filesystem::path root() const { return folder_.path() / "models"; }

  // "STATUS body"
  std::string Fetch(const std::string& method, const std::string& path, const std::string& body = "",
                    std::vector<std::pair<std::string, std::string>> headers = {}) {
    net::ClientRequest request;
    request.method = method;
    request.url = "http://127.0.0.1:" + std::to_string(server_->port()) + path;
    request.body = body;
    request.headers = std::move(headers);
    const auto response = client_.Fetch(request);
    return response ? std::to_string(response->status) + " " + response->body : response.error().ToString();
  }

  TempDir folder_;
  serving::AddEngine engine_;
  serving::ModelManager manager_{{.engines = {&engine_}}};
  serving::Predictor predictor_{{.threads = 2}};
  std::unique_ptr<Frontend> frontend_;
  net::HttpClient client_;
  std::unique_ptr<net::HttpServer> server_;
};

TEST_F(FrontendTest, AnswersSageMaker) {
  Serve({"plus"});
  EXPECT_EQ(Fetch("GET", "/ping"), R"(200 {"status":"ready"})");
  EXPECT_EQ(Fetch("POST", "/invocations", R"({"instances":[1,2]})", {{"Content-Type", "application/json"}}),
            R"(200 {"predictions":[4.0,5.0]})");
  EXPECT_EQ(Fetch("POST", "/invocations", "1\n2\n", {{"Content-Type", "text/csv"}, {"Accept", "text/csv"}}),
            "200 4.0\n5.0\n");
  EXPECT_EQ(Fetch("POST", "/invocations", "1,2\n", {{"Content-Type", "text/csv"}}),
            "400 {\"error\":\"input \\\"x\\\": expected shape [-1], found [1,2]\",\"error_code\":\"BAD_REQUEST\","
            "\"message\":\"input \\\"x\\\": expected shape [-1], found [1,2]\"}");
  EXPECT_THAT(Fetch("POST", "/invocations", "1\n", {{"Content-Type", "text/plain"}}),
              HasSubstr("415 {\"error\":\"content type text/plain: expected application/json"));
  for (const char* accept : {"application/jsonlines", "image/png, Application/JSONLines;q=0.9, text/csv"})
    EXPECT_EQ(Fetch("POST", "/invocations", "1\n2\n", {{"Content-Type", "application/jsonlines"}, {"Accept", accept}}),
              "200 4.0\n5.0\n");
  for (const char* accept : {"*/*, text/csv", "image/png", ""})
    EXPECT_EQ(Fetch("POST", "/invocations", "1\n", {{"Content-Type", "Text/Csv"}, {"Accept", accept}}),
              R"(200 {"predictions":[4.0]})");
  EXPECT_EQ(Fetch("POST", "/invocations", "x\n1\n", {{"Content-Type", "text/csv"}, {"Accept", "text/csv"}}),
            "200 4.0\n");
  EXPECT_THAT(Fetch("POST", "/invocations", "{", {{"Content-Type", "application/json"}}), HasSubstr("400 {\"error\""));
  EXPECT_THAT(Fetch("GET", "/invocations"), HasSubstr("405 "));
  EXPECT_THAT(Fetch("POST", "/ping"), HasSubstr("405 "));
}

TEST_F(FrontendTest, AnswersMlflowsScoringFormats) {
  Serve({"plus"}, {.version = "1.2.3"});
  EXPECT_EQ(Fetch("POST", "/invocations", R"({"dataframe_split":{"columns":["x"],"data":[[1],[2]]}})"),
            R"(200 {"predictions":[4.0,5.0]})");
  EXPECT_EQ(Fetch("POST", "/invocations", R"({"dataframe_records":[{"x":1}]})"), R"(200 {"predictions":[4.0]})");
  EXPECT_EQ(Fetch("POST", "/invocations", R"({"inputs":{"x":[1]}})"), R"(200 {"predictions":[4.0]})");
  EXPECT_EQ(Fetch("POST", "/invocations", R"({"dataframe_records":[{"x":1},{}]})"), R"(200 {"predictions":[4.0,NaN]})");
  EXPECT_EQ(Fetch("POST", "/invocations", R"({"instances":[NaN,-Infinity]})"),
            R"(200 {"predictions":[NaN,-Infinity]})");
  EXPECT_EQ(Fetch("GET", "/version"), "200 1.2.3");
}

TEST_F(FrontendTest, AnswersVertexAisRoutes) {
  Serve({"plus"}, {.health_route = "/v1/endpoints/1", .predict_route = "/v1/endpoints/1:predict"});
  EXPECT_TRUE(frontend_->Serves("GET", "/v1/endpoints/1"));
  EXPECT_EQ(Fetch("GET", "/v1/endpoints/1"), R"(200 {"status":"ready"})");
  EXPECT_EQ(Fetch("POST", "/v1/endpoints/1:predict", R"({"instances":[{"x":1}],"parameters":{}})"),
            R"(200 {"predictions":[4.0]})");
}

TEST_F(FrontendTest, AsksTheModelThatIsNamedAmongSeveral) {
  Serve({"minus", "plus"});
  EXPECT_THAT(Fetch("POST", "/invocations", R"({"instances":[1]})"), HasSubstr("400 {\"error\":\"2 models are served"));
  Serve({}, {.model = "plus"});
  EXPECT_EQ(Fetch("POST", "/invocations", R"({"instances":[1]})"), R"(200 {"predictions":[4.0]})");
}

TEST_F(FrontendTest, SpeaksKServesFirstProtocolWhenAsked) {
  Serve({"plus"}, {.kserve_v1 = true});
  EXPECT_FALSE(frontend_->Serves("POST", "/v1/models/plus:predict"));
  EXPECT_FALSE(frontend_->Serves("GET", "/v1/models/plus/metadata"));
  EXPECT_EQ(Fetch("GET", "/"), R"(200 {"status":"alive"})");
  EXPECT_EQ(Fetch("GET", "/v1/models"), R"(200 {"models":["plus"]})");
  EXPECT_EQ(Fetch("GET", "/v1/models/plus"), R"(200 {"name":"plus","ready":true})");
  EXPECT_EQ(Fetch("GET", "/v1/models/minus"), R"(404 {"error":"Model with name minus does not exist."})");
  const Frontend off(&manager_, &predictor_, {});
  EXPECT_FALSE(off.Serves("GET", "/v1/models/plus"));
  EXPECT_TRUE(off.Serves("GET", "/ping"));
}

TEST(Answer, NamesSeveralOutputs) {
  Signature signature;
  signature.outputs = {{"p", DataType::kFloat32, {-1, 2}}, {"label", DataType::kString, {-1}}};
  InferRequest request;
  request.outputs = {0, 1};
  InferResponse response;
  response.outputs = {Tensor::Of<float>({2, 2}, {1, 2, 3, 4}), Tensor::OfStrings({2}, {"a", "b"})};
  EXPECT_EQ(PredictionsJson(signature, request, response, Batch::Form::kRows),
            R"({"predictions":[{"p":[1.0,2.0],"label":"a"},{"p":[3.0,4.0],"label":"b"}]})");
  EXPECT_EQ(PredictionsJson(signature, request, response, Batch::Form::kColumns),
            R"({"predictions":{"p":[[1.0,2.0],[3.0,4.0]],"label":["a","b"]}})");
  EXPECT_EQ(PredictionsJsonLines(signature, request, response),
            "{\"p\":[1.0,2.0],\"label\":\"a\"}\n{\"p\":[3.0,4.0],\"label\":\"b\"}\n");
  EXPECT_EQ(PredictionsCsv(response), "1.0,2.0,\"a\"\n3.0,4.0,\"b\"\n");
}

}  // namespace
}  // namespace headrace::scoring
