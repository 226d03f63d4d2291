#include "headrace/backends/tensorflow/meta_graph.h"

#include <algorithm>
#include <array>
#include <map>

#include "headrace/backends/tensorflow/tf_api.h"
#include "headrace/base/proto_wire.h"

namespace headrace::tensorflow {
namespace {

struct GraphTensor {
  TensorSpec spec;
  std::string graph_name;  // empty: sparse or composite
};
using GraphTensors = std::map<std::string, GraphTensor>;

// Calls take(field) for each field; false when the bytes are not a message or take refuses.
template <class Take>
bool ForFields(std::string_view bytes, Take take) {
  ProtoReader reader(bytes);
  while (reader.Next())
    if (!take(reader)) return false;
  return reader.ok();
}

bool ReadDimension(std::string_view bytes, Shape* shape) {
  int64_t size = 0;
  const bool good = ForFields(bytes, [&](const ProtoReader& field) {
    if (field.field() == 1 && field.is_varint()) size = static_cast<int64_t>(field.number());
    return true;
  });
  shape->push_back(std::max<int64_t>(size, -1));
  return good;
}

bool ReadShape(std::string_view bytes, TensorSpec* spec) {
  return ForFields(bytes, [spec](const ProtoReader& field) {
    if (field.field() == 3 && field.is_varint()) spec->any_rank = field.number() != 0;
    return field.field() != 2 || (field.is_bytes() && ReadDimension(field.bytes(), &spec->shape));
  });
}

bool ReadTensorInfo(std::string_view bytes, GraphTensor* tensor) {
  return ForFields(bytes, [tensor](const ProtoReader& field) {
    if (field.field() == 1 && field.is_bytes()) tensor->graph_name = field.bytes();
    if (field.field() == 2 && field.is_varint()) tensor->spec.type = FromTfType(static_cast<int>(field.number()));
    return field.field() != 3 || (field.is_bytes() && ReadShape(field.bytes(), &tensor->spec));
  });
}

// An entry of a map: its key, and its value as bytes.
bool ReadEntry(std::string_view bytes, std::string* key, std::string_view* value) {
  return ForFields(bytes, [&](const ProtoReader& field) {
    if (field.field() == 1 && field.is_bytes()) *key = field.bytes();
    if (field.field() == 2 && field.is_bytes()) *value = field.bytes();
    return true;
  });
}

bool ReadTensorEntry(std::string_view bytes, GraphTensors* tensors) {
  std::string key;
  std::string_view value;
  if (!ReadEntry(bytes, &key, &value)) return false;
  GraphTensor& tensor = (*tensors)[key];
  tensor.spec.name = key;
  return ReadTensorInfo(value, &tensor);
}

void Move(GraphTensors tensors, std::vector<TensorSpec>* specs, std::vector<std::string>* names) {
  for (auto& [name, tensor] : tensors) {
    specs->push_back(std::move(tensor.spec));
    names->push_back(std::move(tensor.graph_name));
  }
}

bool Usable(const GraphTensors& tensors) {
  return std::all_of(tensors.begin(), tensors.end(), [](const auto& entry) {
    return entry.second.spec.type != DataType::kInvalid && !entry.second.graph_name.empty();
  });
}

// False when broken; a signature that cannot be served is left out.
bool ReadSignature(std::string_view bytes, std::vector<GraphSignature>* out) {
  GraphSignature graph;
  GraphTensors inputs, outputs;
  std::string_view definition;
  if (!ReadEntry(bytes, &graph.signature.name, &definition)) return false;
  const bool good = ForFields(definition, [&](const ProtoReader& field) {
    if (!field.is_bytes()) return true;
    if (field.field() == 1) return ReadTensorEntry(field.bytes(), &inputs);
    if (field.field() == 2) return ReadTensorEntry(field.bytes(), &outputs);
    if (field.field() == 3) graph.signature.method = field.bytes();
    return true;
  });
  if (!good) return false;
  if (graph.signature.name.starts_with("__") || outputs.empty() || !Usable(inputs) || !Usable(outputs)) return true;
  Move(std::move(inputs), &graph.signature.inputs, &graph.inputs);
  Move(std::move(outputs), &graph.signature.outputs, &graph.outputs);
  out->push_back(std::move(graph));
  return true;
}

// Of a NodeDef.
bool IsControlFlow(std::string_view node) {
  constexpr std::array<std::string_view, 8> kOperations = {"While", "StatelessWhile", "If",    "StatelessIf",
                                                           "Case",  "StatelessCase",  "Enter", "Switch"};
  bool found = false;
  ForFields(node, [&](const ProtoReader& field) {
    if (field.field() == 2 && field.is_bytes())
      found = std::ranges::find(kOperations, field.bytes()) != kOperations.end();
    return true;
  });
  return found;
}

// Whether one of the messages in `field` of `message` is what `is` looks for.
template <class Is>
bool AnyField(std::string_view message, uint32_t field, Is is) {
  bool found = false;
  ForFields(message, [&](const ProtoReader& reader) {
    found = found || (reader.field() == field && reader.is_bytes() && is(reader.bytes()));
    return !found;
  });
  return found;
}

}  // namespace

// MetaGraphDef.graph_def, GraphDef.node and library, FunctionDefLibrary.function, FunctionDef.node_def.
bool HasControlFlow(std::string_view meta_graph) {
  const auto in_function = [](std::string_view function) { return AnyField(function, 3, IsControlFlow); };
  const auto in_library = [&](std::string_view library) { return AnyField(library, 1, in_function); };
  return AnyField(meta_graph, 2, [&](std::string_view graph) {
    return AnyField(graph, 1, IsControlFlow) || AnyField(graph, 2, in_library);
  });
}

Result<std::vector<GraphSignature>> ReadSignatures(std::string_view meta_graph) {
  std::vector<GraphSignature> out;
  const bool good = ForFields(meta_graph, [&out](const ProtoReader& field) {
    return field.field() != 5 || (field.is_bytes() && ReadSignature(field.bytes(), &out));
  });
  if (!good) return std::unexpected(DataLoss("its MetaGraphDef is broken"));
  if (out.empty())
    return std::unexpected(
        Unimplemented("it has no signature that can be served; save it with signatures over dense tensors"));
  const auto key = [](const GraphSignature& graph) {
    return std::make_pair(graph.signature.name != "serving_default", graph.signature.name);
  };
  std::sort(out.begin(), out.end(), [&](const auto& a, const auto& b) { return key(a) < key(b); });
  return out;
}

}  // namespace headrace::tensorflow
