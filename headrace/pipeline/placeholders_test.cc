#include "headrace/pipeline/placeholders.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "headrace/base/files.h"
#include "headrace/pipeline/pipeline_test_util.h"
#include "headrace/pipeline/task_io.h"

namespace headrace::pipeline {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr char kInterface[] = R"({
  "inputDefinitions": {"parameters": {"s": {"parameterType": "STRING"}, "l": {"parameterType": "LIST"},
                                      "absent": {"parameterType": "STRING", "isOptional": true}},
                       "artifacts": {"in": {"artifactType": {"schemaTitle": "system.Dataset"}}}},
  "outputDefinitions": {"parameters": {"n": {"parameterType": "NUMBER_INTEGER"}, "t": {"parameterType": "STRING"}},
                        "artifacts": {"out": {"artifactType": {"schemaTitle": "system.Model"}, "metadata": {"k": 1}}}}})";

class PlaceholdersTest : public testing::Test {
 protected:
  PlaceholdersTest() {
    pipeline_ = SpecBuilder().Container("comp", "true", kInterface).Build();
    component_ = &pipeline_->components.at("comp");
    inputs_.parameters = {{"s", "say \"hi\" {{$.inputs.parameters['l']}}"}, {"l", json::array{1, "x"}}};
    inputs_.artifacts["in"] = {{3, "in", "gs://bucket/data", "system.Dataset", "0.0.1", "abc", {{"rows", 7}}}};
    values_.executor_input = BuildExecutorInput(*component_, inputs_, folder_.path());
    values_.facts = {{"pipeline_job_name", "nightly"}};
  }

  std::string Resolve(const std::string& text) {
    const auto out = ResolveText(text, values_);
    return out ? *out : out.error().message();
  }

  TempDir folder_;
  std::shared_ptr<const Pipeline> pipeline_;
  const Component* component_;
  TaskInputs inputs_;
  PlaceholderValues values_;
};

TEST_F(PlaceholdersTest, InputsOutputsAndFacts) {
  EXPECT_EQ(Resolve("{{$.inputs.parameters['l']}}"), "[1,\"x\"]");
  EXPECT_EQ(Resolve("{{$.inputs.artifacts['in'].uri}} {{$.inputs.artifacts['in'].path}}"),
            "gs://bucket/data /gcs/bucket/data");
  EXPECT_EQ(Resolve("{{$.inputs.artifacts['in'].metadata['rows']}}"), "7");
  EXPECT_EQ(Resolve("{{$.outputs.artifacts['out'].path}}"), (folder_.path() / "out").string());
  EXPECT_EQ(Resolve("a{{$.pipeline_job_name}}b"), "anightlyb");
  EXPECT_EQ(Resolve("{{$.outputs.parameters['n'].output_file}}"), (folder_.path() / ".parameters/n").string());
  EXPECT_EQ(Resolve("{{$x}} {{ plain }} {{$"), "{{$x}} {{ plain }} {{$");
}

TEST_F(PlaceholdersTest, OnePassAndValidJson) {
  EXPECT_EQ(Resolve("{{$.inputs.parameters['s']}}"), "say \"hi\" {{$.inputs.parameters['l']}}");
  const auto input = ParseJson(Resolve("{{$}}"));
  ASSERT_TRUE(input);
  EXPECT_EQ(input->at("inputs").at("parameterValues").at("s").as_string(), "say \"hi\" {{$.inputs.parameters['l']}}");
  EXPECT_EQ(input->at("outputs").at("artifacts").at("out").at("artifacts").at(0).at("metadata").at("k").as_int64(), 1);
}

TEST_F(PlaceholdersTest, WhatHasNoValueIsAnError) {
  EXPECT_THAT(Resolve("{{$.inputs.parameters['absent']}}"), HasSubstr("input parameter \"absent\" has no value"));
  EXPECT_THAT(Resolve("{{$.weather}}"), HasSubstr("not known"));
}

TEST_F(PlaceholdersTest, StructuresGrowAndShrink) {
  const auto resolve = [&](const std::string& text) { return ResolveArgument(text, values_).value(); };
  EXPECT_THAT(resolve(R"({"IfPresent": {"InputName": "l", "Then": ["--l", "{{$.inputs.parameters['l']}}"]}})"),
              ElementsAre("--l", "[1,\"x\"]"));
  EXPECT_THAT(resolve(R"({"IfPresent": {"InputName": "absent", "Then": ["--absent"]}})"), ElementsAre());
  EXPECT_THAT(resolve(R"({"IfPresent": {"InputName": "absent", "Then": "a", "Else": ["b", "c"]}})"),
              ElementsAre("b", "c"));
  EXPECT_THAT(resolve(R"({"Concat": ["p=", {"Concat": ["{{$.pipeline_job_name}}", "!"]}, 5]})"),
              ElementsAre("p=nightly!5"));
  EXPECT_THAT(resolve(R"({"Other": 1})"), ElementsAre(R"({"Other": 1})"));
  EXPECT_FALSE(ResolveArgument(R"({"Concat": [{"Wrong": 1}]})", values_));
}

TEST_F(PlaceholdersTest, OutputsComeFromTheExecutorOutputAndFromFiles) {
  std::vector<std::string> missing;
  ASSERT_TRUE(WriteFileAtomically(folder_.path() / ".parameters/n", "41").ok());
  EXPECT_THAT(ReadOutputs(*component_, folder_.path(), &missing).error().message(), HasSubstr("output parameter t"));
  ASSERT_TRUE(WriteFileAtomically(folder_.path() / ".parameters/t", "text\n").ok());
  ASSERT_TRUE(WriteFileAtomically(folder_.path() / "out/model", "bytes").ok());
  missing.clear();
  auto outputs = ReadOutputs(*component_, folder_.path(), &missing);
  ASSERT_TRUE(outputs) << outputs.error().ToString();
  EXPECT_EQ(ToJson(outputs->parameters.at("n")), "41");
  EXPECT_EQ(ToJson(outputs->parameters.at("t")), "\"text\\n\"");
  EXPECT_THAT(missing, ElementsAre());

  const auto write = [&](std::string_view text) {
    ASSERT_TRUE(WriteFileAtomically(ExecutorOutputFile(folder_.path()), text).ok());
  };
  write(R"({"parameterValues": {"n": 42}, "artifacts": {"out": {"artifacts": [{"name": "m", "uri": "/elsewhere",
            "metadata": {"accuracy": 0.5}}]}}})");
  outputs = ReadOutputs(*component_, folder_.path(), &missing);
  ASSERT_TRUE(outputs) << outputs.error().ToString();
  EXPECT_EQ(ToJson(outputs->parameters.at("n")), "42");
  EXPECT_EQ(outputs->artifacts.at("out")[0].uri, "/elsewhere");
  EXPECT_EQ(ToJson(outputs->artifacts.at("out")[0].metadata), R"({"k":1,"accuracy":0.5})");
  EXPECT_THAT(missing, ElementsAre("out"));

  write(R"({"parameterValues": {"n": "many"}})");
  EXPECT_THAT(ReadOutputs(*component_, folder_.path(), &missing).error().message(),
              HasSubstr("output parameter n: expected NUMBER_INTEGER"));
  write(R"({"metrics": {}})");
  EXPECT_THAT(ReadOutputs(*component_, folder_.path(), &missing).error().message(), HasSubstr("unknown field metrics"));
}

TEST_F(PlaceholdersTest, TheCacheKeyIsTheWorkAndNotItsPlace) {
  const std::string key = CacheKey(*component_, inputs_);
  TaskInputs other = inputs_;
  other.artifacts["in"][0].uri = "gs://bucket/copy";
  other.artifacts["in"][0].id = 9;
  EXPECT_EQ(CacheKey(*component_, other), key);
  other.artifacts["in"][0].digest = "abd";
  EXPECT_NE(CacheKey(*component_, other), key);
  other = inputs_;
  other.parameters["s"] = "other";
  EXPECT_NE(CacheKey(*component_, other), key);
  Component changed = *component_;
  std::get<Container>(changed.body).env["SEED"] = "1";
  EXPECT_EQ(CacheKey(changed, inputs_), key);
  std::get<Container>(changed.body).args.emplace_back("--fast");
  EXPECT_NE(CacheKey(changed, inputs_), key);
}

}  // namespace
}  // namespace headrace::pipeline
