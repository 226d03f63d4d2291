#include "headrace/protocols/tfserving/examples.h"

#include <gmock/gmock.h>

#include "proto/tfserving/prediction_service.pb.h"

namespace headrace::tfserving {
namespace {

TEST(BindExamples, ASignatureOfOneStringTakesEachExampleSerializedWithTheContext) {
  Signature signature{.name = "classes",
                      .method = std::string(kClassifyMethod),
                      .inputs = {{"examples", DataType::kString, Shape{-1}}},
                      .outputs = {{"scores", DataType::kFloat32, Shape{-1, 1}}}};
  ::tensorflow::serving::Input input;
  auto& list = *input.mutable_example_list_with_context();
  for (const int64_t own : {1, 2})
    (*list.add_examples()->mutable_features()->mutable_feature())["own"].mutable_int64_list()->add_value(own);
  (*list.mutable_context()->mutable_features()->mutable_feature())["shared"].mutable_int64_list()->add_value(3);
  Arena arena;
  InferRequest request;
  request.signature = &signature;
  ASSERT_EQ(BindExamples(input, kClassifyMethod, &arena, &request), OkStatus());
  ASSERT_EQ(request.inputs.size(), 1u);
  EXPECT_EQ(request.inputs[0].shape(), Shape{2});
  const auto texts = request.inputs[0].strings();
  ASSERT_EQ(texts.size(), 2u);
  ::tensorflow::Example second;
  ASSERT_TRUE(second.ParseFromArray(texts[1].data(), static_cast<int>(texts[1].size())));
  EXPECT_EQ(second.features().feature().at("own").int64_list().value(0), 2);
  EXPECT_EQ(second.features().feature().at("shared").int64_list().value(0), 3);
}

}  // namespace
}  // namespace headrace::tfserving
