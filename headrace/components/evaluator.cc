#include <fmt/format.h>

#include "headrace/base/files.h"
#include "headrace/components/component.h"
#include "headrace/data/evaluate.h"
#include "headrace/data/inference.h"
#include "headrace/data/verdict.h"

namespace headrace::components {
namespace {

namespace fs = std::filesystem;

class EvaluatorComponent : public Component {
 public:
  std::string_view name() const override { return "Evaluator"; }
  std::string_view summary() const override {
    return "The model gate: measures the serving model on held-out rows and blesses it, or not.";
  }
  std::vector<Port> inputs() const override {
    return {{"examples", "Dataset", "what ExampleGen made: raw columns"},
            {"serving_model", "Model", "what Assemble made"}};
  }
  std::vector<Port> parameters() const override {
    return {{"label", "text", "a column of 0 and 1"},
            {"slices", "list", "columns whose every value is measured on its own"},
            {"thresholds", "JSON", "{metric: {\"lower\", \"upper\", \"change\"}, \"slices\": {…}}; see data/verdict.h"},
            {"baseline_model", "text", "the base path of the model that is served now; empty or nothing there: none"},
            {"split", "text", "the split to measure on; default eval"}};
  }
  std::vector<Port> outputs() const override {
    return {{"evaluation", "Artifact", "metrics.json; predictions.parquet; samples.jsonl: requests with their answers"},
            {"blessing", "Artifact", "verdict.json and verdict.txt; metadata: blessed 1 or 0"},
            {"blessed", "bool", "the same as a parameter"}};
  }

  Status Run(const ExecutorInput& input, const Services& services, ExecutorOutput& output) const override {
    HR_ASSIGN_OR_RETURN(const json::object bounds, input.Object("thresholds"));
    const auto thresholds = data::ParseThresholds(bounds);
    if (!thresholds) return thresholds.error().WithContext("parameter \"thresholds\"");
    data::EvaluateRequest request;
    request.threshold = thresholds->prediction_threshold;
    HR_RETURN_IF_ERROR(ReadRequest(input, request));
    HR_ASSIGN_OR_RETURN(const auto model_artifact, input.Input("serving_model"));
    HR_ASSIGN_OR_RETURN(const fs::path model_path, model_artifact.Path());
    HR_ASSIGN_OR_RETURN(const auto model, data::LoadModel(services.engines, model_path));
    HR_ASSIGN_OR_RETURN(const auto base, input.OptionalString("baseline_model"));
    const auto baseline_path = data::FindBaseline(services.engines, base.value_or(""));
    std::unique_ptr<Servable> baseline;
    HR_ASSIGN_OR_RETURN(TaskArtifact evaluation_artifact, input.Output("evaluation"));
    if (baseline_path) {
      HR_ASSIGN_OR_RETURN(baseline, data::LoadModel(services.engines, *baseline_path));
      HR_RETURN_IF_ERROR(evaluation_artifact.AddSource(*baseline_path));
    }
    HR_ASSIGN_OR_RETURN(const fs::path folder, evaluation_artifact.Path());
    HR_ASSIGN_OR_RETURN(const auto evaluation, data::Evaluate(*services.query, *model, baseline.get(), request,
                                                              folder / "predictions.parquet"));
    HR_RETURN_IF_ERROR(WriteEvaluation(evaluation, folder));
    for (const auto& [name, metric] : evaluation.overall.metrics) evaluation_artifact.metadata[name] = metric.value;
    services.print(data::FormatEvaluation(evaluation));
    services.print(baseline_path ? fmt::format("compared with {}\n", baseline_path->string())
                                 : "there is no baseline to compare with\n");
    output.AddArtifact(std::move(evaluation_artifact));
    HR_ASSIGN_OR_RETURN(const auto verdict, data::Judge(evaluation, *thresholds));
    return WriteVerdict(input, services, verdict, baseline_path, model_path, output);
  }

 private:
  static Status ReadRequest(const ExecutorInput& input, data::EvaluateRequest& request) {
    HR_ASSIGN_OR_RETURN(const auto examples, input.Input("examples"));
    HR_ASSIGN_OR_RETURN(const fs::path folder, examples.Path());
    HR_ASSIGN_OR_RETURN(const auto split, input.OptionalString("split"));
    request.examples = folder / split.value_or("eval");
    HR_ASSIGN_OR_RETURN(request.label, input.String("label"));
    HR_ASSIGN_OR_RETURN(request.slices, input.StringList("slices"));
    return OkStatus();
  }

  static Status WriteEvaluation(const data::Evaluation& evaluation, const fs::path& folder) {
    HR_RETURN_IF_ERROR(WriteFileAtomically(folder / "metrics.json", PrettyJson(data::ToJsonValue(evaluation))));
    std::string lines;
    for (const auto& sample : evaluation.samples)
      lines +=
          ToJson(json::object{{"instance", sample.instance}, {"prediction", static_cast<double>(sample.prediction)}}) +
          "\n";
    return WriteFileAtomically(folder / "samples.jsonl", lines);
  }

  static Status WriteVerdict(const ExecutorInput& input, const Services& services, const data::Verdict& verdict,
                             const std::optional<fs::path>& baseline, const fs::path& model, ExecutorOutput& output) {
    HR_ASSIGN_OR_RETURN(TaskArtifact artifact, input.Output("blessing"));
    HR_ASSIGN_OR_RETURN(const fs::path folder, artifact.Path());
    json::value value = data::ToJsonValue(verdict);
    HR_ASSIGN_OR_RETURN(const std::string digest, Sha256OfTree(model));
    value.as_object()["model_sha256"] = digest;
    value.as_object()["baseline"] = baseline ? json::value(baseline->string()) : json::value();
    HR_RETURN_IF_ERROR(WriteFileAtomically(folder / "verdict.json", PrettyJson(value)));
    const std::string text = data::FormatVerdict(verdict);
    HR_RETURN_IF_ERROR(WriteFileAtomically(folder / "verdict.txt", text));
    services.print(text);
    artifact.metadata["blessed"] = verdict.blessed ? 1 : 0;
    artifact.metadata["checks"] = verdict.checks.size();
    output.AddArtifact(std::move(artifact));
    output.SetParameter("blessed", verdict.blessed);
    return OkStatus();
  }
};

}  // namespace

const Component& Evaluator() {
  static const EvaluatorComponent component;
  return component;
}

}  // namespace headrace::components
