#include "headrace/pipeline/ir_convert.h"

#include <google/protobuf/struct.pb.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "headrace/pipeline/values.h"
#include "proto/kfp/pipeline_spec.pb.h"

namespace headrace::pipeline {
namespace {

namespace pb = ml_pipelines;

json::value FromProto(const google::protobuf::Value& value);

// Members sorted by name: protobuf's maps have another order in each process, and what is made from a parameter must
// not.
json::object FromProto(const google::protobuf::Struct& value) {
  std::map<std::string_view, const google::protobuf::Value*> members;
  for (const auto& [key, member] : value.fields()) members.emplace(key, &member);
  json::object out;
  for (const auto& [key, member] : members) out.emplace(key, FromProto(*member));
  return out;
}

json::value FromProto(const google::protobuf::Value& value) {
  switch (value.kind_case()) {
    case google::protobuf::Value::kNumberValue: return NormalNumber(value.number_value());
    case google::protobuf::Value::kStringValue: return json::value(value.string_value());
    case google::protobuf::Value::kBoolValue: return value.bool_value();
    case google::protobuf::Value::kStructValue: return FromProto(value.struct_value());
    case google::protobuf::Value::kListValue: {
      json::array out;
      for (const auto& item : value.list_value().values()) out.push_back(FromProto(item));
      return out;
    }
    default: return nullptr;
  }
}

json::value FromProto(const pb::Value& value) {
  switch (value.value_case()) {
    case pb::Value::kIntValue: return value.int_value();
    case pb::Value::kDoubleValue: return NormalNumber(value.double_value());
    case pb::Value::kStringValue: return json::value(value.string_value());
    default: return nullptr;
  }
}

ParameterType TypeOf(pb::ParameterType::ParameterTypeEnum type, pb::PrimitiveType::PrimitiveTypeEnum legacy) {
  switch (type) {
    case pb::ParameterType::NUMBER_DOUBLE: return ParameterType::kDouble;
    case pb::ParameterType::NUMBER_INTEGER: return ParameterType::kInteger;
    case pb::ParameterType::STRING: return ParameterType::kString;
    case pb::ParameterType::BOOLEAN: return ParameterType::kBoolean;
    case pb::ParameterType::LIST: return ParameterType::kList;
    case pb::ParameterType::STRUCT: return ParameterType::kStruct;
    case pb::ParameterType::TASK_FINAL_STATUS: return ParameterType::kTaskFinalStatus;
    case pb::ParameterType::TASK_CONFIG: return ParameterType::kTaskConfig;
    default: break;
  }
  switch (legacy) {  // schema 2.0.0
    case pb::PrimitiveType::INT: return ParameterType::kInteger;
    case pb::PrimitiveType::DOUBLE: return ParameterType::kDouble;
    case pb::PrimitiveType::STRING: return ParameterType::kString;
    default: return ParameterType::kUnspecified;
  }
}

// An instance schema is a YAML document that starts "title: kfp.Dataset"; its title is all that is used.
void ReadSchema(const pb::ArtifactTypeSchema& schema, std::string* title, std::string* version) {
  *title = schema.schema_title();
  if (title->empty() && !schema.instance_schema().empty()) {
    const std::string& text = schema.instance_schema();
    const size_t start = text.starts_with("title: ") ? 7 : 0;
    *title = text.substr(start, text.find('\n', start) - start);
  }
  if (title->empty()) *title = "system.Artifact";
  *version = schema.schema_version();
}

ArtifactSpec ConvertArtifact(const pb::ArtifactTypeSchema& schema, bool list) {
  ArtifactSpec out;
  ReadSchema(schema, &out.schema_title, &out.schema_version);
  out.list = list;
  return out;
}

Result<ParameterSource> ConvertSource(const pb::TaskInputsSpec::InputParameterSpec& spec) {
  using Spec = pb::TaskInputsSpec::InputParameterSpec;
  ParameterSource out;
  out.selector = spec.parameter_expression_selector();
  switch (spec.kind_case()) {
    case Spec::kTaskOutputParameter:
      out.from =
          OutputRef{spec.task_output_parameter().producer_task(), spec.task_output_parameter().output_parameter_key()};
      return out;
    case Spec::kComponentInputParameter: out.from = FromComponentInput{spec.component_input_parameter()}; return out;
    case Spec::kTaskFinalStatus: out.from = FromFinalStatus{spec.task_final_status().producer_task()}; return out;
    case Spec::kRuntimeValue: break;
    default: return std::unexpected(InvalidArgument("has no value"));
  }
  const auto& value = spec.runtime_value();
  switch (value.value_case()) {
    case pb::ValueOrRuntimeParameter::kConstant: out.from = FromConstant{FromProto(value.constant())}; return out;
    case pb::ValueOrRuntimeParameter::kConstantValue:
      out.from = FromConstant{FromProto(value.constant_value())};
      return out;
    case pb::ValueOrRuntimeParameter::kRuntimeParameter:
      out.from = FromComponentInput{value.runtime_parameter()};
      return out;
    default: return std::unexpected(InvalidArgument("runtimeValue has no value"));
  }
}

Duration FromProto(const google::protobuf::Duration& duration) {
  return std::chrono::seconds(duration.seconds()) + Duration(duration.nanos());
}

RetryPolicy ConvertRetry(const pb::PipelineTaskSpec::RetryPolicy& spec) {
  RetryPolicy out;
  out.max_retries = std::max(0, spec.max_retry_count());
  if (spec.has_backoff_duration()) out.backoff = std::max(Duration::zero(), FromProto(spec.backoff_duration()));
  if (spec.backoff_factor() > 0) out.factor = spec.backoff_factor();
  if (spec.has_backoff_max_duration()) out.max_backoff = FromProto(spec.backoff_max_duration());
  return out;
}

Result<ParameterIterator> ConvertIterator(const pb::PipelineTaskSpec& spec) {
  ParameterIterator out;
  const auto& iterator = spec.parameter_iterator();
  out.item_input = iterator.item_input();
  out.parallelism_limit = std::max(0, spec.iterator_policy().parallelism_limit());
  if (!iterator.items().input_parameter().empty()) {
    out.items = FromComponentInput{iterator.items().input_parameter()};
    return out;
  }
  HR_ASSIGN_OR_UNEXPECTED(json::value items, ParseJson(iterator.items().raw()));
  if (!items.is_array()) return std::unexpected(InvalidArgument("items.raw: expected a JSON list"));
  out.items = std::move(items.get_array());
  return out;
}

void AddUpstream(Task* task) {
  for (const auto& [name, source] : task->parameters) {
    if (const auto* output = std::get_if<OutputRef>(&source.from)) task->upstream.push_back(output->task);
    if (const auto* status = std::get_if<FromFinalStatus>(&source.from)) task->upstream.push_back(status->task);
  }
  for (const auto& [name, source] : task->artifacts)
    if (const auto* output = std::get_if<OutputRef>(&source.from)) task->upstream.push_back(output->task);
  std::ranges::sort(task->upstream);
  const auto repeated = std::ranges::unique(task->upstream);
  task->upstream.erase(repeated.begin(), repeated.end());
}

Status ConvertDagOutputs(const pb::DagOutputsSpec& spec, Dag* dag) {
  for (const auto& [name, output] : spec.artifacts())
    for (const auto& selector : output.artifact_selectors())
      dag->artifacts[name].selectors.push_back({selector.producer_subtask(), selector.output_artifact_key()});
  for (const auto& [name, output] : spec.parameters()) {
    auto& selectors = dag->parameters[name].selectors;
    if (output.has_value_from_parameter()) {
      const auto& selector = output.value_from_parameter();
      selectors.push_back({selector.producer_subtask(), selector.output_parameter_key()});
    }
    for (const auto& selector : output.value_from_oneof().parameter_selectors())
      selectors.push_back({selector.producer_subtask(), selector.output_parameter_key()});
    if (selectors.empty()) return InvalidArgument("dag.outputs.parameters.{}: no selector", name);
  }
  return OkStatus();
}

void ConvertInterface(const pb::ComponentSpec& spec, Component* out) {
  for (const auto& [name, input] : spec.input_definitions().parameters()) {
    ParameterSpec parameter;
    parameter.type = TypeOf(input.parameter_type(), input.type());
    parameter.optional = input.is_optional();
    if (input.has_default_value()) parameter.default_value = FromProto(input.default_value());
    for (const auto& literal : input.literals()) parameter.literals.push_back(FromProto(literal));
    out->input_parameters.emplace(name, std::move(parameter));
  }
  for (const auto& [name, input] : spec.input_definitions().artifacts()) {
    ArtifactSpec artifact = ConvertArtifact(input.artifact_type(), input.is_artifact_list());
    artifact.optional = input.is_optional();
    out->input_artifacts.emplace(name, std::move(artifact));
  }
  for (const auto& [name, output] : spec.output_definitions().parameters())
    out->output_parameters[name].type = TypeOf(output.parameter_type(), output.type());
  for (const auto& [name, output] : spec.output_definitions().artifacts()) {
    ArtifactSpec artifact = ConvertArtifact(output.artifact_type(), output.is_artifact_list());
    artifact.metadata = FromProto(output.metadata());
    out->output_artifacts.emplace(name, std::move(artifact));
  }
}

void WarnOfResources(const pb::PipelineDeploymentConfig::PipelineContainerSpec& spec, const std::string& label,
                     std::vector<std::string>* warnings) {
  if (!spec.has_resources()) return;
  const auto& resources = spec.resources();
  std::string what;
  const auto add = [&](bool set, std::string_view name) {
    if (set) what += (what.empty() ? "" : ", ") + std::string(name);
  };
  add(resources.cpu_limit() > 0 || !resources.resource_cpu_limit().empty(), "CPU limit");
  add(resources.memory_limit() > 0 || !resources.resource_memory_limit().empty(), "memory limit");
  add(resources.cpu_request() > 0 || !resources.resource_cpu_request().empty(), "CPU request");
  add(resources.memory_request() > 0 || !resources.resource_memory_request().empty(), "memory request");
  add(resources.has_accelerator(), "accelerator");
  if (!what.empty()) warnings->push_back(fmt::format("{}: {} not enforced for local processes", label, what));
}

Result<Container> ConvertContainer(const pb::PipelineDeploymentConfig::PipelineContainerSpec& spec,
                                   const std::string& label, std::vector<std::string>* warnings) {
  Container out;
  if (spec.lifecycle().has_pre_cache_check())
    return std::unexpected(Unimplemented("container.lifecycle.preCacheCheck is not supported; remove it"));
  out.image = spec.image();
  out.command.assign(spec.command().begin(), spec.command().end());
  out.args.assign(spec.args().begin(), spec.args().end());
  for (const auto& variable : spec.env()) out.env[variable.name()] = variable.value();
  WarnOfResources(spec, label, warnings);
  return out;
}

Result<Importer> ConvertImporter(const pb::PipelineDeploymentConfig::ImporterSpec& spec) {
  Importer out;
  if (spec.download_to_workspace())
    return std::unexpected(Unimplemented("importer.downloadToWorkspace is not supported; remove it"));
  const auto& uri = spec.artifact_uri();
  if (uri.value_case() == pb::ValueOrRuntimeParameter::kRuntimeParameter) {
    out.uri = FromComponentInput{uri.runtime_parameter()};
  } else {
    json::value constant = uri.has_constant() ? FromProto(uri.constant()) : FromProto(uri.constant_value());
    if (!constant.is_string()) return std::unexpected(InvalidArgument("importer.artifactUri: expected a string"));
    out.uri = FromConstant{std::move(constant)};
  }
  ReadSchema(spec.type_schema(), &out.schema_title, &out.schema_version);
  out.reimport = spec.reimport();
  out.metadata = FromProto(spec.metadata());
  return out;
}

}  // namespace

Result<std::variant<Container, Importer>> ConvertExecutor(const pb::PipelineDeploymentConfig::ExecutorSpec& spec,
                                                          const std::string& label,
                                                          std::vector<std::string>* warnings) {
  using Spec = pb::PipelineDeploymentConfig::ExecutorSpec;
  switch (spec.spec_case()) {
    case Spec::kContainer: return ConvertContainer(spec.container(), label, warnings);
    case Spec::kImporter: return ConvertImporter(spec.importer());
    case Spec::kResolver: return std::unexpected(Unimplemented("resolver executors are not supported yet"));
    case Spec::kCustomJob: return std::unexpected(Unimplemented("customJob executors are Vertex AI's; not supported"));
    default: return std::unexpected(InvalidArgument("expected one of container, importer"));
  }
}

Result<Component> ConvertComponent(const pb::ComponentSpec& spec, const ExecutorSpecs& executors) {
  Component out;
  ConvertInterface(spec, &out);
  if (spec.has_dag()) {
    Dag dag;
    HR_UNEXPECTED_IF_ERROR(ConvertDagOutputs(spec.dag().outputs(), &dag));
    out.body = std::move(dag);
    return out;
  }
  if (spec.executor_label().empty()) return std::unexpected(InvalidArgument("has neither dag nor executorLabel"));
  const auto executor = executors.find(spec.executor_label());
  if (executor == executors.end())
    return std::unexpected(
        InvalidArgument("executorLabel: deploymentSpec.executors has no \"{}\"", spec.executor_label()));
  std::visit([&](const auto& body) { out.body = body; }, executor->second);
  return out;
}

Result<Task> ConvertTask(const std::string& key, const pb::PipelineTaskSpec& spec) {
  Task out;
  out.key = key;
  out.display_name = spec.task_info().name().empty() ? key : spec.task_info().name();
  out.component = spec.component_ref().name();
  for (const auto& [name, input] : spec.inputs().parameters()) {
    auto source = ConvertSource(input);
    if (!source) return std::unexpected(source.error().WithContext(fmt::format("inputs.parameters.{}", name)));
    out.parameters.emplace(name, *std::move(source));
  }
  for (const auto& [name, input] : spec.inputs().artifacts()) {
    if (input.has_task_output_artifact()) {
      const auto& output = input.task_output_artifact();
      out.artifacts[name].from = OutputRef{output.producer_task(), output.output_artifact_key()};
    } else if (!input.component_input_artifact().empty()) {
      out.artifacts[name].from = FromComponentInput{input.component_input_artifact()};
    } else {
      return std::unexpected(InvalidArgument("inputs.artifacts.{}: has no value", name));
    }
  }
  out.upstream.assign(spec.dependent_tasks().begin(), spec.dependent_tasks().end());
  AddUpstream(&out);
  out.cache = spec.caching_options().enable_cache();
  out.cache_key = spec.caching_options().cache_key();
  out.condition = spec.trigger_policy().condition();
  if (spec.trigger_policy().strategy() == pb::PipelineTaskSpec::TriggerPolicy::ALL_UPSTREAM_TASKS_COMPLETED)
    out.strategy = TriggerStrategy::kAllCompleted;
  out.retry = ConvertRetry(spec.retry_policy());
  if (spec.has_artifact_iterator())
    return std::unexpected(Unimplemented("artifactIterator is not supported; loop over parameters instead"));
  if (spec.has_parameter_iterator()) {
    auto iterator = ConvertIterator(spec);
    if (!iterator) return std::unexpected(iterator.error().WithContext("parameterIterator"));
    out.iterator = *std::move(iterator);
  }
  return out;
}

}  // namespace headrace::pipeline
