#include "headrace/protocols/scoring/value_tensor.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "headrace/core/float16.h"
#include "headrace/protocols/common/base64.h"

namespace headrace::scoring {
namespace {

constexpr size_t kMaxRank = 32;

Status WrongElement(const TensorSpec& spec, const json::value& value) {
  std::string found = ToJson(value);
  if (found.size() > 40) found.resize(40);
  return InvalidArgument("input \"{}\": expected {}, found {}", spec.name, DataTypeName(spec.type), found);
}

// The shape of the first elements; CheckShape sees that the others have it.
Shape ShapeOf(const json::value& value) {
  Shape shape;
  for (const json::value* at = &value; at->is_array() && shape.size() < kMaxRank; at = &at->as_array()[0]) {
    shape.push_back(static_cast<int64_t>(at->as_array().size()));
    if (at->as_array().empty()) break;
  }
  return shape;
}

// Calls take(leaf) for each element in order.
template <class Take>
Status ForLeaves(const json::value& value, const TensorSpec& spec, std::span<const int64_t> shape, Take take) {
  if (shape.empty()) return take(value);
  if (!value.is_array() || static_cast<int64_t>(value.as_array().size()) != shape[0])
    return InvalidArgument("input \"{}\": ragged; expected arrays of {} elements at every place", spec.name, shape[0]);
  for (const auto& element : value.as_array()) HR_RETURN_IF_ERROR(ForLeaves(element, spec, shape.subspan(1), take));
  return OkStatus();
}

std::optional<double> AsDouble(const json::value& value) {
  if (value.is_double()) return value.as_double();
  if (value.is_int64()) return static_cast<double>(value.as_int64());
  if (value.is_uint64()) return static_cast<double>(value.as_uint64());
  if (value.is_bool()) return value.as_bool() ? 1 : 0;
  if (value.is_null()) return std::numeric_limits<double>::quiet_NaN();
  return std::nullopt;
}

template <class T>
std::optional<T> AsInteger(const json::value& value) {
  if (value.is_bool()) return static_cast<T>(value.as_bool());
  if (value.is_int64() && std::in_range<T>(value.as_int64())) return static_cast<T>(value.as_int64());
  if (value.is_uint64() && std::in_range<T>(value.as_uint64())) return static_cast<T>(value.as_uint64());
  // Data frames carry whole numbers as 3.0 when a column had a gap.
  if (value.is_double() && value.as_double() == std::floor(value.as_double()) &&
      std::fabs(value.as_double()) < 0x1p53) {
    const auto number = static_cast<int64_t>(value.as_double());
    if (std::in_range<T>(number)) return static_cast<T>(number);
  }
  return std::nullopt;
}

// Elements of type T that convert(leaf) → optional<T> makes.
template <class T, class Convert>
Result<Tensor> Numbers(const json::value& value, const TensorSpec& spec, const Shape& shape, Shape as,
                       Convert convert) {
  auto values = std::make_shared<std::vector<T>>();
  HR_UNEXPECTED_IF_ERROR(ForLeaves(value, spec, shape, [&](const json::value& leaf) {
    const auto number = convert(leaf);
    if (!number) return WrongElement(spec, leaf);
    values->push_back(*number);
    return OkStatus();
  }));
  const void* data = values->data();
  return Tensor(spec.type, std::move(as), data, std::move(values));
}

std::optional<std::string> AsText(const json::value& value) {
  if (value.is_string()) return std::string(value.as_string());
  if (value.is_object()) {
    const json::value* encoded = value.as_object().if_contains("b64");
    Arena arena;
    if (encoded == nullptr || !encoded->is_string() || value.as_object().size() != 1) return std::nullopt;
    const auto bytes = DecodeBase64(encoded->as_string(), &arena);
    return bytes ? std::optional<std::string>(*bytes) : std::nullopt;
  }
  if (value.is_number() || value.is_bool()) return ToJson(value);
  return std::nullopt;
}

Result<Tensor> Strings(const json::value& value, const TensorSpec& spec, const Shape& shape, Shape as) {
  std::vector<std::string> texts;
  HR_UNEXPECTED_IF_ERROR(ForLeaves(value, spec, shape, [&](const json::value& leaf) {
    auto text = AsText(leaf);
    if (!text) return WrongElement(spec, leaf);
    texts.push_back(*std::move(text));
    return OkStatus();
  }));
  return Tensor::OfStrings(std::move(as), std::move(texts));
}

const std::pair<std::string, json::array>* Column(const Batch& batch, std::string_view name) {
  for (const auto& column : batch.columns)
    if (column.first == name) return &column;
  return nullptr;
}

// The matrix of a table: its rows as arrays.
json::value Matrix(const Batch& batch) {
  json::array rows;
  for (size_t row = 0; row < batch.columns[0].second.size(); row++) {
    json::array values;
    for (const auto& column : batch.columns) values.push_back(column.second[row]);
    rows.emplace_back(std::move(values));
  }
  return rows;
}

// Column `index` of rows that are arrays.
Result<json::value> Slice(const json::array& rows, size_t index, size_t width) {
  json::array values;
  for (const auto& row : rows) {
    if (!row.is_array() || row.as_array().size() != width)
      return std::unexpected(InvalidArgument(
          "the model has {} inputs; name the values ({{\"instances\": [{{\"NAME\": …}}]}}) or give rows of {}", width,
          width));
    values.push_back(row.as_array()[index]);
  }
  return values;
}

Result<json::value> ValueFor(const Batch& batch, const Signature& signature, size_t input) {
  if (const auto* column = Column(batch, signature.inputs[input].name)) return json::value(column->second);
  if (const auto* unnamed = Column(batch, ""); unnamed != nullptr && signature.inputs.size() == 1)
    return json::value(unnamed->second);
  else if (unnamed != nullptr)
    return Slice(unnamed->second, input, signature.inputs.size());
  if (batch.form == Batch::Form::kTable && signature.inputs.size() == 1) return Matrix(batch);
  std::string names;
  for (const auto& column : batch.columns) names += (names.empty() ? "" : ", ") + column.first;
  return std::unexpected(InvalidArgument("input \"{}\": no such column in the request, which has: {}",
                                         signature.inputs[input].name, names));
}

}  // namespace

Result<Tensor> ToTensor(const json::value& value, const TensorSpec& spec) {
  const Shape shape = ShapeOf(value);
  Shape as = shape;
  if (!spec.any_rank && spec.shape.size() == shape.size() + 1 && (spec.shape.back() == 1 || spec.shape.back() < 0))
    as.push_back(1);
  if (!spec.any_rank && spec.shape.size() + 1 == shape.size() && shape.back() == 1 && !spec.shape.empty())
    as.pop_back();
  const auto integers = [&]<class T>(T) { return Numbers<T>(value, spec, shape, as, AsInteger<T>); };
  const auto floats = [&]<class T>(T, auto narrow) {
    return Numbers<T>(value, spec, shape, as, [narrow](const json::value& leaf) -> std::optional<T> {
      const auto number = AsDouble(leaf);
      return number ? std::optional<T>(narrow(*number)) : std::nullopt;
    });
  };
  switch (spec.type) {
    case DataType::kBool: return integers(uint8_t());
    case DataType::kInt8: return integers(int8_t());
    case DataType::kInt16: return integers(int16_t());
    case DataType::kInt32: return integers(int32_t());
    case DataType::kInt64: return integers(int64_t());
    case DataType::kUint8: return integers(uint8_t());
    case DataType::kUint16: return integers(uint16_t());
    case DataType::kUint32: return integers(uint32_t());
    case DataType::kUint64: return integers(uint64_t());
    case DataType::kFloat16:
      return floats(uint16_t(), [](double number) { return FloatToFloat16(static_cast<float>(number)); });
    case DataType::kBfloat16:
      return floats(uint16_t(), [](double number) { return FloatToBfloat16(static_cast<float>(number)); });
    case DataType::kFloat32: return floats(float(), [](double number) { return static_cast<float>(number); });
    case DataType::kFloat64: return floats(double(), [](double number) { return number; });
    case DataType::kString: return Strings(value, spec, shape, std::move(as));
    default:
      return std::unexpected(
          Unimplemented("input \"{}\": {} cannot be given as JSON here", spec.name, DataTypeName(spec.type)));
  }
}

Result<boost::container::small_vector<Tensor, 4>> BindBatch(const Batch& batch, const Signature& signature) {
  boost::container::small_vector<Tensor, 4> inputs;
  for (size_t i = 0; i < signature.inputs.size(); i++) {
    HR_ASSIGN_OR_UNEXPECTED(const json::value value, ValueFor(batch, signature, i));
    HR_ASSIGN_OR_UNEXPECTED(Tensor tensor, ToTensor(value, signature.inputs[i]));
    inputs.push_back(std::move(tensor));
  }
  return inputs;
}

}  // namespace headrace::scoring
