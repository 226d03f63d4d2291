#include "headrace/protocols/tfserving/data_type.h"

#include <array>

#include "proto/tfserving/tensor.pb.h"

namespace headrace::tfserving {
namespace {

struct Pair {
  DataType ours;
  int theirs;
};

constexpr std::array<Pair, 16> kTypes = {{
    {DataType::kBool, ::tensorflow::DT_BOOL},
    {DataType::kInt8, ::tensorflow::DT_INT8},
    {DataType::kInt16, ::tensorflow::DT_INT16},
    {DataType::kInt32, ::tensorflow::DT_INT32},
    {DataType::kInt64, ::tensorflow::DT_INT64},
    {DataType::kUint8, ::tensorflow::DT_UINT8},
    {DataType::kUint16, ::tensorflow::DT_UINT16},
    {DataType::kUint32, ::tensorflow::DT_UINT32},
    {DataType::kUint64, ::tensorflow::DT_UINT64},
    {DataType::kFloat16, ::tensorflow::DT_HALF},
    {DataType::kBfloat16, ::tensorflow::DT_BFLOAT16},
    {DataType::kFloat32, ::tensorflow::DT_FLOAT},
    {DataType::kFloat64, ::tensorflow::DT_DOUBLE},
    {DataType::kComplex64, ::tensorflow::DT_COMPLEX64},
    {DataType::kComplex128, ::tensorflow::DT_COMPLEX128},
    {DataType::kString, ::tensorflow::DT_STRING},
}};

}  // namespace

int TensorFlowType(DataType type) {
  for (const Pair& pair : kTypes)
    if (pair.ours == type) return pair.theirs;
  return ::tensorflow::DT_INVALID;
}

DataType FromTensorFlowType(int type) {
  for (const Pair& pair : kTypes)
    if (pair.theirs == type) return pair.ours;
  return DataType::kInvalid;
}

}  // namespace headrace::tfserving
