#include "headrace/protocols/oip/json_elements.h"

#include <cmath>
#include <limits>

#include "headrace/core/float16.h"

namespace headrace::oip {
namespace {

namespace ondemand = simdjson::ondemand;
using simdjson::error_code;

// A reader of one element type: Read takes a scalar and stores it as element `index`, or says why not and leaves the
// value unread.
template <class T>
struct IntegerReader {
  T* out;
  error_code Read(ondemand::value& value, size_t index) const {
    if constexpr (std::is_same_v<T, uint64_t>) return value.get_uint64().get(out[index]);
    int64_t number = 0;
    if (const error_code error = value.get_int64().get(number)) return error;
    if (number < static_cast<int64_t>(std::numeric_limits<T>::min()) ||
        number > static_cast<int64_t>(std::numeric_limits<T>::max() & std::numeric_limits<int64_t>::max()))
      return simdjson::NUMBER_OUT_OF_RANGE;
    out[index] = static_cast<T>(number);
    return simdjson::SUCCESS;
  }
};

error_code ReadWord(ondemand::value& value, double* number) {
  std::string_view token = value.raw_json_token();
  while (!token.empty() && std::string_view(" \t\r\n").find(token.back()) != std::string_view::npos)
    token.remove_suffix(1);
  if (token == "NaN")
    *number = std::numeric_limits<double>::quiet_NaN();
  else if (token == "Infinity")
    *number = std::numeric_limits<double>::infinity();
  else if (token == "-Infinity")
    *number = -std::numeric_limits<double>::infinity();
  else if (token == "null")  // MLServer's codecs write it for NaN
    *number = std::numeric_limits<double>::quiet_NaN();
  else
    return simdjson::NUMBER_ERROR;
  return simdjson::SUCCESS;
}

error_code ReadDouble(ondemand::value& value, double* number) {
  const error_code error = value.get_double().get(*number);
  return error == simdjson::SUCCESS ? error : ReadWord(value, number);
}

template <class T>
struct FloatReader {
  T* out;
  error_code Read(ondemand::value& value, size_t index) const {
    double number = 0;
    const error_code error = ReadDouble(value, &number);
    out[index] = static_cast<T>(number);
    return error;
  }
};

template <uint16_t (*kConvert)(float)>
struct HalfReader {
  uint16_t* out;
  error_code Read(ondemand::value& value, size_t index) const {
    double number = 0;
    const error_code error = ReadDouble(value, &number);
    out[index] = kConvert(static_cast<float>(number));
    return error;
  }
};

struct BoolReader {
  uint8_t* out;
  error_code Read(ondemand::value& value, size_t index) const {
    bool flag = false;
    if (value.get_bool().get(flag) == simdjson::SUCCESS) {
      out[index] = flag;
      return simdjson::SUCCESS;
    }
    uint64_t number = 0;
    if (const error_code error = value.get_uint64().get(number)) return error;
    out[index] = number != 0;
    return number <= 1 ? simdjson::SUCCESS : simdjson::NUMBER_OUT_OF_RANGE;
  }
};

struct StringReader {
  std::string_view* out;
  Arena* arena;
  error_code Read(ondemand::value& value, size_t index) const {
    std::string_view text;
    if (const error_code error = value.get_string().get(text)) return error;
    out[index] = arena->Copy(text);
    return simdjson::SUCCESS;
  }
};

std::string_view Expected(DataType type) {
  switch (type) {
    case DataType::kString: return "a string";
    case DataType::kBool: return "true or false";
    case DataType::kFloat16:
    case DataType::kBfloat16:
    case DataType::kFloat32:
    case DataType::kFloat64:
    case DataType::kComplex64:
    case DataType::kComplex128: return "a number";
    default: return "an integer";
  }
}

struct Progress {
  std::string_view input;
  DataType type;
  const Shape& shape;
  size_t count;
  size_t index = 0;

  Status SizeMismatch() const {
    return InvalidArgument(
        "Failed to parse 'data' field: shape does not match true shape of 'data' for input '{}': shape {} has {} "
        "elements",
        input, ShapeToString(shape), count);
  }
  Status ElementError(error_code error, std::string_view token) const {
    if (token.size() > 40) token = token.substr(0, 40);
    return InvalidArgument("Unable to parse 'data' for input '{}': element {}: expected {} ({}), found {} ({})", input,
                           index, Expected(type), DataTypeName(type), token, simdjson::error_message(error));
  }
};

template <class Reader>
Status ReadNested(ondemand::array array, const Reader& reader, Progress* progress, int depth) {
  if (depth > kMaxJsonDepth)
    return InvalidArgument("JSON nesting depth exceeds maximum allowed limit ({})", kMaxJsonDepth);
  for (auto item : array) {
    ondemand::value value;
    if (const error_code error = item.get(value)) return progress->ElementError(error, "the end of the text");
    if (progress->index < progress->count) {
      const error_code error = reader.Read(value, progress->index);
      if (error == simdjson::SUCCESS) [[likely]] {
        progress->index++;
        continue;
      }
      if (value.raw_json_token().starts_with('[')) {
        HR_RETURN_IF_ERROR(ReadNested(value.get_array().value_unsafe(), reader, progress, depth + 1));
        continue;
      }
      return progress->ElementError(error, value.raw_json_token());
    }
    ondemand::array inner;
    if (value.get_array().get(inner) != simdjson::SUCCESS) return progress->SizeMismatch();
    HR_RETURN_IF_ERROR(ReadNested(inner, reader, progress, depth + 1));
  }
  return OkStatus();
}

template <class Reader>
Status ReadAll(ondemand::array data, const Reader& reader, Progress* progress) {
  HR_RETURN_IF_ERROR(ReadNested(data, reader, progress, 1));
  return progress->index == progress->count ? OkStatus() : progress->SizeMismatch();
}

Status ReadNumbers(ondemand::array data, DataType type, char* out, Progress* progress) {
  const auto integers = [&]<class T>(T) {
    return ReadAll(data, IntegerReader<T>{reinterpret_cast<T*>(out)}, progress);
  };
  const auto floats = [&]<class T>(T) { return ReadAll(data, FloatReader<T>{reinterpret_cast<T*>(out)}, progress); };
  switch (type) {
    case DataType::kBool: return ReadAll(data, BoolReader{reinterpret_cast<uint8_t*>(out)}, progress);
    case DataType::kInt8: return integers(int8_t());
    case DataType::kInt16: return integers(int16_t());
    case DataType::kInt32: return integers(int32_t());
    case DataType::kInt64: return integers(int64_t());
    case DataType::kUint8: return integers(uint8_t());
    case DataType::kUint16: return integers(uint16_t());
    case DataType::kUint32: return integers(uint32_t());
    case DataType::kUint64: return integers(uint64_t());
    case DataType::kFloat16:
      return ReadAll(data, HalfReader<FloatToFloat16>{reinterpret_cast<uint16_t*>(out)}, progress);
    case DataType::kBfloat16:
      return ReadAll(data, HalfReader<FloatToBfloat16>{reinterpret_cast<uint16_t*>(out)}, progress);
    case DataType::kComplex64:
    case DataType::kFloat32: return floats(float());
    case DataType::kComplex128:
    case DataType::kFloat64: return floats(double());
    default: return InvalidArgument("invalid datatype for input {}", progress->input);
  }
}

}  // namespace

Result<Tensor> ReadElements(ondemand::array data, DataType type, const Shape& shape, std::string_view input,
                            size_t json_bytes, Arena* arena) {
  const auto elements = ElementCount(shape);
  if (!elements)
    return std::unexpected(InvalidArgument(
        "invalid shape for input '{}': shape {} contains one or more invalid dimensions", input, ShapeToString(shape)));
  const bool complex = type == DataType::kComplex64 || type == DataType::kComplex128;
  Progress progress{input, type, shape, static_cast<size_t>(*elements)};
  if (progress.count > json_bytes / 2 + 1) return std::unexpected(progress.SizeMismatch());
  const size_t bytes = progress.count * DataTypeSize(type);
  if (complex) progress.count *= 2;
  if (type == DataType::kString) {
    const auto views = arena->AllocateArray<std::string_view>(progress.count);
    HR_UNEXPECTED_IF_ERROR(ReadAll(data, StringReader{views.data(), arena}, &progress));
    return Tensor(shape, views.data(), nullptr);
  }
  char* out = arena->Allocate(bytes, 64);
  HR_UNEXPECTED_IF_ERROR(ReadNumbers(data, type, out, &progress));
  return Tensor(type, shape, out, nullptr);
}

}  // namespace headrace::oip
