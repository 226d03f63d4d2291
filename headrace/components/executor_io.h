// What a task of a KFP v2 pipeline is given and what it answers: the messages ExecutorInput and ExecutorOutput of
// pipeline_spec.proto (https://github.com/kubeflow/pipelines/blob/master/api/v2alpha1/pipeline_spec.proto) as JSON.
#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/base/json.h"
#include "headrace/base/status.h"

namespace headrace::components {

struct TaskArtifact {
  std::string name;
  std::string type;  // schema title: "system.Dataset", …
  std::string uri;
  json::object metadata;

  // Adds a file or folder that was read beside the input artifacts to the metadata "sources": [{uri, sha256}]. The
  // lineage shows it, and a cached result counts no longer when it has changed.
  Status AddSource(const std::filesystem::path& path);

  // The local path that `uri` names. kUnimplemented for a scheme other than file.
  Result<std::filesystem::path> Path() const;
};

// The getters' errors name the parameter or artifact, what was found and what was expected. A parameter that is
// missing, null or empty text counts as not given.
class ExecutorInput {
 public:
  static Result<ExecutorInput> Parse(std::string_view json);

  Result<std::string> String(std::string_view parameter) const;
  Result<std::optional<std::string>> OptionalString(std::string_view parameter) const;
  Result<std::optional<bool>> OptionalBool(std::string_view parameter) const;
  // A number, or a text that is one.
  Result<std::optional<double>> OptionalNumber(std::string_view parameter) const;
  // A list of texts, or one text: JSON of a list, or words between commas.
  Result<std::vector<std::string>> StringList(std::string_view parameter) const;
  // An object, or a text that holds one; empty when not given.
  Result<json::object> Object(std::string_view parameter) const;

  // Parameters by name, as given: for the record of what was asked.
  const json::object& parameters() const { return parameters_; }

  Result<TaskArtifact> Input(std::string_view name) const;
  std::optional<TaskArtifact> OptionalInput(std::string_view name) const;
  Result<TaskArtifact> Output(std::string_view name) const;
  bool HasOutput(std::string_view name) const { return outputs_.contains(std::string(name)); }
  const std::string& output_file() const { return output_file_; }
  // Where an output parameter is written as text; empty when the task has none of that name.
  std::string ParameterFile(std::string_view name) const;

 private:
  const json::value* Given(std::string_view parameter) const;

  json::object parameters_;
  std::map<std::string, TaskArtifact> inputs_;
  std::map<std::string, TaskArtifact> outputs_;
  std::map<std::string, std::string> parameter_files_;
  std::string output_file_;
};

// What a component answers; written whether it succeeded or not, so that a gate's report is an artifact too.
class ExecutorOutput {
 public:
  void AddArtifact(TaskArtifact artifact) { artifacts_.push_back(std::move(artifact)); }
  void SetParameter(std::string name, json::value value) { parameters_[name] = std::move(value); }
  // The work was done and the answer is no: the task ends with exit code 1 and this text.
  void Refuse(std::string reason) { refusal_ = std::move(reason); }
  const std::string& refusal() const { return refusal_; }

  json::value ToJson() const;
  // Writes the parameters' files and the output file that `input` names, if any.
  Status Write(const ExecutorInput& input) const;

 private:
  std::vector<TaskArtifact> artifacts_;
  json::object parameters_;
  std::string refusal_;
};

}  // namespace headrace::components
