// The models that tests and benchmarks of engines run.
#pragma once
#include "headrace/core/tensor.h"

namespace headrace {

// The models that the suite asks a backend to write, in its own format.
struct EngineTestModel {
  enum class Kind {
    kIdentity,    // y = x of type `type`, shape [-1]
    kAffine,      // x FP32 [-1,3] → y FP32 [-1,1] = 1·x₀ + 2·x₁ + 3·x₂ + 0.5
    kTwoOutputs,  // x FP32 [-1] → sum = x + x, product = x · x
    kFixed,       // x FP32 [2,2] → y = x + x
    kCounting,    // x INT64 [1] → y INT64 [1] = x, counted to one by one: it runs for as long as x says
    kLarge,       // x FP32 [-1,1024] → y FP32 [-1,2048], 8 MiB of weights
  };
  Kind kind = Kind::kAffine;
  DataType type = DataType::kFloat32;
};

}  // namespace headrace
