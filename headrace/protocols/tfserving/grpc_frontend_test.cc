#include "headrace/protocols/tfserving/grpc_frontend.h"

#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>

#include "headrace/base/log.h"
#include "headrace/protocols/tfserving/tfserving_test_util.h"
#include "proto/tfserving/model_service.grpc.pb.h"
#include "proto/tfserving/prediction_service.grpc.pb.h"

namespace headrace::tfserving {
namespace {

namespace wire = ::tensorflow::serving;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

// One server for all tests: it loads some twenty models.
class GrpcFrontendTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    spdlog::set_level(spdlog::level::critical);
    server_ = std::make_unique<ModelServerFixture>();
    const auto channel = grpc::CreateChannel(server_->grpc_address(), grpc::InsecureChannelCredentials());
    prediction_ = wire::PredictionService::NewStub(channel);
    models_ = wire::ModelService::NewStub(channel);
  }
  static void TearDownTestSuite() { server_.reset(); }

  static wire::PredictRequest Affine(std::vector<float> values) {
    wire::PredictRequest request;
    request.mutable_model_spec()->set_name("affine");
    auto& x = (*request.mutable_inputs())["x"];
    x.set_dtype(::tensorflow::DT_FLOAT);
    x.mutable_tensor_shape()->add_dim()->set_size(static_cast<int64_t>(values.size()) / 3);
    x.mutable_tensor_shape()->add_dim()->set_size(3);
    for (const float value : values) x.add_float_val(value);
    return request;
  }
  grpc::Status Predict(const wire::PredictRequest& request) {
    grpc::ClientContext context;
    response_.Clear();
    return prediction_->Predict(&context, request, &response_);
  }
  static wire::Input Examples(std::vector<std::vector<float>> rows) {
    wire::Input input;
    for (const auto& row : rows) {
      auto& features = *input.mutable_example_list()->add_examples()->mutable_features()->mutable_feature();
      for (const float value : row) features["x"].mutable_float_list()->add_value(value);
    }
    return input;
  }

  static inline std::unique_ptr<ModelServerFixture> server_;
  static inline std::unique_ptr<wire::PredictionService::Stub> prediction_;
  static inline std::unique_ptr<wire::ModelService::Stub> models_;
  wire::PredictResponse response_;
};

TEST_F(GrpcFrontendTest, Predicts) {
  ASSERT_TRUE(Predict(Affine({1, 2, 3, 0, 0, 0})).ok());
  const auto& y = response_.outputs().at("y");
  EXPECT_EQ(y.dtype(), ::tensorflow::DT_FLOAT);
  EXPECT_THAT(y.float_val(), ElementsAre(14.5f, 0.5f));
  EXPECT_EQ(y.tensor_shape().dim(0).size(), 2);
  EXPECT_EQ(y.tensor_shape().dim(1).size(), 1);
  EXPECT_EQ(response_.model_spec().name(), "affine");
  EXPECT_EQ(response_.model_spec().version().value(), 2);
  EXPECT_EQ(response_.model_spec().signature_name(), "serving_default");
}

TEST_F(GrpcFrontendTest, TakesTensorContentAndVersionsAndLabels) {
  wire::PredictRequest request = Affine({1, 2, 3});
  auto& x = (*request.mutable_inputs())["x"];
  const float values[] = {1, 2, 3};
  x.clear_float_val();
  x.set_tensor_content(std::string(reinterpret_cast<const char*>(values), sizeof values));
  request.mutable_model_spec()->set_version_label("stable");
  ASSERT_TRUE(Predict(request).ok());
  EXPECT_EQ(response_.model_spec().version().value(), 1);
  request.mutable_model_spec()->mutable_version()->set_value(2);
  ASSERT_TRUE(Predict(request).ok());
  EXPECT_EQ(response_.model_spec().version().value(), 2);
  EXPECT_THAT(response_.outputs().at("y").float_val(), ElementsAre(14.5f));
}

TEST_F(GrpcFrontendTest, FiltersOutputs) {
  wire::PredictRequest request;
  request.mutable_model_spec()->set_name("pair");
  for (const char* name : {"a", "b"}) {
    auto& tensor = (*request.mutable_inputs())[name];
    tensor.set_dtype(::tensorflow::DT_FLOAT);
    tensor.mutable_tensor_shape()->add_dim()->set_size(2);
    tensor.add_float_val(3);
  }
  request.add_output_filter("product");
  ASSERT_TRUE(Predict(request).ok());
  EXPECT_EQ(response_.outputs_size(), 1);
  EXPECT_THAT(response_.outputs().at("product").float_val(), ElementsAre(9, 9));
  request.add_output_filter("other");
  const grpc::Status status = Predict(request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message(),
            "output tensor alias not found in signature: other Outputs expected to be in the set {product,sum}.");
}

TEST_F(GrpcFrontendTest, ErrorsAsThatServerWordsThem) {
  wire::PredictRequest request = Affine({1, 2, 3});
  request.mutable_model_spec()->set_name("absent");
  grpc::Status status = Predict(request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(status.error_message(), "Servable not found for request: Latest(absent)");
  request = Affine({1, 2, 3});
  request.mutable_model_spec()->set_signature_name("other");
  status = Predict(request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(status.error_message(), "Serving signature key \"other\" not found.");
  request.clear_model_spec();
  EXPECT_EQ(Predict(request).error_message(), "Missing ModelSpec");
  request = Affine({1, 2, 3});
  (*request.mutable_inputs())["z"] = request.inputs().at("x");
  EXPECT_EQ(
      Predict(request).error_message(),
      "input size does not match signature: 2!=1 len({x,z}) != len({x}). Sending extra: {z}. Missing but required: "
      "{}.");
}

TEST_F(GrpcFrontendTest, CutsLongErrors) {
  wire::PredictRequest request = Affine({1, 2, 3});
  request.mutable_model_spec()->set_name(std::string(5000, 'm'));
  const std::string message = Predict(request).error_message();
  EXPECT_EQ(message.size(), 1024 + std::string("...TRUNCATED").size());
  EXPECT_THAT(message, testing::EndsWith("mm...TRUNCATED"));
}

TEST_F(GrpcFrontendTest, TellsMetadataAndStatus) {
  wire::GetModelMetadataRequest request;
  request.mutable_model_spec()->set_name("affine");
  request.add_metadata_field("signature_def");
  wire::GetModelMetadataResponse response;
  grpc::ClientContext context;
  ASSERT_TRUE(prediction_->GetModelMetadata(&context, request, &response).ok());
  wire::SignatureDefMap map;
  ASSERT_TRUE(response.metadata().at("signature_def").UnpackTo(&map));
  EXPECT_EQ(map.signature_def().at("serving_default").inputs().at("x").dtype(), ::tensorflow::DT_FLOAT);
  request.add_metadata_field("other");
  grpc::ClientContext second;
  EXPECT_EQ(prediction_->GetModelMetadata(&second, request, &response).error_message(),
            "Metadata field other is not supported");
  wire::GetModelStatusRequest status_request;
  status_request.mutable_model_spec()->set_name("broken");
  wire::GetModelStatusResponse status;
  grpc::ClientContext third;
  ASSERT_TRUE(models_->GetModelStatus(&third, status_request, &status).ok());
  ASSERT_EQ(status.model_version_status_size(), 1);
  EXPECT_EQ(status.model_version_status(0).state(), wire::ModelVersionStatus::END);
  EXPECT_EQ(status.model_version_status(0).status().error_code(), ::tensorflow::DATA_LOSS);
}

TEST_F(GrpcFrontendTest, ClassifiesAndRegresses) {
  wire::RegressionRequest regress;
  regress.mutable_model_spec()->set_name("affine");
  *regress.mutable_input() = Examples({{1, 2, 3}, {0, 0, 0}});
  wire::RegressionResponse regressed;
  grpc::ClientContext first;
  ASSERT_TRUE(prediction_->Regress(&first, regress, &regressed).ok());
  ASSERT_EQ(regressed.result().regressions_size(), 2);
  EXPECT_EQ(regressed.result().regressions(0).value(), 14.5f);
  EXPECT_EQ(regressed.model_spec().version().value(), 2);
  wire::ClassificationRequest classify;
  classify.mutable_model_spec()->set_name("classes");
  *classify.mutable_input() = Examples({{1, 2}});
  wire::ClassificationResponse classified;
  grpc::ClientContext second;
  ASSERT_TRUE(prediction_->Classify(&second, classify, &classified).ok());
  ASSERT_EQ(classified.result().classifications_size(), 1);
  EXPECT_EQ(classified.result().classifications(0).classes(1).label(), "green");
  EXPECT_EQ(classified.result().classifications(0).classes(1).score(), 2);
}

TEST_F(GrpcFrontendTest, MultiInference) {
  wire::MultiInferenceRequest request;
  auto* task = request.add_tasks();
  task->mutable_model_spec()->set_name("classes");
  task->set_method_name("tensorflow/serving/classify");
  *request.mutable_input() = Examples({{1, 2}});
  wire::MultiInferenceResponse response;
  grpc::ClientContext first;
  ASSERT_TRUE(prediction_->MultiInference(&first, request, &response).ok());
  ASSERT_EQ(response.results_size(), 1);
  EXPECT_EQ(response.results(0).classification_result().classifications(0).classes(0).label(), "red");
  *request.add_tasks() = *task;
  grpc::ClientContext second;
  EXPECT_THAT(prediction_->MultiInference(&second, request, &response).error_message(),
              StartsWith("Duplicate evaluation of signature"));
  request.mutable_tasks(1)->mutable_model_spec()->set_name("affine");
  grpc::ClientContext third;
  EXPECT_THAT(prediction_->MultiInference(&third, request, &response).error_message(), HasSubstr("same model name"));
}

TEST_F(GrpcFrontendTest, ReloadsTheConfigurationOrNothing) {
  ModelServerFixture server;
  const auto channel = grpc::CreateChannel(server.grpc_address(), grpc::InsecureChannelCredentials());
  const auto models = wire::ModelService::NewStub(channel);
  const auto reload = [&](const wire::ReloadConfigRequest& request) {
    grpc::ClientContext context;
    wire::ReloadConfigResponse response;
    return models->HandleReloadConfigRequest(&context, request, &response);
  };
  wire::ReloadConfigRequest request;
  EXPECT_EQ(reload(request).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  auto* model = request.mutable_config()->mutable_model_config_list()->add_config();
  model->set_name("renamed");
  model->set_base_path(server.folder() / "affine");
  model->set_model_platform("onnxruntime");
  const grpc::Status good = reload(request);
  ASSERT_TRUE(good.ok()) << good.error_message();
  EXPECT_THAT(server.manager().Models(), ElementsAre("renamed"));
  auto* second = request.mutable_config()->mutable_model_config_list()->add_config();
  second->set_name("broken");
  second->set_base_path(server.folder() / "broken");
  EXPECT_FALSE(reload(request).ok());
  EXPECT_THAT(server.manager().Models(), ElementsAre("renamed"));
  second->set_base_path(server.folder() / "pair");
  model->set_model_platform("tensorflow");
  const grpc::Status platform = reload(request);
  EXPECT_EQ(platform.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(platform.error_message(), StartsWith("Illegal to change a model's platform. For model renamed"));
  EXPECT_THAT(server.manager().Models(), ElementsAre("renamed"));
}

}  // namespace
}  // namespace headrace::tfserving
