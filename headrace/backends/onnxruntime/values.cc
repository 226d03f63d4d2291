#include "headrace/backends/onnxruntime/values.h"

#include <cstring>
#include <vector>

namespace headrace::onnxruntime {
namespace {

struct StringStorage {
  std::unique_ptr<char[]> bytes;
  std::vector<std::string_view> views;
};

Result<Owned<OrtValue>> StringsToValue(const Tensor& tensor) {
  OrtAllocator* allocator = nullptr;
  HR_UNEXPECTED_IF_ORT(Api()->GetAllocatorWithDefaultOptions(&allocator));
  OrtValue* raw = nullptr;
  HR_UNEXPECTED_IF_ORT(Api()->CreateTensorAsOrtValue(allocator, tensor.shape().data(), tensor.shape().size(),
                                                     ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING, &raw));
  Owned<OrtValue> value(raw);
  size_t i = 0;
  for (const std::string_view text : tensor.strings()) {
    char* buffer = nullptr;
    HR_UNEXPECTED_IF_ORT(Api()->GetResizedStringTensorElementBuffer(raw, i++, text.size(), &buffer));
    if (!text.empty()) std::memcpy(buffer, text.data(), text.size());
  }
  return value;
}

Result<Owned<OrtValue>> CopyToValue(const Tensor& tensor) {
  OrtAllocator* allocator = nullptr;
  HR_UNEXPECTED_IF_ORT(Api()->GetAllocatorWithDefaultOptions(&allocator));
  OrtValue* raw = nullptr;
  HR_UNEXPECTED_IF_ORT(Api()->CreateTensorAsOrtValue(allocator, tensor.shape().data(), tensor.shape().size(),
                                                     TypeToOrt(tensor.type()), &raw));
  Owned<OrtValue> value(raw);
  void* data = nullptr;
  HR_UNEXPECTED_IF_ORT(Api()->GetTensorMutableData(raw, &data));
  std::memcpy(data, tensor.data(), tensor.bytes());
  return value;
}

Result<Tensor> StringsToTensor(const OrtValue& value, Shape shape, size_t count) {
  size_t length = 0;
  HR_UNEXPECTED_IF_ORT(Api()->GetStringTensorDataLength(&value, &length));
  auto storage = std::make_shared<StringStorage>();
  storage->bytes = std::make_unique_for_overwrite<char[]>(length);
  std::vector<size_t> offsets(count);
  if (count > 0)
    HR_UNEXPECTED_IF_ORT(Api()->GetStringTensorContent(&value, storage->bytes.get(), length, offsets.data(), count));
  storage->views.reserve(count);
  for (size_t i = 0; i < count; i++) {
    const size_t end = i + 1 < count ? offsets[i + 1] : length;
    storage->views.emplace_back(storage->bytes.get() + offsets[i], end - offsets[i]);
  }
  const std::string_view* views = storage->views.data();
  return Tensor(std::move(shape), views, std::move(storage));
}

Result<Owned<OrtValue>> Element(const OrtValue& value, size_t index) {
  OrtAllocator* allocator = nullptr;
  HR_UNEXPECTED_IF_ORT(Api()->GetAllocatorWithDefaultOptions(&allocator));
  OrtValue* element = nullptr;
  HR_UNEXPECTED_IF_ORT(Api()->GetValue(&value, static_cast<int>(index), allocator, &element));
  return Owned<OrtValue>(element);
}

Result<Tensor> TensorElement(const OrtValue& value, size_t index) {
  HR_ASSIGN_OR_UNEXPECTED(auto element, Element(value, index));
  return ToTensor(std::move(element));
}

bool SameElements(const Tensor& a, const Tensor& b) {
  if (a.type() != b.type() || a.shape() != b.shape()) return false;
  if (a.type() == DataType::kString) return std::equal(a.strings().begin(), a.strings().end(), b.strings().begin());
  return std::memcmp(a.data(), b.data(), a.bytes()) == 0;
}

// Tensors of one type and shape, one after the other, in memory of its own.
Result<Tensor> Concatenate(const std::vector<Tensor>& parts, Shape shape) {
  if (parts.empty()) return std::unexpected(InvalidArgument("the model answered with an empty sequence"));
  if (parts[0].type() == DataType::kString) {
    std::vector<std::string> strings;
    for (const auto& part : parts) strings.insert(strings.end(), part.strings().begin(), part.strings().end());
    return Tensor::OfStrings(std::move(shape), std::move(strings));
  }
  const size_t bytes = parts[0].bytes();
  auto storage = std::make_shared<std::vector<uint64_t>>((bytes * parts.size() + 7) / 8);
  auto* to = reinterpret_cast<char*>(storage->data());
  for (const auto& part : parts) {
    if (bytes != 0) std::memcpy(to, part.data(), bytes);
    to += bytes;
  }
  const void* data = storage->data();
  return Tensor(parts[0].type(), std::move(shape), data, std::move(storage));
}

}  // namespace

Result<Owned<OrtValue>> ToValue(const Tensor& tensor, const OrtMemoryInfo* memory) {
  static uint64_t nothing = 0;  // an address for tensors without elements
  if (tensor.type() == DataType::kString) return StringsToValue(tensor);
  const size_t size = DataTypeSize(tensor.type());
  const size_t alignment = size > 8 ? 8 : size;
  if (alignment == 0) return std::unexpected(InvalidArgument("an input has no data type"));
  if (reinterpret_cast<uintptr_t>(tensor.data()) % alignment != 0) return CopyToValue(tensor);
  const size_t bytes = tensor.bytes();
  void* data = bytes == 0 ? &nothing : const_cast<void*>(tensor.data());  // the API has no const; inputs are only read
  OrtValue* value = nullptr;
  HR_UNEXPECTED_IF_ORT(Api()->CreateTensorWithDataAsOrtValue(memory, data, bytes, tensor.shape().data(),
                                                             tensor.shape().size(), TypeToOrt(tensor.type()), &value));
  return Owned<OrtValue>(value);
}

Result<Tensor> ToTensor(Owned<OrtValue> value) {
  ONNXTensorElementDataType ort_type;
  const int64_t* dimensions = nullptr;
  size_t rank = 0;
  HR_UNEXPECTED_IF_ORT(Api()->GetTensorElementTypeAndShapeDataReference(value.get(), &ort_type, &dimensions, &rank));
  Shape shape(dimensions, dimensions + rank);
  const DataType type = TypeFromOrt(ort_type);
  if (type == DataType::kString) {
    const auto count = static_cast<size_t>(ElementCount(shape).value_or(0));
    return StringsToTensor(*value, std::move(shape), count);
  }
  void* data = nullptr;
  HR_UNEXPECTED_IF_ORT(Api()->GetTensorMutableData(value.get(), &data));
  return Tensor(type, std::move(shape), data, std::shared_ptr<OrtValue>(std::move(value)));
}

Result<FlatMap> FlattenMaps(const OrtValue& value) {
  ONNXType kind;
  HR_UNEXPECTED_IF_ORT(Api()->GetValueType(&value, &kind));
  size_t rows = 1;
  if (kind == ONNX_TYPE_SEQUENCE) HR_UNEXPECTED_IF_ORT(Api()->GetValueCount(&value, &rows));
  std::vector<Tensor> keys, values;
  for (size_t row = 0; row < rows; row++) {
    Owned<OrtValue> element;
    if (kind == ONNX_TYPE_SEQUENCE) {
      HR_ASSIGN_OR_UNEXPECTED(element, Element(value, row));
    }
    const OrtValue& map = element ? std::as_const(*element) : value;
    HR_ASSIGN_OR_UNEXPECTED(auto row_keys, TensorElement(map, 0));
    HR_ASSIGN_OR_UNEXPECTED(auto row_values, TensorElement(map, 1));
    if (!keys.empty() && !SameElements(keys[0], row_keys))
      return std::unexpected(
          InvalidArgument("rows 0 and {} of a map output have different keys, which no tensor can "
                          "hold",
                          row));
    keys.push_back(std::move(row_keys));
    values.push_back(std::move(row_values));
  }
  const Shape shape = {static_cast<int64_t>(rows), rows == 0 ? 0 : keys[0].size()};
  FlatMap flat;
  HR_ASSIGN_OR_UNEXPECTED(flat.values, Concatenate(values, shape));
  HR_ASSIGN_OR_UNEXPECTED(flat.keys, Concatenate(keys, shape));
  return flat;
}

Result<Tensor> StackSequence(const OrtValue& value) {
  size_t count = 0;
  HR_UNEXPECTED_IF_ORT(Api()->GetValueCount(&value, &count));
  std::vector<Tensor> parts;
  for (size_t i = 0; i < count; i++) {
    HR_ASSIGN_OR_UNEXPECTED(auto part, TensorElement(value, i));
    if (!parts.empty() && (part.shape() != parts[0].shape() || part.type() != parts[0].type()))
      return std::unexpected(
          InvalidArgument("a sequence output holds tensors of shapes {} and {}, which no one tensor "
                          "can hold",
                          ShapeToString(parts[0].shape()), ShapeToString(part.shape())));
    parts.push_back(std::move(part));
  }
  Shape shape = {static_cast<int64_t>(count)};
  if (count > 0) shape.insert(shape.end(), parts[0].shape().begin(), parts[0].shape().end());
  return Concatenate(parts, std::move(shape));
}

}  // namespace headrace::onnxruntime
