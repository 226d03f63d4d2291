// The real servers over real ONNX models, for this room's tests.
#pragma once
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "headrace/backends/onnxruntime/onnx_engine.h"
#include "headrace/base/files.h"
#include "headrace/net/grpc_server.h"
#include "headrace/net/http_server.h"
#include "headrace/protocols/tfserving/grpc_frontend.h"
#include "headrace/protocols/tfserving/rest_frontend.h"
#include "tests/conformance/onnx_models.h"

namespace headrace::tfserving {

// Models below one folder, each with versions 1 and 2 but for those that say otherwise:
//   affine         x FP32 [-1,3] → y FP32 [-1,1] = x₀ + 2·x₁ + 3·x₂ + 0.5; labels stable: 1, canary: 2, gone: 9
//   pair           a, b FP32 [-1] → sum, product
//   reduce         x FP32 [-1,-1] → total (a scalar), x_copy
//   classes        x FP32 [-1,2] → scores (as x), classes BYTES [-1,2] "red", "green"
//   text           s BYTES [-1] → s_copy, s_bytes
//   identity_TYPE  x [-1,…] → y for every TYPE of DataTypeName that ONNX Runtime can copy
//   broken         version 1 is no model
class ModelServerFixture {
 public:
  explicit ModelServerFixture(ModelServerOptions options = {}) {
    WriteModels();
    serving::ModelManagerOptions manager_options;
    manager_options.engines = {engine_.get()};
    manager_options.poll_interval = Duration::zero();
    manager_options.max_load_retries = 0;
    manager_ = std::make_unique<serving::ModelManager>(manager_options);
    predictor_ = std::make_unique<serving::Predictor>(serving::PredictorOptions{});
    EXPECT_EQ(manager_->SetConfig(config_), OkStatus());
    manager_->WaitAvailable(available_, std::chrono::steady_clock::now() + std::chrono::seconds(60)).IgnoreError();
    Start(options);
  }
  ~ModelServerFixture() {
    http_->Stop(Deadline::min());
    grpc_->Stop(Deadline::min());
  }

  int port() const { return http_->port(); }
  std::string grpc_address() const { return "127.0.0.1:" + std::to_string(grpc_port()); }
  int grpc_port() const { return grpc_->port(); }
  serving::ModelManager& manager() { return *manager_; }
  const serving::ServerConfig& config() const { return config_; }
  const std::filesystem::path& folder() const { return dir_.path(); }

 private:
  void Start(ModelServerOptions options) {
    const ModelServer server{manager_.get(), predictor_.get(), options};
    rest_frontend_ = std::make_unique<RestFrontend>(server);
    grpc_frontend_ = std::make_unique<GrpcFrontend>(server);
    auto http = net::HttpServer::Start({}, rest_frontend_.get());
    net::GrpcServices services;
    grpc_frontend_->AddTo(&services);
    auto grpc = net::GrpcServer::Start({.reflection = true}, std::move(services));
    http_ = std::move(http).value();
    grpc_ = std::move(grpc).value();
  }

  void Add(const OnnxModelBuilder& model, const std::string& name, const std::vector<int>& versions = {1}) {
    for (const int version : versions) {
      std::filesystem::create_directories(dir_.path() / name / std::to_string(version));
      model.Write(dir_.path() / name / std::to_string(version) / "model.onnx");
    }
    serving::ModelConfig config;
    config.name = name;
    config.base_path = dir_.path() / name;
    config.versions.kind = serving::VersionPolicy::Kind::kAll;
    if (name == "affine") config.labels = {{"stable", 1}, {"canary", 2}};
    config_.models.push_back(std::move(config));
    if (name != "broken") available_.push_back(name);
  }

  void WriteModels() {
    constexpr auto kFloat = DataType::kFloat32;
    OnnxModelBuilder affine;
    affine.Input("x", kFloat, {-1, 3}).Output("y", kFloat, {-1, 1}).Weights("w", {3, 1}, {1, 2, 3});
    affine.Weights("b", {1}, {0.5f}).Node("Gemm", {"x", "w", "b"}, {"y"});
    Add(affine, "affine", {1, 2});
    OnnxModelBuilder pair;
    pair.Input("a", kFloat, {-1}).Input("b", kFloat, {-1}).Output("sum", kFloat, {-1}).Output("product", kFloat, {-1});
    pair.Node("Add", {"a", "b"}, {"sum"});
    pair.Node("Mul", {"a", "b"}, {"product"});
    Add(pair, "pair");
    OnnxModelBuilder reduce;
    reduce.Input("x", kFloat, {-1, -1}).Output("total", kFloat, {}).Output("x_copy", kFloat, {-1, -1});
    auto* keepdims = reduce.Node("ReduceSum", {"x"}, {"total"})->add_attribute();
    keepdims->set_name("keepdims");
    keepdims->set_type(onnx::AttributeProto::INT);
    keepdims->set_i(0);
    reduce.Node("Identity", {"x"}, {"x_copy"});
    Add(reduce, "reduce");
    OnnxModelBuilder classes;
    classes.Input("x", kFloat, {-1, 2}).Output("scores", kFloat, {-1, 2}).Output("classes", DataType::kString, {-1, 2});
    auto* labels = classes.Node("Constant", {}, {"labels"})->add_attribute();
    labels->set_name("value");
    labels->set_type(onnx::AttributeProto::TENSOR);
    labels->mutable_t()->set_data_type(OnnxType(DataType::kString));
    for (const int64_t size : {1, 2}) labels->mutable_t()->add_dims(size);
    for (const char* label : {"red", "green"}) labels->mutable_t()->add_string_data(label);
    classes.Node("Identity", {"x"}, {"scores"});
    classes.Node("Shape", {"x"}, {"shape"});
    classes.Node("Expand", {"labels", "shape"}, {"classes"});
    Add(classes, "classes");
    OnnxModelBuilder text;
    text.Input("s", DataType::kString, {-1}).Output("s_copy", DataType::kString, {-1});
    text.Output("s_bytes", DataType::kString, {-1}).Node("Identity", {"s"}, {"s_copy"});
    text.Node("Identity", {"s"}, {"s_bytes"});
    Add(text, "text");
    for (const DataType type : {DataType::kBool, DataType::kInt8, DataType::kInt16, DataType::kInt32, DataType::kInt64,
                                DataType::kUint8, DataType::kUint16, DataType::kUint32, DataType::kUint64,
                                DataType::kFloat16, DataType::kFloat32, DataType::kFloat64, DataType::kString}) {
      OnnxModelBuilder identity;
      identity.Input("x", type, {-1}).Output("y", type, {-1}).Node("Identity", {"x"}, {"y"});
      Add(identity, "identity_" + std::string(DataTypeName(type)));
    }
    Add(affine, "broken");
    EXPECT_TRUE(WriteFileAtomically(dir_.path() / "broken" / "1" / "model.onnx", "no model").ok());
  }

  TempDir dir_;
  std::unique_ptr<Engine> engine_ = onnxruntime::MakeEngine();
  serving::ServerConfig config_;
  std::vector<std::string> available_;
  std::unique_ptr<serving::ModelManager> manager_;
  std::unique_ptr<serving::Predictor> predictor_;
  std::unique_ptr<RestFrontend> rest_frontend_;
  std::unique_ptr<GrpcFrontend> grpc_frontend_;
  std::unique_ptr<net::HttpServer> http_;
  std::unique_ptr<net::GrpcServer> grpc_;
};

}  // namespace headrace::tfserving
