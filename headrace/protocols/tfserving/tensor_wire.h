// tensorflow.TensorProto between its bytes and a Tensor.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

#include "headrace/base/status.h"
#include "headrace/core/tensor.h"
#include "headrace/protocols/common/arena.h"

namespace headrace::tfserving {

// A tensor over the message's own bytes where their address suits the type, else over `arena`; both must outlive it. A
// typed list that is shorter than the shape repeats its last value, an empty one is zeros. kInvalidArgument, naming
// `input`, for broken bytes, sizes that do not fit, and element types that no model takes.
Result<Tensor> ParseTensor(std::string_view message, std::string_view input, Arena* arena);

// The length of `tensor`'s message, and the message. `content`: numbers as tensor_content instead of their typed list;
// strings always are string_val.
size_t TensorMessageSize(const Tensor& tensor, bool content);
void AppendTensorMessage(const Tensor& tensor, bool content, std::string* out);

}  // namespace headrace::tfserving
