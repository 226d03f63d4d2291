// ModelInferRequest and ModelInferResponse (proto/inference/grpc_service.proto), to and from what the model sees,
// without the generated messages: tensors stay where the wire put them.
#pragma once
#include <string>
#include <string_view>

#include "headrace/protocols/oip/infer_call.h"
#include "headrace/protocols/oip/json_response.h"

namespace headrace::oip {

struct GrpcInferCall {
  std::string_view model, version;
  InferCall call;
  bool wants_final_flag = false;  // of a stream: the client reads the parameter "triton_final_response"
};

// Reads the message's envelope: model and version, so that errors about its tensors come after errors about the model.
// kInvalidArgument when the bytes are not such a message.
Status DecodeHead(std::string_view message, GrpcInferCall* out);
// Reads the whole message; views and tensors point into it and into `arena`. kInvalidArgument in Triton's words;
// kUnimplemented for shared memory.
Status DecodeRequest(std::string_view message, Arena* arena, GrpcInferCall* out);

// Appends the answer to `out`, its tensors as raw_output_contents. When the last tensor is large it is left out and
// returned in `tail`, whose bytes are to follow.
Status EncodeResponse(const GrpcInferCall& call, const InferAnswer& answer, std::string* out, Tensor* tail);

}  // namespace headrace::oip
