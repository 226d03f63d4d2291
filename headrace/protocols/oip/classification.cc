#include <algorithm>
#include <numeric>

#include "headrace/protocols/common/json_text.h"
#include "headrace/protocols/oip/infer_call.h"

namespace headrace::oip {
namespace {

// The indexes of the `k` greatest of `values`, greatest first, ties by index; NaN counts as the least.
template <class T>
std::vector<size_t> Greatest(const T* values, size_t count, size_t k) {
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), size_t{0});
  const auto greater = [values](size_t a, size_t b) {
    const bool a_is_number = values[a] == values[a], b_is_number = values[b] == values[b];
    if (a_is_number != b_is_number) return a_is_number;
    if (a_is_number && values[a] != values[b]) return values[a] > values[b];
    return a < b;
  };
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(k), order.end(), greater);
  order.resize(k);
  return order;
}

template <class T>
Tensor Classify(const Tensor& tensor, size_t rows, size_t row_size, size_t k, Shape shape) {
  std::vector<std::string> texts;
  texts.reserve(rows * k);
  for (size_t row = 0; row < rows; row++)
    for (const size_t index : Greatest(static_cast<const T*>(tensor.data()) + row * row_size, row_size, k)) {
      std::string& text = texts.emplace_back();
      AppendJsonElements(&text, tensor, row * row_size + index, 1);
      text += ":" + std::to_string(index);
    }
  return Tensor::OfStrings(std::move(shape), std::move(texts));
}

}  // namespace

Result<Tensor> TopClasses(const Tensor& tensor, uint64_t classes) {
  const bool has_rows = tensor.shape().size() > 1;
  const size_t rows = has_rows ? static_cast<size_t>(tensor.shape()[0]) : 1;
  const size_t row_size = rows == 0 ? 0 : static_cast<size_t>(tensor.size()) / rows;
  const size_t k = std::min<uint64_t>(classes, row_size);
  Shape shape = has_rows ? Shape{tensor.shape()[0], static_cast<int64_t>(k)} : Shape{static_cast<int64_t>(k)};
  const auto classify = [&]<class T>(T) { return Classify<T>(tensor, rows, row_size, k, std::move(shape)); };
  switch (tensor.type()) {
    case DataType::kInt8: return classify(int8_t());
    case DataType::kInt16: return classify(int16_t());
    case DataType::kInt32: return classify(int32_t());
    case DataType::kInt64: return classify(int64_t());
    case DataType::kBool:
    case DataType::kUint8: return classify(uint8_t());
    case DataType::kUint16: return classify(uint16_t());
    case DataType::kUint32: return classify(uint32_t());
    case DataType::kUint64: return classify(uint64_t());
    case DataType::kFloat32: return classify(float());
    case DataType::kFloat64: return classify(double());
    default:
      return std::unexpected(InvalidArgument("class result not available for output due to unsupported type '{}'",
                                             DataTypeName(tensor.type())));
  }
}

}  // namespace headrace::oip
