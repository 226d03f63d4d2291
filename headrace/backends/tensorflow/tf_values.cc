#include "headrace/backends/tensorflow/tf_values.h"

#include <cstring>

namespace headrace::tensorflow {
namespace {

Tensor CopyStrings(const TfApi& api, const TF_Tensor* value, Shape shape, size_t count) {
  const auto* strings = static_cast<const TF_TString*>(api.TF_TensorData(value));
  std::vector<std::string> texts;
  texts.reserve(count);
  for (size_t i = 0; i < count; i++)
    texts.emplace_back(api.TF_StringGetDataPointer(&strings[i]), api.TF_StringGetSize(&strings[i]));
  return Tensor::OfStrings(std::move(shape), std::move(texts));
}

}  // namespace

Status TfStatus::Get() const {
  const int code = api_.TF_GetCode(status_);
  return code == 0 ? OkStatus() : Status(static_cast<Code>(code), api_.TF_Message(status_));
}

TF_Tensor* ToTf(const TfApi& api, const Tensor& tensor) {
  const Shape& shape = tensor.shape();
  const auto count = static_cast<size_t>(tensor.size());
  const bool is_string = tensor.type() == DataType::kString;
  const size_t bytes = is_string ? count * sizeof(TF_TString) : tensor.bytes();
  TF_Tensor* out = api.TF_AllocateTensor(ToTfType(tensor.type()), shape.data(), static_cast<int>(shape.size()), bytes);
  if (out == nullptr || bytes == 0) return out;
  if (!is_string) {
    std::memcpy(api.TF_TensorData(out), tensor.data(), bytes);
    return out;
  }
  auto* strings = static_cast<TF_TString*>(api.TF_TensorData(out));
  std::memset(strings, 0, bytes);
  for (size_t i = 0; i < count; i++)
    api.TF_StringAssignView(&strings[i], tensor.strings()[i].data(), tensor.strings()[i].size());
  return out;
}

Result<Tensor> FromTf(const TfApi& api, TF_Tensor* value) {
  const std::shared_ptr<const void> owner(value, [&api](TF_Tensor* tensor) { api.TF_DeleteTensor(tensor); });
  const DataType type = FromTfType(api.TF_TensorType(value));
  Shape shape;
  for (int i = 0; i < api.TF_NumDims(value); i++) shape.push_back(api.TF_Dim(value, i));
  const auto count = ElementCount(shape);
  if (type == DataType::kInvalid || !count)
    return std::unexpected(
        Unimplemented("an output has TensorFlow's type {}, which no tensor can hold", api.TF_TensorType(value)));
  if (type == DataType::kString) return CopyStrings(api, value, std::move(shape), static_cast<size_t>(*count));
  return Tensor(type, std::move(shape), api.TF_TensorData(value), owner);
}

}  // namespace headrace::tensorflow
