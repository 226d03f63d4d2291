#include "headrace/data/onnx_opsets.h"

#include <algorithm>
#include <string_view>

namespace headrace::data {
namespace {

struct Change {
  std::string_view domain;
  std::string_view op;
  int64_t version;  // the first in which a node written before means something else or is refused
};

// From the changelogs of ONNX' operators (docs/Changelog.md, Changelog-ml.md): changes that are not mere extensions.
constexpr Change kChanges[] = {
    {"", "Slice", 10},
    {"", "TopK", 10},
    {"", "TopK", 11},
    {"", "Clip", 11},
    {"", "Pad", 11},
    {"", "Resize", 11},
    {"", "Dropout", 12},
    {"", "Squeeze", 13},
    {"", "Unsqueeze", 13},
    {"", "ReduceSum", 13},
    {"", "Split", 13},
    {"", "Softmax", 13},
    {"", "LogSoftmax", 13},
    {"", "Hardmax", 13},
    {"", "BatchNormalization", 14},
    {"", "Split", 18},
    {"", "ReduceL1", 18},
    {"", "ReduceL2", 18},
    {"", "ReduceLogSum", 18},
    {"", "ReduceLogSumExp", 18},
    {"", "ReduceMax", 18},
    {"", "ReduceMean", 18},
    {"", "ReduceMin", 18},
    {"", "ReduceProd", 18},
    {"", "ReduceSumSquare", 18},
    {"", "GroupNormalization", 21},
    {"ai.onnx.ml", "LabelEncoder", 2},
};

std::string_view DomainOf(const onnx::NodeProto& node) {
  return node.domain() == "ai.onnx" ? std::string_view() : std::string_view(node.domain());
}

Status CheckNode(const onnx::NodeProto& node, const Opsets& own, const Opsets& target) {
  const std::string domain(DomainOf(node));
  const auto from = own.find(domain);
  const auto to = target.find(domain);
  if (from == own.end() || to == target.end()) return OkStatus();
  for (const auto& change : kChanges) {
    if (change.domain != domain || change.op != node.op_type()) continue;
    if (from->second < change.version && change.version <= to->second)
      return InvalidArgument(
          "node \"{}\" ({}) changed its meaning in opset {}: the model has opset {}, its partner {}; export the model "
          "with "
          "opset {} or later",
          node.name(), node.op_type(), change.version, from->second, to->second, to->second);
  }
  return OkStatus();
}

}  // namespace

Opsets OpsetsOf(const onnx::ModelProto& model) {
  Opsets out;
  for (const auto& import : model.opset_import())
    out[import.domain() == "ai.onnx" ? "" : import.domain()] = import.version();
  return out;
}

Opsets Later(const Opsets& a, const Opsets& b) {
  Opsets out = a;
  for (const auto& [domain, version] : b) out[domain] = std::max(out[domain], version);
  return out;
}

Status CheckRaise(const onnx::ModelProto& model, const Opsets& target) {
  const Opsets own = OpsetsOf(model);
  for (const auto& node : model.graph().node()) HR_RETURN_IF_ERROR(CheckNode(node, own, target));
  return OkStatus();
}

}  // namespace headrace::data
