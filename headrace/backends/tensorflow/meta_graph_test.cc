#include "headrace/backends/tensorflow/meta_graph.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "headrace/backends/tensorflow/saved_model_test_util.h"

namespace headrace::tensorflow {
namespace {

TEST(ReadSignatures, ReadsNamesTypesAndShapes) {
  SavedModelWriter writer;
  writer.AddSignature("b", {}, {{"y", "y:0", DataType::kString, {}}});
  writer.AddSignature("serving_default", {{"z", "z:1", DataType::kBool, {}}, {"a", "a:0", DataType::kFloat32, {-1, 3}}},
                      {{"y", "y:0", DataType::kBfloat16, {2}}});
  const auto read = ReadSignatures(writer.MetaGraph());
  ASSERT_TRUE(read.has_value());
  ASSERT_EQ(read->size(), 2u);
  const GraphSignature& first = read->front();
  EXPECT_EQ(first.signature.name, "serving_default");
  EXPECT_EQ(first.signature.method, "tensorflow/serving/predict");
  EXPECT_EQ(first.signature.inputs[0].name, "a");
  EXPECT_EQ(first.signature.inputs[0].shape, (Shape{-1, 3}));
  EXPECT_EQ(first.signature.inputs[1].type, DataType::kBool);
  EXPECT_THAT(first.inputs, testing::ElementsAre("a:0", "z:1"));
  EXPECT_EQ(first.signature.outputs[0].type, DataType::kBfloat16);
  EXPECT_EQ(read->back().signature.name, "b");
}

TEST(ReadSignatures, LeavesOutWhatCannotBeServed) {
  SavedModelWriter writer;
  writer.AddSignature("sparse", {{"x", "", DataType::kFloat32, {}}}, {{"y", "y:0", DataType::kFloat32, {}}});
  writer.AddSignature("resource", {{"x", "x:0", DataType::kInvalid, {}}}, {{"y", "y:0", DataType::kFloat32, {}}});
  EXPECT_EQ(ReadSignatures(writer.MetaGraph()).error().code(), Code::kUnimplemented);
  writer.AddSignature("__saved_model_init_op", {}, {{"y", "y:0", DataType::kFloat32, {}}});
  EXPECT_EQ(ReadSignatures(writer.MetaGraph()).error().code(), Code::kUnimplemented);
  writer.AddSignature("good", {}, {{"y", "y:0", DataType::kFloat32, {}}});
  EXPECT_EQ(ReadSignatures(writer.MetaGraph())->size(), 1u);
}

TEST(ReadSignatures, RefusesBrokenBytes) {
  SavedModelWriter writer;
  writer.AddSignature("s", {}, {{"y", "y:0", DataType::kFloat32, {}}});
  const std::string whole = writer.MetaGraph();
  EXPECT_EQ(ReadSignatures(whole.substr(0, whole.size() - 1)).error().code(), Code::kDataLoss);
}

TEST(TfTypes, GoBothWays) {
  for (int type = 1; type <= static_cast<int>(DataType::kString); type++)
    EXPECT_EQ(FromTfType(ToTfType(static_cast<DataType>(type))), static_cast<DataType>(type));
  EXPECT_EQ(FromTfType(20), DataType::kInvalid);
}

}  // namespace
}  // namespace headrace::tensorflow
