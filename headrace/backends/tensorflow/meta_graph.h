// What a SavedModel's MetaGraphDef (tensorflow/core/protobuf/meta_graph.proto) says of its signatures.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "headrace/core/engine.h"

namespace headrace::tensorflow {

struct GraphSignature {
  Signature signature;
  std::vector<std::string> inputs;   // the graph's tensors, "operation:0", in the order of signature.inputs
  std::vector<std::string> outputs;  // likewise
};

// Every signature whose tensors are dense and of types that Tensor has, "serving_default" first, then by name; inputs
// and outputs by name. Those that start with "__" are the format's own. kDataLoss for broken bytes; kUnimplemented when
// no signature is left.
Result<std::vector<GraphSignature>> ReadSignatures(std::string_view meta_graph);

// Whether the graph or one of its functions has a loop or a branch.
bool HasControlFlow(std::string_view meta_graph);

}  // namespace headrace::tensorflow
