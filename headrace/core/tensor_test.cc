#include "headrace/core/tensor.h"

#include <gtest/gtest.h>

namespace headrace {
namespace {

TEST(DataType, NamesRoundTrip) {
  for (int type = 1; type <= static_cast<int>(DataType::kString); type++) {
    const auto data_type = static_cast<DataType>(type);
    EXPECT_EQ(DataTypeFromName(DataTypeName(data_type)), data_type);
  }
  EXPECT_EQ(DataTypeFromName("FLOAT"), DataType::kInvalid);
  EXPECT_EQ(DataTypeSize(DataType::kBfloat16), 2u);
  EXPECT_EQ(DataTypeSize(DataType::kString), 0u);
}

TEST(ElementCount, RefusesNegativeAndOverflow) {
  EXPECT_EQ(ElementCount({}), 1);
  EXPECT_EQ(ElementCount(Shape{2, 0, 3}), 0);
  EXPECT_EQ(ElementCount(Shape{2, -1}), std::nullopt);
  EXPECT_EQ(ElementCount(Shape{int64_t{1} << 40, int64_t{1} << 40}), std::nullopt);
}

TEST(Tensor, CopiesShareTheElements) {
  const Tensor one = Tensor::Of<float>({2, 2}, {1, 2, 3, 4});
  const Tensor two = one;
  EXPECT_EQ(one.data(), two.data());
  EXPECT_EQ(two.bytes(), 16u);
  EXPECT_EQ(two.values<float>()[3], 4);
}

TEST(Tensor, KeepsStringsWithZeroBytes) {
  const Tensor tensor = Tensor::OfStrings({2}, {std::string("a\0b", 3), ""});
  EXPECT_EQ(tensor.strings()[0], std::string_view("a\0b", 3));
  EXPECT_EQ(tensor.strings()[1], "");
}

TEST(TensorSpec, CheckSaysWhatWasExpectedAndFound) {
  const TensorSpec spec{.name = "x", .type = DataType::kFloat32, .shape = {-1, 2}};
  EXPECT_TRUE(spec.Check(Tensor::Of<float>({3, 2}, std::vector<float>(6))).ok());
  EXPECT_EQ(spec.Check(Tensor::Of<float>({3}, std::vector<float>(3))).message(),
            R"(input "x": expected shape [-1,2], found [3])");
  EXPECT_EQ(spec.Check(Tensor::Of<double>({3, 2}, std::vector<double>(6))).message(),
            R"(input "x": expected FP32, found FP64)");
  const TensorSpec any{.name = "y", .type = DataType::kString, .shape = {}, .any_rank = true};
  EXPECT_TRUE(any.Check(Tensor::OfStrings({1, 1}, {"s"})).ok());
}

}  // namespace
}  // namespace headrace
