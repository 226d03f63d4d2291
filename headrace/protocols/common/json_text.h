// Writing JSON text straight into a response's buffer.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "headrace/core/tensor.h"

namespace headrace {

// Floating-point numbers are the shortest text that reads back to the same bits and always have a '.' or an exponent;
// NaN and the infinities are the bare words NaN, Infinity, -Infinity, which Python's and TensorFlow Serving's JSON
// know.
void AppendJson(std::string* out, double value);
void AppendJson(std::string* out, float value);
void AppendJson(std::string* out, int64_t value);
void AppendJson(std::string* out, uint64_t value);
// Quoted; quotes, backslashes and control characters escaped, all other bytes as they are.
void AppendJsonString(std::string* out, std::string_view text);
// "2,3": a shape's dimensions or any other integers, without brackets.
void AppendJsonList(std::string* out, std::span<const int64_t> values);

// The elements [first, first + count) of `tensor` in order, separated by commas, without brackets. Half-precision
// numbers as the floats that they are, complex numbers as [real, imaginary], strings as AppendJsonString.
void AppendJsonElements(std::string* out, const Tensor& tensor, size_t first, size_t count);

// The part of `tensor` that lies at position `index` of its dimensions before `level` (taken as one), as nested arrays
// of the dimensions from `level` on: level 0, index 0 is the whole tensor; level 1 a row.
void AppendJsonNested(std::string* out, const Tensor& tensor, size_t level, size_t index);

}  // namespace headrace
