#include "headrace/protocols/openapi/document.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "headrace/protocols/openapi/schema.h"

namespace headrace::openapi {
namespace {

ServedModel Flights() {
  const Signature signature{.inputs = {{.name = "carrier", .type = DataType::kString, .shape = {-1}},
                                       {.name = "pixels", .type = DataType::kInt8, .shape = {-1, 2, -1}}},
                            .outputs = {{.name = "late", .type = DataType::kFloat32, .shape = {-1}}}};
  return {.name = "flights", .versions = {7, 3}, .signatures = {signature}};
}

// Follows "a/b/c" through objects.
json::value At(const json::value& value, std::initializer_list<std::string_view> keys) {
  const json::value* at = &value;
  for (const auto key : keys) at = &at->as_object().at(key);
  return *at;
}

TEST(Document, HasEachModelsPathsAndTensors) {
  const json::value document = Document({Flights()}, false);
  EXPECT_EQ(At(document, {"openapi"}), "3.0.3");
  const auto& paths = document.at("paths").as_object();
  for (const char* path :
       {"/v1/models/flights", "/v1/models/flights:predict", "/v1/models/flights/versions/{version}:predict",
        "/v2/models/flights/infer", "/v2/health/ready"})
    EXPECT_TRUE(paths.contains(path)) << path;
  const auto content =
      At(document, {"paths", "/v1/models/flights:predict", "post", "requestBody", "content", "application/json"});
  EXPECT_EQ(ToJson(At(content, {"example"})), R"({"instances":[{"carrier":"text","pixels":[[0],[0]]}]})");
  EXPECT_FALSE(document.as_object().contains("security"));
}

TEST(Document, OperationIdsAreUnique) {
  ServedModel other = Flights();
  other.name = "other";
  const json::value document = Document({Flights(), other}, true);
  std::set<std::string> ids;
  for (const auto& path : document.at("paths").as_object()) {
    for (const auto& operation : path.value().as_object()) {
      const auto* object = operation.value().if_object();
      if (!object || !object->contains("operationId")) continue;
      EXPECT_TRUE(ids.emplace(std::string_view(object->at("operationId").as_string())).second) << *object;
    }
  }
  EXPECT_GT(ids.size(), 14u);
  EXPECT_EQ(At(document, {"components", "securitySchemes", "token", "scheme"}), "bearer");
}

TEST(TensorSchema, NestsArraysOfTheKnownSizes) {
  const TensorSpec pixels = Flights().signatures[0].inputs[1];
  EXPECT_EQ(ToJson(TensorSchema(pixels, 1)),
            R"({"type":"array","items":{"type":"array","items":{"type":"integer","minimum":-128,"maximum":127}},)"
            R"("minItems":2,"maxItems":2})");
  EXPECT_EQ(ToJson(TensorSchema({.name = "x", .type = DataType::kBool, .shape = {-1}}, 1)), R"({"type":"boolean"})");
}

TEST(InferRequestExample, FlattensData) {
  EXPECT_EQ(ToJson(InferRequestExample(Flights().signatures[0])),
            R"({"inputs":[{"name":"carrier","shape":[1],"datatype":"BYTES","data":["text"]},)"
            R"({"name":"pixels","shape":[1,2,1],"datatype":"INT8","data":[0,0]}]})");
}

}  // namespace
}  // namespace headrace::openapi
