// Small ONNX models for tests, built here so that no binary lies in the repository.
#pragma once
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <string>
#include <vector>

#include "headrace/core/tensor.h"
#include "proto/onnx/onnx.pb.h"
#include "tests/conformance/engine_test_model.h"

namespace headrace {

inline int OnnxType(DataType type) {
  switch (type) {
    case DataType::kFloat32: return 1;
    case DataType::kUint8: return 2;
    case DataType::kInt8: return 3;
    case DataType::kUint16: return 4;
    case DataType::kInt16: return 5;
    case DataType::kInt32: return 6;
    case DataType::kInt64: return 7;
    case DataType::kString: return 8;
    case DataType::kBool: return 9;
    case DataType::kFloat16: return 10;
    case DataType::kFloat64: return 11;
    case DataType::kUint32: return 12;
    case DataType::kUint64: return 13;
    case DataType::kBfloat16: return 16;
    default: return 0;
  }
}

// A model of opset 17 with ai.onnx.ml 3.
class OnnxModelBuilder {
 public:
  OnnxModelBuilder() {
    model_.set_ir_version(8);
    model_.mutable_graph()->set_name("test");
    auto* opset = model_.add_opset_import();
    opset->set_domain("");
    opset->set_version(17);
    auto* ml = model_.add_opset_import();
    ml->set_domain("ai.onnx.ml");
    ml->set_version(3);
  }

  OnnxModelBuilder& Input(const std::string& name, DataType type, const Shape& shape) {
    Describe(model_.mutable_graph()->add_input(), name, type, shape);
    return *this;
  }
  OnnxModelBuilder& Output(const std::string& name, DataType type, const Shape& shape) {
    Describe(model_.mutable_graph()->add_output(), name, type, shape);
    return *this;
  }
  // An output whose type the runtime infers (sequences, maps): only its name is written.
  onnx::ValueInfoProto* AnyOutput(const std::string& name) {
    auto* output = model_.mutable_graph()->add_output();
    output->set_name(name);
    return output;
  }
  OnnxModelBuilder& Weights(const std::string& name, const Shape& shape, const std::vector<float>& values) {
    auto* tensor = model_.mutable_graph()->add_initializer();
    tensor->set_name(name);
    tensor->set_data_type(1);
    for (const int64_t dimension : shape) tensor->add_dims(dimension);
    tensor->set_raw_data(std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)));
    return *this;
  }
  onnx::NodeProto* Node(const std::string& op, std::initializer_list<const char*> inputs,
                        std::initializer_list<const char*> outputs, const std::string& domain = "") {
    auto* node = model_.mutable_graph()->add_node();
    node->set_op_type(op);
    node->set_domain(domain);
    for (const char* input : inputs) node->add_input(input);
    for (const char* output : outputs) node->add_output(output);
    return node;
  }

  const onnx::GraphProto& graph() const { return model_.graph(); }
  std::string Bytes() const { return model_.SerializeAsString(); }
  void Write(const std::filesystem::path& file) const { std::ofstream(file, std::ios::binary) << Bytes(); }
  // With the weights in the file `data_path`, a path as seen from the model's folder.
  void WriteWithWeightsApart(const std::filesystem::path& file, const std::string& data_path) const {
    OnnxModelBuilder apart = *this;
    std::ofstream data(file.parent_path() / data_path, std::ios::binary);
    for (auto& tensor : *apart.model_.mutable_graph()->mutable_initializer()) {
      AddEntry("location", data_path, &tensor);
      AddEntry("offset", std::to_string(data.tellp()), &tensor);
      AddEntry("length", std::to_string(tensor.raw_data().size()), &tensor);
      tensor.set_data_location(onnx::TensorProto::EXTERNAL);
      data << tensor.raw_data();
      tensor.clear_raw_data();
    }
    apart.Write(file);
  }

 private:
  static void Describe(onnx::ValueInfoProto* value, const std::string& name, DataType type, const Shape& shape) {
    value->set_name(name);
    auto* tensor = value->mutable_type()->mutable_tensor_type();
    tensor->set_elem_type(OnnxType(type));
    tensor->mutable_shape();
    for (const int64_t dimension : shape) {
      auto* dim = tensor->mutable_shape()->add_dim();
      dimension < 0 ? dim->set_dim_param("n") : dim->set_dim_value(dimension);
    }
  }

  static void AddEntry(const std::string& key, const std::string& value, onnx::TensorProto* tensor) {
    auto* entry = tensor->add_external_data();
    entry->set_key(key);
    entry->set_value(value);
  }

  onnx::ModelProto model_;
};

// y = x, by a Loop of x rounds that adds 1 to a count of type INT64 [1] in each.
inline void AddCountingLoop(OnnxModelBuilder* model) {
  model->Node("Sub", {"x", "x"}, {"zero"});
  auto* attribute = model->Node("Loop", {"x", "", "zero"}, {"y"})->add_attribute();
  attribute->set_name("body");
  attribute->set_type(onnx::AttributeProto::GRAPH);
  OnnxModelBuilder body;
  body.Input("round", DataType::kInt64, {}).Input("go_on", DataType::kBool, {}).Input("count", DataType::kInt64, {1});
  body.Output("still", DataType::kBool, {}).Output("counted", DataType::kInt64, {1});
  body.Node("Identity", {"go_on"}, {"still"});
  auto* one = body.Node("Constant", {}, {"one"})->add_attribute();
  one->set_name("value_ints");
  one->set_type(onnx::AttributeProto::INTS);
  one->add_ints(1);
  body.Node("Add", {"count", "one"}, {"counted"});
  *attribute->mutable_g() = body.graph();
}

inline OnnxModelBuilder OnnxTestModel(const EngineTestModel& wanted) {
  using Kind = EngineTestModel::Kind;
  constexpr auto kFloat = DataType::kFloat32;
  OnnxModelBuilder model;
  switch (wanted.kind) {
    case Kind::kIdentity:
      model.Input("x", wanted.type, {-1}).Output("y", wanted.type, {-1}).Node("Identity", {"x"}, {"y"});
      break;
    case Kind::kAffine:
      model.Input("x", kFloat, {-1, 3}).Output("y", kFloat, {-1, 1}).Weights("w", {3, 1}, {1, 2, 3});
      model.Weights("b", {1}, {0.5f}).Node("Gemm", {"x", "w", "b"}, {"y"});
      break;
    case Kind::kTwoOutputs:
      model.Input("x", kFloat, {-1}).Output("sum", kFloat, {-1}).Output("product", kFloat, {-1});
      model.Node("Add", {"x", "x"}, {"sum"});
      model.Node("Mul", {"x", "x"}, {"product"});
      break;
    case Kind::kFixed:
      model.Input("x", kFloat, {2, 2}).Output("y", kFloat, {2, 2}).Node("Add", {"x", "x"}, {"y"});
      break;
    case Kind::kCounting:
      AddCountingLoop(&model.Input("x", DataType::kInt64, {1}).Output("y", DataType::kInt64, {1}));
      break;
    case Kind::kLarge:
      model.Input("x", kFloat, {-1, 1024}).Output("y", kFloat, {-1, 2048});
      model.Weights("w", {1024, 2048}, std::vector<float>(1024 * 2048, 0.25f)).Node("MatMul", {"x", "w"}, {"y"});
      break;
  }
  return model;
}

// EngineUnderTest::write for ONNX: dir/model.onnx.
inline void WriteOnnxTestModel(const EngineTestModel& wanted, const std::filesystem::path& dir) {
  OnnxTestModel(wanted).Write(dir / "model.onnx");
}

}  // namespace headrace
