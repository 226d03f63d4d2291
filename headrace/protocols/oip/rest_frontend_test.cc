#include "headrace/protocols/oip/rest_frontend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "headrace/base/json.h"
#include "headrace/net/compression.h"
#include "headrace/net/http_client.h"
#include "headrace/protocols/oip/oip_test_util.h"
#include "headrace/protocols/oip/rest_path.h"

namespace headrace::oip {
namespace {

using testing::HasSubstr;

class RestFrontendTest : public testing::Test {
 protected:
  net::ClientResponse Fetch(const std::string& method, const std::string& path, const std::string& body = "",
                            std::vector<std::pair<std::string, std::string>> headers = {}) {
    net::ClientRequest request;
    request.method = method;
    request.url = server_.http() + path;
    request.body = body;
    request.headers = std::move(headers);
    auto response = client_.Fetch(request);
    EXPECT_TRUE(response.has_value()) << path;
    return response ? *response : net::ClientResponse();
  }
  // "STATUS body"
  std::string Text(const std::string& method, const std::string& path, const std::string& body = "") {
    const auto response = Fetch(method, path, body);
    return std::to_string(response.status) + " " + response.body;
  }

  TestServer server_{[](const std::filesystem::path& models) {
    serving::PublishAdd(models / "plus", "1", "3");
    serving::PublishAdd(models / "a b", "7", "1");
  }};
  net::HttpClient client_;
};

constexpr const char* kInput = R"({"id":"i","inputs":[{"name":"x","shape":[2],"datatype":"FP32","data":[1,2]}]})";

TEST_F(RestFrontendTest, AnswersHealthWithJson) {
  EXPECT_EQ(Text("GET", "/v2/health/live"), R"(200 {"live":true})");
  EXPECT_EQ(Text("GET", "/v2/health/ready"), R"(200 {"ready":true})");
  EXPECT_EQ(Text("GET", "/v2/models/plus/ready"), R"(200 {"name":"plus","ready":true})");
  EXPECT_EQ(Text("GET", "/v2/models/plus/versions/1/ready"), R"(200 {"name":"plus","ready":true})");
  EXPECT_EQ(Text("GET", "/v2/models/minus/ready"),
            R"(404 {"error":"Request for unknown model: 'minus' is not found"})");
}

TEST_F(RestFrontendTest, DescribesItselfAndItsModels) {
  EXPECT_THAT(Text("GET", "/v2"), HasSubstr(R"({"name":"headrace","version":"1.2.3","extensions":["classification",)"));
  EXPECT_EQ(Text("GET", "/v2/models"), R"(200 {"models":["a b","plus"]})");
  EXPECT_EQ(
      Text("GET", "/v2/models/plus"),
      R"(200 {"name":"plus","versions":["1"],"platform":"","inputs":[{"name":"x","datatype":"FP32","shape":[-1]}],)"
      R"("outputs":[{"name":"y","datatype":"FP32","shape":[-1]}]})");
  EXPECT_THAT(Text("GET", "/v2/models/a%20b/versions/7"), HasSubstr(R"("name":"a b","versions":["7"])"));
  EXPECT_THAT(Text("GET", "/v2/models/plus/config"),
              HasSubstr(R"("input":[{"name":"x","data_type":"TYPE_FP32","dims":[-1]}])"));
}

TEST_F(RestFrontendTest, Infers) {
  const std::string answer =
      R"(200 {"id":"i","model_name":"plus","model_version":"1","outputs":[{"name":"y","datatype":"FP32","shape":[2],)"
      R"("data":[4.0,5.0]}]})";
  EXPECT_EQ(Text("POST", "/v2/models/plus/infer", kInput), answer);
  EXPECT_EQ(Text("POST", "/v2/models/plus/versions/1/infer", kInput), answer);
  serving::ServerConfig labelled;
  labelled.models.resize(1);
  labelled.models[0].name = "plus";
  labelled.models[0].base_path = (server_.models() / "plus").string();
  labelled.models[0].labels = {{"stable", 1}};
  ASSERT_EQ(server_.manager().SetConfig(labelled, serving::In(std::chrono::seconds(30))), OkStatus());
  EXPECT_EQ(Text("POST", "/v2/models/plus/versions/stable/infer", kInput), answer);
  EXPECT_EQ(
      Text("POST", "/v2/models/plus/versions/canary/infer", kInput),
      R"(400 {"error":"failed to get model version from specified version string 'canary': it is neither a number )"
      R"(nor a label of model 'plus'"})");
}

TEST_F(RestFrontendTest, InfersBinaryTensors) {
  const std::string json =
      R"({"inputs":[{"name":"x","shape":[1],"datatype":"FP32","parameters":{"binary_data_size":4}}],)"
      R"("parameters":{"binary_data_output":true}})";
  const std::string body = json + std::string("\0\0\0\x40", 4);
  const auto response =
      Fetch("POST", "/v2/models/plus/infer", body, {{"Inference-Header-Content-Length", std::to_string(json.size())}});
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.header("content-type"), "application/octet-stream");
  const std::string expected =
      R"({"model_name":"plus","model_version":"1","outputs":[{"name":"y","datatype":"FP32","shape":[1],)"
      R"("parameters":{"binary_data_size":4}}]})";
  EXPECT_EQ(response.header("inference-header-content-length"), std::to_string(expected.size()));
  EXPECT_EQ(response.body, expected + std::string("\0\0\xa0\x40", 4));
  const auto raw = Fetch("POST", "/v2/models/plus/infer", std::string("\0\0\0\x40\0\0\x40\x40", 8),
                         {{"Inference-Header-Content-Length", "0"}});
  EXPECT_EQ(raw.status, 400);
  EXPECT_THAT(raw.body, HasSubstr("input byte size mismatch for input 'x' for model 'plus'. Expected 4, got 8"));
  const auto one =
      Fetch("POST", "/v2/models/plus/infer", std::string("\0\0\0\x40", 4), {{"Inference-Header-Content-Length", "0"}});
  EXPECT_EQ(one.body, expected + std::string("\0\0\xa0\x40", 4));
}

TEST_F(RestFrontendTest, TakesAndGivesCompressedBodies) {
  std::string data = "0";
  for (int i = 1; i < 1000; i++) data += ",0";
  const std::string json = R"({"inputs":[{"name":"x","shape":[1000],"datatype":"FP32","data":[)" + data + "]}]}";
  std::string compressed;
  ASSERT_EQ(net::Deflate(net::Encoding::kGzip, json, &compressed), OkStatus());
  const auto response =
      Fetch("POST", "/v2/models/plus/infer", compressed, {{"Content-Encoding", "gzip"}, {"Accept-Encoding", "gzip"}});
  ASSERT_EQ(response.status, 200);
  ASSERT_EQ(response.header("content-encoding"), "gzip");
  std::string plain;
  ASSERT_EQ(net::Inflate(net::Encoding::kGzip, response.body, 1 << 20, &plain), OkStatus());
  EXPECT_THAT(plain, HasSubstr(R"("shape":[1000],"data":[3.0,3.0,)"));
}

TEST_F(RestFrontendTest, RefusesAsTritonDoes) {
  EXPECT_EQ(Text("POST", "/v2/models/minus/infer", kInput),
            R"(404 {"error":"Request for unknown model: 'minus' is not found"})");
  EXPECT_EQ(Text("POST", "/v2/models/plus/versions/9/infer", kInput),
            R"(404 {"error":"Request for unknown model: 'plus' version 9 is not found"})");
  EXPECT_EQ(Text("GET", "/v2/models/plus/infer"), R"(405 {"error":"Method Not Allowed"})");
  EXPECT_EQ(Text("POST", "/v2/models/plus"), R"(405 {"error":"Method Not Allowed"})");
  EXPECT_EQ(Text("GET", "/v2/models/plus/generate"), R"(404 {"error":"Not Found"})");
  EXPECT_EQ(
      Text("POST", "/v2/models/plus/infer", R"({"inputs":[]})"),
      R"(400 {"error":"expected 1 inputs but got 0 inputs for model 'plus'. Got input(s) [], but missing required )"
      R"(input(s) ['x']. Please provide all required input(s)."})");
  EXPECT_THAT(Text("POST", "/v2/models/plus/infer", "{"),
              HasSubstr("400 {\"error\":\"failed to parse the request JSON"));
  EXPECT_THAT(Text("POST", "/v2/systemsharedmemory/region/r/register", "{}"), HasSubstr("501 "));
  EXPECT_EQ(Fetch("POST", "/v2/models/plus/infer", "{}", {{"Inference-Header-Content-Length", "3"}}).body,
            R"({"error":"inference header size should be in range (0, 2), got: 3"})");
}

TEST_F(RestFrontendTest, UnloadsAndLoads) {
  EXPECT_EQ(Text("POST", "/v2/repository/index"),
            R"(200 [{"name":"a b","version":"7","state":"READY"},{"name":"plus","version":"1","state":"READY"}])");
  EXPECT_EQ(Text("POST", "/v2/repository/models/plus/unload"), "200 ");
  while (server_.manager().Loaded().size() > 1) std::this_thread::yield();
  EXPECT_EQ(Text("POST", "/v2/models/plus/infer", kInput),
            R"(404 {"error":"Request for unknown model: 'plus' is not found"})");
  EXPECT_EQ(Text("POST", "/v2/repository/index"), R"(200 [{"name":"a b","version":"7","state":"READY"},)"
                                                  R"({"name":"plus","state":"UNAVAILABLE","reason":"unloaded"}])");
  EXPECT_EQ(Text("POST", "/v2/repository/index", R"({"ready":true})"),
            R"(200 [{"name":"a b","version":"7","state":"READY"}])");
  EXPECT_EQ(Text("GET", "/v2/health/ready"), R"(200 {"ready":true})");
  EXPECT_EQ(Text("POST", "/v2/repository/models/plus/unload"), "200 ");
  EXPECT_EQ(Text("POST", "/v2/repository/models/plus/load"), "200 ");
  EXPECT_THAT(Text("POST", "/v2/models/plus/infer", kInput), HasSubstr("200 "));
  EXPECT_THAT(Text("POST", "/v2/repository/models/minus/load"),
              HasSubstr(R"(400 {"error":"failed to load 'minus': failed to poll from model repository)"));
}

TEST_F(RestFrontendTest, LoadsWhatTheClientGivesUntilALoadWithoutIt) {
  constexpr const char* kLoad = "/v2/repository/models/plus/load";
  constexpr const char* kInfer = "/v2/models/plus/infer";
  // "MTA=" is "10".
  constexpr const char* kFiles = R"({"parameters":{"config":"{\"version_policy\":{\"all\":{}}}",)"
                                 R"("file:4/add.txt":"MTA=","file:5/add.txt":"MjA="}})";
  EXPECT_EQ(Text("POST", kLoad, kFiles), "200 ");
  EXPECT_THAT(Text("GET", "/v2/models/plus"), HasSubstr(R"("versions":["4","5"])"));
  EXPECT_THAT(Text("POST", kInfer, kInput), HasSubstr("[21.0,22.0]"));
  EXPECT_THAT(Text("POST", "/v2/models/plus/versions/4/infer", kInput), HasSubstr("[11.0,12.0]"));

  // What cannot be served leaves what serves alone; "YnJva2Vu" is "broken".
  for (const char* bad :
       {R"({"parameters":{"config":"{}","file:9/add.txt":"YnJva2Vu"}})", R"({"parameters":{"file:9/add.txt":"MTA="}})",
        R"({"parameters":{"config":"{"}})", R"({"parameters":{"config":"{}","file:9/add.txt":"*"}})",
        R"({"parameters":{"config":1}})", R"({"parameters":{"speed":"high"}})", R"({"parameters":[]})",
        R"({"parameters":{"config":"{\"version_policy\":{\"specific\":{\"versions\":[8]}}}"}})"}) {
    EXPECT_THAT(Text("POST", kLoad, bad), testing::AnyOf(testing::StartsWith("4"), testing::StartsWith("500 ")));
    EXPECT_THAT(Text("POST", kInfer, kInput), HasSubstr("[21.0,22.0]")) << bad;
  }

  EXPECT_EQ(Text("POST", kLoad), "200 ");
  EXPECT_THAT(Text("POST", kInfer, kInput), HasSubstr("[4.0,5.0]"));
  EXPECT_THAT(Text("GET", "/v2/models/plus"), HasSubstr(R"("versions":["1"])"));
  EXPECT_TRUE(server_.manager().config().models.empty()) << "found in the folder of models again";
}

TEST_F(RestFrontendTest, LoadsFilesThatHaveChangedInPlace) {
  const auto rewrite = [&](std::string_view content) {
    ASSERT_EQ(WriteFileAtomically(server_.models() / "plus" / "1" / "add.txt", content), OkStatus());
  };
  rewrite("100");
  EXPECT_THAT(Text("POST", "/v2/models/plus/infer", kInput), HasSubstr("[4.0,5.0]"));
  EXPECT_EQ(Text("POST", "/v2/repository/models/plus/load"), "200 ");
  EXPECT_THAT(Text("POST", "/v2/models/plus/infer", kInput), HasSubstr("[101.0,102.0]"));
  rewrite("broken");
  EXPECT_THAT(Text("POST", "/v2/repository/models/plus/load"), HasSubstr("failed to load 'plus': version 1: "));
  EXPECT_THAT(Text("POST", "/v2/models/plus/infer", kInput), HasSubstr("[101.0,102.0]"));
  rewrite("7");
  EXPECT_EQ(Text("POST", "/v2/repository/models/plus/load"), "200 ");
  EXPECT_THAT(Text("POST", "/v2/models/plus/infer", kInput), HasSubstr("[8.0,9.0]"));
}

TEST_F(RestFrontendTest, LoadsAConfigurationOfTheModelsOwnFiles) {
  serving::PublishAdd(server_.models() / "plus", "2", "30");
  EXPECT_EQ(Text("POST", "/v2/repository/models/plus/unload"), "200 ");
  constexpr const char* kOne = R"({"parameters":{"config":"{\"version_policy\":{\"specific\":{\"versions\":[1]}}}"}})";
  EXPECT_EQ(Text("POST", "/v2/repository/models/plus/load", kOne), "200 ");
  EXPECT_THAT(Text("GET", "/v2/models/plus"), HasSubstr(R"("versions":["1"])"));
  EXPECT_EQ(Text("POST", "/v2/repository/models/plus/unload"), "200 ");
  EXPECT_EQ(Text("POST", "/v2/repository/models/plus/load"), "200 ");
  EXPECT_THAT(Text("POST", "/v2/models/plus/infer", kInput), HasSubstr("[31.0,32.0]"));
  EXPECT_THAT(Text("POST", "/v2/repository/models/minus/load", R"({"parameters":{"config":"{}"}})"),
              HasSubstr("failed to load 'minus': failed to poll from model repository"));
}

TEST_F(RestFrontendTest, LoadsAModelThatOnlyTheClientHas) {
  constexpr const char* kFiles = R"({"parameters":{"config":"{}","file:1/add.txt":"MTA="}})";
  EXPECT_EQ(Text("POST", "/v2/repository/models/new/load", kFiles), "200 ");
  EXPECT_THAT(Text("POST", "/v2/models/new/infer", kInput), HasSubstr("[11.0,12.0]"));
  EXPECT_THAT(Text("POST", "/v2/repository/models/new/load"), HasSubstr("failed to poll from model repository"));
  EXPECT_THAT(Text("POST", "/v2/models/new/infer", kInput), HasSubstr("[11.0,12.0]"));
  EXPECT_EQ(Text("POST", "/v2/repository/models/new/unload"), "200 ");
  EXPECT_THAT(Text("POST", "/v2/models/new/infer", kInput), HasSubstr("404 "));
  EXPECT_THAT(Text("POST", "/v2/repository/models/plus/unload", R"({"parameters":{"speed":"high"}})"),
              HasSubstr("Unrecognized unload parameter 'speed'"));
}

TEST_F(RestFrontendTest, CountsWhatItServed) {
  for (int i = 0; i < 3; i++) ASSERT_THAT(Text("POST", "/v2/models/plus/infer", kInput), HasSubstr("200 "));
  const auto stats = ParseJson(Fetch("GET", "/v2/models/plus/stats").body);
  ASSERT_TRUE(stats.has_value());
  const json::value& version = stats->at("model_stats").at(0);
  EXPECT_EQ(version.at("version"), "1");
  EXPECT_EQ(version.at("inference_count"), 6);
  EXPECT_EQ(version.at("execution_count"), 3);
  EXPECT_EQ(version.at("inference_stats").at("success").at("count"), 3);
  for (const char* stage : {"queue", "compute_input", "compute_infer", "compute_output"})
    EXPECT_EQ(version.at("inference_stats").at(stage).at("count"), 3) << stage;
  for (const char* cache : {"cache_hit", "cache_miss"})
    EXPECT_EQ(ToJson(version.at("inference_stats").at(cache)), R"({"count":0,"ns":0})");
  const json::array& batches = version.at("batch_stats").as_array();
  ASSERT_EQ(batches.size(), 1u);
  EXPECT_EQ(batches[0].at("batch_size"), 2);
  EXPECT_EQ(batches[0].at("compute_infer"), version.at("inference_stats").at("compute_infer"));
  EXPECT_EQ(ToJson(batches[0].at("compute_input")), R"({"count":3,"ns":0})");
  EXPECT_EQ(ToJson(batches[0].at("compute_output")), R"({"count":3,"ns":0})");
  EXPECT_THAT(Text("GET", "/v2/models/stats"), HasSubstr(R"("name":"a b")"));
}

TEST_F(RestFrontendTest, ChangesTheLogLevel) {
  const auto before = Text("GET", "/v2/logging");
  EXPECT_THAT(before, HasSubstr(R"("log_info":)"));
  EXPECT_THAT(Text("POST", "/v2/logging", R"({"log_verbose_level":1})"), HasSubstr(R"("log_verbose_level":1)"));
  EXPECT_THAT(Text("POST", "/v2/logging", R"({"log_verbose_level":0})"), HasSubstr(R"("log_verbose_level":0)"));
  EXPECT_THAT(Text("POST", "/v2/logging", R"({"log_file":"/x"})"), HasSubstr("501 "));
  EXPECT_THAT(Text("POST", "/v2/logging", R"({"log_info":"yes"})"), HasSubstr("400 "));
}

TEST(ParsePath, KnowsEveryResource) {
  const auto resource = [](std::string_view text) {
    RestPath path;
    ParsePath(text, &path);
    return path.resource;
  };
  EXPECT_EQ(resource("/v2"), Resource::kServer);
  EXPECT_EQ(resource("/v2x"), Resource::kNone);
  EXPECT_EQ(resource("/v2/health"), Resource::kNone);
  EXPECT_EQ(resource("/v2/models/stats"), Resource::kStatistics);
  EXPECT_EQ(resource("/v2/models/m/stats"), Resource::kStatistics);
  EXPECT_EQ(resource("/v2/models/m/versions"), Resource::kNone);
  EXPECT_EQ(resource("/v2/models/m/versions/"), Resource::kNone);
  EXPECT_EQ(resource("/v2/models/m/versions/1/infer"), Resource::kInfer);
  EXPECT_EQ(resource("/v2/models/%zz/infer"), Resource::kNone);
  EXPECT_EQ(resource("/v2/models/m/trace/setting"), Resource::kTrace);
  EXPECT_EQ(resource("/v2/repository/models/m/load"), Resource::kLoad);
  EXPECT_EQ(resource("/v2/repository/models/m/reload"), Resource::kNone);
  EXPECT_EQ(resource("/v2/cudasharedmemory/status"), Resource::kSharedMemory);
}

}  // namespace
}  // namespace headrace::oip
