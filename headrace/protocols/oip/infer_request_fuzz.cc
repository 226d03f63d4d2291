// The body of POST …/infer: its first two bytes (little-endian) say how much of the rest is JSON; what is read is bound
// to a signature and answered with its own inputs.
#include <cstring>
#include <string>

#include "headrace/protocols/oip/json_request.h"
#include "headrace/protocols/oip/json_response.h"

namespace {

using namespace headrace;

Signature Echo(const oip::InferCall& call) {
  Signature signature;
  for (const auto& input : call.inputs)
    signature.inputs.push_back({std::string(input.name), input.tensor.type(), input.tensor.shape()});
  signature.outputs = signature.inputs;
  return signature;
}

void Answer(const oip::InferCall& call) {
  const Signature signature = Echo(call);
  InferRequest request;
  if (!oip::Bind(call, "m", signature, &request).ok()) return;
  InferResponse response;
  for (const uint32_t output : request.outputs) response.outputs.push_back(request.inputs[output]);
  std::string body;
  oip::BinaryTail tail;
  if (const auto written = oip::WriteInferResponse(call, {"m", 1, &request, &response}, &body, &tail); !written) return;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const size_t body_size = size - 2;
  const size_t json_bytes = std::min<size_t>(body_size, data[0] | data[1] << 8);
  std::string body(reinterpret_cast<const char*>(data) + 2, body_size);
  body.append(64, '\0');
  Arena arena;
  oip::InferCall call;
  if (oip::ReadInferRequest({body.data(), body_size}, json_bytes, "m", &arena, &call).ok() && !call.raw_input)
    Answer(call);
  return 0;
}
