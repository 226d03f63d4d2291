// Tensors as every engine and protocol of the model server sees them.
#pragma once
#include <boost/container/small_vector.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "headrace/base/status.h"

namespace headrace {

// The element types of TensorFlow's DataType, ONNX' TensorProto.DataType and the Open Inference Protocol together.
enum class DataType : uint8_t {
  kInvalid,
  kBool,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kUint8,
  kUint16,
  kUint32,
  kUint64,
  kFloat16,
  kBfloat16,
  kFloat32,
  kFloat64,
  kComplex64,
  kComplex128,
  kString,
};

// "FP32", "BYTES": the Open Inference Protocol's name, which messages to users use; "COMPLEX64" where it has none.
std::string_view DataTypeName(DataType type);
// The inverse; kInvalid when unknown.
DataType DataTypeFromName(std::string_view name);
// Bytes per element; 0 for kString and kInvalid.
size_t DataTypeSize(DataType type);

// Dimensions, outermost first; empty is a scalar. In a TensorSpec -1 is "any".
using Shape = boost::container::small_vector<int64_t, 6>;

// The number of elements; nullopt when a dimension is negative or the product overflows int64.
std::optional<int64_t> ElementCount(std::span<const int64_t> shape);
// "[2,-1,3]"
std::string ShapeToString(std::span<const int64_t> shape);

// A dense row-major tensor in host memory, little-endian. A value: copying it shares the elements, which nobody changes
// after construction. `owner` keeps the elements alive; when null the maker guarantees that they outlive every use (an
// inference's inputs live until its completion callback has run).
class Tensor {
 public:
  Tensor() = default;
  // `data` holds ElementCount(shape) elements of a type other than kString.
  Tensor(DataType type, Shape shape, const void* data, std::shared_ptr<const void> owner)
      : type_(type), shape_(std::move(shape)), data_(data), owner_(std::move(owner)) {}
  // kString; the views point into memory that `owner` keeps, as does `strings` itself.
  Tensor(Shape shape, const std::string_view* strings, std::shared_ptr<const void> owner)
      : type_(DataType::kString), shape_(std::move(shape)), data_(strings), owner_(std::move(owner)) {}

  // Tensors that own a copy of their elements, for slow paths and tests.
  template <class T>
  static Tensor Of(Shape shape, std::vector<T> values);
  static Tensor OfStrings(Shape shape, std::vector<std::string> values);

  DataType type() const { return type_; }
  const Shape& shape() const { return shape_; }
  int64_t size() const { return ElementCount(shape_).value_or(0); }
  const void* data() const { return data_; }
  size_t bytes() const { return static_cast<size_t>(size()) * DataTypeSize(type_); }
  template <class T>
  std::span<const T> values() const {
    return {static_cast<const T*>(data_), static_cast<size_t>(size())};
  }
  std::span<const std::string_view> strings() const { return values<std::string_view>(); }
  const std::shared_ptr<const void>& owner() const { return owner_; }

 private:
  DataType type_ = DataType::kInvalid;
  Shape shape_;
  const void* data_ = nullptr;
  std::shared_ptr<const void> owner_;
};

template <class T>
constexpr DataType DataTypeOf() {
  if constexpr (std::is_same_v<T, bool>) return DataType::kBool;
  if constexpr (std::is_same_v<T, int8_t>) return DataType::kInt8;
  if constexpr (std::is_same_v<T, int16_t>) return DataType::kInt16;
  if constexpr (std::is_same_v<T, int32_t>) return DataType::kInt32;
  if constexpr (std::is_same_v<T, int64_t>) return DataType::kInt64;
  if constexpr (std::is_same_v<T, uint8_t>) return DataType::kUint8;
  if constexpr (std::is_same_v<T, uint16_t>) return DataType::kUint16;
  if constexpr (std::is_same_v<T, uint32_t>) return DataType::kUint32;
  if constexpr (std::is_same_v<T, uint64_t>) return DataType::kUint64;
  if constexpr (std::is_same_v<T, float>) return DataType::kFloat32;
  if constexpr (std::is_same_v<T, double>) return DataType::kFloat64;
  return DataType::kInvalid;
}

template <class T>
Tensor Tensor::Of(Shape shape, std::vector<T> values) {
  static_assert(DataTypeOf<T>() != DataType::kInvalid && !std::is_same_v<T, bool>);
  auto owner = std::make_shared<const std::vector<T>>(std::move(values));
  const void* data = owner->data();
  return Tensor(DataTypeOf<T>(), std::move(shape), data, std::move(owner));
}

// What a model takes or gives under one name.
struct TensorSpec {
  std::string name;
  DataType type = DataType::kInvalid;
  Shape shape;            // -1 where any size is taken
  bool any_rank = false;  // the model does not say; `shape` is then empty
  // kInvalidArgument, naming the tensor, what was expected and what came, unless `tensor` fits.
  Status Check(const Tensor& tensor) const;
};

}  // namespace headrace
