#include "headrace/protocols/tfserving/json_tensor.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <type_traits>

#include "headrace/protocols/tfserving/json_error.h"

namespace headrace::tfserving {
namespace {

namespace ondemand = simdjson::ondemand;
using simdjson::error_code;

constexpr size_t kFirstElements = 256;

std::string_view Trim(std::string_view token) {
  while (!token.empty() && std::string_view(" \t\r\n").contains(token.back())) token.remove_suffix(1);
  return token;
}

// As TensorFlow names the type.
std::string_view TensorFlowName(DataType type) {
  switch (type) {
    case DataType::kBool: return "bool";
    case DataType::kInt8: return "int8";
    case DataType::kInt16: return "int16";
    case DataType::kInt32: return "int32";
    case DataType::kInt64: return "int64";
    case DataType::kUint8: return "uint8";
    case DataType::kUint16: return "uint16";
    case DataType::kUint32: return "uint32";
    case DataType::kUint64: return "uint64";
    case DataType::kFloat16: return "half";
    case DataType::kBfloat16: return "bfloat16";
    case DataType::kFloat32: return "float";
    case DataType::kFloat64: return "double";
    case DataType::kComplex64: return "complex64";
    case DataType::kComplex128: return "complex128";
    case DataType::kString: return "string";
    case DataType::kInvalid: return "invalid";
  }
  return "invalid";
}

std::string_view JsonTypeName(std::string_view token) {
  if (token.empty()) return "Null";
  switch (token.front()) {
    case '"': return "String";
    case '{': return "Object";
    case '[': return "Array";
    case 't': return "True";
    case 'f': return "False";
    case 'n': return "Null";
    default: return "Number";
  }
}

Status TypeError(std::string_view text, DataType type) {
  return InvalidArgument("JSON Value: {} Type: {} is not of expected type: {}", QuoteJson(text), JsonTypeName(text),
                         TensorFlowName(type));
}

constexpr size_t kShownChars = 256;

struct NotTaken {};  // the element of a type that JSON cannot carry to this server

// The text from `value` on; `end` is the request's.
std::string_view TextFrom(ondemand::value& value, const char* end) {
  const char* begin = value.raw_json_token().data();
  return {begin, static_cast<size_t>(end - begin)};
}

// TensorFlow Serving's JSON knows these three words beside JSON's numbers.
bool ReadWord(std::string_view token, double* number) {
  token = Trim(token);
  if (token == "NaN")
    *number = std::numeric_limits<double>::quiet_NaN();
  else if (token == "Infinity" || token == "Inf")
    *number = std::numeric_limits<double>::infinity();
  else if (token == "-Infinity" || token == "-Inf")
    *number = -std::numeric_limits<double>::infinity();
  else
    return false;
  return true;
}

template <class T>
Status ReadFloating(ondemand::value& value, DataType type, const char* end, T* out) {
  double number = 0;
  if (value.get_double().get(number) != simdjson::SUCCESS) [[unlikely]] {
    if (!ReadWord(value.raw_json_token(), &number)) return TypeError(TextFrom(value, end), type);
  }
  *out = static_cast<T>(number);
  return OkStatus();
}

template <class T>
Status ReadInteger(ondemand::value& value, DataType type, const char* end, T* out) {
  using Wide = std::conditional_t<std::is_same_v<T, uint64_t>, uint64_t, int64_t>;
  Wide number = 0;
  if (value.get<Wide>().get(number) != simdjson::SUCCESS || !std::in_range<T>(number)) [[unlikely]]
    return TypeError(TextFrom(value, end), type);
  *out = static_cast<T>(number);
  return OkStatus();
}

}  // namespace

JsonTensorReader::JsonTensorReader(const TensorSpec& spec, std::string_view json, Arena* arena)
    : spec_(spec),
      arena_(arena),
      element_bytes_(spec.type == DataType::kString ? sizeof(std::string_view) : DataTypeSize(spec.type)),
      json_end_(json.data() + json.size()),
      max_elements_(json.size() / 2 + 1) {}

// A text of n bytes holds at most n/2 elements, so memory stays within a small multiple of the text's.
void JsonTensorReader::Grow() {
  const size_t capacity = std::min(max_elements_, std::max(kFirstElements, 2 * capacity_));
  char* data = arena_->Allocate(capacity * element_bytes_, 64);
  if (count_ > 0) std::memcpy(data, data_, count_ * element_bytes_);
  data_ = data;
  capacity_ = capacity;
}

Status JsonTensorReader::CheckScalarLevel(Value& value, size_t level) {
  if (!rank_known_) {
    rank_known_ = true;
    return OkStatus();
  }
  if (level == shape_.size()) return OkStatus();
  return InvalidArgument("JSON Value: {} found at incorrect level: {} in the JSON DOM. Expected at level: {}",
                         QuoteJson(TextFrom(value, json_end_)), level + 1, shape_.size());
}

Status JsonTensorReader::CloseArray(size_t level, int64_t count) {
  if (count == 0 && !rank_known_) rank_known_ = true;
  if (shape_[level] < 0) shape_[level] = count;
  if (shape_[level] == count) return OkStatus();
  return InvalidArgument("Encountered list at unexpected size: {} at level: {} expected size: {}", count, level,
                         shape_[level]);
}

template <class T>
Status JsonTensorReader::ReadScalar(Value& value, T* out) {
  if constexpr (std::is_same_v<T, NotTaken>) {
    return Unimplemented("Conversion of JSON Value: {} to type: {}", QuoteJson(TextFrom(value, json_end_)),
                         TensorFlowName(spec_.type));
  } else if constexpr (std::is_same_v<T, bool>) {
    return value.get_bool().get(*out) == simdjson::SUCCESS ? OkStatus()
                                                           : TypeError(TextFrom(value, json_end_), spec_.type);
  } else if constexpr (std::is_same_v<T, std::string_view>) {
    std::string_view text;
    if (value.get_string().get(text) != simdjson::SUCCESS) return ReadObject(value, out);
    *out = arena_->Copy(text);
    return OkStatus();
  } else if constexpr (std::is_floating_point_v<T>) {
    return ReadFloating(value, spec_.type, json_end_, out);
  } else {
    return ReadInteger(value, spec_.type, json_end_, out);
  }
}

Status JsonTensorReader::ReadObject(Value& value, std::string_view* out) {
  const std::string_view text = TextFrom(value, json_end_);
  ondemand::object object;
  if (value.get_object().get(object) != simdjson::SUCCESS) return TypeError(text, spec_.type);
  bool is_base64 = false;
  std::string_view encoded;
  HR_RETURN_IF_ERROR(TakeBase64Object(object, &is_base64, &encoded));
  if (!is_base64) return JsonFormatError(text, "not formatted correctly for base64 data");
  HR_ASSIGN_OR_RETURN(*out, DecodeBase64(encoded, arena_));
  return OkStatus();
}

template <class T>
Status JsonTensorReader::AppendScalar(Value& value, size_t level) {
  HR_RETURN_IF_ERROR(CheckScalarLevel(value, level));
  if (count_ == capacity_) Grow();
  HR_RETURN_IF_ERROR(ReadScalar(value, reinterpret_cast<T*>(data_) + count_));
  count_++;
  return OkStatus();
}

template <class T>
Status JsonTensorReader::ReadArray(ondemand::array array, size_t level) {
  if (level >= kMaxJsonDepth) return InvalidArgument("JSON nesting is deeper than {} levels", kMaxJsonDepth);
  if (level >= shape_.size()) {
    if (rank_known_)
      return InvalidArgument("Encountered list at unexpected level: {} expected < {}", level, shape_.size());
    shape_.push_back(-1);
  }
  int64_t count = 0;
  for (auto item : array) {
    Value value;
    if (const error_code error = item.get(value))
      return InvalidArgument("JSON Parse error: {}", simdjson::error_message(error));
    // The innermost level, once it is known to be that: nothing but scalars.
    if (rank_known_ && level + 1 == shape_.size() && count_ < capacity_) [[likely]] {
      if (ReadScalar(value, reinterpret_cast<T*>(data_) + count_).ok()) [[likely]] {
        count_++;
        count++;
        continue;
      }
    }
    HR_RETURN_IF_ERROR(ReadNested<T>(value, level + 1));
    count++;
  }
  return CloseArray(level, count);
}

template <class T>
Status JsonTensorReader::ReadNested(Value& value, size_t level) {
  if (value.raw_json_token().starts_with('[')) {
    ondemand::array array;
    if (const error_code error = value.get_array().get(array))
      return InvalidArgument("JSON Parse error: {}", simdjson::error_message(error));
    return ReadArray<T>(array, level);
  }
  return AppendScalar<T>(value, level);
}

Status JsonTensorReader::Dispatch(Value& value) {
  switch (spec_.type) {
    case DataType::kBool: return ReadNested<bool>(value, 0);
    case DataType::kInt8: return ReadNested<int8_t>(value, 0);
    case DataType::kInt16: return ReadNested<int16_t>(value, 0);
    case DataType::kInt32: return ReadNested<int32_t>(value, 0);
    case DataType::kInt64: return ReadNested<int64_t>(value, 0);
    case DataType::kUint8: return ReadNested<uint8_t>(value, 0);
    case DataType::kUint16: return ReadNested<uint16_t>(value, 0);
    case DataType::kUint32: return ReadNested<uint32_t>(value, 0);
    case DataType::kUint64: return ReadNested<uint64_t>(value, 0);
    case DataType::kFloat32: return ReadNested<float>(value, 0);
    case DataType::kFloat64: return ReadNested<double>(value, 0);
    case DataType::kString: return ReadNested<std::string_view>(value, 0);
    default: return ReadNested<NotTaken>(value, 0);
  }
}

Status JsonTensorReader::Read(Value value) {
  HR_RETURN_IF_ERROR(Dispatch(value));
  values_++;
  return OkStatus();
}

Status JsonTensorReader::ReadBase64(std::string_view text) {
  if (spec_.type != DataType::kString)
    return TypeError(fmt::format(R"({{"b64":"{}"}})", text.substr(0, kShownChars)), spec_.type);
  if (rank_known_ && !shape_.empty())
    return InvalidArgument(
        "JSON Value: a base64 object found at incorrect level: 1 in the JSON DOM. Expected at level: {}",
        shape_.size());
  rank_known_ = true;
  if (count_ == capacity_) Grow();
  HR_ASSIGN_OR_RETURN(const std::string_view bytes, DecodeBase64(text, arena_));
  reinterpret_cast<std::string_view*>(data_)[count_++] = bytes;
  values_++;
  return OkStatus();
}

Tensor JsonTensorReader::TakeValue() {
  if (data_ == nullptr) data_ = arena_->Allocate(1, 64);
  if (spec_.type == DataType::kString) return Tensor(shape_, reinterpret_cast<std::string_view*>(data_), nullptr);
  return Tensor(spec_.type, shape_, data_, nullptr);
}

Tensor JsonTensorReader::TakeRows() {
  shape_.insert(shape_.begin(), static_cast<int64_t>(values_));
  return TakeValue();
}

Status TakeBase64Object(ondemand::object& object, bool* is, std::string_view* text) {
  *is = false;
  bool first = true;
  for (auto field : object) {
    std::string_view key;
    if (const error_code error = field.unescaped_key().get(key))
      return InvalidArgument("JSON Parse error: {}", simdjson::error_message(error));
    if (first && key != "b64") break;
    if (!first) {
      *is = false;
      break;
    }
    first = false;
    *is = field.value().get_string().get(*text) == simdjson::SUCCESS;
    if (!*is) break;
  }
  if (!*is && object.reset().error() != simdjson::SUCCESS) return InvalidArgument("JSON Parse error: broken object");
  return OkStatus();
}

}  // namespace headrace::tfserving
