// From the JSON of a compiled pipeline to ir.h, component by component and task by task, so that errors name both.
#include <google/protobuf/util/json_util.h>

#include "headrace/pipeline/ir.h"
#include "headrace/pipeline/ir_convert.h"
#include "proto/kfp/pipeline_spec.pb.h"

namespace headrace::pipeline {
namespace {

namespace pb = ml_pipelines;

// Strict: an unknown field is an error, so that nothing that a file asks for is passed over in silence.
template <class Message>
Status ReadMessage(const json::value& value, Message* message) {
  const auto status = google::protobuf::util::JsonStringToMessage(ToJson(value), message);
  if (status.ok()) return OkStatus();
  return InvalidArgument("{}", std::string_view(status.message().data(), status.message().size()));
}

// The first of the two spellings (protobuf's JSON takes both) that `object` has.
json::value* Member(json::object* object, std::string_view camel, std::string_view snake) {
  if (auto* value = object->if_contains(camel)) return value;
  return object->if_contains(snake);
}

Result<json::object> TakeObject(json::object* object, std::string_view camel, std::string_view snake) {
  json::value* value = Member(object, camel, snake);
  if (value == nullptr || value->is_null()) return json::object();
  if (!value->is_object()) return std::unexpected(InvalidArgument("{}: expected a mapping", camel));
  json::object out = std::move(value->get_object());
  value->emplace_object();
  return out;
}

Result<ExecutorSpecs> ReadExecutors(const json::object& deployment, std::vector<std::string>* warnings) {
  ExecutorSpecs out;
  for (const auto& [field, value] : deployment)
    if (field != "executors") return std::unexpected(InvalidArgument("deploymentSpec: unknown field {}", field));
  const auto* executors = deployment.if_contains("executors");
  if (executors == nullptr) return out;
  if (!executors->is_object()) return std::unexpected(InvalidArgument("deploymentSpec.executors: expected a mapping"));
  for (const auto& [label, value] : executors->get_object()) {
    const std::string name(label);
    const auto context = [&](const Status& status) {
      return std::unexpected(status.WithContext("deploymentSpec.executors." + name));
    };
    pb::PipelineDeploymentConfig::ExecutorSpec message;
    if (const Status status = ReadMessage(value, &message); !status.ok()) return context(status);
    auto executor = ConvertExecutor(message, name, warnings);
    if (!executor) return context(executor.error());
    out.emplace(name, *std::move(executor));
  }
  return out;
}

Result<Component> ReadComponent(json::value value, const ExecutorSpecs& executors) {
  if (!value.is_object()) return std::unexpected(InvalidArgument("expected a mapping"));
  json::object tasks;
  if (json::value* dag = value.get_object().if_contains("dag"); dag != nullptr && dag->is_object()) {
    HR_ASSIGN_OR_UNEXPECTED(tasks, TakeObject(&dag->get_object(), "tasks", "tasks"));
  }
  pb::ComponentSpec message;
  HR_UNEXPECTED_IF_ERROR(ReadMessage(value, &message));
  HR_ASSIGN_OR_UNEXPECTED(Component component, ConvertComponent(message, executors));
  for (const auto& [key, task] : tasks) {
    const std::string name(key);
    const auto context = [&](const Status& status) { return std::unexpected(status.WithContext("task " + name)); };
    pb::PipelineTaskSpec task_message;
    if (const Status status = ReadMessage(task, &task_message); !status.ok()) return context(status);
    auto converted = ConvertTask(name, task_message);
    if (!converted) return context(converted.error());
    std::get<Dag>(component.body).tasks.emplace(name, *std::move(converted));
  }
  return component;
}

Status CheckSchemaVersion(const std::string& version) {
  if (version.empty() || version.starts_with("2.")) return OkStatus();
  return Unimplemented("schemaVersion {}: expected 2.0.0 or 2.1.0; compile with a kfp 2 SDK", version);
}

// A file that is not KFP v2, said in its own terms.
Status CheckKind(const json::object& spec) {
  if (spec.contains("apiVersion") && spec.contains("kind"))
    return InvalidArgument("this is a Kubernetes resource ({}), not a compiled KFP v2 pipeline; compile with kfp 2",
                           ToJson(*spec.if_contains("kind")));
  if (spec.contains("implementation"))
    return InvalidArgument("this is a component of KFP v1, not a compiled KFP v2 pipeline");
  if (!spec.contains("root")) return InvalidArgument("not a compiled KFP v2 pipeline: the field root is missing");
  return OkStatus();
}

struct Parts {
  json::object spec;
  json::value platform;
};

Result<Parts> SplitParts(const json::value& value) {
  if (!value.is_object()) return std::unexpected(InvalidArgument("not a compiled pipeline: expected a mapping"));
  Parts parts;
  const auto& object = value.get_object();
  if (object.contains("root")) {
    parts.spec = object;
    return parts;
  }
  const auto* spec = object.if_contains("pipeline_spec");
  if (spec == nullptr) spec = object.if_contains("pipelineSpec");
  if (spec != nullptr && spec->is_object()) {
    parts.spec = spec->get_object();
    if (const auto* platform = object.if_contains("platform_spec")) parts.platform = *platform;
    if (const auto* platform = object.if_contains("platformSpec")) parts.platform = *platform;
    return parts;
  }
  parts.spec = object;
  return parts;
}

Status ReadHeader(const json::object& spec, Pipeline* pipeline) {
  pb::PipelineSpec message;
  HR_RETURN_IF_ERROR(ReadMessage(spec, &message));
  HR_RETURN_IF_ERROR(CheckSchemaVersion(message.schema_version()));
  pipeline->name = message.pipeline_info().name();
  pipeline->display_name = message.pipeline_info().display_name();
  pipeline->description = message.pipeline_info().description();
  pipeline->default_root = message.default_pipeline_root();
  pipeline->sdk_version = message.sdk_version();
  if (pipeline->name.empty()) return InvalidArgument("pipelineInfo.name: is missing");
  return OkStatus();
}

}  // namespace

Result<std::shared_ptr<const Pipeline>> ParsePipeline(const json::value& value) {
  HR_ASSIGN_OR_UNEXPECTED(Parts parts, SplitParts(value));
  json::object& spec = parts.spec;
  HR_UNEXPECTED_IF_ERROR(CheckKind(spec));
  auto pipeline = std::make_shared<Pipeline>();
  HR_ASSIGN_OR_UNEXPECTED(const json::object deployment, TakeObject(&spec, "deploymentSpec", "deployment_spec"));
  HR_ASSIGN_OR_UNEXPECTED(const json::object components, TakeObject(&spec, "components", "components"));
  HR_ASSIGN_OR_UNEXPECTED(json::object root, TakeObject(&spec, "root", "root"));
  HR_UNEXPECTED_IF_ERROR(ReadHeader(spec, pipeline.get()));
  HR_ASSIGN_OR_UNEXPECTED(ExecutorSpecs executors, ReadExecutors(deployment, &pipeline->warnings));
  HR_UNEXPECTED_IF_ERROR(ApplyPlatformSpec(parts.platform, &executors, &pipeline->warnings));
  for (const auto& [name, component] : components) {
    auto converted = ReadComponent(component, executors);
    if (!converted) return std::unexpected(converted.error().WithContext("component " + std::string(name)));
    pipeline->components.emplace(name, *std::move(converted));
  }
  auto converted = ReadComponent(std::move(root), executors);
  if (!converted) return std::unexpected(converted.error().WithContext("root"));
  pipeline->root = *std::move(converted);
  HR_UNEXPECTED_IF_ERROR(ValidatePipeline(*pipeline));
  return std::shared_ptr<const Pipeline>(std::move(pipeline));
}

}  // namespace headrace::pipeline
