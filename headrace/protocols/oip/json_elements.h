// Reads a JSON array, nested or flat, into a tensor's memory. For this room's .cc files: it brings simdjson along.
#pragma once
#include <simdjson.h>

#include <string>
#include <string_view>

#include "headrace/base/status.h"
#include "headrace/core/tensor.h"
#include "headrace/protocols/common/arena.h"

namespace headrace::oip {

inline constexpr int kMaxJsonDepth = 100;

// The elements of `data` in their order, whatever its nesting, as a tensor of `type` and `shape` in `arena`. Numbers
// for numeric types (half-precision ones are rounded), also the bare words NaN, Infinity and -Infinity for floating
// point; true and false, or 0 and 1, for BOOL; strings for BYTES; [real, imaginary] flattened for complex types.
// `json_bytes` is the size of the text that `data` is part of: a shape that it cannot fill is refused before memory is
// taken. kInvalidArgument naming `input` and the element.
Result<Tensor> ReadElements(simdjson::ondemand::array data, DataType type, const Shape& shape, std::string_view input,
                            size_t json_bytes, Arena* arena);

}  // namespace headrace::oip
