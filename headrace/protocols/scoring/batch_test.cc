#include "headrace/protocols/scoring/batch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "headrace/protocols/scoring/value_tensor.h"

namespace headrace::scoring {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// "name=[values]" of each column, behind the form.
std::string Text(std::string_view type, std::string_view body) {
  const auto batch = ParseBatch(type, body);
  if (!batch) return batch.error().ToString();
  std::string out = batch->form == Batch::Form::kRows      ? "rows"
                    : batch->form == Batch::Form::kColumns ? "columns"
                                                           : "table";
  for (const auto& [name, values] : batch->columns) out += " " + name + "=" + ToJson(values);
  return out;
}

TEST(ParseBatch, ReadsEachForm) {
  EXPECT_EQ(Text("application/json", R"({"instances":[[1,2],[3,4]]})"), "rows =[[1,2],[3,4]]");
  EXPECT_EQ(
      Text("application/json; charset=utf-8", R"({"instances":[{"a":1,"b":"x"},{"b":"y","a":2}],"parameters":{}})"),
      "rows a=[1,2] b=[\"x\",\"y\"]");
  EXPECT_EQ(Text("", R"({"instances":[{"b64":"aGk="}]})"), "rows =[{\"b64\":\"aGk=\"}]");
  EXPECT_EQ(Text("", R"({"inputs":{"a":[1],"b":[2]}})"), "columns a=[1] b=[2]");
  EXPECT_EQ(Text("", R"({"inputs":[[1]]})"), "columns =[[1]]");
  EXPECT_EQ(Text("", R"({"dataframe_split":{"index":[0,1],"columns":["a","b"],"data":[[1,2.5],[3,null]]}})"),
            "table a=[1,3] b=[2.5,null]");
  EXPECT_EQ(Text("", R"({"dataframe_records":[{"a":1,"b":2}]})"), "table a=[1] b=[2]");
  EXPECT_EQ(Text("application/jsonlines", "[1,2]\n\n[3,4]\r\n"), "rows =[[1,2],[3,4]]");
}

TEST(ParseBatch, FillsWhatARecordLacksAsPandasDoes) {
  EXPECT_EQ(Text("", R"({"dataframe_records":[{"x":1},{},{"y":"a","x":3}]})"),
            "table x=[1,null,3] y=[null,null,\"a\"]");
  EXPECT_THAT(Text("", R"({"dataframe_records":[{"x":1},2]})"), HasSubstr("row 1: expected an object"));
  EXPECT_THAT(Text("", R"({"dataframe_records":[]})"), HasSubstr("at least one row"));
}

TEST(ParseBatch, KnowsTheWordsOfPythonsJson) {
  const auto batch =
      ParseBatch("", R"({"instances":[NaN,Infinity,-Infinity,1],"parameters":{"NaN \\\" Infinity":"\"NaN"}})");
  ASSERT_TRUE(batch.has_value()) << batch.error().ToString();
  const auto tensor = ToTensor(batch->columns[0].second, {"x", DataType::kFloat32, {-1}});
  ASSERT_TRUE(tensor.has_value()) << tensor.error().ToString();
  const auto values = tensor->values<float>();
  EXPECT_TRUE(std::isnan(values[0]));
  EXPECT_EQ(values[1], std::numeric_limits<float>::infinity());
  EXPECT_EQ(values[2], -std::numeric_limits<float>::infinity());
  EXPECT_EQ(values[3], 1);
  EXPECT_EQ(Text("application/jsonlines", "NaN\n\"NaN\"\n"), "rows =[null,\"NaN\"]");
  EXPECT_THAT(Text("", R"({"instances":[NaNcy]})"), HasSubstr("JSON: "));
  EXPECT_THAT(Text("", R"({"instances":["NaN)"), HasSubstr("JSON: "));
}

TEST(ParseBatch, ComparesContentTypesInAnyCase) {
  EXPECT_EQ(Text("Text/CSV", "1\n"), "table =[[1]]");
  EXPECT_EQ(Text("APPLICATION/JSON;Charset=\"UTF-8\"", R"({"instances":[1]})"), "rows =[1]");
  EXPECT_EQ(Text("Application/JsonLines", "1\n"), "rows =[1]");
  EXPECT_FALSE(TakesContentType("text/csv; charset=latin1"));
  EXPECT_FALSE(TakesContentType("text/plain"));
}

TEST(ParseBatch, ReadsCsvWithAndWithoutAHeader) {
  EXPECT_EQ(Text("text/csv", "1,2.5\n3,-4e2\n"), "table =[[1,2.5],[3,-400.0]]");
  EXPECT_EQ(Text("text/csv; charset=utf-8", "a,\"b, c\"\r\n1,\"x \"\"y\"\"\nz\"\r\n2,\r\n"),
            "table a=[1,2] b, c=[\"x \\\"y\\\"\\nz\",\"\"]");
}

TEST(ParseBatch, RefusesRecordsThatAreAlmostAllHoles) {
  std::string body = R"({"dataframe_records":[)";
  for (int i = 0; i < 5000; i++) body += fmt::format(R"({}{{"a{}":1}})", i == 0 ? "" : ",", i);
  EXPECT_THAT(Text("", body + "]}"), HasSubstr("5000 names in 5000 rows of 5000 values"));
}

TEST(ParseBatch, RefusesWhatIsNoBatch) {
  EXPECT_THAT(Text("", "{}"), HasSubstr("expected exactly one of instances, inputs"));
  EXPECT_THAT(Text("", R"({"instances":[1],"inputs":[1]})"), HasSubstr("expected exactly one of"));
  EXPECT_THAT(Text("", R"({"instances":[]})"), HasSubstr("at least one row"));
  EXPECT_THAT(Text("", R"({"instances":[{"a":1},{"b":1}]})"), HasSubstr("row 1: its names are not those of row 0"));
  EXPECT_THAT(Text("", R"({"dataframe_split":{"columns":["a"],"data":[[1,2]]}})"),
              HasSubstr("row 0: expected 1 values"));
  EXPECT_THAT(Text("", R"({"inputs":{"a":1}})"), HasSubstr("inputs: a: expected an array"));
  EXPECT_THAT(Text("text/csv", "1,2\n3\n"), HasSubstr("line 2: 1 fields, expected 2"));
  EXPECT_THAT(Text("text/csv", "a,b\n"), HasSubstr("the CSV has no row"));
  EXPECT_THAT(Text("application/jsonlines", "1\n{"), HasSubstr("row 1: "));
  EXPECT_THAT(Text("image/png", "x"), HasSubstr("UNIMPLEMENTED: content type image/png"));
}

Signature Two() {
  Signature signature;
  signature.inputs = {{"a", DataType::kFloat32, {-1}}, {"b", DataType::kString, {-1, 1}}};
  return signature;
}

TEST(BindBatch, FindsColumnsByNameAndByPosition) {
  const auto named =
      BindBatch(*ParseBatch("", R"({"dataframe_records":[{"b":"x","a":1,"c":0},{"b":"y","a":null,"c":0}]})"), Two());
  ASSERT_TRUE(named.has_value()) << named.error().ToString();
  EXPECT_EQ((*named)[0].values<float>()[0], 1);
  EXPECT_TRUE(std::isnan((*named)[0].values<float>()[1]));
  EXPECT_EQ((*named)[1].shape(), (Shape{2, 1}));
  EXPECT_THAT((*named)[1].strings(), ElementsAre("x", "y"));
  const auto placed = BindBatch(*ParseBatch("text/csv", "1,7\n2,8\n"), Two());
  ASSERT_TRUE(placed.has_value()) << placed.error().ToString();
  EXPECT_THAT((*placed)[0].values<float>(), ElementsAre(1, 2));
  EXPECT_THAT((*placed)[1].strings(), ElementsAre("7", "8"));
  EXPECT_THAT(BindBatch(*ParseBatch("", R"({"inputs":{"a":[1],"c":[2]}})"), Two()).error().message(),
              HasSubstr("input \"b\": no such column in the request, which has: a, c"));
}

TEST(BindBatch, MakesATableTheMatrixOfAnOnlyInput) {
  Signature signature;
  signature.inputs = {{"x", DataType::kFloat64, {-1, 2}}};
  const auto inputs = BindBatch(*ParseBatch("text/csv", "height,weight\n1,2\n3,4\n"), signature);
  ASSERT_TRUE(inputs.has_value()) << inputs.error().ToString();
  EXPECT_EQ((*inputs)[0].shape(), (Shape{2, 2}));
  EXPECT_THAT((*inputs)[0].values<double>(), ElementsAre(1, 2, 3, 4));
}

TEST(ToTensor, AddsOrDropsALastDimensionOfOne) {
  EXPECT_EQ(ToTensor(*ParseJson("[[1],[2]]"), {"x", DataType::kFloat32, {-1}})->shape(), (Shape{2}));
  EXPECT_EQ(ToTensor(*ParseJson("[[\"a\"]]"), {"x", DataType::kString, {-1}})->shape(), (Shape{1}));
  EXPECT_EQ(ToTensor(*ParseJson("[1,2]"), {"x", DataType::kFloat32, {-1, 1}})->shape(), (Shape{2, 1}));
  EXPECT_EQ(ToTensor(*ParseJson("[[1,2]]"), {"x", DataType::kFloat32, {-1}})->shape(), (Shape{1, 2}));
}

TEST(ToTensor, ConvertsOrSaysWhatIsWrong) {
  const auto message = [](std::string_view value, DataType type) {
    const auto tensor = ToTensor(*ParseJson(value), {"x", type, {-1}});
    return tensor ? "none" : tensor.error().message();
  };
  EXPECT_THAT(ToTensor(*ParseJson("[1, 2.0, true]"), {"x", DataType::kInt16, {-1}})->values<int16_t>(),
              ElementsAre(1, 2, 1));
  EXPECT_THAT(ToTensor(*ParseJson("[\"a\",{\"b64\":\"aGk=\"}]"), {"x", DataType::kString, {-1}})->strings(),
              ElementsAre("a", "hi"));
  EXPECT_EQ(message("[1.5]", DataType::kInt32), "input \"x\": expected INT32, found 1.5");
  EXPECT_EQ(message("[300]", DataType::kUint8), "input \"x\": expected UINT8, found 300");
  EXPECT_EQ(message("[\"1\"]", DataType::kFloat32), "input \"x\": expected FP32, found \"1\"");
  EXPECT_THAT(message("[[1,2],[3]]", DataType::kFloat32), HasSubstr("ragged"));
  EXPECT_EQ(message("[]", DataType::kFloat32), "none");
}

}  // namespace
}  // namespace headrace::scoring
