#include "headrace/protocols/oip/grpc_frontend.h"

#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>

#include <set>

#include "headrace/protocols/oip/oip_test_util.h"
#include "proto/inference/grpc_service.grpc.pb.h"

namespace headrace::oip {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class GrpcFrontendTest : public testing::Test {
 protected:
  static inference::ModelInferRequest Request(const std::string& id, std::vector<float> values) {
    inference::ModelInferRequest request;
    request.set_model_name("plus");
    request.set_id(id);
    auto* input = request.add_inputs();
    input->set_name("x");
    input->set_datatype("FP32");
    input->add_shape(static_cast<int64_t>(values.size()));
    request.add_raw_input_contents(values.data(), values.size() * sizeof(float));
    return request;
  }
  static std::vector<float> Values(const inference::ModelInferResponse& response) {
    const std::string& raw = response.raw_output_contents(0);
    std::vector<float> values(raw.size() / sizeof(float));
    std::memcpy(values.data(), raw.data(), raw.size());
    return values;
  }

  TestServer server_{[](const std::filesystem::path& models) { serving::PublishAdd(models / "plus", "1", "3"); }};
  std::unique_ptr<inference::GRPCInferenceService::Stub> stub_ =
      inference::GRPCInferenceService::NewStub(grpc::CreateChannel(server_.grpc(), grpc::InsecureChannelCredentials()));
  grpc::ClientContext context_;
};

TEST_F(GrpcFrontendTest, Infers) {
  inference::ModelInferResponse response;
  ASSERT_TRUE(stub_->ModelInfer(&context_, Request("i", {1, 2}), &response).ok());
  EXPECT_EQ(response.model_name(), "plus");
  EXPECT_EQ(response.model_version(), "1");
  EXPECT_EQ(response.id(), "i");
  EXPECT_EQ(response.outputs(0).name(), "y");
  EXPECT_THAT(response.outputs(0).shape(), ElementsAre(2));
  EXPECT_THAT(Values(response), ElementsAre(4, 5));
}

TEST_F(GrpcFrontendTest, InfersLargeTensors) {
  inference::ModelInferResponse response;
  ASSERT_TRUE(stub_->ModelInfer(&context_, Request("", std::vector<float>(200'000, 1)), &response).ok());
  EXPECT_THAT(Values(response), testing::AllOf(testing::SizeIs(200'000), testing::Each(4.0f)));
}

TEST_F(GrpcFrontendTest, RefusesWithTheCode) {
  inference::ModelInferRequest request = Request("", {1});
  request.set_model_name("minus");
  inference::ModelInferResponse response;
  const grpc::Status unknown = stub_->ModelInfer(&context_, request, &response);
  EXPECT_EQ(unknown.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(unknown.error_message(), "Request for unknown model: 'minus' is not found");
  grpc::ClientContext second;
  inference::SystemSharedMemoryStatusResponse memory;
  EXPECT_EQ(stub_->SystemSharedMemoryStatus(&second, {}, &memory).error_code(), grpc::StatusCode::UNIMPLEMENTED);
}

TEST_F(GrpcFrontendTest, StreamsAnswersInOrder) {
  const auto stream = stub_->ModelStreamInfer(&context_);
  for (int i = 0; i < 100; i++) {
    inference::ModelInferRequest request = Request(std::to_string(i), {static_cast<float>(i)});
    if (i == 50) request.set_model_name("minus");
    if (i == 99) (*request.mutable_parameters())["triton_enable_empty_final_response"].set_bool_param(true);
    ASSERT_TRUE(stream->Write(request));
  }
  stream->WritesDone();
  inference::ModelStreamInferResponse response;
  for (int i = 0; i < 100; i++) {
    ASSERT_TRUE(stream->Read(&response)) << i;
    EXPECT_EQ(response.infer_response().id(), std::to_string(i));
    if (i == 50) {
      EXPECT_THAT(response.error_message(), HasSubstr("'minus'"));
    } else {
      EXPECT_THAT(Values(response.infer_response()), ElementsAre(static_cast<float>(i) + 3));
    }
  }
  EXPECT_TRUE(response.infer_response().parameters().at("triton_final_response").bool_param());
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(GrpcFrontendTest, AStreamKeepsTheVersionThatItsMetadataChooses) {
  serving::PublishAdd(server_.models() / "plus", "2", "4");
  serving::ServerConfig config;
  auto& model = config.models.emplace_back();
  model.name = "plus";
  model.base_path = server_.models() / "plus";
  model.versions.kind = serving::VersionPolicy::Kind::kAll;
  model.traffic.weights = {{{1, ""}, 1}, {{2, ""}, 1}};
  model.traffic.sticky_header = "x-user";
  ASSERT_EQ(server_.manager().SetConfig(config), OkStatus());
  ASSERT_EQ(server_.manager().WaitSettled(serving::In(std::chrono::seconds(30))), OkStatus());
  std::set<float> over_users;
  for (int user = 0; user < 20; user++) {
    grpc::ClientContext context;
    context.AddMetadata("x-user", std::to_string(user));
    const auto stream = stub_->ModelStreamInfer(&context);
    for (int i = 0; i < 10; i++) ASSERT_TRUE(stream->Write(Request("", {0})));
    stream->WritesDone();
    std::set<float> answers;
    inference::ModelStreamInferResponse response;
    while (stream->Read(&response)) answers.insert(Values(response.infer_response()).at(0));
    EXPECT_TRUE(stream->Finish().ok());
    EXPECT_EQ(answers.size(), 1u) << "user " << user;
    over_users.merge(answers);
  }
  EXPECT_THAT(over_users, ElementsAre(3, 4));
}

TEST_F(GrpcFrontendTest, AnswersMetadataAndStatistics) {
  inference::ModelMetadataResponse metadata;
  inference::ModelMetadataRequest name;
  name.set_name("plus");
  ASSERT_TRUE(stub_->ModelMetadata(&context_, name, &metadata).ok());
  EXPECT_THAT(metadata.versions(), ElementsAre("1"));
  EXPECT_EQ(metadata.inputs(0).datatype(), "FP32");
  grpc::ClientContext second;
  inference::ModelConfigRequest config_request;
  config_request.set_name("plus");
  inference::ModelConfigResponse config;
  ASSERT_TRUE(stub_->ModelConfig(&second, config_request, &config).ok());
  EXPECT_EQ(config.config().output(0).data_type(), inference::TYPE_FP32);
  inference::ModelInferResponse response;
  grpc::ClientContext contexts[3];
  ASSERT_TRUE(stub_->ModelInfer(&contexts[0], Request("", {1, 2, 3}), &response).ok());
  ASSERT_TRUE(stub_->ModelInfer(&contexts[1], Request("", {1}), &response).ok());
  inference::ModelStatisticsResponse statistics;
  ASSERT_TRUE(stub_->ModelStatistics(&contexts[2], {}, &statistics).ok());
  const inference::ModelStatistics& plus = statistics.model_stats(0);
  EXPECT_EQ(plus.name(), "plus");
  EXPECT_EQ(plus.inference_stats().compute_infer().count(), 2u);
  EXPECT_EQ(plus.inference_stats().compute_output().count(), 2u);
  EXPECT_TRUE(plus.inference_stats().has_cache_hit() && plus.inference_stats().has_cache_miss());
  ASSERT_EQ(plus.batch_stats_size(), 2);
  EXPECT_EQ(plus.batch_stats(0).batch_size(), 1u);
  EXPECT_EQ(plus.batch_stats(1).batch_size(), 3u);
  EXPECT_EQ(plus.batch_stats(1).compute_input().count(), 1u);
  EXPECT_EQ(plus.batch_stats(0).compute_infer().ns() + plus.batch_stats(1).compute_infer().ns(),
            plus.inference_stats().compute_infer().ns());
}

TEST_F(GrpcFrontendTest, ControlsTheRepositoryForBothKindsOfClient) {
  // KServe's client sends the model's name in field 1.
  inference::RepositoryModelUnloadRequest unload;
  unload.set_repository_name("plus");
  inference::RepositoryModelUnloadResponse unloaded;
  ASSERT_TRUE(stub_->RepositoryModelUnload(&context_, unload, &unloaded).ok());
  EXPECT_EQ(unloaded.model_name(), "plus");
  EXPECT_TRUE(unloaded.isunloaded());
  grpc::ClientContext second;
  inference::RepositoryModelLoadRequest load;
  load.set_model_name("plus");
  inference::RepositoryModelLoadResponse loaded;
  ASSERT_TRUE(stub_->RepositoryModelLoad(&second, load, &loaded).ok());
  grpc::ClientContext third;
  inference::RepositoryIndexResponse index;
  ASSERT_TRUE(stub_->RepositoryIndex(&third, {}, &index).ok());
  EXPECT_EQ(index.models(0).state(), "READY");
}

TEST_F(GrpcFrontendTest, LoadsFilesThatTheClientGives) {
  inference::RepositoryModelLoadRequest load;
  load.set_model_name("plus");
  (*load.mutable_parameters())["config"].set_string_param("{}");
  (*load.mutable_parameters())["file:6/add.txt"].set_bytes_param("10");
  inference::RepositoryModelLoadResponse loaded;
  const grpc::Status status = stub_->RepositoryModelLoad(&context_, load, &loaded);
  ASSERT_TRUE(status.ok()) << status.error_message();
  grpc::ClientContext second;
  inference::ModelMetadataRequest request;
  request.set_name("plus");
  inference::ModelMetadataResponse metadata;
  ASSERT_TRUE(stub_->ModelMetadata(&second, request, &metadata).ok());
  EXPECT_THAT(metadata.versions(), testing::ElementsAre("6"));
  (*load.mutable_parameters())["file:6/add.txt"].set_string_param("10");
  grpc::ClientContext third;
  const grpc::Status refused = stub_->RepositoryModelLoad(&third, load, &loaded);
  EXPECT_EQ(refused.error_code(), grpc::INVALID_ARGUMENT);
  EXPECT_EQ(refused.error_message(), "parameter 'file:6/add.txt': expected bytes");
}

TEST_F(GrpcFrontendTest, ChangesTheLogLevel) {
  inference::LogSettingsRequest request;
  (*request.mutable_settings())["log_verbose_level"].set_uint32_param(1);
  inference::LogSettingsResponse response;
  ASSERT_TRUE(stub_->LogSettings(&context_, request, &response).ok());
  EXPECT_EQ(response.settings().at("log_verbose_level").uint32_param(), 1u);
  grpc::ClientContext second;
  (*request.mutable_settings())["log_verbose_level"].set_uint32_param(0);
  ASSERT_TRUE(stub_->LogSettings(&second, request, &response).ok());
  EXPECT_EQ(response.settings().at("log_verbose_level").uint32_param(), 0u);
}

}  // namespace
}  // namespace headrace::oip
