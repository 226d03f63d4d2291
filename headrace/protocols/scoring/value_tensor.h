// JSON values as tensors of the type that a model wants, and a batch as a model's inputs.
#pragma once
#include "headrace/base/json.h"
#include "headrace/core/engine.h"
#include "headrace/protocols/scoring/batch.h"

namespace headrace::scoring {

// `value`, nested arrays of one shape, as a tensor that owns its elements. Its rank is the value's, or what `spec`
// wants by one more or one less last dimension of 1. Strings, and {"b64": "…"}, for BYTES. kInvalidArgument naming the
// input.
Result<Tensor> ToTensor(const json::value& value, const TensorSpec& spec);

// The inputs of `signature`, in its order: columns by their names; an unnamed one is the only input, or its columns are
// the inputs by position; a table whose columns are not the inputs' names is the matrix for the only input.
Result<boost::container::small_vector<Tensor, 4>> BindBatch(const Batch& batch, const Signature& signature);

}  // namespace headrace::scoring
