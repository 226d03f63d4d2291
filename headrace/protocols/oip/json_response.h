// The answer to an inference: JSON, with the tensors that the client wants in binary behind it.
#pragma once
#include <boost/container/small_vector.hpp>
#include <string>
#include <string_view>

#include "headrace/core/engine.h"
#include "headrace/protocols/oip/infer_call.h"

namespace headrace::oip {

struct InferAnswer {
  std::string_view model;
  int64_t version = 0;
  const InferRequest* request = nullptr;  // as Bind filled it
  const InferResponse* response = nullptr;
};

// What of an answer's body is not in the text that WriteInferResponse appended to: bytes to be sent behind it, in
// order.
using BinaryTail = boost::container::small_vector<Tensor, 4>;

// Appends the JSON to `out` and, when there are binary tensors, returns the JSON's length for the header
// Inference-Header-Content-Length (0: none). Small binary tensors and BYTES follow in `out`; from the first large one
// on they are left to `tail`, whose tensors' data() of bytes() each the caller sends without a copy.
Result<size_t> WriteInferResponse(const InferCall& call, const InferAnswer& answer, std::string* out, BinaryTail* tail);

}  // namespace headrace::oip
