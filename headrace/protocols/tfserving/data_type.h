// Element types as TensorFlow numbers them.
#pragma once
#include "headrace/core/tensor.h"

namespace headrace::tfserving {

// A value of tensorflow.DataType; 0 (DT_INVALID) has no counterpart.
int TensorFlowType(DataType type);
// kInvalid for one that models here cannot take (quantised, resource, variant, reference types).
DataType FromTensorFlowType(int type);

}  // namespace headrace::tfserving
