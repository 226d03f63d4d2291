// ONNX models (*.onnx) and ONNX Runtime's own format (*.ort), run by ONNX Runtime on the CPU.
//
// A version's folder holds model.onnx or model.ort, or exactly one file that ends so; weights in files of their own lie
// beside it. Its one signature, "serving_default", has the graph's inputs (without initializers) and outputs by name.
//
// Outputs of classical models, as skl2onnx and others write them, become plain tensors:
//  - a sequence of maps ("output_probability" of a ZipMap) of n rows and c classes becomes two outputs: the values
//    [n, c] under the output's own name, columns in ascending order of their keys, and the keys [n, c] under that name
//    with "_keys" appended. A client that wants no keys does not ask for them. A map alone is a row of n = 1.
//  - a sequence of n tensors of one shape becomes a tensor with n as its first dimension.
#pragma once
#include <memory>

#include "headrace/core/engine.h"

namespace headrace::onnxruntime {

// The engine "onnxruntime". One environment for the process, made at the first load. Each inference computes on the
// calling thread alone unless EngineOptions::intra_op_threads says otherwise (0: all cores). Input elements that are
// not aligned to their size are copied first; everything else is neither copied nor allocated here. Output tensors
// share the runtime's own memory and may outlive the servable. The runtime's telemetry is switched off. To be called
// before threads start that read the process's environment.
std::unique_ptr<Engine> MakeEngine();

}  // namespace headrace::onnxruntime
