#include "headrace/pipeline/placeholders.h"

#include <algorithm>
#include <array>
#include <functional>

#include "headrace/base/files.h"
#include "headrace/pipeline/task_io.h"
#include "headrace/pipeline/values.h"

namespace headrace::pipeline {
namespace {

constexpr std::array<std::string_view, 8> kFacts = {"pipeline_job_name",
                                                    "pipeline_job_resource_name",
                                                    "pipeline_job_uuid",
                                                    "pipeline_task_name",
                                                    "pipeline_job_create_time_utc",
                                                    "pipeline_job_schedule_time_utc",
                                                    "pipeline_task_uuid",
                                                    "pipeline_root"};
constexpr int kMaxDepth = 50;

// "inputs.parameters['x'].rest" in parts.
struct Reference {
  std::string_view
      kind;  // "inputs.parameters", "inputs.artifacts", "outputs.artifacts", "outputs.parameters"; or a fact
  std::string_view name;
  std::string_view rest;  // "", "uri", "path", "output_file", "metadata['k']"
};

Reference Split(std::string_view body) {
  Reference out;
  const size_t bracket = body.find('[');
  if (bracket == std::string_view::npos || bracket + 1 >= body.size()) {
    out.kind = body;
    return out;
  }
  const char quote = body[bracket + 1];
  const size_t close = body.find(std::string{quote, ']'}, bracket + 2);
  if ((quote != '\'' && quote != '"') || close == std::string_view::npos) {
    out.kind = body;
    return out;
  }
  out.kind = body.substr(0, bracket);
  out.name = body.substr(bracket + 2, close - bracket - 2);
  out.rest = body.substr(close + 2);
  if (out.rest.starts_with('.')) out.rest.remove_prefix(1);
  return out;
}

using Replace = std::function<Result<std::string>(std::string_view body)>;

// Calls `replace` with what stands between "{{$" and "}}" ("" or ".inputs…") for each placeholder of `text`.
Result<std::string> ForEachPlaceholder(std::string_view text, const Replace& replace) {
  std::string out;
  for (;;) {
    const size_t start = text.find("{{$");
    const size_t end = start == std::string_view::npos ? start : text.find("}}", start + 3);
    const std::string_view body = end == std::string_view::npos ? "" : text.substr(start + 3, end - start - 3);
    if (end == std::string_view::npos) {
      out += text;
      return out;
    }
    out += text.substr(0, start);
    if (!body.empty() && body[0] != '.') {  // "{{$x}}" is not ours
      out += text.substr(start, end + 2 - start);
    } else {
      HR_ASSIGN_OR_UNEXPECTED(const std::string value, replace(body));
      out += value;
    }
    text.remove_prefix(end + 2);
  }
}

const json::value* Find(const json::object& root, std::initializer_list<std::string_view> keys) {
  const json::object* object = &root;
  const json::value* value = nullptr;
  for (const auto key : keys) {
    if (object == nullptr) return nullptr;
    value = object->if_contains(key);
    if (value == nullptr) return nullptr;
    object = value->is_object() ? &value->get_object() : nullptr;
  }
  return value;
}

Result<std::string> ArtifactField(const json::value& list, const Reference& reference) {
  const auto& artifacts = list.get_object().at("artifacts").get_array();
  if (reference.rest.empty()) return ToJson(artifacts);
  if (artifacts.empty()) return std::unexpected(InvalidArgument("artifact \"{}\" is an empty list", reference.name));
  const auto& artifact = artifacts[0].get_object();
  const std::string uri(artifact.at("uri").get_string());
  if (reference.rest == "uri") return uri;
  if (reference.rest == "path") return LocalPath(uri);
  if (reference.rest == "name") return std::string(artifact.at("name").get_string());
  const Reference metadata = Split(reference.rest);
  if (metadata.kind == "metadata" && metadata.name.empty()) return ToJson(artifact.at("metadata"));
  const auto* value = artifact.at("metadata").get_object().if_contains(metadata.name);
  if (value == nullptr)
    return std::unexpected(InvalidArgument("artifact \"{}\" has no metadata \"{}\"", reference.name, metadata.name));
  return ParameterText(*value);
}

class Resolver {
 public:
  explicit Resolver(const PlaceholderValues& values) : values_(values) {}

  Result<std::string> Text(std::string_view text) const {
    return ForEachPlaceholder(text, [this](std::string_view body) { return Value(body); });
  }

  // Appends what `structure` stands for to `out`.
  Status Expand(const json::value& structure, int depth, std::vector<std::string>* out) const {
    if (depth > kMaxDepth) return InvalidArgument("an argument is nested deeper than {} levels", kMaxDepth);
    if (structure.is_string()) {
      HR_ASSIGN_OR_RETURN(std::string text, Text(structure.get_string()));
      out->push_back(std::move(text));
      return OkStatus();
    }
    if (structure.is_array()) {
      for (const auto& item : structure.get_array()) HR_RETURN_IF_ERROR(Expand(item, depth + 1, out));
      return OkStatus();
    }
    if (!structure.is_object()) {
      out->push_back(ParameterText(structure));
      return OkStatus();
    }
    const auto& object = structure.get_object();
    if (const auto* items = object.if_contains("Concat")) {
      std::vector<std::string> parts;
      HR_RETURN_IF_ERROR(Expand(*items, depth + 1, &parts));
      std::string joined;
      for (const auto& part : parts) joined += part;
      out->push_back(std::move(joined));
      return OkStatus();
    }
    const auto* condition = object.if_contains("IfPresent");
    if (condition == nullptr || !condition->is_object())
      return InvalidArgument("argument {}: expected IfPresent or Concat", ToJson(structure).substr(0, 200));
    return IfPresent(condition->get_object(), depth, out);
  }

 private:
  Status IfPresent(const json::object& condition, int depth, std::vector<std::string>* out) const {
    HR_ASSIGN_OR_RETURN(const std::string name, RequiredString(condition, "InputName"));
    const auto* parameter = Find(values_.executor_input, {"inputs", "parameterValues", name});
    const bool present = (parameter != nullptr && !parameter->is_null()) ||
                         Find(values_.executor_input, {"inputs", "artifacts", name}) != nullptr;
    const auto* branch = condition.if_contains(present ? "Then" : "Else");
    return branch == nullptr ? OkStatus() : Expand(*branch, depth + 1, out);
  }

  Result<std::string> Value(std::string_view body) const {
    if (body.empty()) return ToJson(values_.executor_input);
    const Reference reference = Split(body.substr(1));
    if (const auto fact = values_.facts.find(std::string(reference.kind)); fact != values_.facts.end())
      return fact->second;
    const json::object& input = values_.executor_input;
    if (reference.kind == "inputs.parameters") {
      const auto* value = Find(input, {"inputs", "parameterValues", reference.name});
      if (value == nullptr) return NoValue("input parameter", reference);
      return ParameterText(*value);
    }
    if (reference.kind == "inputs.artifacts") {
      const auto* list = Find(input, {"inputs", "artifacts", reference.name});
      return list == nullptr ? NoValue("input artifact", reference) : ArtifactField(*list, reference);
    }
    if (reference.kind == "outputs.artifacts") {
      const auto* list = Find(input, {"outputs", "artifacts", reference.name});
      return list == nullptr ? NoValue("output artifact", reference) : ArtifactField(*list, reference);
    }
    if (reference.kind == "outputs.parameters") {
      const auto* file = Find(input, {"outputs", "parameters", reference.name, "outputFile"});
      if (file == nullptr) return NoValue("output parameter", reference);
      return std::string(file->get_string());
    }
    if (reference.kind == "outputs.output_file" || reference.kind == "outputs.output_metadata_uri")
      return std::string(Find(input, {"outputs", "outputFile"})->get_string());
    return std::unexpected(Unimplemented("placeholder {{{{${}}}}} is not known", body));
  }

  static Result<std::string> NoValue(std::string_view what, const Reference& reference) {
    return std::unexpected(InvalidArgument("{} \"{}\" has no value", what, reference.name));
  }

  const PlaceholderValues& values_;
};

bool IsStructure(std::string_view argument) {
  return argument.starts_with("{\"IfPresent\":") || argument.starts_with("{\"Concat\":");
}

Status CheckReference(std::string_view body, const Component& component) {
  if (body.empty()) return OkStatus();
  const Reference reference = Split(body.substr(1));
  const std::string name(reference.name);
  if (std::ranges::find(kFacts, reference.kind) != kFacts.end()) return OkStatus();
  if (reference.kind == "outputs.output_file" || reference.kind == "outputs.output_metadata_uri") return OkStatus();
  const auto missing = [&](std::string_view what) {
    return InvalidArgument("placeholder {{{{${}}}}}: the component has no {} \"{}\"", body, what, name);
  };
  if (reference.kind == "inputs.parameters")
    return component.input_parameters.contains(name) ? OkStatus() : missing("input parameter");
  if (reference.kind == "inputs.artifacts")
    return component.input_artifacts.contains(name) ? OkStatus() : missing("input artifact");
  if (reference.kind == "outputs.artifacts")
    return component.output_artifacts.contains(name) ? OkStatus() : missing("output artifact");
  if (reference.kind == "outputs.parameters")
    return component.output_parameters.contains(name) ? OkStatus() : missing("output parameter");
  return Unimplemented("placeholder {{{{${}}}}} is not known", body);
}

}  // namespace

std::string TaskUuid(const std::map<std::string, std::string>& facts, std::string_view path) {
  const auto run = facts.find("pipeline_job_uuid");
  std::string hex = Sha256((run == facts.end() ? "" : run->second) + "/" + std::string(path)).substr(0, 32);
  hex[12] = '8';  // a UUID of version 8 (RFC 9562): custom content
  hex[16] = 'a';
  return fmt::format("{}-{}-{}-{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(12, 4), hex.substr(16, 4),
                     hex.substr(20));
}

Result<std::string> ResolveText(std::string_view text, const PlaceholderValues& values) {
  return Resolver(values).Text(text);
}

Result<std::vector<std::string>> ResolveArgument(const std::string& argument, const PlaceholderValues& values) {
  std::vector<std::string> out;
  const Resolver resolver(values);
  if (!IsStructure(argument)) {
    HR_ASSIGN_OR_UNEXPECTED(std::string text, resolver.Text(argument));
    out.push_back(std::move(text));
    return out;
  }
  HR_ASSIGN_OR_UNEXPECTED(const json::value structure, ParseJson(argument));
  HR_UNEXPECTED_IF_ERROR(resolver.Expand(structure, 0, &out));
  return out;
}

Result<std::vector<std::string>> ResolveArguments(const std::vector<std::string>& arguments,
                                                  const PlaceholderValues& values) {
  std::vector<std::string> out;
  for (const auto& argument : arguments) {
    HR_ASSIGN_OR_UNEXPECTED(const std::vector<std::string> words, ResolveArgument(argument, values));
    out.insert(out.end(), words.begin(), words.end());
  }
  return out;
}

Status CheckPlaceholders(std::string_view text, const Component& component) {
  const auto checked = ForEachPlaceholder(text, [&](std::string_view body) -> Result<std::string> {
    HR_UNEXPECTED_IF_ERROR(CheckReference(body, component));
    return std::string();
  });
  return internal::AsStatus(checked);
}

}  // namespace headrace::pipeline
