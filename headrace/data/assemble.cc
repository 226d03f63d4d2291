#include "headrace/data/assemble.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>

#include "headrace/data/onnx_graph.h"
#include "headrace/data/onnx_opsets.h"
#include "headrace/data/transform_graph.h"

namespace headrace::data {
namespace {

using onnx::GraphProto;
using onnx::ModelProto;
using onnx::TensorProto;
using onnx::ValueInfoProto;

constexpr std::string_view kTransformPrefix = "transform/";
constexpr std::string_view kModelPrefix = "model/";

// An output of the model as a matrix.
struct ServedOutput {
  std::string name;   // of the value
  std::string given;  // the name that the model's author gave it
  int32_t elem_type = TensorProto::FLOAT;
  size_t rank = 2;
  std::optional<int64_t> columns;  // of rank 2, where the model says
};

// Renames every value of a graph: all but those in `kept` get `prefix`.
class Renamer {
 public:
  Renamer(std::string_view prefix, std::set<std::string> kept) : prefix_(prefix), kept_(std::move(kept)) {}

  std::string operator()(const std::string& name) const {
    return name.empty() || kept_.contains(name) ? name : std::string(prefix_) + name;
  }

  void Rename(GraphProto& graph) const {
    for (auto& node : *graph.mutable_node()) RenameNode(node);
    for (auto& tensor : *graph.mutable_initializer()) tensor.set_name((*this)(tensor.name()));
    for (auto& value : *graph.mutable_input()) value.set_name((*this)(value.name()));
    for (auto& value : *graph.mutable_output()) value.set_name((*this)(value.name()));
    graph.clear_value_info();
  }

 private:
  void RenameNode(onnx::NodeProto& node) const {
    if (!node.name().empty()) node.set_name(std::string(prefix_) + node.name());
    for (auto& input : *node.mutable_input()) input = (*this)(input);
    for (auto& output : *node.mutable_output()) output = (*this)(output);
    for (auto& attribute : *node.mutable_attribute()) {
      if (attribute.has_g()) Rename(*attribute.mutable_g());
      for (auto& graph : *attribute.mutable_graphs()) Rename(graph);
    }
  }

  const std::string_view prefix_;
  const std::set<std::string> kept_;
};

std::string ListNames(const google::protobuf::RepeatedPtrField<ValueInfoProto>& values) {
  std::string out;
  for (const auto& value : values) out += (out.empty() ? "\"" : ", \"") + value.name() + "\"";
  return out;
}

// The graph's inputs without those that are initializers.
std::vector<const ValueInfoProto*> TrueInputs(const GraphProto& graph) {
  std::set<std::string> constants;
  for (const auto& tensor : graph.initializer()) constants.insert(tensor.name());
  std::vector<const ValueInfoProto*> out;
  for (const auto& input : graph.input())
    if (!constants.contains(input.name())) out.push_back(&input);
  return out;
}

// The last dimension of a matrix, where it is known.
std::optional<int64_t> ColumnsOf(const ValueInfoProto& value) {
  const auto& shape = value.type().tensor_type().shape();
  if (shape.dim_size() != 2 || !shape.dim(1).has_dim_value() || shape.dim(1).dim_value() <= 0) return std::nullopt;
  return shape.dim(1).dim_value();
}

Result<std::string> MatrixInput(const ModelProto& model, const ModelProto& transform) {
  const auto inputs = TrueInputs(model.graph());
  if (inputs.size() != 1 || inputs[0]->type().tensor_type().elem_type() != TensorProto::FLOAT)
    return std::unexpected(
        InvalidArgument("the model must take one matrix of floats, the transformed features; it takes {} inputs: {}",
                        inputs.size(), ListNames(model.graph().input())));
  const auto takes = ColumnsOf(*inputs[0]);
  const auto gives = ColumnsOf(transform.graph().output(0));
  if (takes && gives && *takes != *gives)
    return std::unexpected(
        InvalidArgument("the model takes {} features, the transform yields {}; train it on this "
                        "transform's examples",
                        *takes, *gives));
  return inputs[0]->name();
}

// Takes a ZipMap that yields `output` away; what went into it is the output then.
std::optional<ServedOutput> WithoutZipMap(const std::string& output, GraphProto& graph) {
  for (int i = 0; i < graph.node_size(); i++) {
    const onnx::NodeProto& node = graph.node(i);
    if (node.op_type() != "ZipMap" || node.output(0) != output) continue;
    ServedOutput served{node.input(0), output, TensorProto::FLOAT, 2, std::nullopt};
    for (const auto& attribute : node.attribute())
      served.columns = std::max(attribute.ints_size(), attribute.strings_size());
    graph.mutable_node()->DeleteSubrange(i, 1);
    return served;
  }
  return std::nullopt;
}

bool IsFloating(const ValueInfoProto& value) {
  if (!value.type().has_tensor_type()) return true;  // a ZipMap's sequence of maps
  const int32_t type = value.type().tensor_type().elem_type();
  return type == TensorProto::FLOAT || type == TensorProto::DOUBLE;
}

bool SaysProbability(std::string name) {
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
  return name.find("prob") != std::string::npos;
}

Result<ServedOutput> ChooseOutput(GraphProto& graph, const std::string& wanted) {
  std::vector<const ValueInfoProto*> candidates;
  for (const auto& output : graph.output())
    if (wanted.empty() ? IsFloating(output) : output.name() == wanted) candidates.push_back(&output);
  if (candidates.size() > 1)
    std::erase_if(candidates, [](const ValueInfoProto* value) { return !SaysProbability(value->name()); });
  if (candidates.size() != 1)
    return std::unexpected(InvalidArgument(
        "parameter \"output\": {}; the model's outputs are {}",
        wanted.empty() ? "which one to serve is not clear" : "not an output: " + wanted, ListNames(graph.output())));
  const ValueInfoProto& chosen = *candidates[0];
  if (auto served = WithoutZipMap(chosen.name(), graph)) return *served;
  const auto& tensor = chosen.type().tensor_type();
  const size_t rank = tensor.has_shape() ? static_cast<size_t>(tensor.shape().dim_size()) : 2;
  return ServedOutput{chosen.name(), chosen.name(), tensor.elem_type(), rank, ColumnsOf(chosen)};
}

// Adds the nodes from the model's value to what is served, and describes it as the graph's output, whose name it
// returns.
std::string AddServedOutput(const ServedOutput& served, ModelProto& model) {
  GraphProto& graph = *model.mutable_graph();
  auto* node = graph.add_node();
  auto* output = graph.add_output();
  auto* type = output->mutable_type()->mutable_tensor_type();
  type->set_elem_type(served.elem_type);
  type->mutable_shape()->add_dim()->set_dim_param("rows");
  const auto constant = [&graph](const char* name, int64_t value, bool scalar) {
    auto* tensor = graph.add_initializer();
    tensor->set_name(name);
    tensor->set_data_type(TensorProto::INT64);
    if (!scalar) tensor->add_dims(1);
    tensor->add_int64_data(value);
    return std::string(name);
  };
  std::string name = served.given;
  node->add_input(served.name);
  if (served.rank == 2 && served.columns == 2) {
    name = "probability";
    node->set_op_type("Gather");
    node->add_input(constant("second_class", 1, true));
    auto* axis = node->add_attribute();
    axis->set_name("axis");
    axis->set_type(onnx::AttributeProto::INT);
    axis->set_i(1);
  } else if (served.rank == 2 && served.columns == 1) {
    node->set_op_type("Reshape");
    node->add_input(constant("all_rows", -1, false));
  } else {
    node->set_op_type("Identity");
    if (served.rank == 2) {
      name = "probabilities";
      auto* dim = type->mutable_shape()->add_dim();
      if (served.columns)
        dim->set_dim_value(*served.columns);
      else
        dim->set_dim_param("columns");
    }
  }
  node->set_name("serve");
  node->add_output(name);
  output->set_name(name);
  return name;
}

void SetOpsets(const Opsets& opsets, ModelProto& model) {
  model.clear_opset_import();
  for (const auto& [domain, version] : opsets) {
    auto* import = model.add_opset_import();
    import->set_domain(domain);
    import->set_version(version);
  }
}

Status RefuseExternalData(const ModelProto& model) {
  for (const auto& tensor : model.graph().initializer())
    if (tensor.external_data_size() > 0)
      return InvalidArgument("the model keeps \"{}\" in another file; export it as one file", tensor.name());
  return OkStatus();
}

}  // namespace

Result<std::string> AssembleModel(std::string_view transform_bytes, std::string_view model_bytes,
                                  const AssembleOptions& options) {
  HR_ASSIGN_OR_UNEXPECTED(ModelProto merged, ParseModel(transform_bytes, "transform"));
  HR_ASSIGN_OR_UNEXPECTED(ModelProto model, ParseModel(model_bytes, "model"));
  HR_UNEXPECTED_IF_ERROR(RefuseExternalData(model));
  HR_ASSIGN_OR_UNEXPECTED(const std::string matrix, MatrixInput(model, merged));
  HR_ASSIGN_OR_UNEXPECTED(ServedOutput served, ChooseOutput(*model.mutable_graph(), options.output));
  const Opsets opsets = Later(OpsetsOf(merged), OpsetsOf(model));
  HR_UNEXPECTED_IF_ERROR(CheckRaise(merged, opsets));
  HR_UNEXPECTED_IF_ERROR(CheckRaise(model, opsets));

  std::set<std::string> columns;
  for (const auto& input : merged.graph().input()) columns.insert(input.name());
  const std::string features = merged.graph().output(0).name();
  const Renamer rename_transform(kTransformPrefix, columns);
  const Renamer rename_model(kModelPrefix, {});
  rename_transform.Rename(*merged.mutable_graph());
  rename_model.Rename(*model.mutable_graph());
  served.name = rename_model(served.name);

  GraphProto& graph = *merged.mutable_graph();
  graph.set_name("serving");
  graph.clear_output();
  auto* bridge = graph.add_node();
  bridge->set_name("bridge");
  bridge->set_op_type("Identity");
  bridge->add_input(rename_transform(features));
  bridge->add_output(rename_model(matrix));
  graph.mutable_node()->MergeFrom(model.graph().node());
  graph.mutable_initializer()->MergeFrom(model.graph().initializer());
  const std::string output = AddServedOutput(served, merged);
  if (columns.contains(output))
    return std::unexpected(InvalidArgument(
        "the model's output \"{0}\" has the name of a column that it takes; rename one of them", output));
  SetOpsets(opsets, merged);
  merged.mutable_functions()->MergeFrom(model.functions());
  merged.set_ir_version(std::max(merged.ir_version(), model.ir_version()));
  for (const auto& entry : model.metadata_props()) {
    auto* added = merged.add_metadata_props();
    added->set_key("model." + entry.key());
    added->set_value(entry.value());
  }
  return SerializeModel(merged);
}

}  // namespace headrace::data
