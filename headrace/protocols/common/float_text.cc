#include "headrace/protocols/common/float_text.h"

#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace headrace {
namespace {

constexpr char kPairs[] =
    "0001020304050607080910111213141516171819202122232425262728293031323334353637383940414243444546474849"
    "5051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949596979899";

constexpr uint64_t kPowersOf10[] = {1ull,
                                    10ull,
                                    100ull,
                                    1000ull,
                                    10000ull,
                                    100000ull,
                                    1000000ull,
                                    10000000ull,
                                    100000000ull,
                                    1000000000ull,
                                    10000000000ull,
                                    100000000000ull,
                                    1000000000000ull,
                                    10000000000000ull,
                                    100000000000000ull,
                                    1000000000000000ull,
                                    10000000000000000ull,
                                    100000000000000000ull};

// Of 1 to 10^17.
template <class U>
int CountDigits(U digits) {
  const int guess = std::bit_width(digits) * 1233 >> 12;  // log10(2) = 0.30103 = 1233/4096
  return guess + (digits >= kPowersOf10[guess] ? 1 : 0);
}

template <class U>
void WriteDigits(char* to, U digits, int count) {
  while (count >= 2) {
    count -= 2;
    std::memcpy(to + count, kPairs + 2 * (digits % 100), 2);
    digits /= 100;
  }
  if (count == 1) *to = static_cast<char>('0' + digits);
}

char* Fill(char* to, char c, int count) {
  std::memset(to, c, static_cast<size_t>(count));
  return to + count;
}

// "d.ddde+XX" of digits whose first stands before the point.
char* WriteExponent(char* to, int exponent) {
  *to++ = 'e';
  *to++ = exponent < 0 ? '-' : '+';
  exponent = std::abs(exponent);
  if (exponent >= 100) *to++ = static_cast<char>('0' + exponent / 100);
  std::memcpy(to, kPairs + 2 * (exponent % 100), 2);
  return to + 2;
}

template <class T>
char* Write(char* to, T value) {
  if (!std::isfinite(value)) [[unlikely]] {
    const std::string_view word = std::isnan(value) ? "NaN" : value < 0 ? "-Infinity" : "Infinity";
    return to + word.copy(to, word.size());
  }
  if (std::signbit(value)) {
    *to++ = '-';
    value = -value;
  }
  if (value == 0) return to + std::string_view("0.0").copy(to, 3);
  const auto decimal = fmt::detail::dragonbox::to_decimal(value);
  const int count = CountDigits(decimal.significand);
  const int point = count + decimal.exponent;  // digits before the point; not positive: zeros behind it
  if (point < -3 || point > 16) {
    WriteDigits(to + 1, decimal.significand, count);
    to[0] = to[1];
    if (count == 1) return WriteExponent(to + 1, point - 1);
    to[1] = '.';
    return WriteExponent(to + 1 + count, point - 1);
  }
  if (point <= 0) {
    *to++ = '0';
    *to++ = '.';
    to = Fill(to, '0', -point);
    WriteDigits(to, decimal.significand, count);
    return to + count;
  }
  if (decimal.exponent < 0) {
    WriteDigits(to + 1, decimal.significand, count);
    std::memmove(to, to + 1, static_cast<size_t>(point));
    to[point] = '.';
    return to + count + 1;
  }
  WriteDigits(to, decimal.significand, count);
  to = Fill(to + count, '0', decimal.exponent);
  *to++ = '.';
  *to++ = '0';
  return to;
}

}  // namespace

char* WriteFloat(char* to, float value) { return Write(to, value); }
char* WriteFloat(char* to, double value) { return Write(to, value); }

}  // namespace headrace
