#include "headrace/data/onnx_graph.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

namespace headrace::data {
namespace {

constexpr int64_t kIrVersion = 8;

void SetShape(onnx::ValueInfoProto* value, onnx::TensorProto::DataType type, std::optional<int64_t> columns) {
  auto* tensor = value->mutable_type()->mutable_tensor_type();
  tensor->set_elem_type(type);
  tensor->mutable_shape()->add_dim()->set_dim_param("rows");
  if (columns) tensor->mutable_shape()->add_dim()->set_dim_value(*columns);
}

}  // namespace

OnnxGraph::OnnxGraph(std::string_view name) {
  model_.set_ir_version(kIrVersion);
  model_.set_producer_name("headrace");
  model_.mutable_graph()->set_name(std::string(name));
}

void OnnxGraph::AddInput(const std::string& name, onnx::TensorProto::DataType type) {
  auto* input = model_.mutable_graph()->add_input();
  input->set_name(name);
  SetShape(input, type, std::nullopt);
}

void OnnxGraph::AddOutput(const std::string& name, onnx::TensorProto::DataType type, std::optional<int64_t> columns) {
  auto* output = model_.mutable_graph()->add_output();
  output->set_name(name);
  SetShape(output, type, columns);
}

onnx::TensorProto* OnnxGraph::Constant(onnx::TensorProto::DataType type, const std::vector<int64_t>& dims) {
  auto* tensor = model_.mutable_graph()->add_initializer();
  tensor->set_name("hr:constant_" + std::to_string(next_++));
  tensor->set_data_type(type);
  for (const int64_t dim : dims) tensor->add_dims(dim);
  return tensor;
}

std::string OnnxGraph::Floats(const std::vector<float>& values, std::vector<int64_t> dims) {
  auto* tensor = Constant(onnx::TensorProto::FLOAT, dims);
  for (const float value : values) tensor->add_float_data(value);
  return tensor->name();
}

std::string OnnxGraph::Ints(const std::vector<int64_t>& values, std::vector<int64_t> dims) {
  auto* tensor = Constant(onnx::TensorProto::INT64, dims);
  for (const int64_t value : values) tensor->add_int64_data(value);
  return tensor->name();
}

std::string OnnxGraph::Text(const std::string& value) {
  auto* tensor = Constant(onnx::TensorProto::STRING, {});
  tensor->add_string_data(value);
  return tensor->name();
}

std::string OnnxGraph::Node(std::string_view op, const std::vector<std::string>& inputs, std::string_view domain) {
  auto* node = model_.mutable_graph()->add_node();
  const std::string name = "hr:" + std::string(op) + "_" + std::to_string(next_++);
  node->set_name(name);
  node->set_op_type(std::string(op));
  if (!domain.empty()) node->set_domain(std::string(domain));
  for (const auto& input : inputs) node->add_input(input);
  node->add_output(name);
  return name;
}

onnx::AttributeProto* OnnxGraph::Attribute(std::string_view name, onnx::AttributeProto::AttributeType type) {
  auto* nodes = model_.mutable_graph()->mutable_node();
  auto* attribute = nodes->Mutable(nodes->size() - 1)->add_attribute();
  attribute->set_name(std::string(name));
  attribute->set_type(type);
  return attribute;
}

OnnxGraph& OnnxGraph::SetInt(std::string_view name, int64_t value) {
  Attribute(name, onnx::AttributeProto::INT)->set_i(value);
  return *this;
}

OnnxGraph& OnnxGraph::SetString(std::string_view name, std::string_view value) {
  Attribute(name, onnx::AttributeProto::STRING)->set_s(std::string(value));
  return *this;
}

OnnxGraph& OnnxGraph::SetInts(std::string_view name, const std::vector<int64_t>& values) {
  auto* attribute = Attribute(name, onnx::AttributeProto::INTS);
  for (const int64_t value : values) attribute->add_ints(value);
  return *this;
}

OnnxGraph& OnnxGraph::SetStrings(std::string_view name, const std::vector<std::string>& values) {
  auto* attribute = Attribute(name, onnx::AttributeProto::STRINGS);
  for (const auto& value : values) attribute->add_strings(value);
  return *this;
}

std::string OnnxGraph::Cast(const std::string& input, onnx::TensorProto::DataType to) {
  std::string out = Node("Cast", {input});
  SetInt("to", to);
  return out;
}

void OnnxGraph::NameIt(const std::string& input, const std::string& name) {
  Node("Identity", {input});
  auto* nodes = model_.mutable_graph()->mutable_node();
  nodes->Mutable(nodes->size() - 1)->set_output(0, name);
}

void OnnxGraph::SetOpsets(int64_t opset, int64_t ml_opset) {
  const auto add = [this](const char* domain, int64_t version) {
    auto* import = model_.add_opset_import();
    import->set_domain(domain);
    import->set_version(version);
  };
  add("", opset);
  add("ai.onnx.ml", ml_opset);
  add("com.microsoft", 1);
}

void OnnxGraph::SetMetadata(std::string_view key, std::string_view value) {
  auto* entry = model_.add_metadata_props();
  entry->set_key(std::string(key));
  entry->set_value(std::string(value));
}

std::string SerializeModel(const onnx::ModelProto& model) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  model.SerializeToCodedStream(&coded);
  coded.Trim();
  return bytes;
}

Result<onnx::ModelProto> ParseModel(std::string_view bytes, std::string_view file) {
  onnx::ModelProto model;
  if (model.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) && model.has_graph()) return model;
  return std::unexpected(DataLoss("{}: not an ONNX model", file));
}

}  // namespace headrace::data
