// Whether the nodes of a graph mean the same under a later operator set.
#pragma once
#include <map>
#include <string>

#include "headrace/base/status.h"
#include "proto/onnx/onnx.pb.h"

namespace headrace::data {

using Opsets = std::map<std::string, int64_t>;  // domain ("" is ONNX' own) → version

Opsets OpsetsOf(const onnx::ModelProto& model);
// The later version of each domain.
Opsets Later(const Opsets& a, const Opsets& b);
// kInvalidArgument, naming the node and the opset to export with, when an operator of `model` changed its inputs or
// attributes between the model's own opsets and `target`.
Status CheckRaise(const onnx::ModelProto& model, const Opsets& target);

}  // namespace headrace::data
