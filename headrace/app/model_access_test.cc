#include "headrace/app/model_access.h"

#include <gtest/gtest.h>

#include "headrace/base/proto_wire.h"

namespace headrace::app {
namespace {

using net::Right;

// "predict flights", "admin ", "open".
std::string Text(const Access& access) {
  if (access.open) return "open";
  std::string text = access.right == Right::kAdmin ? "admin" : "predict";
  for (const auto& model : access.models) text += " " + model;
  return text;
}

std::string Field(uint32_t number, std::string_view bytes) {
  std::string out;
  ProtoWriter(&out).Bytes(number, bytes);
  return out;
}

TEST(AccessOfRest, KnowsEveryDoor) {
  const auto rest = [](std::string_view method, std::string_view path) { return Text(AccessOfRest(method, path)); };
  EXPECT_EQ(rest("POST", "/v1/models/flights:predict"), "predict flights");
  EXPECT_EQ(rest("POST", "/V1/Models/fli%67hts/versions/3:predict"), "predict flights");
  EXPECT_EQ(rest("GET", "/v1/models/flights/metadata"), "predict flights");
  EXPECT_EQ(rest("GET", "/v1/models"), "predict ");
  EXPECT_EQ(rest("POST", "/v2/models/flights/infer"), "predict flights");
  EXPECT_EQ(rest("GET", "/v2/models/stats"), "predict ");
  EXPECT_EQ(rest("GET", "/v2/health/ready"), "open");
  EXPECT_EQ(rest("POST", "/v2/repository/index"), "predict ");
  EXPECT_EQ(rest("POST", "/v2/repository/models/flights/unload"), "admin flights");
  EXPECT_EQ(rest("POST", "/v2/logging"), "admin ");
  EXPECT_EQ(rest("GET", "/v2/logging"), "predict ");
  EXPECT_EQ(rest("GET", "/monitoring/prometheus/metrics"), "predict ");
  EXPECT_EQ(rest("GET", "/ping"), "open");
  EXPECT_EQ(rest("GET", "/health"), "open");
  EXPECT_EQ(rest("POST", "/health"), "predict ");
  EXPECT_EQ(rest("POST", "/ping"), "predict ");
  EXPECT_EQ(rest("GET", "/health/predict"), "predict ");
  EXPECT_EQ(rest("GET", "/v1/models/a%3Ab"), "predict a:b");
  EXPECT_EQ(rest("POST", "/v1/models/a%3Ab:predict"), "predict a:b");
  EXPECT_EQ(rest("PUT", "/admin/models/flights/traffic"), "admin flights");
  EXPECT_EQ(rest("GET", "/admin/models"), "admin ");
}

TEST(AccessOfRest, TheHealthRouteIsOpenForAskingOnly) {
  const std::string route = "/v1/models/flights:health";
  EXPECT_EQ(Text(AccessOfRest("GET", route, route)), "open");
  EXPECT_EQ(Text(AccessOfRest("HEAD", route, route)), "open");
  EXPECT_EQ(Text(AccessOfRest("POST", route, route)), "predict flights") << "it may be the predict route as well";
  EXPECT_EQ(Text(AccessOfRest("GET", route + "/", route)), "predict flights:health");
  EXPECT_EQ(Text(AccessOfRest("GET", "/v1/models/flights", route)), "predict flights");
  EXPECT_EQ(Text(AccessOfRest("GET", "", "")), "predict ");
}

TEST(AccessOfGrpc, FindsTheModelInTheMessage) {
  const auto spec = [](std::string_view name) { return Field(1, Field(1, name)); };
  const std::string service = "/tensorflow.serving.PredictionService/";
  EXPECT_EQ(Text(AccessOfGrpc(service + "Predict", spec("flights"))), "predict flights");
  EXPECT_EQ(Text(AccessOfGrpc(service + "Predict", spec("mine") + spec("flights"))), "predict flights");
  EXPECT_EQ(Text(AccessOfGrpc(service + "MultiInference", Field(1, spec("a")) + Field(1, spec("b")))), "predict a b");
  EXPECT_EQ(Text(AccessOfGrpc("/tensorflow.serving.ModelService/HandleReloadConfigRequest", "")), "admin ");
  const std::string inference = "/inference.GRPCInferenceService/";
  EXPECT_EQ(Text(AccessOfGrpc(inference + "ModelInfer", Field(1, "flights"))), "predict flights");
  EXPECT_EQ(Text(AccessOfGrpc(inference + "RepositoryModelLoad", Field(2, "flights"))), "admin flights");
  EXPECT_EQ(Text(AccessOfGrpc(inference + "RepositoryModelUnload", Field(1, "flights"))), "admin flights");
  EXPECT_EQ(Text(AccessOfGrpc(inference + "ServerLive", "")), "open");
  EXPECT_EQ(Text(AccessOfGrpc(inference + "SomethingNew", "")), "admin ");
  EXPECT_EQ(Text(AccessOfGrpc("/grpc.health.v1.Health/Check", "")), "open");
  EXPECT_EQ(Text(AccessOfGrpc("/other.Service/M", "")), "admin ");
  EXPECT_EQ(Text(AccessOfGrpc("", "")), "admin ");
}

}  // namespace
}  // namespace headrace::app
