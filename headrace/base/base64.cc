#include "headrace/base/base64.h"

#include <array>
#include <cstdint>

namespace headrace {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr auto kValues = [] {
  std::array<int8_t, 256> values{};
  values.fill(-1);
  for (size_t i = 0; i < kAlphabet.size(); i++) values[static_cast<uint8_t>(kAlphabet[i])] = static_cast<int8_t>(i);
  values['-'] = 62;
  values['_'] = 63;
  return values;
}();

}  // namespace

std::optional<size_t> DecodeBase64(std::string_view text, char* out) {
  std::string_view encoded = text;
  while (!encoded.empty() && encoded.back() == '=') encoded.remove_suffix(1);
  const size_t tail = encoded.size() % 4;
  if (text.size() - encoded.size() > 2 || tail == 1) return std::nullopt;
  size_t length = 0;
  uint32_t bits = 0;
  int invalid = 0;
  for (size_t i = 0; i < encoded.size(); i++) {
    const int value = kValues[static_cast<uint8_t>(encoded[i])];
    invalid |= value;
    bits = bits << 6 | static_cast<uint32_t>(value & 63);
    if (i % 4 == 3) {
      out[length++] = static_cast<char>(bits >> 16);
      out[length++] = static_cast<char>(bits >> 8);
      out[length++] = static_cast<char>(bits);
    }
  }
  if (invalid < 0) return std::nullopt;
  if (tail >= 2) out[length++] = static_cast<char>(tail == 2 ? bits >> 4 : bits >> 10);
  if (tail == 3) out[length++] = static_cast<char>(bits >> 2);
  return length;
}

void AppendBase64(std::string* out, std::string_view bytes) {
  size_t i = 0;
  const auto byte = [&](size_t at) { return static_cast<uint32_t>(static_cast<uint8_t>(bytes[at])); };
  const auto emit = [&](uint32_t bits, int characters) {
    for (int c = 0; c < 4; c++) *out += c < characters ? kAlphabet[bits >> (18 - 6 * c) & 63] : '=';
  };
  for (; i + 3 <= bytes.size(); i += 3) emit(byte(i) << 16 | byte(i + 1) << 8 | byte(i + 2), 4);
  if (bytes.size() - i == 1) emit(byte(i) << 16, 2);
  if (bytes.size() - i == 2) emit(byte(i) << 16 | byte(i + 1) << 8, 3);
}

}  // namespace headrace
