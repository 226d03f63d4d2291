#include "headrace/serving/batch_tensors.h"

#include <gmock/gmock.h>

namespace headrace::serving {
namespace {

using testing::ElementsAre;

Tensor Join(const std::vector<Tensor>& parts, int64_t rows) {
  std::vector<const Tensor*> pointers;
  for (const auto& part : parts) pointers.push_back(&part);
  return JoinRows(pointers, rows);
}

TEST(BatchTensors, RowsAreJoinedAndPaddedWithTheFirst) {
  const Tensor joined = Join({Tensor::Of<float>(Shape{1, 2}, {1, 2}), Tensor::Of<float>(Shape{2, 2}, {3, 4, 5, 6})}, 4);
  EXPECT_EQ(joined.shape(), (Shape{4, 2}));
  EXPECT_THAT(joined.values<float>(), ElementsAre(1, 2, 3, 4, 5, 6, 1, 2));
}

TEST(BatchTensors, StringsToo) {
  const std::vector<Tensor> parts = {Tensor::OfStrings(Shape{2}, {"a", ""}), Tensor::OfStrings(Shape{1}, {"c"})};
  const Tensor joined = Join(parts, 4);
  EXPECT_THAT(joined.strings(), ElementsAre("a", "", "c", "a"));
  EXPECT_THAT(SliceRows(joined, 1, 2).strings(), ElementsAre("", "c"));
}

TEST(BatchTensors, EveryElementSize) {
  const auto check = [](auto one, auto two) {
    using T = decltype(one);
    const Tensor joined = Join({Tensor::Of<T>(Shape{1}, {one}), Tensor::Of<T>(Shape{1}, {two})}, 2);
    EXPECT_EQ(joined.type(), DataTypeOf<T>());
    EXPECT_THAT(joined.values<T>(), ElementsAre(one, two));
    EXPECT_THAT(SliceRows(joined, 1, 1).template values<T>(), ElementsAre(two));
  };
  check(int8_t{1}, int8_t{-2});
  check(int16_t{1}, int16_t{-2});
  check(int32_t{1}, int32_t{-2});
  check(int64_t{1}, int64_t{-2});
  check(uint8_t{1}, uint8_t{255});
  check(uint64_t{1}, UINT64_MAX);
  check(1.5f, -2.5f);
  check(1.5, -2.5);
}

TEST(BatchTensors, RaggedRowsArePaddedAtTheEnd) {
  const Tensor joined =
      Join({Tensor::Of<int32_t>(Shape{1, 2, 1}, {1, 2}), Tensor::Of<int32_t>(Shape{1, 1, 3}, {3, 4, 5})}, 2);
  EXPECT_EQ(joined.shape(), (Shape{2, 2, 3}));
  EXPECT_THAT(joined.values<int32_t>(), ElementsAre(1, 0, 0, 2, 0, 0, 3, 4, 5, 0, 0, 0));
  const std::vector<Tensor> texts = {Tensor::OfStrings(Shape{1, 2}, {"a", "b"}), Tensor::OfStrings(Shape{1, 1}, {"c"})};
  EXPECT_THAT(Join(texts, 2).strings(), ElementsAre("a", "b", "c", ""));
}

TEST(BatchTensors, RowsOfNothing) {
  const Tensor joined = Join({Tensor::Of<float>(Shape{2, 0}, {}), Tensor::Of<float>(Shape{1, 0}, {})}, 3);
  EXPECT_EQ(joined.shape(), (Shape{3, 0}));
}

TEST(BatchTensors, KeysTellWhatMayNotBeJoined) {
  Signature signature;
  InferRequest a, b;
  a.signature = b.signature = &signature;
  a.inputs.push_back(Tensor::Of<float>(Shape{1, 2}, {1, 2}));
  b.inputs.push_back(Tensor::Of<float>(Shape{3, 2}, {1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(BatchKey(a, false), BatchKey(b, false));
  b.inputs[0] = Tensor::Of<float>(Shape{1, 3}, {1, 2, 3});
  EXPECT_NE(BatchKey(a, false), BatchKey(b, false));
  EXPECT_EQ(BatchKey(a, true), BatchKey(b, true));
  b.inputs[0] = Tensor::Of<float>(Shape{1}, {1});
  EXPECT_NE(BatchKey(a, true), BatchKey(b, true));
}

TEST(BatchTensors, OnlyAFreeFirstDimensionBatches) {
  Signature signature;
  signature.inputs = {{"x", DataType::kFloat32, Shape{-1, 3}}};
  signature.outputs = {{"y", DataType::kFloat32, Shape{-1}}};
  EXPECT_TRUE(IsBatchable(signature));
  signature.outputs[0].shape = {1};
  EXPECT_FALSE(IsBatchable(signature));
  signature.outputs[0] = {"y", DataType::kFloat32, Shape{}, true};
  EXPECT_FALSE(IsBatchable(signature));
}

}  // namespace
}  // namespace headrace::serving
