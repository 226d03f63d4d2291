#include "headrace/pipeline/ir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "headrace/pipeline/pipeline_test_util.h"
#include "headrace/pipeline/values.h"
#include "headrace/pipeline/yaml.h"

namespace headrace::pipeline {
namespace {

using testing::HasSubstr;

std::string Yaml(std::string_view text) {
  const auto documents = ParseYaml(text);
  if (!documents) return documents.error().message();
  std::string out;
  for (const auto& document : *documents) out += ToJson(document);
  return out;
}

TEST(YamlTest, TypesAreThoseOfPyYaml) {
  EXPECT_EQ(Yaml("a: 1\nb: '1'\nc: \"1\"\nd: 1.0\ne: 1e5\nf: 1.0e+5\n"),
            R"({"a":1,"b":"1","c":"1","d":1.0,"e":"1e5","f":1e+05})");
  EXPECT_EQ(Yaml("[true, 'true', yes, off, True, y]"), R"([true,"true",true,false,true,"y"])");
  EXPECT_EQ(Yaml("[null, ~, 'null', '', NULL]"), R"([null,null,"null","",null])");
  EXPECT_EQ(Yaml("[0x1F, 010, 0b11, 1_000, -5, +5, 08, 1.2.3, .5, 5., -.5]"),
            R"([31,8,3,1000,-5,5,"08","1.2.3",0.5,5.0,"-.5"])");
  EXPECT_EQ(Yaml("[2.17.0, 2024-01-02, 1:30, v1]"), R"(["2.17.0","2024-01-02","1:30","v1"])");
  EXPECT_EQ(Yaml("text: |\n  one\n  two\nfolded: >-\n  three\n  four\n"),
            R"({"text":"one\ntwo\n","folded":"three four"})");
  EXPECT_EQ(Yaml("a: !!str 5\nb: !!int '5'\n"), R"({"a":"5","b":5})");
  EXPECT_EQ(Yaml("a: 1\n---\nb: 2\n"), R"({"a":1}{"b":2})");
}

TEST(YamlTest, ErrorsSayWhere) {
  EXPECT_THAT(Yaml("a: [1, 2"), HasSubstr("line "));
  EXPECT_THAT(Yaml("a: 1\na: 2\n"), HasSubstr("line 2, column 1: key \"a\" is there twice"));
  EXPECT_THAT(Yaml("a: !custom 5\n"), HasSubstr("tag !custom"));
  std::string bomb = "a0: &a0 [x, x]\n";
  for (int i = 1; i < 40; i++) bomb += fmt::format("a{}: &a{} [*a{}, *a{}]\n", i, i, i - 1, i - 1);
  EXPECT_THAT(Yaml(bomb), HasSubstr("more than 1000000 values"));
}

TEST(ReadPipelineFileTest, OneOrTwoDocumentsOrJson) {
  EXPECT_EQ(ToJson(*ReadPipelineFile("root: {}\n")), R"({"root":{}})");
  EXPECT_EQ(ToJson(*ReadPipelineFile(" {\"root\": {}}")), R"({"root":{}})");
  EXPECT_EQ(ToJson(*ReadPipelineFile("root: {}\n---\nplatforms: {}\n")),
            R"({"pipeline_spec":{"root":{}},"platform_spec":{"platforms":{}}})");
  EXPECT_FALSE(ReadPipelineFile(""));
  EXPECT_FALSE(ReadPipelineFile("- 1\n"));
  EXPECT_THAT(ReadPipelineFile("root: {}\n---\nother: {}\n").error().message(), HasSubstr("platform spec"));
}

constexpr char kInOut[] = R"({
  "inputDefinitions": {"parameters": {"x": {"parameterType": "NUMBER_INTEGER"},
                                      "y": {"parameterType": "STRING", "isOptional": true}}},
  "outputDefinitions": {"parameters": {"z": {"parameterType": "NUMBER_INTEGER"}},
                        "artifacts": {"d": {"artifactType": {"schemaTitle": "system.Dataset", "schemaVersion": "0.0.1"}}}}})";

TEST(ParsePipelineTest, ReadsTasksAndWhatTheyWaitFor) {
  const auto pipeline =
      SpecBuilder()
          .Container("comp-a", "true", kInOut)
          .Task("first", "comp-a", R"({"inputs": {"parameters": {"x": {"runtimeValue": {"constant": 5.0}}}},
                                                         "cachingOptions": {"enableCache": true},
                                                         "retryPolicy": {"maxRetryCount": 2, "backoffDuration": "1.5s",
                                                                         "backoffFactor": 3, "backoffMaxDuration": "10s"}})")
          .Task("second", "comp-a",
                R"({"inputs": {"parameters": {"x": {"taskOutputParameter":
                                      {"producerTask": "first", "outputParameterKey": "z"}}}}})")
          .Task("third", "comp-a", R"({"dependentTasks": ["second"], "inputs": {"parameters": {
                                      "x": {"runtimeValue": {"constant": 1}}}}})")
          .Build();
  ASSERT_NE(pipeline, nullptr);
  const Dag& dag = std::get<Dag>(pipeline->root.body);
  const Task& first = dag.tasks.at("first");
  EXPECT_TRUE(first.cache);
  EXPECT_EQ(first.retry.max_retries, 2);
  EXPECT_EQ(first.retry.backoff, std::chrono::milliseconds(1500));
  EXPECT_EQ(first.retry.max_backoff, std::chrono::seconds(10));
  EXPECT_EQ(ToJson(std::get<FromConstant>(first.parameters.at("x").from).value), "5");
  EXPECT_THAT(dag.tasks.at("second").upstream, testing::ElementsAre("first"));
  EXPECT_THAT(dag.tasks.at("third").upstream, testing::ElementsAre("second"));
  EXPECT_EQ(pipeline->components.at("comp-a").output_artifacts.at("d").schema_title, "system.Dataset");
}

TEST(ParsePipelineTest, MembersOfAConstantHaveAnOrder) {
  const auto pipeline =
      SpecBuilder()
          .Container("comp-a", "true", R"({"inputDefinitions": {"parameters": {"x": {"parameterType": "STRUCT"}}}})")
          .Task("t", "comp-a", R"({"inputs": {"parameters": {"x": {"runtimeValue": {"constant":
                                     {"e": 1, "b": 2, "d": {"z": 1, "y": 2}, "a": 3, "c": 4}}}}}})")
          .Build();
  ASSERT_NE(pipeline, nullptr);
  const auto& parameter = std::get<Dag>(pipeline->root.body).tasks.at("t").parameters.at("x");
  EXPECT_EQ(ToJson(std::get<FromConstant>(parameter.from).value), R"({"a":3,"b":2,"c":4,"d":{"y":2,"z":1},"e":1})");
}

TEST(ParsePipelineTest, ErrorsNameComponentTaskAndField) {
  SpecBuilder base;
  base.Container("comp-a", "true", kInOut);
  const auto error = [&](std::string_view task) { return SpecBuilder(base).Task("t", "comp-a", task).Error(); };
  EXPECT_THAT(error("{}"), HasSubstr("root: task t: inputs.parameters.x: the component needs it"));
  EXPECT_THAT(error(R"({"inputs": {"parameters": {"x": {"runtimeValue": {"constant": "five"}}}}})"),
              HasSubstr("root: task t: inputs.parameters.x: expected NUMBER_INTEGER, found \"five\""));
  EXPECT_THAT(error(R"({"inputs": {"parameters": {"x": {"componentInputParameter": "nope"}}}})"),
              HasSubstr("no input parameter \"nope\""));
  EXPECT_THAT(
      error(R"({"dependentTasks": ["ghost"], "inputs": {"parameters": {"x": {"runtimeValue": {"constant": 1}}}}})"),
      HasSubstr("waits for task \"ghost\""));
  EXPECT_THAT(error(R"({"inputs": {"parameters": {"x": {"runtimeValue": {"constant": 1}}}}, "colour": "red"})"),
              HasSubstr("root: task t: "));
  EXPECT_THAT(error(R"({"inputs": {"parameters": {"x": {"runtimeValue": {"constant": 1}}}},
                       "triggerPolicy": {"condition": "1 +"}})"),
              HasSubstr("triggerPolicy.condition"));
  EXPECT_THAT(SpecBuilder().Task("t", "comp-none").Error(), HasSubstr("there is no component \"comp-none\""));
  EXPECT_THAT(SpecBuilder(base).Task("../up", "comp-a").Error(), HasSubstr("not usable as a folder's name"));
}

TEST(ParsePipelineTest, WhatWaitsForItselfIsRefused) {
  SpecBuilder spec;
  spec.Container("comp-a")
      .Task("a", "comp-a", R"({"dependentTasks": ["b"]})")
      .Task("b", "comp-a", R"({"dependentTasks": ["a"]})");
  EXPECT_THAT(spec.Error(), HasSubstr("tasks wait for each other: a → b → a"));
  SpecBuilder recursive;
  recursive.Component("comp-r", R"({"dag": {"tasks": {"again": {"componentRef": {"name": "comp-r"}}}}})")
      .Task("r", "comp-r");
  EXPECT_THAT(recursive.Error(), HasSubstr("comp-r contains itself"));
}

TEST(ParsePipelineTest, UnsupportedFeaturesAreRefusedByName) {
  SpecBuilder resolver;
  resolver.Executor("exec-r", R"({"resolver": {"outputArtifactQueries": {}}})");
  EXPECT_THAT(resolver.Error(), HasSubstr("UNIMPLEMENTED: deploymentSpec.executors.exec-r: resolver"));
  SpecBuilder check;
  check.Executor("exec-c",
                 R"({"container": {"image": "headrace", "lifecycle": {"preCacheCheck": {"command": ["x"]}}}})");
  EXPECT_THAT(check.Error(), HasSubstr("preCacheCheck"));
  SpecBuilder loop;
  loop.Container("comp-a").Task("l", "comp-a",
                                R"({"artifactIterator": {"items": {"inputArtifact": "x"}, "itemInput": "y"}})");
  EXPECT_THAT(loop.Error(), HasSubstr("root: task l: artifactIterator"));
  SpecBuilder placeholder;
  placeholder.Container("comp-a", "true", "{}", {"{{$.inputs.parameters['nope']}}"}).Task("t", "comp-a");
  EXPECT_THAT(placeholder.Error(), HasSubstr("component comp-a: placeholder {{$.inputs.parameters['nope']}}"));
}

TEST(ParsePipelineTest, ThePlatformSpecIsAppliedWarnedOfOrRefused) {
  SpecBuilder base;
  base.Container("comp-a").Task("t", "comp-a");
  const auto with = [&](const std::string& config) {
    return json::value{
        {"pipeline_spec", base.Spec()},
        {"platform_spec", Parsed(R"({"platforms": {"kubernetes": {"deploymentSpec": {"executors": {"exec-comp-a": )" +
                                 config + "}}}}}")}};
  };
  const auto timeout = ParsePipeline(with(R"({"activeDeadlineSeconds": 90})"));
  ASSERT_TRUE(timeout) << timeout.error().ToString();
  EXPECT_EQ(std::get<Container>((*timeout)->components.at("comp-a").body).timeout, std::chrono::seconds(90));
  const auto placed = ParsePipeline(with(R"({"nodeSelector": {"labels": {"gpu": "yes"}}})"));
  ASSERT_TRUE(placed);
  EXPECT_THAT((*placed)->warnings, testing::ElementsAre(HasSubstr("nodeSelector")));
  const auto secret = ParsePipeline(with(R"({"secretAsEnv": [{}]})"));
  ASSERT_FALSE(secret);
  EXPECT_EQ(secret.error().code(), Code::kUnimplemented);
  EXPECT_THAT(secret.error().message(), HasSubstr("exec-comp-a: secretAsEnv"));
}

TEST(ParsePipelineTest, OtherFormatsAreCalledWhatTheyAre) {
  const auto error = [](std::string_view text) { return ParsePipeline(Parsed(text)).error().message(); };
  EXPECT_THAT(error(R"({"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow"})"), HasSubstr("Workflow"));
  EXPECT_THAT(error(R"({"name": "x", "implementation": {}})"), HasSubstr("KFP v1"));
  EXPECT_THAT(error("[]"), HasSubstr("expected a mapping"));
  EXPECT_THAT(error(R"({"root": {"dag": {}}, "schemaVersion": "3.0"})"), HasSubstr("schemaVersion 3.0"));
}

TEST(ParsePipelineTest, SchemaTwoZeroIsRead) {
  SpecBuilder spec;
  spec.Container("comp-a", "true",
                 R"({"inputDefinitions": {"parameters": {"n": {"type": "INT"}, "s": {"type": "STRING"}}}})");
  spec.Task("t", "comp-a", R"({"inputs": {"parameters": {"n": {"runtimeValue": {"constantValue": {"intValue": "7"}}},
                                                         "s": {"runtimeValue": {"constantValue": {"stringValue": "x"}}}}}})");
  const auto pipeline = spec.Build();
  ASSERT_NE(pipeline, nullptr);
  EXPECT_EQ(pipeline->components.at("comp-a").input_parameters.at("n").type, ParameterType::kInteger);
}

TEST(ValuesTest, StringsTakeAnythingOthersTheirOwn) {
  const auto coerce = [](std::string_view value, ParameterType type) {
    const auto out = CoerceParameter(Parsed(value), {.type = type});
    return out ? ToJson(*out) : out.error().message();
  };
  EXPECT_EQ(coerce("5.0", ParameterType::kString), "\"5\"");
  EXPECT_EQ(coerce("0.1", ParameterType::kString), "\"0.1\"");
  EXPECT_EQ(coerce("true", ParameterType::kString), "\"true\"");
  EXPECT_EQ(coerce(R"({"b": 1, "a": [2.0]})", ParameterType::kString), R"("{\"a\":[2],\"b\":1}")");
  EXPECT_EQ(coerce("5.0", ParameterType::kInteger), "5");
  EXPECT_THAT(coerce("5.5", ParameterType::kInteger), HasSubstr("expected NUMBER_INTEGER, found 5.5"));
  EXPECT_THAT(coerce("\"5\"", ParameterType::kInteger), HasSubstr("expected NUMBER_INTEGER"));
  EXPECT_EQ(coerce("5.0", ParameterType::kDouble), "5");
  EXPECT_THAT(coerce("1", ParameterType::kBoolean), HasSubstr("expected BOOLEAN"));
  EXPECT_THAT(coerce("{}", ParameterType::kList), HasSubstr("expected LIST"));
  const ParameterSpec chosen{.type = ParameterType::kString, .literals = {json::value("a"), json::value("b")}};
  EXPECT_TRUE(CoerceParameter(json::value("a"), chosen));
  EXPECT_THAT(CoerceParameter(json::value("c"), chosen).error().message(), HasSubstr("not one of the values allowed"));
}

TEST(ValuesTest, CommandLineTextIsReadByType) {
  EXPECT_EQ(ToJson(*ParseParameterText("5", {.type = ParameterType::kString})), "\"5\"");
  EXPECT_EQ(ToJson(*ParseParameterText("5", {.type = ParameterType::kInteger})), "5");
  EXPECT_EQ(ToJson(*ParseParameterText("[1, \"x\"]", {.type = ParameterType::kList})), "[1,\"x\"]");
  EXPECT_EQ(ToJson(*ParseParameterText("True", {.type = ParameterType::kBoolean})), "true");
  EXPECT_FALSE(ParseParameterText("five", {.type = ParameterType::kInteger}));
}

}  // namespace
}  // namespace headrace::pipeline
