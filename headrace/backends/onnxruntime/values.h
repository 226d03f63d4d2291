// Tensors to ONNX Runtime's values and back.
#pragma once
#include "headrace/backends/onnxruntime/ort_api.h"
#include "headrace/core/tensor.h"

namespace headrace::onnxruntime {

// A value over the tensor's own memory, which must outlive it; strings, and elements that are not aligned, are copied.
Result<Owned<OrtValue>> ToValue(const Tensor& tensor, const OrtMemoryInfo* memory);

// A tensor value: shares its memory. Strings are copied once.
Result<Tensor> ToTensor(Owned<OrtValue> value);

// The values and the keys of a map or of a sequence of maps with equal keys, [rows, keys] both.
struct FlatMap {
  Tensor values;
  Tensor keys;
};
Result<FlatMap> FlattenMaps(const OrtValue& value);

// A sequence of tensors of one shape and type, as one tensor.
Result<Tensor> StackSequence(const OrtValue& value);

}  // namespace headrace::onnxruntime
