// Several requests' tensors as one, and one answer's tensors as several. Pure functions.
#pragma once
#include <cstdint>
#include <span>
#include <string>

#include "headrace/core/engine.h"

namespace headrace::serving {

// Whether requests on this signature can be computed together: every input and output has a free first dimension.
bool IsBatchable(const Signature& signature);

// The first dimension that all inputs share; nullopt when they differ or one is a scalar.
std::optional<int64_t> BatchRows(const InferRequest& request);

// Equal for requests that may share a batch: signature, outputs, and the inputs' further dimensions (with `pad`, only
// how many there are).
std::string BatchKey(const InferRequest& request, bool pad);

// One tensor of all `parts`' rows and then copies of the first row up to `rows` (at least their sum), in new memory.
// Parts of other inner dimensions are padded at the end with zeros or empty strings up to the largest. `parts` are of
// one type and rank ≥ 1.
Tensor JoinRows(std::span<const Tensor* const> parts, int64_t rows);

// Rows [first, first + count) of `tensor`, sharing its memory.
Tensor SliceRows(const Tensor& tensor, int64_t first, int64_t count);

}  // namespace headrace::serving
