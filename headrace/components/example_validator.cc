#include <fmt/format.h>

#include <set>

#include "headrace/base/files.h"
#include "headrace/components/component.h"
#include "headrace/components/statistics_file.h"
#include "headrace/data/anomalies.h"

namespace headrace::components {
namespace {

class ExampleValidatorComponent : public Component {
 public:
  std::string_view name() const override { return "ExampleValidator"; }
  std::string_view summary() const override {
    return "The data gate: holds data against its schema and names what is wrong.";
  }
  std::vector<Port> inputs() const override {
    return {{"statistics", "Artifact", "what StatisticsGen made"},
            {"schema", "Artifact", "what SchemaGen made"},
            {"baseline_statistics", "Artifact", "optional: of the span before, for drift"},
            {"examples", "Dataset", "optional: the rows, to name offending values; default those of the statistics"}};
  }
  std::vector<Port> parameters() const override {
    return {{"fail_on_anomalies", "bool", "default true: the task fails when there is an anomaly"},
            {"environment", "text", "default TRAINING; SERVING: without what the schema says is absent there"},
            {"baseline_statistics", "text", "optional: the path of such statistics, instead of the artifact"}};
  }
  std::vector<Port> outputs() const override {
    return {{"anomalies", "Artifact", "anomalies.json and anomalies.txt: column, values, what was expected"}};
  }

  Status Run(const ExecutorInput& input, const Services& services, ExecutorOutput& output) const override {
    HR_ASSIGN_OR_RETURN(const auto statistics_artifact, input.Input("statistics"));
    HR_ASSIGN_OR_RETURN(const auto statistics_path, statistics_artifact.Path());
    HR_ASSIGN_OR_RETURN(const auto statistics, ReadStatistics(statistics_path));
    HR_ASSIGN_OR_RETURN(const auto schema_artifact, input.Input("schema"));
    HR_ASSIGN_OR_RETURN(const auto schema_path, schema_artifact.Path());
    HR_ASSIGN_OR_RETURN(const auto schema, data::ReadSchemaFile(FileOf(schema_path, "schema.yaml")));
    HR_ASSIGN_OR_RETURN(const auto baseline, Baseline(input));
    HR_ASSIGN_OR_RETURN(const auto environment, input.OptionalString("environment"));
    data::ValidateOptions options;
    options.environment = environment.value_or("TRAINING");
    options.baseline = baseline ? &*baseline : nullptr;
    options.engine = services.query;
    options.examples = ExamplesOf(input, statistics_artifact);
    HR_ASSIGN_OR_RETURN(const auto anomalies, data::Validate(statistics, schema, options));
    return Answer(input, services, anomalies, output);
  }

 private:
  static std::filesystem::path ExamplesOf(const ExecutorInput& input, const TaskArtifact& statistics) {
    TaskArtifact artifact;
    if (const auto given = input.OptionalInput("examples"))
      artifact = *given;
    else if (const auto* uri = statistics.metadata.if_contains("examples_uri"); uri != nullptr && uri->is_string())
      artifact.uri = uri->as_string();
    return artifact.Path().value_or(std::filesystem::path());
  }

  static Result<std::optional<data::Statistics>> Baseline(const ExecutorInput& input) {
    TaskArtifact artifact;
    if (const auto given = input.OptionalInput("baseline_statistics")) artifact = *given;
    HR_ASSIGN_OR_UNEXPECTED(const auto named, input.OptionalString("baseline_statistics"));
    if (named) artifact.uri = *named;
    if (artifact.uri.empty()) return std::nullopt;
    HR_ASSIGN_OR_UNEXPECTED(const auto path, artifact.Path());
    HR_ASSIGN_OR_UNEXPECTED(auto statistics, ReadStatistics(path));
    return statistics;
  }

  static Status Answer(const ExecutorInput& input, const Services& services,
                       const std::vector<data::Anomaly>& anomalies, ExecutorOutput& output) {
    HR_ASSIGN_OR_RETURN(TaskArtifact artifact, input.Output("anomalies"));
    HR_ASSIGN_OR_RETURN(const auto folder, artifact.Path());
    const std::string text = data::FormatAnomalies(anomalies);
    HR_RETURN_IF_ERROR(WriteFileAtomically(folder / "anomalies.json", PrettyJson(data::ToJsonValue(anomalies))));
    HR_RETURN_IF_ERROR(WriteFileAtomically(folder / "anomalies.txt", text));
    services.print(text);
    artifact.metadata["num_anomalies"] = anomalies.size();
    HR_ASSIGN_OR_RETURN(const auto baseline, input.OptionalString("baseline_statistics"));
    if (baseline) HR_RETURN_IF_ERROR(artifact.AddSource(*baseline));
    output.AddArtifact(std::move(artifact));
    HR_ASSIGN_OR_RETURN(const auto fail, input.OptionalBool("fail_on_anomalies"));
    if (anomalies.empty() || !fail.value_or(true)) return OkStatus();
    std::set<std::string> columns;
    for (const auto& anomaly : anomalies) columns.insert(anomaly.column.empty() ? "the data set" : anomaly.column);
    output.Refuse(fmt::format("the data does not fit its schema: {} anomal{} in {}", anomalies.size(),
                              anomalies.size() == 1 ? "y" : "ies", fmt::join(columns, ", ")));
    return OkStatus();
  }
};

}  // namespace

const Component& ExampleValidator() {
  static const ExampleValidatorComponent component;
  return component;
}

}  // namespace headrace::components
