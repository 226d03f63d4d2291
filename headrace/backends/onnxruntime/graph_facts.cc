#include "headrace/backends/onnxruntime/graph_facts.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "headrace/base/proto_wire.h"

namespace headrace::onnxruntime {
namespace {

constexpr std::array<std::string_view, 3> kControlFlow = {"Loop", "If", "Scan"};

// Operators whose inputs from `first` on decide how large the output is.
struct Sizing {
  std::string_view op;
  size_t first;
};
constexpr std::array<Sizing, 10> kSizing = {{{"Range", 0},
                                             {"ConstantOfShape", 0},
                                             {"Tile", 1},
                                             {"Expand", 1},
                                             {"Resize", 1},
                                             {"Upsample", 1},
                                             {"Pad", 1},
                                             {"OneHot", 1},
                                             {"TopK", 1},
                                             {"CenterCropPad", 1}}};

// A file's bytes; pages that nobody looks at, such as most weights, are not read.
class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& file) {
    const int fd = open(file.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    struct stat status{};
    if (fstat(fd, &status) == 0 && status.st_size > 0) {
      size_ = static_cast<size_t>(status.st_size);
      void* data = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd, 0);
      data_ = data == MAP_FAILED ? nullptr : data;
    }
    close(fd);
  }
  ~MappedFile() {
    if (data_ != nullptr) munmap(data_, size_);
  }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  std::string_view bytes() const { return {static_cast<const char*>(data_), data_ == nullptr ? 0 : size_}; }

 private:
  void* data_ = nullptr;
  size_t size_ = 0;
};

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
  const MappedFile mapped(file);
  if (mapped.bytes().empty()) return true;
  return file.extension() == ".ort" ? OrtDepends(mapped.bytes()) : OnnxDepends(mapped.bytes());
}

}  // namespace headrace::onnxruntime
