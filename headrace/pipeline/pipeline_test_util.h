// Pipelines for tests, written in few words.
#pragma once
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "headrace/pipeline/ir.h"

namespace headrace::pipeline {

inline json::value Parsed(std::string_view text) {
  auto value = ParseJson(text);
  if (!value) ADD_FAILURE() << value.error().ToString() << " in " << text;
  return value.value_or(nullptr);
}

// A bare specification. Start with a root DAG without tasks; add components and tasks as JSON text.
class SpecBuilder {
 public:
  explicit SpecBuilder(const std::string& name = "test") {
    spec_ = {{"pipelineInfo", {{"name", name}}},
             {"schemaVersion", "2.1.0"},
             {"deploymentSpec", {{"executors", json::object()}}},
             {"components", json::object()},
             {"root", {{"dag", {{"tasks", json::object()}}}}}};
  }

  // A container component with the interface in `fields` ({"inputDefinitions": …}); `script` runs with sh.
  SpecBuilder& Container(const std::string& name, const std::string& script = "true", std::string_view fields = "{}",
                         const std::vector<std::string>& args = {}) {
    json::array command = {"sh", "-c", script};
    json::object container = {{"image", "headrace"}, {"command", command}};
    container["args"] = json::array(args.begin(), args.end());
    spec_["deploymentSpec"].as_object()["executors"].as_object()["exec-" + name] = {{"container", container}};
    json::value component = Parsed(fields);
    component.as_object()["executorLabel"] = "exec-" + name;
    spec_["components"].as_object()[name] = std::move(component);
    return *this;
  }

  SpecBuilder& Component(const std::string& name, std::string_view text) {
    spec_["components"].as_object()[name] = Parsed(text);
    return *this;
  }

  SpecBuilder& Executor(const std::string& label, std::string_view text) {
    spec_["deploymentSpec"].as_object()["executors"].as_object()[label] = Parsed(text);
    return *this;
  }

  // A task of the root: {"componentRef": {"name": `component`}} with what `fields` adds.
  SpecBuilder& Task(const std::string& key, const std::string& component, std::string_view fields = "{}") {
    json::value task = Parsed(fields);
    task.as_object()["componentRef"] = {{"name", component}};
    task.as_object()["taskInfo"] = {{"name", key}};
    spec_["root"].as_object()["dag"].as_object()["tasks"].as_object()[key] = std::move(task);
    return *this;
  }

  SpecBuilder& Root(const std::string& field, std::string_view text) {
    spec_["root"].as_object()[field] = Parsed(text);
    return *this;
  }

  json::value Spec() const { return spec_; }

  std::shared_ptr<const Pipeline> Build() const {
    auto pipeline = ParsePipeline(spec_);
    if (!pipeline) ADD_FAILURE() << pipeline.error().ToString();
    return pipeline.value_or(nullptr);
  }

  std::string Error() const {
    const auto pipeline = ParsePipeline(spec_);
    return pipeline ? "no error" : pipeline.error().ToString();
  }

 private:
  json::object spec_;
};

}  // namespace headrace::pipeline
