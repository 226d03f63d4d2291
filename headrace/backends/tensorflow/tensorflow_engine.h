// TensorFlow SavedModels, run by TensorFlow's own library, which is loaded when the first of them is (tf_api.h).
//
// A version's folder holds saved_model.pb or saved_model.pbtxt, with variables/ and assets/ beside it; the graph tagged
// "serve" is served. All of its signatures over dense tensors can be called.
#pragma once
#include <memory>

#include "headrace/core/engine.h"

namespace headrace::tensorflow {

// The engine "tensorflow". Each inference computes on the calling thread; operations that split their work use
// EngineOptions::intra_op_threads. Inputs are copied into TensorFlow's memory, outputs share it, strings are copied.
std::unique_ptr<Engine> MakeEngine();

}  // namespace headrace::tensorflow
