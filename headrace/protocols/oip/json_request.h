// POST /v2/models/NAME/infer: the body as an InferCall.
#pragma once
#include <span>
#include <string_view>

#include "headrace/base/status.h"
#include "headrace/protocols/oip/infer_call.h"

namespace headrace::oip {

// Reads `body`, whose first `json_bytes` are JSON and whose rest holds the binary tensors (json_bytes == body.size():
// no binary tensors; 0: the whole body is one raw input). 64 readable bytes must follow the body. The call's views and
// tensors point into `body` and `arena`. kInvalidArgument in Triton's words; kUnimplemented for shared memory.
Status ReadInferRequest(std::string_view body, size_t json_bytes, std::string_view model, Arena* arena,
                        InferCall* call);

// The value of the header Inference-Header-Content-Length for a body of `body_bytes`; absent: the whole body.
Result<size_t> JsonBytes(std::optional<std::string_view> header, size_t body_bytes);

}  // namespace headrace::oip
