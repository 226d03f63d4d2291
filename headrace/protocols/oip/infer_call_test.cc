#include "headrace/protocols/oip/infer_call.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "headrace/protocols/oip/json_response.h"

namespace headrace::oip {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Signature AddSub() {
  Signature signature;
  signature.inputs = {{"a", DataType::kFloat32, {-1, 2}}, {"b", DataType::kString, {-1}}};
  signature.outputs = {{"sum", DataType::kFloat32, {-1, 2}}, {"label", DataType::kString, {-1}}};
  return signature;
}

InferCall GoodCall() {
  InferCall call;
  call.inputs.push_back({"b", Tensor::OfStrings({1}, {"x"})});
  call.inputs.push_back({"a", Tensor::Of<float>({1, 2}, {1, 2})});
  return call;
}

TEST(Bind, PutsInputsIntoTheSignaturesOrder) {
  const Signature signature = AddSub();
  InferRequest request;
  ASSERT_EQ(Bind(GoodCall(), "m", signature, &request), OkStatus());
  EXPECT_EQ(request.signature, &signature);
  EXPECT_THAT(request.inputs[0].values<float>(), ElementsAre(1, 2));
  EXPECT_THAT(request.inputs[1].strings(), ElementsAre("x"));
  EXPECT_THAT(request.outputs, ElementsAre(0, 1));
  InferCall one = GoodCall();
  one.outputs.push_back({"label", {}, 0});
  ASSERT_EQ(Bind(one, "m", signature, &request), OkStatus());
  EXPECT_THAT(request.outputs, ElementsAre(1));
}

TEST(Bind, TakesAColumnForAVector) {
  Signature signature = AddSub();
  signature.inputs[0].shape = {3};
  InferCall call;
  call.inputs.push_back({"a", Tensor::Of<float>({3, 1}, {1, 2, 3})});
  call.inputs.push_back({"b", Tensor::OfStrings({2, 1}, {"x", "y"})});
  InferRequest request;
  ASSERT_EQ(Bind(call, "m", signature, &request), OkStatus());
  EXPECT_EQ(request.inputs[0].shape(), (Shape{3}));
  EXPECT_THAT(request.inputs[0].values<float>(), ElementsAre(1, 2, 3));
  EXPECT_EQ(request.inputs[1].shape(), (Shape{2}));
  EXPECT_THAT(request.inputs[1].strings(), ElementsAre("x", "y"));
  call.inputs[0].tensor = Tensor::Of<float>({4, 1}, {1, 2, 3, 4});
  EXPECT_THAT(Bind(call, "m", signature, &request).message(), HasSubstr("Expected [3], got [4"));
  call.inputs[0].tensor = Tensor::Of<float>({1, 3}, {1, 2, 3});
  EXPECT_EQ(Bind(call, "m", signature, &request).message(),
            "unexpected shape for input 'a' for model 'm'. Expected [3], got [1,3]");
}

TEST(DecodeBase64Strings, LeavesWhatIsNoBase64) {
  Arena arena;
  const Tensor strings = Tensor::OfStrings({2, 3}, {"aGk=", "AP+/", "", "hi!", "aGk", "_-8="});
  const Tensor decoded = DecodeBase64Strings(strings, &arena);
  EXPECT_EQ(decoded.shape(), (Shape{2, 3}));
  EXPECT_THAT(decoded.strings(), ElementsAre("hi", std::string_view("\0\xff\xbf", 3), "", "hi!", "aGk", "_-8="));
}

TEST(Bind, RefusesInTritonsWords) {
  const Signature signature = AddSub();
  const auto message = [&](auto change) {
    InferCall call = GoodCall();
    change(call);
    InferRequest request;
    const Status status = Bind(call, "m", signature, &request);
    EXPECT_EQ(status.code(), Code::kInvalidArgument);
    return status.message();
  };
  EXPECT_EQ(
      message([](InferCall& call) { call.inputs.pop_back(); }),
      "expected 2 inputs but got 1 inputs for model 'm'. Got input(s) ['b'], but missing required input(s) ['a']. "
      "Please provide all required input(s).");
  EXPECT_EQ(message([](InferCall& call) { call.inputs[0].name = "c"; }),
            "unexpected inference input 'c' for model 'm'");
  EXPECT_EQ(message([](InferCall& call) { call.inputs[0] = call.inputs[1]; }),
            "input 'a' already exists in request for model 'm'");
  EXPECT_EQ(message([](InferCall& call) { call.inputs[1].tensor = Tensor::Of<double>({1, 2}, {1, 2}); }),
            "inference input 'a' data-type is 'FP64', but model 'm' expects 'FP32'");
  EXPECT_EQ(message([](InferCall& call) { call.inputs[1].tensor = Tensor::Of<float>({2}, {1, 2}); }),
            "unexpected shape for input 'a' for model 'm'. Expected [-1,2], got [2]");
  EXPECT_EQ(message([](InferCall& call) { call.outputs.push_back({"z", {}, 0}); }),
            "unexpected inference output 'z' for model 'm'");
}

TEST(WrapBytes, CopiesOnlyWhatIsMisaligned) {
  Arena arena;
  alignas(8) char bytes[12] = {0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0};
  const auto in_place = WrapBytes({bytes + 4, 8}, DataType::kInt32, {2}, "x", "m", &arena);
  EXPECT_EQ(in_place->data(), bytes + 4);
  const auto copied = WrapBytes({bytes + 3, 8}, DataType::kInt32, {2}, "x", "m", &arena);
  EXPECT_NE(copied->data(), bytes + 3);
  EXPECT_THAT(copied->values<int32_t>(), ElementsAre(256, 512));
}

TEST(WrapBytes, RefusesWhatDoesNotFillTheShape) {
  Arena arena;
  const auto message = [&](std::string_view bytes, DataType type, Shape shape) {
    const auto tensor = WrapBytes(bytes, type, std::move(shape), "x", "m", &arena);
    return tensor ? "none" : tensor.error().message();
  };
  using namespace std::string_view_literals;
  EXPECT_EQ(message("12345678", DataType::kFloat32, {3}),
            "input byte size mismatch for input 'x' for model 'm'. Expected 12, got 8");
  EXPECT_EQ(message("", DataType::kFloat32, {-1}),
            "invalid shape for input 'x': shape [-1] contains one or more invalid dimensions");
  EXPECT_EQ(message("", DataType::kFloat32, {0}), "none");
  EXPECT_EQ(message("\1\0\0"sv, DataType::kString, {1}),
            "expected 1 string elements for inference input 'x' for model 'm', got 0");
  EXPECT_THAT(message("\2\0\0\0a"sv, DataType::kString, {1}), HasSubstr("expecting string of length 2 but only 1"));
  EXPECT_THAT(message("\1\0\0\0a\1"sv, DataType::kString, {1}), HasSubstr("unexpected number of string elements 2"));
  EXPECT_THAT(message("\1\0\0\0a\1\0\0"sv, DataType::kString, {2}), HasSubstr("expecting 4 bytes but only 3"));
  EXPECT_THAT(message("\4\0\0\0aaaa\1"sv, DataType::kString, {2}), HasSubstr("incomplete string length indicator"));
}

TEST(RawInput, TakesShapeFromTheModelAndTheBytes) {
  Arena arena;
  Signature signature;
  signature.inputs = {{"x", DataType::kInt16, {-1, -1, 2}}};
  const auto tensor = RawInput("abcdefgh", "m", signature, &arena);
  ASSERT_TRUE(tensor.has_value());
  EXPECT_EQ(tensor->shape(), (Shape{1, 2, 2}));
  signature.inputs[0].shape = {-1, -1, -1};
  EXPECT_THAT(RawInput("abcd", "m", signature, &arena).error().message(), HasSubstr("can not be deduced"));
  signature.inputs[0] = {"s", DataType::kString, {-1}};
  EXPECT_THAT(RawInput("text", "m", signature, &arena)->strings(), ElementsAre("text"));
  EXPECT_THAT(RawInput("text", "m", AddSub(), &arena).error().message(), HasSubstr("must only have 1 input"));
}

TEST(TopClasses, AnswersTheGreatestOfEachRow) {
  const auto best = TopClasses(Tensor::Of<float>({2, 3}, {0.5f, 2, 1, 7, 7, NAN}), 2);
  ASSERT_TRUE(best.has_value());
  EXPECT_EQ(best->shape(), (Shape{2, 2}));
  EXPECT_THAT(best->strings(), ElementsAre("2.0:1", "1.0:2", "7.0:0", "7.0:1"));
  EXPECT_THAT(TopClasses(Tensor::Of<int32_t>({2}, {1, 2}), 9)->strings(), ElementsAre("2:1", "1:0"));
  EXPECT_EQ(TopClasses(Tensor::Of<int32_t>({0, 2}, {}), 1)->shape(), (Shape{0, 0}));
  EXPECT_FALSE(TopClasses(Tensor::OfStrings({1}, {"a"}), 1).has_value());
}

class Answer {
 public:
  Answer() {
    Bind(GoodCall(), "m", signature_, &request_).IgnoreError();
    response_.outputs.push_back(Tensor::Of<float>({1, 2}, {0.5f, -1}));
    response_.outputs.push_back(Tensor::OfStrings({1}, {"a\"b"}));
  }
  InferRequest& request() { return request_; }
  InferResponse& response() { return response_; }
  // The JSON and, behind it, everything binary; `json_bytes` as the writer returned it.
  std::string Write(const InferCall& call) {
    std::string out;
    tail_.clear();
    const auto written = WriteInferResponse(call, {"m", 7, &request_, &response_}, &out, &tail_);
    EXPECT_TRUE(written.has_value());
    json_bytes_ = written.value_or(0);
    for (const auto& tensor : tail_) out.append(static_cast<const char*>(tensor.data()), tensor.bytes());
    return out;
  }
  size_t json_bytes() const { return json_bytes_; }
  size_t tail_size() const { return tail_.size(); }

 private:
  const Signature signature_ = AddSub();
  InferRequest request_;
  InferResponse response_;
  BinaryTail tail_;
  size_t json_bytes_ = 0;
};

TEST(WriteInferResponse, WritesJson) {
  InferCall call;
  call.id = "i";
  Answer answer;
  EXPECT_EQ(answer.Write(call), R"({"id":"i","model_name":"m","model_version":"7","outputs":[)"
                                R"({"name":"sum","datatype":"FP32","shape":[1,2],"data":[0.5,-1.0]},)"
                                R"({"name":"label","datatype":"BYTES","shape":[1],"data":["a\"b"]}]})");
  EXPECT_EQ(answer.json_bytes(), 0u);
}

TEST(WriteInferResponse, PutsBinaryTensorsBehindTheJson) {
  using namespace std::string_literals;
  InferCall call;
  call.binary_output = true;
  Answer answer;
  const std::string json = R"({"model_name":"m","model_version":"7","outputs":[)"
                           R"({"name":"sum","datatype":"FP32","shape":[1,2],"parameters":{"binary_data_size":8}},)"
                           R"({"name":"label","datatype":"BYTES","shape":[1],"parameters":{"binary_data_size":7}}]})";
  EXPECT_EQ(answer.Write(call), json + "\0\0\0\x3f\0\0\x80\xbf\3\0\0\0a\"b"s);
  EXPECT_EQ(answer.json_bytes(), json.size());
  EXPECT_EQ(answer.tail_size(), 0u);
}

TEST(WriteInferResponse, LeavesLargeTensorsWhereTheyAre) {
  InferCall call;
  call.binary_output = true;
  Answer answer;
  answer.response().outputs[0] = Tensor::Of<float>({1000, 2}, std::vector<float>(2000, 1.0f));
  const std::string body = answer.Write(call);
  EXPECT_EQ(answer.tail_size(), 2u);
  EXPECT_EQ(body.size(), answer.json_bytes() + 8000 + 7);
  EXPECT_EQ(body.substr(body.size() - 3), "a\"b");
}

TEST(WriteInferResponse, AnswersClasses) {
  InferCall call;
  call.outputs.push_back({"sum", {}, 1});
  Answer answer;
  answer.request().outputs = {0};
  EXPECT_THAT(answer.Write(call), HasSubstr(R"({"name":"sum","datatype":"BYTES","shape":[1,1],"data":["0.5:0"]})"));
}

}  // namespace
}  // namespace headrace::oip
