#include "headrace/backends/onnxruntime/graph_facts.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "headrace/base/files.h"
#include "headrace/base/proto_wire.h"

namespace headrace::onnxruntime {
namespace {

// Those that search for a sequence loop inside.
constexpr std::array<std::string_view, 6> kControlFlow = {"Loop",       "If",           "Scan",
                                                          "BeamSearch", "GreedySearch", "Sampling"};

// Operators whose inputs from `first` on decide how large the output is.
struct Sizing {
  std::string_view op;
  size_t first;
};
constexpr std::array<Sizing, 16> kSizing = {{{"Range", 0},
                                             {"ConstantOfShape", 0},
                                             {"Tile", 1},
                                             {"Expand", 1},
                                             {"Resize", 1},
                                             {"Upsample", 1},
                                             {"Pad", 1},
                                             {"OneHot", 1},
                                             {"TopK", 1},
                                             {"CenterCropPad", 1},
                                             {"HannWindow", 0},
                                             {"HammingWindow", 0},
                                             {"BlackmanWindow", 0},
                                             {"MelWeightMatrix", 0},
                                             {"DFT", 1},
                                             {"AffineGrid", 1}}};

// Beyond it every run takes long enough to be kept off the network's loops whatever decides its length.
constexpr uintmax_t kMaxFile = 256 << 20;

// NodeProto (proto/onnx/onnx.proto) as far as it matters here.
struct Node {
  std::string_view op;
  std::vector<std::string_view> inputs, outputs;
};

Node ReadNode(std::string_view bytes) {
  Node node;
  ProtoReader reader(bytes);
  while (reader.Next()) {
    if (!reader.is_bytes()) continue;
    if (reader.field() == 1) node.inputs.push_back(reader.bytes());
    if (reader.field() == 2) node.outputs.push_back(reader.bytes());
    if (reader.field() == 4) node.op = reader.bytes();
  }
  return node;
}

// Follows what is computed from the inputs' values through a graph, whose nodes come in the order of their execution.
class ValueFlow {
 public:
  explicit ValueFlow(std::string_view graph) : graph_(graph) {
    ForEach(kInput, [&](std::string_view value) { of_values_.insert(FirstString(value)); });
    ForEach(kInitializer, [&](std::string_view tensor) { of_values_.erase(TensorName(tensor)); });
  }

  bool DecidesRuntime() {
    bool decides = false;
    ForEach(kNode, [&](std::string_view bytes) { decides = decides || Decides(ReadNode(bytes)); });
    return decides;
  }

 private:
  static constexpr uint32_t kNode = 1, kInitializer = 5, kInput = 11;

  template <class Take>
  void ForEach(uint32_t field, Take take) const {
    ProtoReader reader(graph_);
    while (reader.Next())
      if (reader.field() == field && reader.is_bytes()) take(reader.bytes());
  }
  static std::string_view FirstString(std::string_view message) { return StringField(message, 1); }
  static std::string_view TensorName(std::string_view tensor) { return StringField(tensor, 8); }
  static std::string_view StringField(std::string_view message, uint32_t field) {
    ProtoReader reader(message);
    while (reader.Next())
      if (reader.field() == field && reader.is_bytes()) return reader.bytes();
    return {};
  }

  // Also notes what the node's outputs are made of.
  bool Decides(const Node& node) {
    if (std::ranges::find(kControlFlow, node.op) != kControlFlow.end()) return true;
    const auto of_values = [&](std::string_view name) { return of_values_.contains(name); };
    const auto sizing = std::ranges::find(kSizing, node.op, &Sizing::op);
    if (sizing != kSizing.end())
      for (size_t i = sizing->first; i < node.inputs.size(); i++)
        if (of_values(node.inputs[i])) return true;
    const bool shape_alone = node.op == "Shape" || node.op == "Size";
    if (!shape_alone && std::ranges::any_of(node.inputs, of_values))
      of_values_.insert(node.outputs.begin(), node.outputs.end());
    of_values_.erase(std::string_view());  // an input or output that is left out
    return false;
  }

  const std::string_view graph_;
  std::unordered_set<std::string_view> of_values_;
};

// ModelProto: the graph, and functions, whose control flow counts wherever they are called.
bool OnnxDepends(std::string_view model) {
  ProtoReader reader(model);
  while (reader.Next()) {
    if (!reader.is_bytes()) continue;
    if (reader.field() == 7 && ValueFlow(reader.bytes()).DecidesRuntime()) return true;
    if (reader.field() != 25) continue;
    ProtoReader function(reader.bytes());
    while (function.Next())
      if (function.field() == 7 && function.is_bytes() &&
          std::ranges::find(kControlFlow, ReadNode(function.bytes()).op) != kControlFlow.end())
        return true;
  }
  return !reader.ok();
}

// A flatbuffer has strings as their length in four bytes, the text and a 0. Weights that look so by chance make a
// version hop to another thread for nothing, no more.
bool OrtDepends(std::string_view model) {
  return std::ranges::any_of(kControlFlow, [model](std::string_view op) {
    std::string stored{static_cast<char>(op.size()), 0, 0, 0};
    stored.append(op).push_back('\0');
    return model.find(stored) != model.npos;
  });
}

}  // namespace

bool RuntimeDependsOnValues(const std::filesystem::path& file) {
  std::error_code error;
  if (const auto size = std::filesystem::file_size(file, error); error || size > kMaxFile) return true;
  const auto bytes = ReadFile(file);
  if (!bytes) return true;
  return file.extension() == ".ort" ? OrtDepends(*bytes) : OnnxDepends(*bytes);
}

}  // namespace headrace::onnxruntime
