#include <fmt/format.h>

#include "headrace/base/files.h"
#include "headrace/components/component.h"
#include "headrace/components/statistics_file.h"
#include "headrace/data/schema.h"

namespace headrace::components {
namespace {

class SchemaGenComponent : public Component {
 public:
  std::string_view name() const override { return "SchemaGen"; }
  std::string_view summary() const override {
    return "Infers the schema of the data, or takes over the one that people keep.";
  }
  std::vector<Port> inputs() const override { return {{"statistics", "Artifact", "what StatisticsGen made"}}; }
  std::vector<Port> parameters() const override {
    return {{"curated", "text", "the schema's text, used as it is"},
            {"schema_path", "text", "the schema's file, used as it is where it exists"},
            {"training_only", "list", "columns that exist only in training, such as the label (inference)"},
            {"split", "text", "the split to infer from; default train"}};
  }
  std::vector<Port> outputs() const override { return {{"schema", "Artifact", "schema.yaml, for people to edit"}}; }

  Status Run(const ExecutorInput& input, const Services& services, ExecutorOutput& output) const override {
    HR_ASSIGN_OR_RETURN(TaskArtifact artifact, input.Output("schema"));
    HR_ASSIGN_OR_RETURN(const auto folder, artifact.Path());
    std::string origin;
    HR_ASSIGN_OR_RETURN(const std::string text, SchemaText(input, origin));
    HR_ASSIGN_OR_RETURN(const auto file, input.OptionalString("schema_path"));
    if (file == origin) HR_RETURN_IF_ERROR(artifact.AddSource(origin));
    HR_ASSIGN_OR_RETURN(const data::Schema schema, data::ReadSchema(text, origin));
    HR_RETURN_IF_ERROR(WriteFileAtomically(folder / "schema.yaml", text));
    services.print(fmt::format("schema: {} features, {}\n", schema.features.size(), origin));
    artifact.metadata["origin"] = origin;
    artifact.metadata["features"] = schema.features.size();
    output.AddArtifact(std::move(artifact));
    return OkStatus();
  }

 private:
  static Result<std::string> SchemaText(const ExecutorInput& input, std::string& origin) {
    HR_ASSIGN_OR_UNEXPECTED(const auto curated, input.OptionalString("curated"));
    if (curated) {
      origin = "curated";
      return *curated;
    }
    HR_ASSIGN_OR_UNEXPECTED(const auto path, input.OptionalString("schema_path"));
    if (path && std::filesystem::exists(*path)) {
      origin = *path;
      return ReadFile(*path);
    }
    return Infer(input, origin);
  }

  static Result<std::string> Infer(const ExecutorInput& input, std::string& origin) {
    HR_ASSIGN_OR_UNEXPECTED(const auto artifact, input.Input("statistics"));
    HR_ASSIGN_OR_UNEXPECTED(const auto path, artifact.Path());
    HR_ASSIGN_OR_UNEXPECTED(const auto statistics, ReadStatistics(path));
    HR_ASSIGN_OR_UNEXPECTED(const auto split, input.OptionalString("split"));
    const std::string name = split.value_or("train");
    const data::DatasetStatistics* dataset = statistics.Find(name);
    if (dataset == nullptr)
      return std::unexpected(InvalidArgument("parameter \"split\": the statistics have no split \"{}\"", name));
    data::InferOptions options;
    HR_ASSIGN_OR_UNEXPECTED(options.training_only, input.StringList("training_only"));
    origin = "inferred from " + name;
    return data::WriteSchema(data::InferSchema(*dataset, options));
  }
};

}  // namespace

const Component& SchemaGen() {
  static const SchemaGenComponent component;
  return component;
}

}  // namespace headrace::components
