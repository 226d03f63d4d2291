#include "headrace/data/transform.h"

#include <fmt/format.h>

#include "headrace/components/component.h"
#include "headrace/components/statistics_file.h"

namespace headrace::components {
namespace {

class TransformComponent : public Component {
 public:
  std::string_view name() const override { return "Transform"; }
  std::string_view summary() const override {
    return "Fits the transform, writes it as an ONNX graph, and runs that graph over the examples.";
  }
  std::vector<Port> inputs() const override {
    return {{"examples", "Dataset", "what ExampleGen made"},
            {"schema", "Artifact", "optional: refuses features that the schema says are absent in SERVING"}};
  }
  std::vector<Port> parameters() const override {
    return {{"spec", "JSON",
             "{\"label\", \"features\": {name: [step, …]}, \"passthrough\"}: headrace/data/transform_spec.h lists the "
             "steps"}};
  }
  std::vector<Port> outputs() const override {
    return {{"transform_graph", "Artifact", "model.onnx: raw columns in, \"features\" [rows, F] out"},
            {"transformed_examples", "Dataset", "Parquet for each split: features, what passes through, the label"}};
  }

  Status Run(const ExecutorInput& input, const Services& services, ExecutorOutput& output) const override {
    HR_ASSIGN_OR_RETURN(const auto examples, input.Input("examples"));
    HR_ASSIGN_OR_RETURN(const auto folder, examples.Path());
    HR_ASSIGN_OR_RETURN(const json::object object, input.Object("spec"));
    const auto spec = data::ParseTransformSpec(object);
    if (!spec) return spec.error().WithContext("parameter \"spec\"");
    HR_ASSIGN_OR_RETURN(const auto schema, SchemaOf(input));
    HR_ASSIGN_OR_RETURN(TaskArtifact graph, input.Output("transform_graph"));
    HR_ASSIGN_OR_RETURN(TaskArtifact transformed, input.Output("transformed_examples"));
    HR_ASSIGN_OR_RETURN(const auto graph_path, graph.Path());
    HR_ASSIGN_OR_RETURN(const auto out, transformed.Path());
    HR_ASSIGN_OR_RETURN(const auto result, data::Transform(*services.query, services.engines, folder, *spec,
                                                           schema ? &*schema : nullptr, graph_path, out));
    const json::array names(result.feature_names.begin(), result.feature_names.end());
    graph.metadata["features"] = names.size();
    transformed.metadata["features"] = names;
    transformed.metadata["label"] = spec->label;
    json::object rows;
    for (const auto& [split, count] : result.counts) rows[split] = count;
    transformed.metadata["rows"] = rows;
    services.print(fmt::format("transform: {} columns become {} features\n", spec->features.size(), names.size()));
    output.AddArtifact(std::move(graph));
    output.AddArtifact(std::move(transformed));
    return OkStatus();
  }

 private:
  static Result<std::optional<data::Schema>> SchemaOf(const ExecutorInput& input) {
    const auto artifact = input.OptionalInput("schema");
    if (!artifact) return std::nullopt;
    HR_ASSIGN_OR_UNEXPECTED(const auto path, artifact->Path());
    HR_ASSIGN_OR_UNEXPECTED(auto schema, data::ReadSchemaFile(FileOf(path, "schema.yaml")));
    return schema;
  }
};

}  // namespace

const Component& Transform() {
  static const TransformComponent component;
  return component;
}

}  // namespace headrace::components
