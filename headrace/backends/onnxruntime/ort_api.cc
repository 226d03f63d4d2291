#include "headrace/backends/onnxruntime/ort_api.h"

#include <array>

namespace headrace::onnxruntime {
namespace {

struct TypePair {
  ONNXTensorElementDataType ort;
  DataType type;
};

constexpr std::array<TypePair, 16> kTypes = {{
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL, DataType::kBool},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8, DataType::kInt8},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_INT16, DataType::kInt16},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32, DataType::kInt32},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64, DataType::kInt64},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8, DataType::kUint8},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT16, DataType::kUint16},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT32, DataType::kUint32},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT64, DataType::kUint64},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16, DataType::kFloat16},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_BFLOAT16, DataType::kBfloat16},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, DataType::kFloat32},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE, DataType::kFloat64},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_COMPLEX64, DataType::kComplex64},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_COMPLEX128, DataType::kComplex128},
    {ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING, DataType::kString},
}};

Code CodeOf(OrtErrorCode code, std::string_view message, bool running) {
  if (message.find("bad_alloc") != message.npos || message.find("Failed to allocate") != message.npos)
    return Code::kResourceExhausted;
  switch (code) {
    case ORT_INVALID_ARGUMENT:
    case ORT_INVALID_GRAPH: return Code::kInvalidArgument;
    case ORT_NO_SUCHFILE:
    case ORT_NO_MODEL: return Code::kNotFound;
    case ORT_INVALID_PROTOBUF: return Code::kDataLoss;
    case ORT_NOT_IMPLEMENTED: return Code::kUnimplemented;
    default: break;
  }
  const bool refused = running && message.find("while running") != message.npos;
  return refused ? Code::kInvalidArgument : Code::kInternal;
}

}  // namespace

const OrtApi* Api() {
  static const OrtApi* const api = OrtGetApiBase()->GetApi(ORT_API_VERSION);
  return api;
}

Status FromOrt(OrtStatus* status, bool running) {
  if (status == nullptr) return OkStatus();
  std::string message = Api()->GetErrorMessage(status);
  const Code code = CodeOf(Api()->GetErrorCode(status), message, running);
  Api()->ReleaseStatus(status);
  return Status(code, std::move(message));
}

DataType TypeFromOrt(ONNXTensorElementDataType type) {
  for (const auto& pair : kTypes)
    if (pair.ort == type) return pair.type;
  return DataType::kInvalid;
}

ONNXTensorElementDataType TypeToOrt(DataType type) {
  for (const auto& pair : kTypes)
    if (pair.type == type) return pair.ort;
  return ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
}

}  // namespace headrace::onnxruntime
