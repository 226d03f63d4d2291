// From a file's text to one JSON value.
#include "headrace/pipeline/ir.h"
#include "headrace/pipeline/yaml.h"

namespace headrace::pipeline {
namespace {

bool IsPlatformSpec(const json::value& document) {
  return document.is_object() && document.get_object().contains("platforms");
}

}  // namespace

Result<json::value> ReadPipelineFile(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return std::unexpected(InvalidArgument("the pipeline file is empty"));
  if (text[first] == '{') return ParseJson(text);
  HR_ASSIGN_OR_UNEXPECTED(std::vector<json::value> documents, ParseYaml(text));
  std::erase_if(documents, [](const json::value& document) { return document.is_null(); });
  if (documents.empty() || documents.size() > 2)
    return std::unexpected(
        InvalidArgument("a compiled pipeline has one or two YAML documents (the pipeline, the platform spec), found {}",
                        documents.size()));
  if (!documents[0].is_object())
    return std::unexpected(InvalidArgument("the first YAML document is not a mapping, so not a compiled pipeline"));
  if (documents.size() == 1) return std::move(documents[0]);
  if (!IsPlatformSpec(documents[1]))
    return std::unexpected(InvalidArgument("the second YAML document has no \"platforms\", so is not a platform spec"));
  return json::value{{"pipeline_spec", std::move(documents[0])}, {"platform_spec", std::move(documents[1])}};
}

}  // namespace headrace::pipeline
