#include "headrace/core/tensor.h"

#include <array>

namespace headrace {
namespace {

struct TypeInfo {
  DataType type;
  std::string_view name;
  size_t size;
};

constexpr std::array<TypeInfo, 17> kTypes = {{
    {DataType::kInvalid, "INVALID", 0},
    {DataType::kBool, "BOOL", 1},
    {DataType::kInt8, "INT8", 1},
    {DataType::kInt16, "INT16", 2},
    {DataType::kInt32, "INT32", 4},
    {DataType::kInt64, "INT64", 8},
    {DataType::kUint8, "UINT8", 1},
    {DataType::kUint16, "UINT16", 2},
    {DataType::kUint32, "UINT32", 4},
    {DataType::kUint64, "UINT64", 8},
    {DataType::kFloat16, "FP16", 2},
    {DataType::kBfloat16, "BF16", 2},
    {DataType::kFloat32, "FP32", 4},
    {DataType::kFloat64, "FP64", 8},
    {DataType::kComplex64, "COMPLEX64", 8},
    {DataType::kComplex128, "COMPLEX128", 16},
    {DataType::kString, "BYTES", 0},
}};

const TypeInfo& Info(DataType type) { return kTypes[static_cast<size_t>(type)]; }

struct OwnedStrings {
  std::vector<std::string> values;
  std::vector<std::string_view> views;
};

}  // namespace

std::string_view DataTypeName(DataType type) { return Info(type).name; }

DataType DataTypeFromName(std::string_view name) {
  for (const auto& info : kTypes)
    if (info.name == name) return info.type;
  return DataType::kInvalid;
}

size_t DataTypeSize(DataType type) { return Info(type).size; }

std::optional<int64_t> ElementCount(std::span<const int64_t> shape) {
  int64_t count = 1;
  for (const int64_t dimension : shape)
    if (dimension < 0 || __builtin_mul_overflow(count, dimension, &count)) return std::nullopt;
  return count;
}

std::string ShapeToString(std::span<const int64_t> shape) {
  std::string out = "[";
  for (size_t i = 0; i < shape.size(); i++) out += (i ? "," : "") + std::to_string(shape[i]);
  return out + "]";
}

Tensor Tensor::OfStrings(Shape shape, std::vector<std::string> values) {
  auto owner = std::make_shared<OwnedStrings>();
  owner->values = std::move(values);
  owner->views.assign(owner->values.begin(), owner->values.end());
  const std::string_view* views = owner->views.data();
  return Tensor(std::move(shape), views, std::move(owner));
}

Status TensorSpec::Check(const Tensor& tensor) const {
  if (tensor.type() != type)
    return InvalidArgument("input \"{}\": expected {}, found {}", name, DataTypeName(type),
                           DataTypeName(tensor.type()));
  bool fits = any_rank || tensor.shape().size() == shape.size();
  for (size_t i = 0; fits && !any_rank && i < shape.size(); i++) fits = shape[i] < 0 || shape[i] == tensor.shape()[i];
  if (fits) return OkStatus();
  return InvalidArgument("input \"{}\": expected shape {}, found {}", name, ShapeToString(shape),
                         ShapeToString(tensor.shape()));
}

}  // namespace headrace
