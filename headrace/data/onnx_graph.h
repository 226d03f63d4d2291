// Writing ONNX graphs node by node.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/base/status.h"
#include "proto/onnx/onnx.pb.h"

namespace headrace::data {

// Values are named by strings, as ONNX does; every method that adds a node returns the name of its first output. Names
// that are made here start with "hr:".
class OnnxGraph {
 public:
  explicit OnnxGraph(std::string_view name);

  // A graph input or output of any number of rows: shape [rows] or [rows, columns].
  void AddInput(const std::string& name, onnx::TensorProto::DataType type);
  void AddOutput(const std::string& name, onnx::TensorProto::DataType type, std::optional<int64_t> columns);

  // Constants. `dims` empty: a scalar.
  std::string Floats(const std::vector<float>& values, std::vector<int64_t> dims);
  std::string Ints(const std::vector<int64_t>& values, std::vector<int64_t> dims);
  std::string Text(const std::string& value);

  std::string Node(std::string_view op, const std::vector<std::string>& inputs, std::string_view domain = "");
  // The node that the last call of Node added, for attributes.
  OnnxGraph& SetInt(std::string_view name, int64_t value);
  OnnxGraph& SetString(std::string_view name, std::string_view value);
  OnnxGraph& SetInts(std::string_view name, const std::vector<int64_t>& values);
  OnnxGraph& SetStrings(std::string_view name, const std::vector<std::string>& values);

  std::string Cast(const std::string& input, onnx::TensorProto::DataType to);
  // `input` under the name `name`, for an output.
  void NameIt(const std::string& input, const std::string& name);

  // Sets the versions of the domains that nodes use. `opset` is that of ONNX' own operators.
  void SetOpsets(int64_t opset, int64_t ml_opset);
  void SetMetadata(std::string_view key, std::string_view value);
  const onnx::ModelProto& model() const { return model_; }

 private:
  onnx::AttributeProto* Attribute(std::string_view name, onnx::AttributeProto::AttributeType type);
  onnx::TensorProto* Constant(onnx::TensorProto::DataType type, const std::vector<int64_t>& dims);

  onnx::ModelProto model_;
  int64_t next_ = 0;
};

// Bytes that are the same each time.
std::string SerializeModel(const onnx::ModelProto& model);
// kDataLoss, naming `file`, when the bytes are no ONNX model.
Result<onnx::ModelProto> ParseModel(std::string_view bytes, std::string_view file);

}  // namespace headrace::data
