#include "headrace/protocols/oip/grpc_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "headrace/base/proto_wire.h"
#include "proto/inference/grpc_service.pb.h"

namespace headrace::oip {
namespace {

using inference::ModelInferRequest;
using inference::ModelInferResponse;
using testing::ElementsAre;
using testing::HasSubstr;

// A message as generated code writes it, and what the codec reads of it.
class Decoded {
 public:
  explicit Decoded(const ModelInferRequest& request) : Decoded(request.SerializeAsString()) {}
  explicit Decoded(std::string bytes) : bytes_(std::move(bytes)), status_(DecodeRequest(bytes_, &arena_, &call_)) {}
  const Status& status() const { return status_; }
  const GrpcInferCall& call() const { return call_; }
  const Tensor& tensor(size_t i = 0) const { return call_.call.inputs[i].tensor; }
  template <class T>
  std::vector<T> values(size_t i = 0) const {
    const auto values = tensor(i).values<T>();
    return {values.begin(), values.end()};
  }

 private:
  std::string bytes_;
  Arena arena_;
  GrpcInferCall call_;
  Status status_;
};

ModelInferRequest::InferInputTensor* AddInput(ModelInferRequest* request, const std::string& type, int64_t size) {
  auto* input = request->add_inputs();
  input->set_name("x" + std::to_string(request->inputs_size()));
  input->set_datatype(type);
  input->add_shape(size);
  return input;
}

ModelInferRequest Request() {
  ModelInferRequest request;
  request.set_model_name("m");
  return request;
}

TEST(DecodeRequest, ReadsTheEnvelope) {
  ModelInferRequest request = Request();
  request.set_model_version("3");
  request.set_id("i");
  (*request.mutable_parameters())["priority"].set_uint64_param(2);
  (*request.mutable_parameters())["timeout"].set_int64_param(1500);
  (*request.mutable_parameters())["signature_name"].set_string_param("s");
  (*request.mutable_parameters())["own"].set_double_param(0.5);
  (*request.mutable_parameters())["triton_enable_empty_final_response"].set_bool_param(true);
  auto* output = request.add_outputs();
  output->set_name("y");
  (*output->mutable_parameters())["classification"].set_int64_param(3);
  const Decoded decoded(request);
  ASSERT_EQ(decoded.status(), OkStatus());
  EXPECT_EQ(decoded.call().model, "m");
  EXPECT_EQ(decoded.call().version, "3");
  EXPECT_EQ(decoded.call().call.id, "i");
  EXPECT_EQ(decoded.call().call.priority, 2u);
  EXPECT_EQ(decoded.call().call.timeout_micros, 1500u);
  EXPECT_EQ(decoded.call().call.signature, "s");
  EXPECT_TRUE(decoded.call().wants_final_flag);
  EXPECT_EQ(decoded.call().call.outputs[0].name, "y");
  EXPECT_EQ(decoded.call().call.outputs[0].classes, 3u);
}

TEST(DecodeRequest, ReadsTypedContents) {
  ModelInferRequest request = Request();
  auto* fp32 = AddInput(&request, "FP32", 2)->mutable_contents();
  fp32->add_fp32_contents(1.5f);
  fp32->add_fp32_contents(-2);
  AddInput(&request, "FP64", 1)->mutable_contents()->add_fp64_contents(0.1);
  auto* int8 = AddInput(&request, "INT8", 2)->mutable_contents();
  int8->add_int_contents(-128);
  int8->add_int_contents(127);
  AddInput(&request, "INT32", 1)->mutable_contents()->add_int_contents(-2);
  AddInput(&request, "INT64", 1)->mutable_contents()->add_int64_contents(INT64_MIN);
  AddInput(&request, "UINT8", 1)->mutable_contents()->add_uint_contents(255);
  AddInput(&request, "UINT64", 1)->mutable_contents()->add_uint64_contents(UINT64_MAX);
  AddInput(&request, "BOOL", 1)->mutable_contents()->add_bool_contents(true);
  AddInput(&request, "BYTES", 2)->mutable_contents()->add_bytes_contents("a");
  request.mutable_inputs(8)->mutable_contents()->add_bytes_contents("");
  const Decoded decoded(request);
  ASSERT_EQ(decoded.status(), OkStatus());
  EXPECT_THAT(decoded.values<float>(0), ElementsAre(1.5f, -2));
  EXPECT_THAT(decoded.values<double>(1), ElementsAre(0.1));
  EXPECT_THAT(decoded.values<int8_t>(2), ElementsAre(-128, 127));
  EXPECT_THAT(decoded.values<int32_t>(3), ElementsAre(-2));
  EXPECT_THAT(decoded.values<int64_t>(4), ElementsAre(INT64_MIN));
  EXPECT_THAT(decoded.values<uint8_t>(5), ElementsAre(255));
  EXPECT_THAT(decoded.values<uint64_t>(6), ElementsAre(UINT64_MAX));
  EXPECT_THAT(decoded.values<uint8_t>(7), ElementsAre(1));
  EXPECT_THAT(decoded.tensor(8).strings(), ElementsAre("a", ""));
}

TEST(DecodeRequest, ReadsUnpackedNumbersToo) {
  std::string contents, input, bytes;
  for (const float value : {1.0f, 2.0f}) {
    contents += static_cast<char>(6 << 3 | 5);
    contents.append(reinterpret_cast<const char*>(&value), 4);
  }
  ProtoWriter(&input).String(1, "x");
  ProtoWriter(&input).String(2, "FP32");
  ProtoWriter(&input).Number(3, 2);
  ProtoWriter(&input).Bytes(5, contents);
  ProtoWriter(&bytes).String(1, "m");
  ProtoWriter(&bytes).Bytes(5, input);
  const Decoded decoded(bytes);
  ASSERT_EQ(decoded.status(), OkStatus());
  EXPECT_THAT(decoded.values<float>(), ElementsAre(1, 2));
}

TEST(DecodeRequest, ReadsRawContents) {
  using namespace std::string_literals;
  ModelInferRequest request = Request();
  AddInput(&request, "INT16", 2);
  AddInput(&request, "BYTES", 1);
  AddInput(&request, "FP16", 1);
  request.add_raw_input_contents("\x01\x00\xff\xff"s);
  request.add_raw_input_contents("\x02\x00\x00\x00hi"s);
  request.add_raw_input_contents("\x00\x3c"s);
  const Decoded decoded(request);
  ASSERT_EQ(decoded.status(), OkStatus());
  EXPECT_THAT(decoded.values<int16_t>(0), ElementsAre(1, -1));
  EXPECT_THAT(decoded.tensor(1).strings(), ElementsAre("hi"));
  EXPECT_THAT(decoded.values<uint16_t>(2), ElementsAre(0x3c00));
}

TEST(DecodeRequest, RefusesInWordsThatNameTheFault) {
  const auto message = [](auto change) {
    ModelInferRequest request = Request();
    AddInput(&request, "FP32", 1);
    change(request);
    const Decoded decoded(request);
    EXPECT_EQ(decoded.status().code(), Code::kInvalidArgument);
    return decoded.status().message();
  };
  EXPECT_EQ(message([](auto& r) {
              r.mutable_inputs(0)->mutable_contents()->add_fp32_contents(1);
              r.add_raw_input_contents("1234");
            }),
            "contents field must not be specified when using raw_input_contents for 'x1' for model 'm'");
  EXPECT_THAT(message([](auto&) {}), HasSubstr("unable to find data for input tensor 'x1' for model 'm' in request"));
  EXPECT_THAT(message([](auto& r) { r.mutable_inputs(0)->mutable_contents()->add_int_contents(1); }),
              HasSubstr("unexpected explicit tensor data for input tensor 'x1' for model 'm'"));
  EXPECT_THAT(message([](auto& r) {
                for (int i = 0; i < 2; i++) r.mutable_inputs(0)->mutable_contents()->add_fp32_contents(1);
              }),
              HasSubstr("shape [1] has 1 elements, but its contents have at least 2"));
  EXPECT_THAT(message([](auto& r) {
                r.mutable_inputs(0)->set_datatype("INT8");
                r.mutable_inputs(0)->mutable_contents()->add_int_contents(128);
              }),
              HasSubstr("element 0: 128 is out of the range of INT8"));
  EXPECT_THAT(message([](auto& r) {
                r.mutable_inputs(0)->set_datatype("FP16");
                r.mutable_inputs(0)->mutable_contents()->add_fp32_contents(1);
              }),
              HasSubstr("FP16 travels in raw_input_contents only"));
  EXPECT_THAT(message([](auto& r) { r.mutable_inputs(0)->set_shape(0, int64_t{1} << 60); }),
              HasSubstr("unable to find data"));
  EXPECT_THAT(message([](auto& r) { r.mutable_inputs(0)->set_datatype("FP31"); }),
              HasSubstr("invalid datatype 'FP31'"));
  EXPECT_THAT(message([](auto& r) {
                r.add_raw_input_contents("1234");
                r.add_raw_input_contents("1234");
              }),
              HasSubstr("unexpected additional input data for model 'm'"));
  EXPECT_EQ(Decoded(std::string("\x0a\x7f")).status().code(), Code::kInvalidArgument);
  ModelInferRequest shared = Request();
  (*AddInput(&shared, "FP32", 1)->mutable_parameters())["shared_memory_region"].set_string_param("r");
  EXPECT_EQ(Decoded(shared).status().code(), Code::kUnimplemented);
}

TEST(DecodeRequest, AgreesWithGeneratedCode) {
  const bool held = rc::check([](const std::vector<int64_t>& numbers, std::string id, bool raw) {
    for (char& c : id) c = static_cast<char>(c & 0x7f);
    ModelInferRequest request = Request();
    request.set_id(id);
    auto* input = AddInput(&request, "INT64", static_cast<int64_t>(numbers.size()));
    if (raw)
      request.add_raw_input_contents(numbers.data(), numbers.size() * 8);
    else
      for (const int64_t number : numbers) input->mutable_contents()->add_int64_contents(number);
    const Decoded decoded(request);
    RC_ASSERT(decoded.status() == OkStatus());
    RC_ASSERT(std::string(decoded.call().call.id) == id);
    RC_ASSERT(decoded.values<int64_t>() == numbers);
  });
  EXPECT_TRUE(held);
}

TEST(EncodeResponse, IsWhatGeneratedCodeReads) {
  Signature signature;
  signature.outputs = {{"y", DataType::kFloat32, {-1, 2}}, {"s", DataType::kString, {-1}}, {"z", DataType::kInt8, {}}};
  InferRequest request;
  request.signature = &signature;
  request.outputs = {0, 1, 2};
  InferResponse response;
  response.outputs = {Tensor::Of<float>({2000, 2}, std::vector<float>(4000, 0.5f)), Tensor::OfStrings({1}, {"ab"}),
                      Tensor::Of<int8_t>({}, {-1})};
  GrpcInferCall call;
  call.call.id = "i";
  call.wants_final_flag = true;
  std::string bytes;
  Tensor tail;
  ASSERT_EQ(EncodeResponse(call, {"m", 12, &request, &response}, &bytes, &tail), OkStatus());
  EXPECT_EQ(tail.data(), nullptr);
  ModelInferResponse read;
  ASSERT_TRUE(read.ParseFromString(bytes));
  EXPECT_EQ(read.model_name(), "m");
  EXPECT_EQ(read.model_version(), "12");
  EXPECT_EQ(read.id(), "i");
  EXPECT_TRUE(read.parameters().at("triton_final_response").bool_param());
  ASSERT_EQ(read.outputs_size(), 3);
  EXPECT_EQ(read.outputs(0).name(), "y");
  EXPECT_EQ(read.outputs(0).datatype(), "FP32");
  EXPECT_THAT(read.outputs(0).shape(), ElementsAre(2000, 2));
  EXPECT_EQ(read.raw_output_contents(0).size(), 16000u);
  EXPECT_EQ(read.raw_output_contents(1), std::string("\2\0\0\0ab", 6));
  EXPECT_EQ(read.outputs(2).shape_size(), 0);
  EXPECT_EQ(read.raw_output_contents(2), "\xff");
}

TEST(EncodeResponse, LeavesALargeLastTensorWhereItIs) {
  Signature signature;
  signature.outputs = {{"y", DataType::kFloat32, {-1}}};
  InferRequest request;
  request.signature = &signature;
  request.outputs = {0};
  InferResponse response;
  response.outputs = {Tensor::Of<float>({2000}, std::vector<float>(2000, 0.5f))};
  std::string bytes;
  Tensor tail;
  ASSERT_EQ(EncodeResponse({}, {"m", 1, &request, &response}, &bytes, &tail), OkStatus());
  EXPECT_EQ(tail.data(), response.outputs[0].data());
  bytes.append(static_cast<const char*>(tail.data()), tail.bytes());
  ModelInferResponse read;
  ASSERT_TRUE(read.ParseFromString(bytes));
  EXPECT_EQ(read.raw_output_contents(0).size(), 8000u);
}

TEST(DecodeRequest, DecodesMlserversBase64) {
  for (const bool raw : {false, true}) {
    ModelInferRequest request;
    auto* input = AddInput(&request, "BYTES", 1);
    (*input->mutable_parameters())["content_type"].set_string_param("base64");
    if (raw)
      request.add_raw_input_contents(std::string("\4\0\0\0AP8=", 8));
    else
      input->mutable_contents()->add_bytes_contents("AP8=");
    const Decoded decoded(request);
    ASSERT_EQ(decoded.status(), OkStatus());
    EXPECT_THAT(decoded.tensor().strings(), ElementsAre(std::string_view("\0\xff", 2)));
  }
}

}  // namespace
}  // namespace headrace::oip
