#include "headrace/protocols/common/json_text.h"

#include <charconv>
#include <cmath>

#include "headrace/core/float16.h"
#include "headrace/protocols/common/float_text.h"

namespace headrace {
namespace {

constexpr size_t kNumberChars = kFloatChars + 1;  // of any number and a comma

template <class T>
char* WriteInteger(char* to, T value) {
  return std::to_chars(to, to + kNumberChars, value).ptr;
}

template <class T>
char* Write(char* to, T value) {
  if constexpr (std::is_floating_point_v<T>)
    return WriteFloat(to, value);
  else
    return WriteInteger(to, value);
}

// Calls write(to, i) → end for each i, with room for kNumberChars at `to`, and puts commas between.
template <class WriteElement>
void AppendMany(std::string* out, size_t count, size_t chars_each, WriteElement write) {
  constexpr size_t kAtOnce = 512;
  for (size_t done = 0; done < count;) {
    const size_t until = std::min(count, done + kAtOnce);
    const size_t old_size = out->size();
    out->resize_and_overwrite(old_size + (until - done) * chars_each, [&](char* data, size_t) {
      char* to = data + old_size;
      for (; done < until; done++) {
        to = write(to, done);
        *to++ = ',';
      }
      return static_cast<size_t>(to - data);
    });
  }
  if (count > 0) out->pop_back();
}

template <class T>
void AppendNumbers(std::string* out, const T* values, size_t count) {
  AppendMany(out, count, kNumberChars, [values](char* to, size_t i) { return Write(to, values[i]); });
}

template <class Convert>
void AppendHalves(std::string* out, const uint16_t* values, size_t count, Convert convert) {
  AppendMany(out, count, kNumberChars, [=](char* to, size_t i) { return WriteFloat(to, convert(values[i])); });
}

void AppendBools(std::string* out, const uint8_t* values, size_t count) {
  AppendMany(out, count, 8, [values](char* to, size_t i) {
    const std::string_view word = values[i] ? "true" : "false";
    return to + word.copy(to, word.size());
  });
}

template <class T>
void AppendComplex(std::string* out, const T* values, size_t count) {
  AppendMany(out, count, 2 * kNumberChars + 4, [values](char* to, size_t i) {
    *to++ = '[';
    to = WriteFloat(to, values[2 * i]);
    *to++ = ',';
    to = WriteFloat(to, values[2 * i + 1]);
    *to++ = ']';
    return to;
  });
}

void AppendStrings(std::string* out, std::span<const std::string_view> strings) {
  for (size_t i = 0; i < strings.size(); i++) {
    if (i > 0) *out += ',';
    AppendJsonString(out, strings[i]);
  }
}

bool Plain(char c) { return static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\'; }

void AppendEscaped(std::string* out, char c) {
  static constexpr char kHex[] = "0123456789abcdef";
  switch (c) {
    case '"': *out += "\\\""; return;
    case '\\': *out += "\\\\"; return;
    case '\n': *out += "\\n"; return;
    case '\r': *out += "\\r"; return;
    case '\t': *out += "\\t"; return;
    default: *out += {'\\', 'u', '0', '0', kHex[(c >> 4) & 15], kHex[c & 15]};
  }
}

template <class T>
void AppendOne(std::string* out, T value) {
  char text[kNumberChars];
  out->append(text, static_cast<size_t>(Write(text, value) - text));
}

}  // namespace

void AppendJson(std::string* out, double value) { AppendOne(out, value); }
void AppendJson(std::string* out, float value) { AppendOne(out, value); }
void AppendJson(std::string* out, int64_t value) { AppendOne(out, value); }
void AppendJson(std::string* out, uint64_t value) { AppendOne(out, value); }

void AppendJsonString(std::string* out, std::string_view text) {
  *out += '"';
  while (!text.empty()) {
    size_t plain = 0;
    while (plain < text.size() && Plain(text[plain])) plain++;
    out->append(text.substr(0, plain));
    if (plain == text.size()) break;
    AppendEscaped(out, text[plain]);
    text.remove_prefix(plain + 1);
  }
  *out += '"';
}

void AppendJsonList(std::string* out, std::span<const int64_t> values) {
  AppendNumbers(out, values.data(), values.size());
}

void AppendJsonElements(std::string* out, const Tensor& tensor, size_t first, size_t count) {
  const auto from = [&]<class T>(T) { return static_cast<const T*>(tensor.data()) + first; };
  switch (tensor.type()) {
    case DataType::kBool: return AppendBools(out, from(uint8_t()), count);
    case DataType::kInt8: return AppendNumbers(out, from(int8_t()), count);
    case DataType::kInt16: return AppendNumbers(out, from(int16_t()), count);
    case DataType::kInt32: return AppendNumbers(out, from(int32_t()), count);
    case DataType::kInt64: return AppendNumbers(out, from(int64_t()), count);
    case DataType::kUint8: return AppendNumbers(out, from(uint8_t()), count);
    case DataType::kUint16: return AppendNumbers(out, from(uint16_t()), count);
    case DataType::kUint32: return AppendNumbers(out, from(uint32_t()), count);
    case DataType::kUint64: return AppendNumbers(out, from(uint64_t()), count);
    case DataType::kFloat16: return AppendHalves(out, from(uint16_t()), count, Float16ToFloat);
    case DataType::kBfloat16: return AppendHalves(out, from(uint16_t()), count, Bfloat16ToFloat);
    case DataType::kFloat32: return AppendNumbers(out, from(float()), count);
    case DataType::kFloat64: return AppendNumbers(out, from(double()), count);
    case DataType::kComplex64: return AppendComplex(out, static_cast<const float*>(tensor.data()) + 2 * first, count);
    case DataType::kComplex128: return AppendComplex(out, static_cast<const double*>(tensor.data()) + 2 * first, count);
    case DataType::kString: return AppendStrings(out, tensor.strings().subspan(first, count));
    case DataType::kInvalid: return;
  }
}

void AppendJsonNested(std::string* out, const Tensor& tensor, size_t level, size_t index) {
  const Shape& shape = tensor.shape();
  if (level == shape.size()) return AppendJsonElements(out, tensor, index, 1);
  const auto size = static_cast<size_t>(shape[level]);
  *out += '[';
  if (level + 1 == shape.size()) {
    AppendJsonElements(out, tensor, index * size, size);
  } else {
    for (size_t i = 0; i < size; i++) {
      if (i > 0) *out += ',';
      AppendJsonNested(out, tensor, level + 1, index * size + i);
    }
  }
  *out += ']';
}

}  // namespace headrace
