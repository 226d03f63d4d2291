#include "headrace/protocols/oip/json_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cmath>

#include "headrace/protocols/common/json_text.h"

namespace headrace::oip {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// A body with the padding that a server's body has, and the call that was read from it.
class Read {
 public:
  explicit Read(std::string json, std::string_view binary = "") : body_(json + std::string(binary)) {
    const size_t bytes = body_.size();
    body_.append(64, ' ');
    status_ = ReadInferRequest(std::string_view(body_).substr(0, bytes), json.size(), "m", &arena_, &call_);
  }
  const Status& status() const { return status_; }
  const InferCall& call() const { return call_; }
  const Tensor& tensor(size_t i = 0) const { return call_.inputs[i].tensor; }
  template <class T>
  std::vector<T> values(size_t i = 0) const {
    const auto values = tensor(i).values<T>();
    return {values.begin(), values.end()};
  }

 private:
  std::string body_;
  Arena arena_;
  InferCall call_;
  Status status_;
};

std::string Input(std::string_view type, std::string_view shape, std::string_view data) {
  return fmt::format(R"({{"inputs":[{{"name":"x","shape":{},"datatype":"{}","data":{}}}]}})", shape, type, data);
}

TEST(ReadInferRequest, TakesEverything) {
  const Read read(R"({"id":"4\u0032","parameters":{"priority":2,"timeout":1500,"binary_data_output":true,"own":"x"},
    "inputs":[{"name":"a","shape":[2,2],"datatype":"FP32","data":[[1,2.5],[-3e2,4]]},
              {"name":"b","datatype":"BYTES","shape":[2],"data":["x","\u00fc\n"],"parameters":{"content_type":"str"}}],
    "outputs":[{"name":"p","parameters":{"binary_data":false}},{"name":"q","parameters":{"classification":3}},{"name":"r"}]})");
  ASSERT_EQ(read.status(), OkStatus());
  EXPECT_EQ(read.call().id, "42");
  EXPECT_EQ(read.call().priority, 2u);
  EXPECT_EQ(read.call().timeout_micros, 1500u);
  EXPECT_TRUE(read.call().binary_output);
  ASSERT_EQ(read.call().inputs.size(), 2u);
  EXPECT_EQ(read.call().inputs[0].name, "a");
  EXPECT_EQ(read.tensor().shape(), (Shape{2, 2}));
  EXPECT_THAT(read.values<float>(), ElementsAre(1, 2.5f, -300, 4));
  EXPECT_EQ(read.call().inputs[1].name, "b");
  EXPECT_THAT(read.tensor(1).strings(), ElementsAre("x", "ü\n"));
  ASSERT_EQ(read.call().outputs.size(), 3u);
  EXPECT_EQ(read.call().outputs[0].binary, false);
  EXPECT_EQ(read.call().outputs[1].classes, 3u);
  EXPECT_EQ(read.call().outputs[2].binary, std::nullopt);
}

TEST(ReadInferRequest, TakesMembersInAnyOrder) {
  const Read read(R"({"outputs":[{"name":"p"}],"inputs":[
    {"data":[1,2,3],"datatype":"INT64","name":"x","shape":[3]},
    {"shape":[1],"data":["s"],"name":"y","datatype":"BYTES"}],"id":null,"parameters":null})");
  ASSERT_EQ(read.status(), OkStatus());
  EXPECT_EQ(read.call().inputs[0].name, "x");
  EXPECT_THAT(read.values<int64_t>(), ElementsAre(1, 2, 3));
  EXPECT_THAT(read.tensor(1).strings(), ElementsAre("s"));
}

TEST(ReadInferRequest, TakesEachDatatype) {
  EXPECT_THAT(Read(Input("INT8", "[2]", "[-128,127]")).values<int8_t>(), ElementsAre(-128, 127));
  EXPECT_THAT(Read(Input("INT16", "[1]", "[-32768]")).values<int16_t>(), ElementsAre(-32768));
  EXPECT_THAT(Read(Input("INT32", "[1]", "[2147483647]")).values<int32_t>(), ElementsAre(2147483647));
  EXPECT_THAT(Read(Input("INT64", "[1]", "[-9223372036854775808]")).values<int64_t>(), ElementsAre(INT64_MIN));
  EXPECT_THAT(Read(Input("UINT8", "[1]", "[255]")).values<uint8_t>(), ElementsAre(255));
  EXPECT_THAT(Read(Input("UINT16", "[1]", "[65535]")).values<uint16_t>(), ElementsAre(65535));
  EXPECT_THAT(Read(Input("UINT32", "[1]", "[4294967295]")).values<uint32_t>(), ElementsAre(4294967295u));
  EXPECT_THAT(Read(Input("UINT64", "[1]", "[18446744073709551615]")).values<uint64_t>(), ElementsAre(UINT64_MAX));
  EXPECT_THAT(Read(Input("BOOL", "[4]", "[true,false,1,0]")).values<uint8_t>(), ElementsAre(1, 0, 1, 0));
  EXPECT_THAT(Read(Input("FP16", "[2]", "[1,-2.5]")).values<uint16_t>(), ElementsAre(0x3c00, 0xc100));
  EXPECT_THAT(Read(Input("BF16", "[1]", "[1]")).values<uint16_t>(), ElementsAre(0x3f80));
  EXPECT_THAT(Read(Input("FP64", "[]", "[0.1]")).values<double>(), ElementsAre(0.1));
  const Read special(Input("FP32", "[3]", "[ NaN , -Infinity,Infinity ]"));
  ASSERT_EQ(special.status(), OkStatus());
  EXPECT_TRUE(std::isnan(special.values<float>()[0]));
  EXPECT_EQ(special.values<float>()[1], -INFINITY);
  EXPECT_EQ(special.values<float>()[2], INFINITY);
  EXPECT_EQ(Read(Input("FP32", "[0,3]", "[]")).tensor().shape(), (Shape{0, 3}));
}

struct Refusal {
  std::string json;
  std::string message;
};

TEST(ReadInferRequest, RefusesInWordsThatNameTheFault) {
  const Refusal refusals[] = {
      {"", "failed to parse the request JSON buffer"},
      {"[]", "failed to parse the request JSON buffer"},
      {"{", "failed to parse the request JSON buffer"},
      {R"({"inputs":[]} x)", "failed to parse the request JSON buffer"},
      {"{}", "Unable to parse 'inputs'"},
      {R"({"inputs":3})", "Unable to parse 'inputs'"},
      {R"({"inputs":[3]})", "Unable to parse 'inputs'"},
      {R"({"inputs":[{"shape":[1],"datatype":"FP32","data":[1]}]})", "Unable to parse 'name'"},
      {R"({"inputs":[{"name":"x","datatype":"FP32","data":[1]}]})", "Unable to parse 'shape'"},
      {R"({"inputs":[{"name":"x","shape":[1],"data":[1]}]})", "Unable to parse 'datatype'"},
      {R"({"inputs":[{"name":"x","shape":[1],"datatype":"FP32"}]})", "no field is set"},
      {R"({"inputs":[{"name":"x","shape":[1],"datatype":"FP32","parameters":{"binary_data_size":4}}]})",
       "unexpected size for input 'x', expecting 4 additional bytes for model 'm'"},
      {R"({"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1],"parameters":{"binary_data_size":4}}]})",
       "Input must set only one of the following fields"},
      {R"({"inputs":[],"parameters":{"triton_x":1}})", "reserved for Triton"},
      {R"({"inputs":[],"parameters":{"priority":"high"}})", "Unable to parse 'priority'"},
      {R"({"inputs":[],"outputs":[{}]})", "an output has no name"},
      {Input("FP31", "[1]", "[1]"), "invalid datatype 'FP31' for input 'x'"},
      {Input("FP32", "[-1]", "[1]"), "Unable to parse 'shape'"},
      {Input("FP32", "[2]", "[1]"), "shape does not match true shape"},
      {Input("FP32", "[2]", "[1,2,3]"), "shape does not match true shape"},
      {Input("FP32", "[4611686018427387904,4]", "[1]"), "contains one or more invalid dimensions"},
      {Input("FP32", "[1000000000000]", "[1]"), "shape does not match true shape"},
      {Input("FP32", "[2]", R"([1,"a"])"), R"(element 1: expected a number (FP32), found "a")"},
      {Input("INT32", "[1]", "[1.0]"), "element 0: expected an integer (INT32), found 1.0"},
      {Input("INT8", "[1]", "[128]"), "element 0: expected an integer (INT8), found 128"},
      {Input("UINT8", "[1]", "[-1]"), "element 0: expected an integer (UINT8), found -1"},
      {Input("BOOL", "[1]", "[2]"), "element 0: expected true or false (BOOL), found 2"},
      {Input("BYTES", "[1]", "[1]"), "element 0: expected a string (BYTES), found 1"},
      {Input("FP32", "[1]", "3"), "Unable to parse 'data'"},
      {Input("FP32", "[1]", std::string(101, '[') + "1" + std::string(101, ']')),
       "JSON nesting depth exceeds maximum allowed limit (100)"},
  };
  for (const auto& refusal : refusals) {
    const Read read(refusal.json);
    EXPECT_EQ(read.status().code(), Code::kInvalidArgument) << refusal.json;
    EXPECT_THAT(read.status().message(), HasSubstr(refusal.message)) << refusal.json;
  }
}

TEST(ReadInferRequest, RefusesSharedMemory) {
  const Read read(
      R"({"inputs":[{"name":"x","shape":[1],"datatype":"FP32","parameters":{"shared_memory_region":"r"}}]})");
  EXPECT_EQ(read.status().code(), Code::kUnimplemented);
}

TEST(ReadInferRequest, SlicesBinaryTensorsInOrder) {
  const std::string json = R"({"inputs":[
    {"name":"a","shape":[2],"datatype":"INT16","parameters":{"binary_data_size":4}},
    {"name":"j","shape":[1],"datatype":"INT32","data":[7]},
    {"name":"b","shape":[2],"datatype":"BYTES","parameters":{"binary_data_size":11}}]})";
  const std::string binary(
      "\x01\x00\xff\xff\x03\x00\x00\x00"
      "abc\x00\x00\x00\x00",
      15);
  const Read read(json, binary);
  ASSERT_EQ(read.status(), OkStatus());
  EXPECT_THAT(read.values<int16_t>(0), ElementsAre(1, -1));
  EXPECT_THAT(read.values<int32_t>(1), ElementsAre(7));
  EXPECT_THAT(read.tensor(2).strings(), ElementsAre("abc", ""));
  EXPECT_THAT(Read(json, binary + "x").status().message(), HasSubstr("unexpected additional input data for model 'm'"));
}

TEST(ReadInferRequest, ReadsBackWhatTheWriterWrites) {
  const bool held = rc::check([](const std::vector<double>& values, bool nested) {
    std::string data;
    const Tensor tensor = Tensor::Of<double>({static_cast<int64_t>(values.size())}, values);
    AppendJsonElements(&data, tensor, 0, values.size());
    if (nested && !values.empty()) data = "[" + data + "]";
    const Read read(Input("FP64", fmt::format("[{}]", values.size()), "[" + data + "]"));
    RC_ASSERT(read.status() == OkStatus());
    RC_ASSERT(read.values<double>() == values);
  });
  EXPECT_TRUE(held);
}

TEST(ReadInferRequest, StringsReadBack) {
  const bool held = rc::check([](std::vector<std::string> strings) {
    for (auto& text : strings)
      for (char& c : text) c = static_cast<char>(c & 0x7f);
    std::string data;
    const Tensor tensor = Tensor::OfStrings({static_cast<int64_t>(strings.size())}, strings);
    AppendJsonElements(&data, tensor, 0, strings.size());
    const Read json(Input("BYTES", fmt::format("[{}]", strings.size()), "[" + data + "]"));
    RC_ASSERT(json.status() == OkStatus());
    RC_ASSERT(
        std::equal(strings.begin(), strings.end(), json.tensor().strings().begin(), json.tensor().strings().end()));
    std::string raw;
    AppendRaw(tensor, &raw);
    RC_ASSERT(raw.size() == RawSize(tensor));
    const Read binary(
        fmt::format(
            R"({{"inputs":[{{"name":"x","shape":[{}],"datatype":"BYTES","parameters":{{"binary_data_size":{}}}}}]}})",
            strings.size(), raw.size()),
        raw);
    RC_ASSERT(binary.status() == OkStatus());
    RC_ASSERT(
        std::equal(strings.begin(), strings.end(), binary.tensor().strings().begin(), binary.tensor().strings().end()));
  });
  EXPECT_TRUE(held);
}

TEST(JsonBytes, IsTheHeaderOrTheWholeBody) {
  EXPECT_EQ(JsonBytes(std::nullopt, 10), 10u);
  EXPECT_EQ(JsonBytes("0", 10), 0u);
  EXPECT_EQ(JsonBytes("10", 10), 10u);
  EXPECT_EQ(JsonBytes("11", 10).error().message(), "inference header size should be in range (0, 10), got: 11");
  EXPECT_EQ(JsonBytes("-1", 10).error().message(), "inference header size should be in range (0, 10), got: -1");
  EXPECT_EQ(JsonBytes("ten", 10).error().message(), "Unable to parse Inference-Header-Content-Length, got: ten");
  EXPECT_FALSE(JsonBytes("99999999999999999999", 10).has_value());
}

TEST(ReadInferRequest, ReadsWhatMlserversCodecsWrite) {
  for (
      const char* json :
      {R"({"inputs":[{"name":"x","shape":[2,1],"datatype":"BYTES","parameters":{"content_type":"base64"},"data":["AP8=","aGk="]}]})",
       R"({"inputs":[{"data":["AP8=","aGk="],"name":"x","shape":[2,1],"datatype":"BYTES","parameters":{"content_type":"base64"}}]})"}) {
    const Read read(json);
    ASSERT_EQ(read.status(), OkStatus());
    EXPECT_THAT(read.tensor().strings(), ElementsAre(std::string_view("\0\xff", 2), "hi"));
  }
  const Read text(
      R"({"inputs":[{"name":"x","shape":[1],"datatype":"BYTES","parameters":{"content_type":"str"},"data":["aGk="]}]})");
  EXPECT_THAT(text.tensor().strings(), ElementsAre("aGk="));
  const Read numbers(
      R"({"inputs":[{"name":"x","shape":[2],"datatype":"FP32","parameters":{"content_type":"base64"},"data":[1,null]}]})");
  ASSERT_EQ(numbers.status(), OkStatus());
  EXPECT_EQ(numbers.values<float>()[0], 1);
  EXPECT_TRUE(std::isnan(numbers.values<float>()[1]));
  EXPECT_THAT(Read(R"({"inputs":[{"name":"x","shape":[1],"datatype":"INT8","data":[null]}]})").status().message(),
              HasSubstr("expected an integer"));
}

}  // namespace
}  // namespace headrace::oip
