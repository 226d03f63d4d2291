// What must hold of a pipeline before anything of it starts.
#include <algorithm>
#include <map>
#include <set>
#include <string_view>

#include "headrace/pipeline/cel.h"
#include "headrace/pipeline/ir_convert.h"
#include "headrace/pipeline/placeholders.h"
#include "headrace/pipeline/values.h"

namespace headrace::pipeline {
namespace {

// A name that becomes a folder: no separators, no way up.
bool IsPathSafe(std::string_view name) {
  return !name.empty() && name.size() <= 200 && name != "." && name != ".." &&
         name.find_first_of(std::string_view("/\\\0\n", 4)) == std::string_view::npos;
}

// Checks the tasks of one DAG, which is the body of `outer`.
class DagValidator {
 public:
  DagValidator(const Pipeline& pipeline, const Component& outer)
      : pipeline_(pipeline), outer_(outer), dag_(std::get<Dag>(outer.body)) {}

  Status Run() const {
    for (const auto& [key, task] : dag_.tasks) HR_RETURN_IF_ERROR(CheckTask(task).WithContext("task " + key));
    HR_RETURN_IF_ERROR(CheckCycles());
    return CheckOutputs();
  }

 private:
  const Component* ComponentOf(const Task& task) const {
    const auto found = pipeline_.components.find(task.component);
    return found == pipeline_.components.end() ? nullptr : &found->second;
  }

  Status CheckTask(const Task& task) const {
    if (!IsPathSafe(task.key)) return InvalidArgument("the name is not usable as a folder's name");
    const Component* component = ComponentOf(task);
    if (component == nullptr) return InvalidArgument("componentRef.name: there is no component \"{}\"", task.component);
    for (const auto& upstream : task.upstream)
      if (!dag_.tasks.contains(upstream))
        return InvalidArgument("waits for task \"{}\", which is not in its DAG", upstream);
    for (const auto& [name, source] : task.parameters)
      HR_RETURN_IF_ERROR(CheckParameter(*component, name, source).WithContext("inputs.parameters." + name));
    for (const auto& [name, source] : task.artifacts)
      HR_RETURN_IF_ERROR(CheckArtifact(*component, name, source).WithContext("inputs.artifacts." + name));
    HR_RETURN_IF_ERROR(CheckMissing(task, *component));
    if (!task.condition.empty()) {
      const auto expression = CelExpression::Parse(task.condition);
      if (!expression) return expression.error().WithContext("triggerPolicy.condition");
    }
    return task.iterator ? CheckIterator(task, *component) : OkStatus();
  }

  Status CheckOutput(const OutputRef& ref, bool parameter) const {
    const auto producer = dag_.tasks.find(ref.task);
    if (producer == dag_.tasks.end()) return InvalidArgument("task \"{}\" is not in its DAG", ref.task);
    const Component* component = ComponentOf(producer->second);
    if (component == nullptr)
      return InvalidArgument("task {}: there is no component \"{}\"", ref.task, producer->second.component);
    const bool found =
        parameter ? component->output_parameters.contains(ref.key) : component->output_artifacts.contains(ref.key);
    if (found) return OkStatus();
    return InvalidArgument("task \"{}\" has no output {} \"{}\"", ref.task, parameter ? "parameter" : "artifact",
                           ref.key);
  }

  Status CheckParameter(const Component& component, const std::string& name, const ParameterSource& source) const {
    // The SDK adds inputs that only the task's own placeholders use; those have no specification.
    const auto spec = component.input_parameters.find(name);
    if (!source.selector.empty()) {
      const auto expression = CelExpression::Parse(source.selector);
      if (!expression) return expression.error().WithContext("parameterExpressionSelector");
    }
    if (const auto* output = std::get_if<OutputRef>(&source.from)) return CheckOutput(*output, true);
    if (const auto* input = std::get_if<FromComponentInput>(&source.from)) {
      if (!outer_.input_parameters.contains(input->name))
        return InvalidArgument("the enclosing component has no input parameter \"{}\"", input->name);
    }
    const auto* constant = std::get_if<FromConstant>(&source.from);
    if (constant == nullptr || !source.selector.empty() || spec == component.input_parameters.end()) return OkStatus();
    // A constant may hold placeholders, which are text until they are resolved.
    if (constant->value.is_string() && constant->value.get_string().find("{{$") != json::string::npos)
      return OkStatus();
    return internal::AsStatus(CoerceParameter(constant->value, spec->second));
  }

  Status CheckArtifact(const Component& component, const std::string& name, const ArtifactSource& source) const {
    if (!component.input_artifacts.contains(name)) return InvalidArgument("the component has no such input");
    if (const auto* output = std::get_if<OutputRef>(&source.from)) return CheckOutput(*output, false);
    const auto& input = std::get<FromComponentInput>(source.from);
    if (outer_.input_artifacts.contains(input.name)) return OkStatus();
    return InvalidArgument("the enclosing component has no input artifact \"{}\"", input.name);
  }

  static Status CheckMissing(const Task& task, const Component& component) {
    for (const auto& [name, spec] : component.input_parameters) {
      if (spec.optional || spec.default_value || task.parameters.contains(name)) continue;
      if (task.iterator && task.iterator->item_input == name) continue;
      return InvalidArgument("inputs.parameters.{}: the component needs it and the task does not give it", name);
    }
    for (const auto& [name, spec] : component.input_artifacts)
      if (!spec.optional && !task.artifacts.contains(name))
        return InvalidArgument("inputs.artifacts.{}: the component needs it and the task does not give it", name);
    return OkStatus();
  }

  Status CheckIterator(const Task& task, const Component& component) const {
    const auto& iterator = *task.iterator;
    if (!component.input_parameters.contains(iterator.item_input))
      return InvalidArgument("parameterIterator.itemInput: the component has no input \"{}\"", iterator.item_input);
    const auto* input = std::get_if<FromComponentInput>(&iterator.items);
    if (input != nullptr && !task.parameters.contains(input->name))
      return InvalidArgument("parameterIterator.items.inputParameter: the task has no input \"{}\"", input->name);
    if (task.retry.max_retries > 0) return Unimplemented("retryPolicy on a loop is not supported; put it on its tasks");
    return OkStatus();
  }

  // Takes away what waits for nothing until nothing is left; what stays waits for itself.
  Status CheckCycles() const {
    std::map<std::string_view, size_t> waiting;
    std::map<std::string_view, std::vector<std::string_view>> dependents;
    std::vector<std::string_view> ready;
    for (const auto& [key, task] : dag_.tasks) {
      waiting[key] = task.upstream.size();
      if (task.upstream.empty()) ready.push_back(key);
      for (const auto& upstream : task.upstream) dependents[upstream].push_back(key);
    }
    while (!ready.empty()) {
      const std::string_view key = ready.back();
      ready.pop_back();
      waiting.erase(key);
      for (const auto dependent : dependents[key])
        if (--waiting[dependent] == 0) ready.push_back(dependent);
    }
    if (waiting.empty()) return OkStatus();
    return InvalidArgument("tasks wait for each other: {}", Cycle(waiting));
  }

  // "a → b → a", from the tasks that are left.
  std::string Cycle(const std::map<std::string_view, size_t>& left) const {
    std::vector<std::string_view> path = {left.begin()->first};
    while (std::ranges::find(path.begin(), path.end() - 1, path.back()) == path.end() - 1) {
      for (const auto& upstream : dag_.tasks.at(std::string(path.back())).upstream) {
        if (!left.contains(upstream)) continue;
        path.push_back(left.find(upstream)->first);
        break;
      }
    }
    path.erase(path.begin(), std::ranges::find(path, path.back()));
    std::string out;
    for (const auto step : path) out += (out.empty() ? "" : " → ") + std::string(step);
    return out;
  }

  Status CheckOutputs() const {
    for (const auto& [name, output] : dag_.parameters) {
      if (!outer_.output_parameters.contains(name))
        return InvalidArgument("dag.outputs.parameters.{}: not among outputDefinitions", name);
      for (const auto& ref : output.selectors)
        HR_RETURN_IF_ERROR(CheckOutput(ref, true).WithContext("dag.outputs.parameters." + name));
    }
    for (const auto& [name, output] : dag_.artifacts) {
      if (!outer_.output_artifacts.contains(name))
        return InvalidArgument("dag.outputs.artifacts.{}: not among outputDefinitions", name);
      for (const auto& ref : output.selectors)
        HR_RETURN_IF_ERROR(CheckOutput(ref, false).WithContext("dag.outputs.artifacts." + name));
    }
    return OkStatus();
  }

  const Pipeline& pipeline_;
  const Component& outer_;
  const Dag& dag_;
};

Status CheckContainer(const Component& component, const Container& container) {
  if (container.image.empty()) return InvalidArgument("container.image: is missing");
  for (const auto& [name, spec] : component.output_artifacts) {
    if (!IsPathSafe(name)) return InvalidArgument("output \"{}\" is not usable as a file's name", name);
    if (spec.list) return Unimplemented("output {}: a container cannot give a list of artifacts", name);
  }
  for (const auto* words : {&container.command, &container.args})
    for (const auto& word : *words) HR_RETURN_IF_ERROR(CheckPlaceholders(word, component));
  for (const auto& [name, value] : container.env)
    HR_RETURN_IF_ERROR(CheckPlaceholders(value, component).WithContext("env " + name));
  return OkStatus();
}

Status CheckImporter(const Component& component, const Importer& importer) {
  const auto* input = std::get_if<FromComponentInput>(&importer.uri);
  if (input != nullptr && !component.input_parameters.contains(input->name))
    return InvalidArgument("importer.artifactUri: the component has no input \"{}\"", input->name);
  if (component.output_artifacts.size() != 1)
    return InvalidArgument("an importer has one output artifact, found {}", component.output_artifacts.size());
  return OkStatus();
}

Status CheckComponent(const Pipeline& pipeline, const Component& component) {
  for (const auto& [name, spec] : component.input_parameters)
    if (spec.default_value)
      HR_RETURN_IF_ERROR(internal::AsStatus(CoerceParameter(*spec.default_value, spec))
                             .WithContext(fmt::format("inputDefinitions.parameters.{}.defaultValue", name)));
  if (std::holds_alternative<Dag>(component.body)) return DagValidator(pipeline, component).Run();
  if (const auto* container = std::get_if<Container>(&component.body)) return CheckContainer(component, *container);
  return CheckImporter(component, std::get<Importer>(component.body));
}

// A component whose DAG reaches itself would never end.
Status CheckRecursion(const Pipeline& pipeline, const std::string& name, std::set<std::string>* done,
                      std::vector<std::string>* path) {
  if (done->contains(name)) return OkStatus();
  for (const auto& above : *path)
    if (above == name) return InvalidArgument("component {} contains itself", name);
  path->push_back(name);
  if (const auto* dag = std::get_if<Dag>(&pipeline.components.at(name).body))
    for (const auto& [key, task] : dag->tasks) HR_RETURN_IF_ERROR(CheckRecursion(pipeline, task.component, done, path));
  path->pop_back();
  done->insert(name);
  return OkStatus();
}

}  // namespace

Status ValidatePipeline(const Pipeline& pipeline) {
  if (!IsPathSafe(pipeline.name)) return InvalidArgument("pipelineInfo.name: not usable as a folder's name");
  if (!std::holds_alternative<Dag>(pipeline.root.body)) return InvalidArgument("root: expected a dag");
  for (const auto& [name, component] : pipeline.components)
    HR_RETURN_IF_ERROR(CheckComponent(pipeline, component).WithContext("component " + name));
  HR_RETURN_IF_ERROR(CheckComponent(pipeline, pipeline.root).WithContext("root"));
  std::set<std::string> done;
  for (const auto& [name, component] : pipeline.components) {
    std::vector<std::string> path;
    HR_RETURN_IF_ERROR(CheckRecursion(pipeline, name, &done, &path));
  }
  return OkStatus();
}

}  // namespace headrace::pipeline
