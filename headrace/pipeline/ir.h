// A KFP v2 pipeline as plain values: what ParsePipeline reads from a compiled file, checked as a whole before anything
// starts. Immutable once parsed; share it by shared_ptr<const Pipeline>.
//
// The format is Kubeflow Pipelines' (proto/kfp/pipeline_spec.proto); the words here are its words.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "headrace/base/clock.h"
#include "headrace/base/json.h"
#include "headrace/base/status.h"

namespace headrace::pipeline {

enum class ParameterType {
  kUnspecified,
  kDouble,
  kInteger,
  kString,
  kBoolean,
  kList,
  kStruct,
  kTaskFinalStatus,
  kTaskConfig,
};
std::string_view ParameterTypeName(ParameterType type);  // "NUMBER_DOUBLE" …

struct ParameterSpec {
  ParameterType type = ParameterType::kUnspecified;
  std::optional<json::value> default_value = {};
  bool optional = false;
  std::vector<json::value> literals = {};  // the only values allowed, when not empty
};

struct ArtifactSpec {
  std::string schema_title;  // "system.Dataset"
  std::string schema_version;
  bool list = false;
  bool optional = false;
  json::object metadata;  // of outputs: what an artifact has before the task adds its own
};

// A named output of a task in the same DAG.
struct OutputRef {
  std::string task;
  std::string key;
};

struct FromComponentInput {
  std::string name;
};
struct FromConstant {
  json::value value;
};
struct FromFinalStatus {
  std::string task;
};
struct ParameterSource {
  std::variant<FromConstant, FromComponentInput, OutputRef, FromFinalStatus> from;
  std::string selector;  // a CEL expression over string_value; empty: the value itself
};
struct ArtifactSource {
  std::variant<FromComponentInput, OutputRef> from;
};

enum class TriggerStrategy { kAllSucceeded, kAllCompleted };

struct RetryPolicy {
  int max_retries = 0;
  Duration backoff = Duration::zero();
  double factor = 2.0;
  Duration max_backoff = std::chrono::hours(1);
};

struct ParameterIterator {
  std::variant<json::array, FromComponentInput> items;
  std::string item_input;     // the component's input that gets the item
  int parallelism_limit = 0;  // 0: all at once
};

struct Task {
  std::string key;           // unique in its DAG
  std::string display_name;  // what people called it
  std::string component;     // a key of Pipeline::components
  std::map<std::string, ParameterSource> parameters;
  std::map<std::string, ArtifactSource> artifacts;
  std::vector<std::string> upstream;  // declared and implied by inputs, sorted, unique
  bool cache = false;
  std::string cache_key;  // replaces the computed one when set
  std::string condition;  // CEL; empty: always
  TriggerStrategy strategy = TriggerStrategy::kAllSucceeded;
  std::optional<ParameterIterator> iterator;
  RetryPolicy retry;
};

struct DagOutput {
  std::vector<OutputRef> selectors;  // the first that was produced
};

struct Dag {
  std::map<std::string, Task> tasks;
  std::map<std::string, DagOutput> parameters;
  std::map<std::string, DagOutput> artifacts;
};

struct Container {
  std::string image;
  std::vector<std::string> command;  // with placeholders
  std::vector<std::string> args;
  std::map<std::string, std::string> env;
  Duration timeout = Duration::zero();
};

struct Importer {
  std::variant<FromConstant, FromComponentInput> uri;
  std::string schema_title;
  std::string schema_version;
  bool reimport = false;
  json::object metadata;
};

struct Component {
  std::map<std::string, ParameterSpec> input_parameters;
  std::map<std::string, ArtifactSpec> input_artifacts;
  std::map<std::string, ParameterSpec> output_parameters;
  std::map<std::string, ArtifactSpec> output_artifacts;
  std::variant<Dag, Container, Importer> body;
};

struct Pipeline {
  std::string name;
  std::string display_name;
  std::string description;
  std::string default_root;
  std::string sdk_version;
  Component root;  // its body is a Dag
  std::map<std::string, Component> components;
  // What will be done less than the file asks for, one sentence each (resource limits that local processes do not
  // enforce); shown to the user before the run.
  std::vector<std::string> warnings;
};

// Reads a compiled pipeline: YAML of one or two documents (the second is the platform spec), or JSON, or a JSON object
// {"pipeline_spec": …, "platform_spec": …}. As a JSON value for storing and for ParsePipeline. kInvalidArgument says
// where the text is wrong.
Result<json::value> ReadPipelineFile(std::string_view text);
// `spec` is what ReadPipelineFile gave. kInvalidArgument names the component, the task and the field; kUnimplemented
// names a feature of the format that Headrace does not have.
Result<std::shared_ptr<const Pipeline>> ParsePipeline(const json::value& spec);

}  // namespace headrace::pipeline
