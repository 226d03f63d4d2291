// Where a node's inputs come from and what a DAG's or a loop's outputs are.
#include "headrace/pipeline/placeholders.h"
#include "headrace/pipeline/scheduler.h"
#include "headrace/pipeline/values.h"

namespace headrace::pipeline {
namespace {

bool HasPlaceholder(const json::value& value) {
  return value.is_string() && value.get_string().find("{{$") != json::string::npos;
}

Result<json::value> Select(const json::value& value, const std::string& selector) {
  HR_ASSIGN_OR_UNEXPECTED(const CelExpression expression, CelExpression::Parse(selector));
  auto selected =
      expression.Evaluate({{"string_value", value.is_string() ? value : json::value(CanonicalJson(value))}});
  if (!selected) return std::unexpected(selected.error().WithContext("parameterExpressionSelector"));
  return NormalNumbers(*std::move(selected));
}

}  // namespace

json::value Scheduler::FinalStatus(const TaskNode& node, const std::string& task) const {
  const TaskNode& before = this->node(this->node(node.parent).children.at(task));
  // KFP's own backend gives ML Metadata's word for a success, where the SDK's documentation has SUCCEEDED.
  const std::string_view state = IsSuccess(before.state) ? "COMPLETE" : TaskStateName(before.state);
  json::object out = {{"state", state}, {"pipelineTaskName", task}};
  if (const auto fact = facts_.find("pipeline_job_resource_name"); fact != facts_.end())
    out["pipelineJobResourceName"] = fact->second;
  if (!IsSuccess(before.state)) out["error"] = {{"code", 2}, {"message", before.message}};
  return out;
}

// False when there is no value, which is no error where the input may be absent.
Result<bool> Scheduler::ResolveParameter(const TaskNode& node, const std::string& name, const ParameterSource& source,
                                         Resolution* out) const {
  const TaskNode& dag = this->node(node.parent);
  json::value value;
  if (const auto* constant = std::get_if<FromConstant>(&source.from)) {
    value = constant->value;
  } else if (const auto* input = std::get_if<FromComponentInput>(&source.from)) {
    const auto found = dag.inputs.parameters.find(input->name);
    if (found == dag.inputs.parameters.end() || found->second.is_null()) return false;
    value = found->second;
  } else if (const auto* status = std::get_if<FromFinalStatus>(&source.from)) {
    value = FinalStatus(node, status->task);
  } else {
    const auto& ref = std::get<OutputRef>(source.from);
    const TaskNode& producer = this->node(dag.children.at(ref.task));
    const auto found = producer.outputs.parameters.find(ref.key);
    if (found == producer.outputs.parameters.end()) {
      out->skip = fmt::format("{} gave no {}", ref.task, ref.key);
      return false;
    }
    value = found->second;
  }
  if (!source.selector.empty()) {
    HR_ASSIGN_OR_UNEXPECTED(value, Select(value, source.selector));
  }
  out->inputs.parameters[name] = std::move(value);
  return true;
}

Result<bool> Scheduler::ResolveArtifact(const TaskNode& node, const std::string& name, const ArtifactSource& source,
                                        Resolution* out) const {
  const TaskNode& dag = this->node(node.parent);
  if (const auto* input = std::get_if<FromComponentInput>(&source.from)) {
    const auto found = dag.inputs.artifacts.find(input->name);
    if (found == dag.inputs.artifacts.end()) return false;
    out->inputs.artifacts[name] = found->second;
    return true;
  }
  const auto& ref = std::get<OutputRef>(source.from);
  const TaskNode& producer = this->node(dag.children.at(ref.task));
  const auto found = producer.outputs.artifacts.find(ref.key);
  if (found == producer.outputs.artifacts.end()) {
    out->skip = fmt::format("{} gave no {}", ref.task, ref.key);
    return false;
  }
  out->inputs.artifacts[name] = found->second;
  return true;
}

Result<Scheduler::Resolution> Scheduler::ResolveInputs(const TaskNode& node) const {
  Resolution out;
  std::string skip;
  for (const auto& [name, source] : node.task->parameters) {
    auto found = ResolveParameter(node, name, source, &out);
    if (!found) return std::unexpected(found.error().WithContext("input parameter " + name));
    const auto spec = node.component->input_parameters.find(name);
    const bool needed =
        spec != node.component->input_parameters.end() && !spec->second.optional && !spec->second.default_value;
    if (!*found && needed && skip.empty()) skip = out.skip;
    if (!*found && needed && out.skip.empty())
      return std::unexpected(InvalidArgument("input parameter {}: has no value", name));
    out.skip.clear();
  }
  for (const auto& [name, source] : node.task->artifacts) {
    auto found = ResolveArtifact(node, name, source, &out);
    if (!found) return std::unexpected(found.error().WithContext("input artifact " + name));
    const bool needed = !node.component->input_artifacts.at(name).optional;
    if (!*found && needed && skip.empty()) skip = out.skip;
    if (!*found && needed && out.skip.empty())
      return std::unexpected(InvalidArgument("input artifact {}: has no value", name));
    out.skip.clear();
  }
  out.skip = std::move(skip);
  if (out.skip.empty()) HR_UNEXPECTED_IF_ERROR(ApplyPlaceholders(node, &out.inputs));
  return out;
}

// Constants may be texts with placeholders over the task's other inputs.
Status Scheduler::ApplyPlaceholders(const TaskNode& node, TaskInputs* inputs) const {
  PlaceholderValues values;
  for (const auto& [name, source] : node.task->parameters) {
    const auto* constant = std::get_if<FromConstant>(&source.from);
    if (constant == nullptr || !HasPlaceholder(constant->value) || !source.selector.empty()) continue;
    if (values.executor_input.empty()) {
      json::object parameters;
      for (const auto& [other, value] : inputs->parameters) parameters.emplace(other, value);
      values.executor_input = {{"inputs", {{"parameterValues", std::move(parameters)}, {"artifacts", json::object()}}}};
      values.facts = facts_;
      values.facts["pipeline_task_name"] = node.task->display_name;
      values.facts["pipeline_task_uuid"] = TaskUuid(facts_, node.path);
    }
    auto text = ResolveText(constant->value.get_string(), values);
    if (!text) return text.error().WithContext("input parameter " + name);
    inputs->parameters[name] = json::value(*text);
  }
  return OkStatus();
}

// Defaults and types of the component.
Status Scheduler::ApplyComponent(const TaskNode& node, TaskInputs* inputs) const {
  for (const auto& [name, spec] : node.component->input_parameters) {
    auto found = inputs->parameters.find(name);
    if (found == inputs->parameters.end()) {
      if (!spec.default_value) continue;
      found = inputs->parameters.emplace(name, *spec.default_value).first;
    }
    // A loop's input that is declared LIST may come as JSON text.
    if (found->second.is_string() && (spec.type == ParameterType::kList || spec.type == ParameterType::kStruct))
      if (const auto parsed = ParseJson(found->second.get_string()); parsed) found->second = *parsed;
    // The items of an untyped list are declared STRING by the SDK; what they are is kept until a container takes them.
    if (node.kind == TaskKind::kDag && spec.type == ParameterType::kString) continue;
    auto coerced = CoerceParameter(found->second, spec);
    if (!coerced) return coerced.error().WithContext("input parameter " + name);
    found->second = *std::move(coerced);
  }
  return OkStatus();
}

Result<json::array> Scheduler::LoopItems(const TaskNode& node) const {
  const auto& items = node.task->iterator->items;
  if (const auto* raw = std::get_if<json::array>(&items)) {
    const json::value normal = NormalNumbers(*raw);
    return normal.get_array();
  }
  const std::string& name = std::get<FromComponentInput>(items).name;
  const auto found = node.inputs.parameters.find(name);
  if (found == node.inputs.parameters.end())
    return std::unexpected(InvalidArgument("parameterIterator: input {} has no value", name));
  json::value value = found->second;
  if (value.is_string()) {
    auto parsed = ParseJson(value.get_string());
    if (parsed) value = *std::move(parsed);
  }
  if (!value.is_array())
    return std::unexpected(
        InvalidArgument("parameterIterator: input {}: expected a list, found {}", name, ToJson(value).substr(0, 200)));
  return NormalNumbers(std::move(value)).get_array();
}

TaskOutputs Scheduler::DagOutputs(const TaskNode& node) const {
  TaskOutputs out;
  const Dag& dag = std::get<Dag>(node.component->body);
  for (const auto& [name, output] : dag.parameters) {
    for (const auto& ref : output.selectors) {
      const auto& outputs = this->node(node.children.at(ref.task)).outputs.parameters;
      const auto found = outputs.find(ref.key);
      if (found == outputs.end()) continue;
      out.parameters.emplace(name, found->second);
      break;
    }
  }
  for (const auto& [name, output] : dag.artifacts) {
    for (const auto& ref : output.selectors) {
      const auto& outputs = this->node(node.children.at(ref.task)).outputs.artifacts;
      const auto found = outputs.find(ref.key);
      if (found == outputs.end()) continue;
      out.artifacts.emplace(name, found->second);
      break;
    }
  }
  return out;
}

TaskOutputs Scheduler::LoopOutputs(const TaskNode& node) const {
  TaskOutputs out;
  std::map<std::string, json::array> lists;
  for (const auto& [name, spec] : node.component->output_parameters) lists[name];
  for (const auto& [name, spec] : node.component->output_artifacts) out.artifacts[name];
  for (size_t i = 0; i < node.items.size(); i++) {
    const auto child = node.children.find(std::to_string(i));
    if (child == node.children.end()) continue;
    const TaskOutputs& outputs = this->node(child->second).outputs;
    for (const auto& [name, value] : outputs.parameters) lists[name].push_back(value);
    for (const auto& [name, values] : outputs.artifacts)
      out.artifacts[name].insert(out.artifacts[name].end(), values.begin(), values.end());
  }
  for (auto& [name, list] : lists) out.parameters.emplace(name, std::move(list));
  return out;
}

}  // namespace headrace::pipeline
