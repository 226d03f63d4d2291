#include "headrace/components/executor_io.h"

#include <charconv>

#include "headrace/base/files.h"

namespace headrace::components {
namespace {

// protojson gives lower-camel names; the proto's own are accepted too.
const json::value* Member(const json::object& object, std::string_view camel, std::string_view snake) {
  if (const auto* value = object.if_contains(camel)) return value;
  return object.if_contains(snake);
}

// An object at `camel`; an empty one when missing.
Result<json::object> ObjectAt(const json::object& object, std::string_view camel, std::string_view snake) {
  const json::value* value = Member(object, camel, snake);
  if (value == nullptr || value->is_null()) return json::object();
  if (!value->is_object()) return std::unexpected(InvalidArgument("executor input: \"{}\": expected an object", camel));
  return value->as_object();
}

std::string Text(const json::object& object, std::string_view camel, std::string_view snake) {
  const json::value* value = Member(object, camel, snake);
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : "";
}

TaskArtifact ArtifactFromJson(std::string name, const json::object& object) {
  TaskArtifact artifact;
  artifact.name = std::move(name);
  artifact.uri = Text(object, "uri", "uri");
  if (const auto* type = object.if_contains("type"); type != nullptr && type->is_object())
    artifact.type = Text(type->as_object(), "schemaTitle", "schema_title");
  if (const auto* metadata = object.if_contains("metadata"); metadata != nullptr && metadata->is_object())
    artifact.metadata = metadata->as_object();
  return artifact;
}

// {"examples": {"artifacts": [{…}]}}: the first of each list.
Status ReadArtifacts(const json::object& lists, std::map<std::string, TaskArtifact>& out) {
  for (const auto& [key, value] : lists) {
    const json::value* list = value.is_object() ? value.as_object().if_contains("artifacts") : nullptr;
    if (list == nullptr || !list->is_array())
      return InvalidArgument("executor input: artifact \"{}\": expected {{\"artifacts\": […]}}", std::string_view(key));
    if (list->as_array().empty()) continue;
    const json::value& first = list->as_array()[0];
    if (!first.is_object())
      return InvalidArgument("executor input: artifact \"{}\": expected an object", std::string_view(key));
    out.emplace(std::string(key), ArtifactFromJson(std::string(key), first.as_object()));
  }
  return OkStatus();
}

Status WrongType(std::string_view parameter, const json::value& found, std::string_view expected) {
  return InvalidArgument("parameter \"{}\": expected {}, found {}", parameter, expected, headrace::ToJson(found));
}

std::string TextOf(const json::value& value) {
  return value.is_string() ? std::string(value.as_string()) : headrace::ToJson(value);
}

Result<TaskArtifact> FindArtifact(const std::map<std::string, TaskArtifact>& artifacts, std::string_view kind,
                                  std::string_view name) {
  const auto found = artifacts.find(std::string(name));
  if (found == artifacts.end())
    return std::unexpected(InvalidArgument("{} artifact \"{}\": missing in the executor input", kind, name));
  return found->second;
}

}  // namespace

Result<std::filesystem::path> TaskArtifact::Path() const {
  if (uri.starts_with("file://")) return std::filesystem::path(uri.substr(7));
  if (uri.find("://") != std::string::npos)
    return std::unexpected(Unimplemented("artifact \"{}\": {}: only local paths are read here", name, uri));
  if (uri.empty()) return std::unexpected(InvalidArgument("artifact \"{}\" has no URI", name));
  return std::filesystem::path(uri);
}

Status TaskArtifact::AddSource(const std::filesystem::path& path) {
  HR_ASSIGN_OR_RETURN(const std::string digest, Sha256OfTree(path));
  json::value& sources = metadata["sources"];
  if (!sources.is_array()) sources = json::array();
  sources.as_array().push_back({{"uri", std::filesystem::weakly_canonical(path).string()}, {"sha256", digest}});
  return OkStatus();
}

Result<ExecutorInput> ExecutorInput::Parse(std::string_view json) {
  HR_ASSIGN_OR_UNEXPECTED(const json::value value, ParseJson(json));
  if (!value.is_object()) return std::unexpected(InvalidArgument("executor input: expected a JSON object"));
  ExecutorInput out;
  HR_ASSIGN_OR_UNEXPECTED(const auto inputs, ObjectAt(value.as_object(), "inputs", "inputs"));
  HR_ASSIGN_OR_UNEXPECTED(out.parameters_, ObjectAt(inputs, "parameterValues", "parameter_values"));
  HR_ASSIGN_OR_UNEXPECTED(const auto artifacts, ObjectAt(inputs, "artifacts", "artifacts"));
  HR_UNEXPECTED_IF_ERROR(ReadArtifacts(artifacts, out.inputs_));
  HR_ASSIGN_OR_UNEXPECTED(const auto outputs, ObjectAt(value.as_object(), "outputs", "outputs"));
  HR_ASSIGN_OR_UNEXPECTED(const auto output_artifacts, ObjectAt(outputs, "artifacts", "artifacts"));
  HR_UNEXPECTED_IF_ERROR(ReadArtifacts(output_artifacts, out.outputs_));
  HR_ASSIGN_OR_UNEXPECTED(const auto parameters, ObjectAt(outputs, "parameters", "parameters"));
  for (const auto& [key, item] : parameters)
    if (item.is_object()) out.parameter_files_[std::string(key)] = Text(item.as_object(), "outputFile", "output_file");
  out.output_file_ = Text(outputs, "outputFile", "output_file");
  return out;
}

const json::value* ExecutorInput::Given(std::string_view parameter) const {
  const json::value* value = parameters_.if_contains(parameter);
  if (value == nullptr || value->is_null()) return nullptr;
  return value->is_string() && value->as_string().empty() ? nullptr : value;
}

Result<std::string> ExecutorInput::String(std::string_view parameter) const {
  HR_ASSIGN_OR_UNEXPECTED(auto value, OptionalString(parameter));
  if (!value) return std::unexpected(InvalidArgument("parameter \"{}\": missing, expected a text", parameter));
  return *std::move(value);
}

Result<std::optional<std::string>> ExecutorInput::OptionalString(std::string_view parameter) const {
  const json::value* value = Given(parameter);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) return std::unexpected(WrongType(parameter, *value, "a text"));
  return std::string(value->as_string());
}

Result<std::optional<bool>> ExecutorInput::OptionalBool(std::string_view parameter) const {
  const json::value* value = Given(parameter);
  if (value == nullptr) return std::nullopt;
  if (value->is_bool()) return value->as_bool();
  if (value->is_string() && (value->as_string() == "true" || value->as_string() == "false"))
    return value->as_string() == "true";
  return std::unexpected(WrongType(parameter, *value, "true or false"));
}

Result<std::optional<double>> ExecutorInput::OptionalNumber(std::string_view parameter) const {
  const json::value* value = Given(parameter);
  if (value == nullptr) return std::nullopt;
  if (value->is_number()) return value->to_number<double>();
  const std::string text = TextOf(*value);
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size())
    return std::unexpected(WrongType(parameter, *value, "a number"));
  return number;
}

Result<std::vector<std::string>> ExecutorInput::StringList(std::string_view parameter) const {
  std::vector<std::string> out;
  const json::value* value = Given(parameter);
  if (value == nullptr) return out;
  json::value list = *value;
  if (value->is_string()) {
    const std::string text(value->as_string());
    if (text.starts_with('[')) {
      HR_ASSIGN_OR_UNEXPECTED(list, ParseJson(text));
    } else {
      for (size_t at = 0; at <= text.size();) {
        const size_t comma = std::min(text.find(',', at), text.size());
        out.push_back(text.substr(at, comma - at));
        at = comma + 1;
      }
      return out;
    }
  }
  if (!list.is_array()) return std::unexpected(WrongType(parameter, *value, "a list of texts"));
  for (const auto& item : list.as_array()) out.push_back(TextOf(item));
  return out;
}

Result<json::object> ExecutorInput::Object(std::string_view parameter) const {
  const json::value* value = Given(parameter);
  if (value == nullptr) return json::object();
  if (value->is_object()) return value->as_object();
  if (value->is_string()) {
    auto parsed = ParseJson(value->as_string());
    if (parsed && parsed->is_object()) return parsed->as_object();
    if (!parsed) return std::unexpected(parsed.error().WithContext("parameter \"" + std::string(parameter) + "\""));
  }
  return std::unexpected(WrongType(parameter, *value, "a JSON object"));
}

Result<TaskArtifact> ExecutorInput::Input(std::string_view name) const { return FindArtifact(inputs_, "input", name); }
Result<TaskArtifact> ExecutorInput::Output(std::string_view name) const {
  return FindArtifact(outputs_, "output", name);
}

std::optional<TaskArtifact> ExecutorInput::OptionalInput(std::string_view name) const {
  const auto found = inputs_.find(std::string(name));
  return found == inputs_.end() ? std::nullopt : std::optional(found->second);
}

std::string ExecutorInput::ParameterFile(std::string_view name) const {
  const auto found = parameter_files_.find(std::string(name));
  return found == parameter_files_.end() ? "" : found->second;
}

json::value ExecutorOutput::ToJson() const {
  json::object artifacts;
  for (const auto& artifact : artifacts_) {
    const json::object item = {{"name", artifact.name},
                               {"type", {{"schemaTitle", artifact.type}}},
                               {"uri", artifact.uri},
                               {"metadata", artifact.metadata}};
    artifacts[artifact.name] = {{"artifacts", json::array{item}}};
  }
  return {{"parameterValues", parameters_}, {"artifacts", artifacts}};
}

Status ExecutorOutput::Write(const ExecutorInput& input) const {
  for (const auto& [name, value] : parameters_)
    if (const std::string file = input.ParameterFile(name); !file.empty())
      HR_RETURN_IF_ERROR(WriteFileAtomically(file, TextOf(value)));
  if (input.output_file().empty()) return OkStatus();
  return WriteFileAtomically(input.output_file(), PrettyJson(ToJson()));
}

}  // namespace headrace::components
