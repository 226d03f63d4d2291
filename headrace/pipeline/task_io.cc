#include "headrace/pipeline/task_io.h"

#include "headrace/base/files.h"
#include "headrace/pipeline/values.h"

namespace headrace::pipeline {
namespace fs = std::filesystem;
namespace {

constexpr size_t kMaxOutputFile = 64 << 20;

json::object ToRuntimeArtifact(const ArtifactValue& artifact) {
  return {{"name", artifact.name},
          {"type", {{"schemaTitle", artifact.schema_title}, {"schemaVersion", artifact.schema_version}}},
          {"uri", artifact.uri},
          {"metadata", artifact.metadata}};
}

json::object ArtifactLists(const std::map<std::string, std::vector<ArtifactValue>>& artifacts) {
  json::object out;
  for (const auto& [name, values] : artifacts) {
    json::array list;
    for (const auto& value : values) list.push_back(ToRuntimeArtifact(value));
    out.emplace(name, json::object{{"artifacts", std::move(list)}});
  }
  return out;
}

Result<ArtifactValue> ArtifactFromJson(const json::value& value) {
  if (!value.is_object()) return std::unexpected(DataLoss("a stored artifact is no object"));
  const auto& object = value.get_object();
  ArtifactValue out;
  HR_ASSIGN_OR_UNEXPECTED(out.id, RequiredInt(object, "id"));
  HR_ASSIGN_OR_UNEXPECTED(out.name, RequiredString(object, "name"));
  HR_ASSIGN_OR_UNEXPECTED(out.uri, RequiredString(object, "uri"));
  HR_ASSIGN_OR_UNEXPECTED(out.schema_title, RequiredString(object, "schema_title"));
  HR_ASSIGN_OR_UNEXPECTED(out.schema_version, RequiredString(object, "schema_version"));
  HR_ASSIGN_OR_UNEXPECTED(out.digest, RequiredString(object, "digest"));
  HR_ASSIGN_OR_UNEXPECTED(const json::object* metadata, RequiredObject(object, "metadata"));
  out.metadata = *metadata;
  return out;
}

fs::path ParameterFile(const fs::path& folder, const std::string& name) { return folder / ".parameters" / name; }

// The members of an ExecutorOutput, under either spelling; anything else is an error.
struct OutputFile {
  json::object parameters;
  json::object artifacts;
};

Result<OutputFile> ParseOutputFile(std::string_view text) {
  HR_ASSIGN_OR_UNEXPECTED(json::value value, ParseJson(text));
  if (!value.is_object()) return std::unexpected(InvalidArgument("expected an object"));
  OutputFile out;
  for (auto& member : value.get_object()) {
    const std::string_view key = member.key();
    json::object* target = nullptr;
    if (key == "parameterValues" || key == "parameter_values") target = &out.parameters;
    if (key == "artifacts") target = &out.artifacts;
    if (target == nullptr)
      return std::unexpected(InvalidArgument("unknown field {}; expected parameterValues, artifacts", key));
    if (!member.value().is_object()) return std::unexpected(InvalidArgument("{}: expected an object", key));
    *target = std::move(member.value().get_object());
  }
  return out;
}

// Takes over what the task says of its output `name`: uri and metadata.
Status ApplyArtifact(const json::value& list, ArtifactValue* artifact) {
  if (!list.is_object()) return InvalidArgument("expected an object with artifacts");
  HR_ASSIGN_OR_RETURN(const json::array* artifacts, RequiredArray(list.get_object(), "artifacts"));
  if (artifacts->empty()) return OkStatus();
  if (artifacts->size() > 1) return InvalidArgument("expected one artifact, found {}", artifacts->size());
  if (!artifacts->front().is_object()) return InvalidArgument("expected an object");
  const auto& object = artifacts->front().get_object();
  HR_ASSIGN_OR_RETURN(const auto name, OptionalString(object, "name"));
  HR_ASSIGN_OR_RETURN(const auto uri, OptionalString(object, "uri"));
  if (name && !name->empty()) artifact->name = *name;
  if (uri && !uri->empty()) artifact->uri = *uri;
  const auto* metadata = object.if_contains("metadata");
  if (metadata == nullptr || metadata->is_null()) return OkStatus();
  if (!metadata->is_object()) return InvalidArgument("metadata: expected an object");
  for (const auto& [key, value] : metadata->get_object()) artifact->metadata[key] = NormalNumbers(value);
  return OkStatus();
}

Result<json::value> ReadParameter(const std::string& name, const ParameterSpec& spec, const OutputFile& output,
                                  const fs::path& folder) {
  if (const auto* value = output.parameters.if_contains(name)) return CoerceParameter(*value, spec);
  const fs::path file = ParameterFile(folder, name);
  std::error_code error;
  if (!fs::exists(file, error))
    return std::unexpected(
        InvalidArgument("the task did not write it; it is neither in its executor output nor in its file"));
  HR_ASSIGN_OR_UNEXPECTED(const std::string text, ReadFile(file));
  return ParseOutputParameter(text, spec.type);
}

json::value OutputSpecs(const Component& component) {
  json::object out;
  for (const auto& [name, spec] : component.output_parameters) out[name] = ParameterTypeName(spec.type);
  for (const auto& [name, spec] : component.output_artifacts)
    out[name] = {spec.schema_title, spec.schema_version, spec.metadata};
  return out;
}

json::array Strings(const std::vector<std::string>& words) {
  json::array out;
  for (const auto& word : words) out.emplace_back(word);
  return out;
}

}  // namespace

json::object ToJsonValue(const ArtifactValue& artifact) {
  return {{"id", artifact.id},
          {"name", artifact.name},
          {"uri", artifact.uri},
          {"schema_title", artifact.schema_title},
          {"schema_version", artifact.schema_version},
          {"digest", artifact.digest},
          {"metadata", artifact.metadata}};
}

json::value ToStored(const std::map<std::string, json::value>& parameters,
                     const std::map<std::string, std::vector<ArtifactValue>>& artifacts) {
  json::object parameter_values;
  for (const auto& [name, value] : parameters) parameter_values.emplace(name, value);
  json::object lists;
  for (const auto& [name, values] : artifacts) {
    json::array list;
    for (const auto& value : values) list.push_back(ToJsonValue(value));
    lists.emplace(name, std::move(list));
  }
  return json::object{{"parameters", std::move(parameter_values)}, {"artifacts", std::move(lists)}};
}

Result<TaskOutputs> FromStored(const json::value& value) {
  if (!value.is_object()) return std::unexpected(DataLoss("stored outputs are no object"));
  TaskOutputs out;
  HR_ASSIGN_OR_UNEXPECTED(const json::object* parameters, RequiredObject(value.get_object(), "parameters"));
  HR_ASSIGN_OR_UNEXPECTED(const json::object* artifacts, RequiredObject(value.get_object(), "artifacts"));
  for (const auto& [name, parameter] : *parameters) out.parameters.emplace(name, parameter);
  for (const auto& [name, list] : *artifacts) {
    auto& values = out.artifacts[name];
    if (!list.is_array()) return std::unexpected(DataLoss("a stored artifact list is no list"));
    for (const auto& item : list.get_array()) {
      HR_ASSIGN_OR_UNEXPECTED(ArtifactValue artifact, ArtifactFromJson(item));
      values.push_back(std::move(artifact));
    }
  }
  return out;
}

std::string LocalPath(std::string_view uri) {
  static constexpr std::pair<std::string_view, std::string_view> kPrefixes[] = {
      {"file://", ""}, {"gs://", "/gcs/"}, {"s3://", "/s3/"}, {"minio://", "/minio/"}};
  for (const auto& [scheme, prefix] : kPrefixes)
    if (uri.starts_with(scheme)) return std::string(prefix) + std::string(uri.substr(scheme.size()));
  return std::string(uri);
}

fs::path ExecutorOutputFile(const fs::path& folder) { return folder / ".executor_output.json"; }

json::object BuildExecutorInput(const Component& component, const TaskInputs& inputs, const fs::path& folder) {
  json::object parameter_values;
  for (const auto& [name, value] : inputs.parameters)
    if (component.input_parameters.contains(name)) parameter_values.emplace(name, value);
  json::object outputs;
  json::object parameters;
  for (const auto& [name, spec] : component.output_parameters)
    parameters.emplace(name, json::object{{"outputFile", ParameterFile(folder, name).string()}});
  std::map<std::string, std::vector<ArtifactValue>> artifacts;
  for (const auto& [name, spec] : component.output_artifacts)
    artifacts[name].push_back(
        {0, name, (folder / name).string(), spec.schema_title, spec.schema_version, "", spec.metadata});
  if (!parameters.empty()) outputs.emplace("parameters", std::move(parameters));
  if (!artifacts.empty()) outputs.emplace("artifacts", ArtifactLists(artifacts));
  outputs.emplace("outputFile", ExecutorOutputFile(folder).string());
  return {
      {"inputs", {{"parameterValues", std::move(parameter_values)}, {"artifacts", ArtifactLists(inputs.artifacts)}}},
      {"outputs", std::move(outputs)}};
}

Result<TaskOutputs> ReadOutputs(const Component& component, const fs::path& folder, std::vector<std::string>* missing) {
  OutputFile output;
  std::error_code error;
  const fs::path file = ExecutorOutputFile(folder);
  if (fs::exists(file, error)) {
    if (fs::file_size(file, error) > kMaxOutputFile)
      return std::unexpected(InvalidArgument("the executor output is larger than {} bytes", kMaxOutputFile));
    HR_ASSIGN_OR_UNEXPECTED(const std::string text, ReadFile(file));
    auto parsed = ParseOutputFile(text);
    if (!parsed) return std::unexpected(parsed.error().WithContext("executor output"));
    output = *std::move(parsed);
  }
  TaskOutputs out;
  for (const auto& [name, spec] : component.output_parameters) {
    auto value = ReadParameter(name, spec, output, folder);
    if (!value) return std::unexpected(value.error().WithContext("output parameter " + name));
    out.parameters.emplace(name, *std::move(value));
  }
  for (const auto& [name, spec] : component.output_artifacts) {
    ArtifactValue artifact{0,  name,         (folder / name).string(), spec.schema_title, spec.schema_version,
                           "", spec.metadata};
    if (const auto* list = output.artifacts.if_contains(name)) {
      const Status status = ApplyArtifact(*list, &artifact);
      if (!status.ok()) return std::unexpected(status.WithContext("output artifact " + name));
    }
    if (!fs::exists(LocalPath(artifact.uri), error)) missing->push_back(name);
    out.artifacts[name].push_back(std::move(artifact));
  }
  return out;
}

json::object CelVariables(const TaskInputs& inputs) {
  json::object values;
  json::object legacy;  // schema 2.0.0: inputs.parameters['x'].string_value
  for (const auto& [name, value] : inputs.parameters) {
    values.emplace(name, value);
    const char* member = value.is_string() ? "string_value" : value.is_double() ? "double_value" : "int_value";
    legacy.emplace(name, json::object{{member, value}});
  }
  return {{"inputs",
           {{"parameter_values", std::move(values)},
            {"parameters", std::move(legacy)},
            {"artifacts", ArtifactLists(inputs.artifacts)}}}};
}

std::string CacheKey(const Component& component, const TaskInputs& inputs) {
  json::object artifacts;
  for (const auto& [name, values] : inputs.artifacts) {
    json::array list;
    // Equal content is the same input, wherever it lies; without a digest the URI is all that is known.
    for (const auto& value : values)
      list.push_back({value.digest.empty() ? "uri:" + value.uri : value.digest, value.metadata});
    artifacts.emplace(name, std::move(list));
  }
  json::object parameters;
  for (const auto& [name, value] : inputs.parameters)
    if (component.input_parameters.contains(name)) parameters.emplace(name, value);
  json::object identity = {
      {"inputs", std::move(artifacts)}, {"parameters", std::move(parameters)}, {"outputs", OutputSpecs(component)}};
  if (const auto* container = std::get_if<Container>(&component.body)) {
    identity["image"] = container->image;
    identity["command"] = Strings(container->command);
    identity["args"] = Strings(container->args);
  }
  return Sha256(CanonicalJson(identity));
}

std::string CommandDigest(const Container& container) {
  return Sha256(CanonicalJson(json::object{
      {"image", container.image}, {"command", Strings(container.command)}, {"args", Strings(container.args)}}));
}

}  // namespace headrace::pipeline
