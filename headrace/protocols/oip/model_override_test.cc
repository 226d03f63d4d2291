#include "headrace/protocols/oip/model_override.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "headrace/base/files.h"

namespace headrace::oip {
namespace {

using serving::ModelConfig;
using serving::VersionPolicy;
using testing::HasSubstr;

ModelConfig Model() {
  ModelConfig model;
  model.name = "m";
  model.base_path = "/models/m";
  model.engine.intra_op_threads = 3;
  return model;
}

ModelConfig Applied(std::string_view json) {
  ModelConfig model = Model();
  EXPECT_EQ(ApplyConfig(json, &model), OkStatus()) << json;
  return model;
}

std::string Refused(std::string_view json) {
  ModelConfig model = Model();
  const Status status = ApplyConfig(json, &model);
  EXPECT_EQ(status.code(), Code::kInvalidArgument) << json;
  EXPECT_EQ(model, Model()) << json;
  return status.message();
}

TEST(ModelOverrideTest, TakesTheEngineFromTheBackendOrThePlatform) {
  EXPECT_EQ(Applied("{}"), Model());
  EXPECT_EQ(Applied(R"({"backend":"onnxruntime"})").platform, "onnxruntime");
  EXPECT_EQ(Applied(R"({"platform":"tensorflow_savedmodel"})").platform, "tensorflow");
}

TEST(ModelOverrideTest, TakesTheVersionPolicyInBothSpellings) {
  EXPECT_EQ(Applied(R"({"version_policy":{"all":{}}})").versions.kind, VersionPolicy::Kind::kAll);
  EXPECT_EQ(Applied(R"({"versionPolicy":{"latest":{"numVersions":2}}})").versions.latest, 2u);
  const auto specific = Applied(R"({"version_policy":{"specific":{"versions":["3",5]}}})").versions;
  EXPECT_EQ(specific.kind, VersionPolicy::Kind::kSpecific);
  EXPECT_THAT(specific.versions, testing::ElementsAre(3, 5));
}

TEST(ModelOverrideTest, TakesBatchingAndThreads) {
  const auto model =
      Applied(R"({"max_batch_size":8,"dynamic_batching":{"max_queue_delay_microseconds":250,"priority_levels":2,)"
              R"("preferred_batch_size":[4]},"instance_group":[{"count":2,"kind":"KIND_CPU"}],)"
              R"("parameters":{"intra_op_thread_count":{"string_value":"4"}}})");
  EXPECT_TRUE(model.batching.enabled);
  EXPECT_EQ(model.batching.max_batch_size, 8);
  EXPECT_EQ(model.batching.timeout, std::chrono::microseconds(250));
  EXPECT_EQ(model.batching.priorities, 2);
  EXPECT_EQ(model.batching.threads, 2);
  EXPECT_EQ(model.engine.intra_op_threads, 4);
  EXPECT_FALSE(Applied(R"({"max_batch_size":8})").batching.enabled);
}

TEST(ModelOverrideTest, RefusesWhatItDoesNotHaveAndNamesIt) {
  EXPECT_THAT(Refused("{"), HasSubstr("ModelConfig as JSON"));
  EXPECT_THAT(Refused(R"({"sequence_batching":{}})"), HasSubstr("sequence_batching"));
  EXPECT_THAT(Refused(R"({"name":"other"})"), HasSubstr("'other'; expected 'm'"));
  EXPECT_THAT(Refused(R"({"dynamic_batching":{}})"), HasSubstr("max_batch_size: 0"));
  EXPECT_THAT(Refused(R"({"instance_group":[{"kind":"KIND_GPU"}]})"), HasSubstr("KIND_GPU"));
  EXPECT_THAT(Refused(R"({"parameters":{"enable_mem_arena":{"string_value":"1"}}})"), HasSubstr("enable_mem_arena"));
  EXPECT_THAT(Refused(R"({"parameters":{"intra_op_thread_count":{"string_value":"many"}}})"), HasSubstr("'many'"));
  EXPECT_THAT(Refused(R"({"max_batch_size":1,"dynamic_batching":{"max_queue_delay_microseconds":"99999999999"}})"),
              HasSubstr("99999999999"));
}

TEST(ModelOverrideTest, WritesFilesBelowTheirVersionsAndNowhereElse) {
  const TempDir folder;
  ModelOverride override;
  EXPECT_TRUE(override.empty());
  ASSERT_EQ(AddLoadParameter("file:1/model.onnx", "abc", &override), OkStatus());
  ASSERT_EQ(AddLoadParameter("file:2/model.savedmodel/variables/index", "de", &override), OkStatus());
  ASSERT_EQ(WriteFiles(override, folder.path()), OkStatus());
  EXPECT_EQ(*ReadFile(folder.path() / "1/model.onnx"), "abc");
  EXPECT_EQ(*ReadFile(folder.path() / "2/model.savedmodel/variables/index"), "de");
  using std::string_literals::operator""s;
  for (const std::string& path : {"file:"s, "file:1"s, "file:1/"s, "file:/1/m"s, "file:1/../../m"s, "file:../1/m"s,
                                  "file:a/m"s, "file:1/a\0b"s}) {
    const Status status = AddLoadParameter(path, "x", &override);
    EXPECT_EQ(status.code(), Code::kInvalidArgument) << path;
    EXPECT_THAT(status.message(), HasSubstr("<version>/<file name>")) << path;
  }
  EXPECT_THAT(AddLoadParameter("files", "", &override).message(), HasSubstr("Unrecognized load parameter 'files'"));
  EXPECT_EQ(override.files.size(), 2u);
}

}  // namespace
}  // namespace headrace::oip
