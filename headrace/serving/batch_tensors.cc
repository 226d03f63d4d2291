#include "headrace/serving/batch_tensors.h"

#include <algorithm>
#include <cstring>
#include <memory>

namespace headrace::serving {
namespace {

int64_t RowElements(const Shape& shape) { return ElementCount(std::span(shape).subspan(1)).value_or(0); }

// Writes one row into a row of larger or equal dimensions; what lies beyond stays as it is. `Element` is a byte for
// fixed types, with `size` bytes each, or a string_view.
template <class Element>
void CopyRow(const Element* from, std::span<const int64_t> from_shape, Element* to, std::span<const int64_t> to_shape,
             int64_t size) {
  if (std::equal(from_shape.begin(), from_shape.end(), to_shape.begin())) {
    std::copy_n(from, ElementCount(from_shape).value_or(0) * size, to);
    return;
  }
  const auto inner_from = from_shape.subspan(1), inner_to = to_shape.subspan(1);
  const int64_t step_from = ElementCount(inner_from).value_or(0) * size;
  const int64_t step_to = ElementCount(inner_to).value_or(0) * size;
  for (int64_t i = 0; i < from_shape[0]; i++)
    CopyRow(from + i * step_from, inner_from, to + i * step_to, inner_to, size);
}

template <class Element>
void FillRows(std::span<const Tensor* const> parts, Element* to, const Shape& shape, int64_t size) {
  const auto inner = std::span(shape).subspan(1);
  const int64_t step = RowElements(shape) * size;
  Element* const first = to;
  Element* const end = to + shape[0] * step;
  for (const Tensor* part : parts) {
    const auto part_inner = std::span(part->shape()).subspan(1);
    const int64_t part_step = RowElements(part->shape()) * size;
    const auto* from = static_cast<const Element*>(part->data());
    for (int64_t row = 0; row < part->shape()[0]; row++, to += step, from += part_step)
      CopyRow(from, part_inner, to, inner, size);
  }
  for (; to < end; to += step) std::copy_n(first, step, to);
}

Shape JoinedShape(std::span<const Tensor* const> parts, int64_t rows) {
  Shape shape = parts[0]->shape();
  for (const Tensor* part : parts)
    for (size_t i = 1; i < shape.size(); i++) shape[i] = std::max(shape[i], part->shape()[i]);
  shape[0] = rows;
  return shape;
}

}  // namespace

bool IsBatchable(const Signature& signature) {
  const auto free = [](const TensorSpec& spec) { return !spec.any_rank && !spec.shape.empty() && spec.shape[0] < 0; };
  return !signature.inputs.empty() && std::all_of(signature.inputs.begin(), signature.inputs.end(), free) &&
         std::all_of(signature.outputs.begin(), signature.outputs.end(), free);
}

std::optional<int64_t> BatchRows(const InferRequest& request) {
  std::optional<int64_t> rows;
  for (const auto& input : request.inputs) {
    if (input.shape().empty() || (rows && *rows != input.shape()[0])) return std::nullopt;
    rows = input.shape()[0];
  }
  return rows;
}

std::string BatchKey(const InferRequest& request, bool pad) {
  std::string key;
  const auto append = [&](int64_t number) { key.append(reinterpret_cast<const char*>(&number), sizeof number); };
  append(static_cast<int64_t>(reinterpret_cast<intptr_t>(request.signature)));
  for (const uint32_t output : request.outputs) append(output);
  for (const auto& input : request.inputs) {
    append(-static_cast<int64_t>(input.shape().size()));
    if (pad) continue;
    for (size_t i = 1; i < input.shape().size(); i++) append(input.shape()[i]);
  }
  return key;
}

Tensor JoinRows(std::span<const Tensor* const> parts, int64_t rows) {
  Shape shape = JoinedShape(parts, rows);
  const auto count = static_cast<size_t>(ElementCount(shape).value_or(0));
  if (parts[0]->type() == DataType::kString) {
    // The texts stay where they are: the requests outlive the batch.
    auto views = std::make_shared<std::vector<std::string_view>>(count);
    FillRows(parts, views->data(), shape, 1);
    const std::string_view* data = views->data();
    return Tensor(std::move(shape), data, std::move(views));
  }
  const auto size = static_cast<int64_t>(DataTypeSize(parts[0]->type()));
  const size_t words = (count * static_cast<size_t>(size) + 7) / 8;
  const bool ragged = std::any_of(parts.begin(), parts.end(), [&](const Tensor* part) {
    return !std::equal(shape.begin() + 1, shape.end(), part->shape().begin() + 1);
  });
  auto storage = std::make_unique_for_overwrite<uint64_t[]>(words);
  if (ragged) std::memset(storage.get(), 0, words * 8);
  FillRows(parts, reinterpret_cast<char*>(storage.get()), shape, size);
  const void* data = storage.get();
  return Tensor(parts[0]->type(), std::move(shape), data, std::shared_ptr<const uint64_t[]>(std::move(storage)));
}

Tensor SliceRows(const Tensor& tensor, int64_t first, int64_t count) {
  Shape shape = tensor.shape();
  const int64_t row = RowElements(shape);
  shape[0] = count;
  if (tensor.type() == DataType::kString)
    return Tensor(std::move(shape), tensor.strings().data() + first * row, tensor.owner());
  const auto* data = static_cast<const char*>(tensor.data());
  return Tensor(tensor.type(), std::move(shape), data + first * row * static_cast<int64_t>(DataTypeSize(tensor.type())),
                tensor.owner());
}

}  // namespace headrace::serving
