#include "headrace/serving/model_config.h"

#include <gmock/gmock.h>

namespace headrace::serving {
namespace {

using testing::HasSubstr;

ModelConfig Good() {
  ModelConfig model;
  model.name = "m";
  model.base_path = "/models/m";
  return model;
}

TEST(ModelConfig, DefaultsAreValid) { EXPECT_EQ(Validate(Good()), OkStatus()); }

TEST(ModelConfig, ErrorsNameTheModelAndTheField) {
  ModelConfig model = Good();
  model.base_path.clear();
  EXPECT_THAT(Validate(model).message(), AllOf(HasSubstr("model \"m\""), HasSubstr("base_path")));
  model = Good();
  model.name = "a/b";
  EXPECT_THAT(Validate(model).message(), HasSubstr("a/b"));
  model = Good();
  model.versions.latest = 0;
  EXPECT_THAT(Validate(model).message(), HasSubstr("num_versions is 0"));
  model = Good();
  model.versions.kind = VersionPolicy::Kind::kSpecific;
  EXPECT_THAT(Validate(model).message(), HasSubstr("specific.versions is empty"));
  model = Good();
  model.batching.enabled = true;
  model.batching.allowed_batch_sizes = {8, 4};
  EXPECT_THAT(Validate(model).message(), HasSubstr("strictly increasing"));
  model.batching.allowed_batch_sizes = {4, 8};
  EXPECT_THAT(Validate(model).message(), HasSubstr("must equal max_batch_size, 1000"));
  model = Good();
  model.traffic.weights = {{VersionRef{0, "canary"}, 1}};
  EXPECT_THAT(Validate(model).message(), HasSubstr("\"canary\" is not among"));
  model.labels["canary"] = 2;
  EXPECT_EQ(Validate(model), OkStatus());
}

TEST(ModelConfig, NamesAreUnique) {
  ServerConfig config;
  config.models = {Good(), Good()};
  EXPECT_EQ(Validate(config).code(), Code::kInvalidArgument);
  EXPECT_THAT(Validate(config).message(), HasSubstr("configured twice"));
}

}  // namespace
}  // namespace headrace::serving
