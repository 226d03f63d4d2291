#include "headrace/data/assemble.h"

#include <fmt/format.h>

#include "headrace/base/files.h"
#include "headrace/components/component.h"
#include "headrace/components/statistics_file.h"
#include "headrace/data/inference.h"

namespace headrace::components {
namespace {

class AssembleComponent : public Component {
 public:
  std::string_view name() const override { return "Assemble"; }
  std::string_view summary() const override {
    return "Joins the transform and the model to one graph that takes raw columns, texts included.";
  }
  std::vector<Port> inputs() const override {
    return {{"transform_graph", "Artifact", "what Transform made"},
            {"model", "Model", "an ONNX model that takes the matrix of features: model.onnx in its folder"}};
  }
  std::vector<Port> parameters() const override {
    return {{"output", "text", "the model's output to serve; default: the one with the probabilities"}};
  }
  std::vector<Port> outputs() const override {
    return {{"serving_model", "Model", "a folder with model.onnx, as the model server loads it"}};
  }

  Status Run(const ExecutorInput& input, const Services& services, ExecutorOutput& output) const override {
    HR_ASSIGN_OR_RETURN(const std::string transform, ReadModel(input, "transform_graph"));
    HR_ASSIGN_OR_RETURN(const std::string model, ReadModel(input, "model"));
    HR_ASSIGN_OR_RETURN(const auto served, input.OptionalString("output"));
    HR_ASSIGN_OR_RETURN(TaskArtifact artifact, input.Output("serving_model"));
    HR_ASSIGN_OR_RETURN(const auto folder, artifact.Path());
    HR_ASSIGN_OR_RETURN(const std::string merged,
                        data::AssembleModel(transform, model, {.output = served.value_or("")}));
    HR_RETURN_IF_ERROR(WriteFileAtomically(folder / "model.onnx", merged));
    HR_ASSIGN_OR_RETURN(const auto servable, data::LoadModel(services.engines, folder));
    const Signature& signature = servable->signatures().front();
    json::array inputs;
    for (const auto& spec : signature.inputs) inputs.push_back(Describe(spec));
    json::array outputs;
    for (const auto& spec : signature.outputs) outputs.push_back(Describe(spec));
    artifact.metadata["signature"] = {{"name", signature.name}, {"inputs", inputs}, {"outputs", outputs}};
    services.print(fmt::format("serving model: {} inputs, output \"{}\", {} bytes\n", signature.inputs.size(),
                               signature.outputs.front().name, merged.size()));
    output.AddArtifact(std::move(artifact));
    return OkStatus();
  }

 private:
  static Result<std::string> ReadModel(const ExecutorInput& input, std::string_view name) {
    HR_ASSIGN_OR_UNEXPECTED(const auto artifact, input.Input(name));
    HR_ASSIGN_OR_UNEXPECTED(const auto path, artifact.Path());
    return ReadFile(FileOf(path, "model.onnx"));
  }

  static json::object Describe(const TensorSpec& spec) {
    return {{"name", spec.name},
            {"datatype", DataTypeName(spec.type)},
            {"shape", json::array(spec.shape.begin(), spec.shape.end())}};
  }
};

}  // namespace

const Component& Assemble() {
  static const AssembleComponent component;
  return component;
}

}  // namespace headrace::components
