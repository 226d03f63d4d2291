// JSON schemas (as OpenAPI 3.0 has them) of what a model takes and gives.
#pragma once
#include <cstddef>
#include <string_view>

#include "headrace/base/json.h"
#include "headrace/core/engine.h"

namespace headrace::openapi {

// One element as TensorFlow Serving's JSON writes it; an int64's bounds, a string or {"b64": …}.
json::object ElementSchema(DataType type);
// Nested arrays of the tensor's dimensions from `first_dimension` on; the element itself when there are none.
json::value TensorSchema(const TensorSpec& spec, size_t first_dimension);
// A value that TensorSchema describes: any size is 1, numbers are 0.
json::value TensorExample(const TensorSpec& spec, size_t first_dimension);

// TensorFlow Serving's row format: {"instances": […]} and its answer {"predictions": […]}.
json::object RowRequestSchema(const Signature& signature);
json::object RowRequestExample(const Signature& signature);
json::object RowResponseSchema(const Signature& signature);
// Its column format: {"inputs": …}.
json::object ColumnRequestSchema(const Signature& signature);

// The Open Inference Protocol's request and answer.
json::object InferRequestSchema(const Signature& signature);
json::object InferRequestExample(const Signature& signature);
json::object InferResponseSchema(const Signature& signature);

}  // namespace headrace::openapi
