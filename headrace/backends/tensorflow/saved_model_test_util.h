// Writes small frozen SavedModels, byte by byte as their protocol buffers say, so that tests need no TensorFlow to make
// them.
#pragma once
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "headrace/backends/tensorflow/tf_api.h"
#include "headrace/base/proto_wire.h"

namespace headrace::tensorflow {

inline std::string ShapeProto(const Shape& shape) {
  std::string out;
  for (const int64_t size : shape) {
    std::string dimension;
    ProtoWriter(&dimension).Number(1, static_cast<uint64_t>(size));
    ProtoWriter(&out).Bytes(2, dimension);
  }
  return out;
}

// A GraphDef that grows, and the signatures over it.
class SavedModelWriter {
 public:
  struct Port {
    std::string name;    // in the signature
    std::string tensor;  // in the graph
    DataType type;
    Shape shape;
  };
  using Attribute = std::pair<std::string, std::string>;  // name, AttrValue

  static Attribute Type(const std::string& name, DataType type) {
    std::string value;
    ProtoWriter(&value).Number(6, static_cast<uint64_t>(ToTfType(type)));
    return {name, value};
  }

  void Node(const std::string& name, const std::string& operation, const std::vector<std::string>& inputs,
            const std::vector<Attribute>& attributes) {
    std::string node;
    ProtoWriter writer(&node);
    writer.String(1, name);
    writer.String(2, operation);
    for (const auto& input : inputs) writer.String(3, input);
    for (const auto& [key, value] : attributes) {
      std::string entry;
      ProtoWriter(&entry).String(1, key);
      ProtoWriter(&entry).Bytes(2, value);
      writer.Bytes(5, entry);
    }
    ProtoWriter(&graph_).Bytes(1, node);
  }
  void Placeholder(const std::string& name, DataType type, const Shape& shape) {
    std::string value;
    ProtoWriter(&value).Bytes(7, ShapeProto(shape));
    Node(name, "Placeholder", {}, {Type("dtype", type), {"shape", value}});
  }
  void ScalarConstant(const std::string& name, int64_t number) {
    std::string tensor, value;
    ProtoWriter(&tensor).Number(1, static_cast<uint64_t>(ToTfType(DataType::kInt64)));
    ProtoWriter(&tensor).Bytes(2, ShapeProto({1}));
    ProtoWriter(&tensor).Bytes(4, {reinterpret_cast<const char*>(&number), sizeof number});
    ProtoWriter(&value).Bytes(8, tensor);
    Node(name, "Const", {}, {Type("dtype", DataType::kInt64), {"value", value}});
  }
  void Constant(const std::string& name, const Shape& shape, const std::vector<float>& values) {
    std::string tensor, value;
    ProtoWriter(&tensor).Number(1, static_cast<uint64_t>(ToTfType(DataType::kFloat32)));
    ProtoWriter(&tensor).Bytes(2, ShapeProto(shape));
    ProtoWriter(&tensor).Bytes(4, {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)});
    ProtoWriter(&value).Bytes(8, tensor);
    Node(name, "Const", {}, {Type("dtype", DataType::kFloat32), {"value", value}});
  }
  void AddSignature(const std::string& name, const std::vector<Port>& inputs, const std::vector<Port>& outputs) {
    std::string definition, entry;
    AddPorts(1, inputs, &definition);
    AddPorts(2, outputs, &definition);
    ProtoWriter(&definition).String(3, "tensorflow/serving/predict");
    ProtoWriter(&entry).String(1, name);
    ProtoWriter(&entry).Bytes(2, definition);
    ProtoWriter(&signatures_).Bytes(5, entry);
  }
  // MetaGraphDef, without the graph's versions and tags when `bare`.
  std::string MetaGraph() const {
    std::string versions, graph = graph_, info, out;
    ProtoWriter(&versions).Number(1, 1395);
    ProtoWriter(&graph).Bytes(4, versions);
    ProtoWriter(&info).String(4, "serve");
    ProtoWriter(&info).String(5, "2.15.0");
    ProtoWriter(&out).Bytes(1, info);
    ProtoWriter(&out).Bytes(2, graph);
    return out + signatures_;
  }
  void Write(const std::filesystem::path& folder) const {
    std::string model;
    ProtoWriter(&model).Number(1, 1);
    ProtoWriter(&model).Bytes(2, MetaGraph());
    std::ofstream(folder / "saved_model.pb", std::ios::binary)
        .write(model.data(), static_cast<std::streamsize>(model.size()));
  }

 private:
  static void AddPorts(uint32_t field, const std::vector<Port>& ports, std::string* out) {
    for (const auto& port : ports) {
      std::string info, entry;
      ProtoWriter(&info).String(1, port.tensor);
      ProtoWriter(&info).Number(2, static_cast<uint64_t>(ToTfType(port.type)));
      ProtoWriter(&info).Bytes(3, ShapeProto(port.shape));
      ProtoWriter(&entry).String(1, port.name);
      ProtoWriter(&entry).Bytes(2, info);
      ProtoWriter(out).Bytes(field, entry);
    }
  }

  std::string graph_, signatures_;
};

}  // namespace headrace::tensorflow
