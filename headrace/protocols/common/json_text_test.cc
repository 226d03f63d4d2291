#include "headrace/protocols/common/json_text.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cmath>
#include <limits>
#include <random>

#include "headrace/base/json.h"
#include "headrace/core/float16.h"
#include "headrace/protocols/common/arena.h"

namespace headrace {
namespace {

template <class T>
std::string Text(T value) {
  std::string out;
  AppendJson(&out, value);
  return out;
}

std::string Elements(const Tensor& tensor) {
  std::string out;
  AppendJsonElements(&out, tensor, 0, static_cast<size_t>(tensor.size()));
  return out;
}

TEST(JsonText, WritesFloatsShortestAndAlwaysAsFloats) {
  EXPECT_EQ(Text(0.1f), "0.1");
  EXPECT_EQ(Text(0.1), "0.1");
  EXPECT_EQ(Text(5.0), "5.0");
  EXPECT_EQ(Text(-0.0f), "-0.0");
  EXPECT_EQ(Text(1e30), "1e+30");
  EXPECT_EQ(Text(std::numeric_limits<float>::quiet_NaN()), "NaN");
  EXPECT_EQ(Text(-std::numeric_limits<double>::infinity()), "-Infinity");
}

// What fmt writes, and ".0" behind whole numbers.
template <class T>
std::string Expected(T value) {
  if (!std::isfinite(value)) return std::isnan(value) ? "NaN" : value < 0 ? "-Infinity" : "Infinity";
  std::string text = fmt::format("{}", value);
  return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
}

TEST(JsonText, FloatsAreWrittenAsFmtDoes) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 300'000; i++) {
    const uint64_t bits = random();
    ASSERT_EQ(Text(std::bit_cast<double>(bits)), Expected(std::bit_cast<double>(bits)));
    ASSERT_EQ(Text(std::bit_cast<float>(static_cast<uint32_t>(bits))),
              Expected(std::bit_cast<float>(static_cast<uint32_t>(bits))));
    const double plain = static_cast<double>(static_cast<int64_t>(bits) >> (bits % 60)) / std::pow(10.0, bits % 23);
    ASSERT_EQ(Text(plain), Expected(plain));
    ASSERT_EQ(Text(static_cast<float>(plain)), Expected(static_cast<float>(plain)));
  }
  for (int exponent = -330; exponent < 310; exponent++)
    for (const double digits : {1.0, 1.5, 9.999999999999999, 123456789.0}) {
      const double value = digits * std::pow(10.0, exponent);
      ASSERT_EQ(Text(value), Expected(value));
      ASSERT_EQ(Text(static_cast<float>(value)), Expected(static_cast<float>(value)));
    }
}

TEST(JsonText, FloatsReadBackToTheSameBits) {
  const bool held = rc::check([](uint32_t bits) {
    const auto value = std::bit_cast<float>(bits);
    const std::string text = Text(value);
    const auto read = std::bit_cast<uint32_t>(std::strtof(text.c_str(), nullptr));
    const bool same = std::isnan(value) ? text == "NaN" : read == bits;
    RC_ASSERT(same);
    RC_ASSERT(text.find_first_of(".eNI") != std::string::npos);
  });
  EXPECT_TRUE(held);
}

TEST(JsonText, StringsReadBackToTheSameBytes) {
  const bool held = rc::check([](const std::string& raw) {
    std::string text;
    for (const char c : raw) text += static_cast<char>(c & 0x7f);
    std::string json;
    AppendJsonString(&json, text);
    const auto read = ParseJson(json);
    RC_ASSERT(read.has_value());
    const bool same = std::string_view(read->as_string()) == text;
    RC_ASSERT(same);
  });
  EXPECT_TRUE(held);
}

TEST(JsonText, WritesEachElementType) {
  EXPECT_EQ(Elements(Tensor::Of<int8_t>({3}, {-128, 0, 127})), "-128,0,127");
  EXPECT_EQ(Elements(Tensor::Of<uint64_t>({1}, {UINT64_MAX})), "18446744073709551615");
  EXPECT_EQ(Elements(Tensor::Of<int64_t>({1}, {INT64_MIN})), "-9223372036854775808");
  EXPECT_EQ(Elements(Tensor::Of<float>({2, 1}, {1.5f, 2})), "1.5,2.0");
  EXPECT_EQ(Elements(Tensor::OfStrings({2}, {"a\"b\n", "ü\x01"})), "\"a\\\"b\\n\",\"ü\\u0001\"");
  EXPECT_EQ(Elements(Tensor::Of<float>({0}, {})), "");
  const uint8_t bools[] = {1, 0};
  EXPECT_EQ(Elements(Tensor(DataType::kBool, {2}, bools, nullptr)), "true,false");
  const uint16_t halves[] = {0x3c00, 0xc100, 0x7c00};
  EXPECT_EQ(Elements(Tensor(DataType::kFloat16, {3}, halves, nullptr)), "1.0,-2.5,Infinity");
  const double complex[] = {1, -2};
  EXPECT_EQ(Elements(Tensor(DataType::kComplex128, {1}, complex, nullptr)), "[1.0,-2.0]");
}

TEST(JsonText, WritesMoreElementsThanOneBlock) {
  std::vector<int64_t> values(2000);
  std::string expected;
  for (size_t i = 0; i < values.size(); i++) {
    values[i] = static_cast<int64_t>(i * i);
    expected += (i ? "," : "") + std::to_string(i * i);
  }
  EXPECT_EQ(Elements(Tensor::Of<int64_t>({2000}, values)), expected);
}

TEST(JsonText, WritesNestedArrays) {
  const auto nested = [](const Tensor& tensor, size_t level, size_t index) {
    std::string out;
    AppendJsonNested(&out, tensor, level, index);
    return out;
  };
  const Tensor cube = Tensor::Of<int32_t>({2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8});
  EXPECT_EQ(nested(cube, 0, 0), "[[[1,2],[3,4]],[[5,6],[7,8]]]");
  EXPECT_EQ(nested(cube, 1, 1), "[[5,6],[7,8]]");
  EXPECT_EQ(nested(cube, 2, 1), "[3,4]");
  EXPECT_EQ(nested(Tensor::Of<int32_t>({}, {7}), 0, 0), "7");
  EXPECT_EQ(nested(Tensor::Of<int32_t>({2, 0}, {}), 0, 0), "[[],[]]");
  EXPECT_EQ(nested(Tensor::OfStrings({2}, {"a", "b"}), 1, 1), "\"b\"");
}

TEST(Float16, EveryHalfReadsBackFromItsFloat) {
  for (uint32_t half = 0; half < 0x10000; half++) {
    const float value = Float16ToFloat(static_cast<uint16_t>(half));
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(Float16ToFloat(FloatToFloat16(value))));
    } else {
      ASSERT_EQ(FloatToFloat16(value), half);
      ASSERT_EQ(FloatToBfloat16(Bfloat16ToFloat(static_cast<uint16_t>(half))), half);
    }
  }
}

TEST(Float16, RoundsToTheNearestHalf) {
  EXPECT_EQ(FloatToFloat16(65519.0f), 0x7bff);
  EXPECT_EQ(FloatToFloat16(65520.0f), 0x7c00);
  EXPECT_EQ(FloatToFloat16(1.0f + 0x1p-11f), 0x3c00);  // a tie: to even
  EXPECT_EQ(FloatToFloat16(1.0f + 3 * 0x1p-11f), 0x3c02);
  EXPECT_EQ(FloatToBfloat16(1.0f + 0x1p-8f), 0x3f80);
  EXPECT_EQ(FloatToBfloat16(std::numeric_limits<float>::max()), 0x7f80);
  const bool held = rc::check([](uint32_t bits) {
    const auto value = std::bit_cast<float>(bits);
    if (!std::isfinite(value) || std::fabs(value) > 65504) return;
    const uint16_t half = FloatToFloat16(value);
    const double error = std::fabs(static_cast<double>(Float16ToFloat(half)) - value);
    for (const int step : {-1, 1}) {
      const float neighbour = Float16ToFloat(static_cast<uint16_t>(half + step));
      if (std::isfinite(neighbour)) RC_ASSERT(error <= std::fabs(static_cast<double>(neighbour) - value));
    }
  });
  EXPECT_TRUE(held);
}

TEST(Arena, PiecesAreAlignedApartAndKeptUntilReset) {
  Arena arena;
  std::vector<std::span<char>> pieces;
  for (size_t bytes : {1u, 100u, 3000u, 7u, 40000u, 64u, 33000u, 1u}) {
    char* piece = arena.Allocate(bytes, 64);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(piece) % 64, 0u);
    std::memset(piece, static_cast<int>(pieces.size()), bytes);
    pieces.emplace_back(piece, bytes);
  }
  for (size_t i = 0; i < pieces.size(); i++)
    for (const char c : pieces[i]) ASSERT_EQ(c, static_cast<char>(i));
  arena.Reset();
  EXPECT_EQ(arena.Copy("again"), "again");
}

}  // namespace
}  // namespace headrace
