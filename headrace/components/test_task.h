// A component run as a task of a pipeline: artifacts in a fresh folder, executor input and output as JSON.
#pragma once
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

#include "headrace/backends/duckdb/duckdb_engine.h"
#include "headrace/base/files.h"
#include "headrace/components/component.h"

namespace headrace::components {

class TaskTest : public testing::Test {
 protected:
  // What the task answered; the artifact's folder by its name.
  struct Answer {
    Status status;
    std::string refusal;
    std::string printed;
    json::object output;  // executor_output.json

    json::object metadata(std::string_view artifact) const {
      return output.at("artifacts").at(artifact).at("artifacts").at(0).at("metadata").as_object();
    }
  };

  std::filesystem::path PathOf(const std::string& artifact) const { return dir_.path() / "artifacts" / artifact; }

  // Inputs that an earlier task of this test made come with their metadata.
  Answer Run(const std::string& name, json::object parameters, const std::vector<std::string>& inputs,
             const std::vector<std::string>& outputs) {
    json::object input_artifacts;
    for (const auto& key : inputs) input_artifacts[key] = List(key, made_[key]);
    json::object output_artifacts;
    for (const auto& key : outputs) output_artifacts[key] = List(key, {});
    const std::string output_file = (dir_.path() / "executor_output.json").string();
    const json::value message = {
        {"inputs", {{"parameterValues", std::move(parameters)}, {"artifacts", input_artifacts}}},
        {"outputs",
         {{"artifacts", output_artifacts},
          {"parameters", {{"blessed", {{"outputFile", (dir_.path() / "blessed").string()}}}}},
          {"outputFile", output_file}}}};
    Answer answer;
    const auto input = ExecutorInput::Parse(ToJson(message));
    EXPECT_TRUE(input.has_value()) << input.error().ToString();
    ExecutorOutput output;
    services_.query = query_.get();
    services_.print = [&answer](const std::string& text) { answer.printed += text; };
    answer.status = FindComponent(name)->Run(*input, services_, output);
    answer.refusal = output.refusal();
    EXPECT_TRUE(output.Write(*input).ok());
    answer.output = ParseJson(*ReadFile(output_file))->as_object();
    for (const auto& [key, value] : answer.output.at("artifacts").as_object())
      made_[std::string(key)] = value.at("artifacts").at(0).at("metadata").as_object();
    return answer;
  }

  void Execute(const std::string& sql) {
    const Status status = query_->Execute(sql);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }

  TempDir dir_;
  std::unique_ptr<QueryEngine> query_ = duckdb::MakeQueryEngine();
  Services services_;

 private:
  json::object List(const std::string& key, const json::object& metadata) const {
    const json::object artifact = {{"name", key},
                                   {"type", {{"schemaTitle", "system.Artifact"}}},
                                   {"uri", PathOf(key).string()},
                                   {"metadata", metadata}};
    return {{"artifacts", json::array{artifact}}};
  }

  std::map<std::string, json::object> made_;
};

}  // namespace headrace::components
