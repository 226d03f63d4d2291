// ONNX Runtime's C API with ownership and Status. The C API and not the C++ one, which throws and allocates a wrapper
// for each value.
#pragma once
#include <onnxruntime_c_api.h>

#include <memory>
#include <string>
#include <string_view>

#include "headrace/base/status.h"
#include "headrace/core/tensor.h"

namespace headrace::onnxruntime {

// Null when the library is older than the headers that this was compiled with.
const OrtApi* Api();

struct Deleter {
  void operator()(OrtValue* value) const { Api()->ReleaseValue(value); }
  void operator()(OrtSession* session) const { Api()->ReleaseSession(session); }
  void operator()(OrtSessionOptions* options) const { Api()->ReleaseSessionOptions(options); }
  void operator()(OrtRunOptions* options) const { Api()->ReleaseRunOptions(options); }
  void operator()(OrtMemoryInfo* info) const { Api()->ReleaseMemoryInfo(info); }
  void operator()(OrtTypeInfo* info) const { Api()->ReleaseTypeInfo(info); }
  void operator()(OrtTensorTypeAndShapeInfo* info) const { Api()->ReleaseTensorTypeAndShapeInfo(info); }
};
template <class T>
using Owned = std::unique_ptr<T, Deleter>;

// Takes over `status`; null is OK. `running`: the error came from an inference, where what a node refuses is the
// request's fault (kInvalidArgument).
Status FromOrt(OrtStatus* status, bool running = false);

DataType TypeFromOrt(ONNXTensorElementDataType type);
ONNXTensorElementDataType TypeToOrt(DataType type);

}  // namespace headrace::onnxruntime

// Returns from a function that yields Status, or Result.
#define HR_RETURN_IF_ORT(expression) HR_RETURN_IF_ERROR(::headrace::onnxruntime::FromOrt(expression))
#define HR_UNEXPECTED_IF_ORT(expression) HR_UNEXPECTED_IF_ERROR(::headrace::onnxruntime::FromOrt(expression))
