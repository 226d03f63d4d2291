#include "headrace/protocols/tfserving/tensor_wire.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstring>

#include "headrace/protocols/tfserving/data_type.h"
#include "headrace/protocols/tfserving/predict_wire.h"
#include "proto/tfserving/prediction_service.pb.h"

namespace headrace::tfserving {
namespace {

using ::tensorflow::TensorProto;

TensorProto Proto(::tensorflow::DataType type, std::initializer_list<int64_t> shape) {
  TensorProto proto;
  proto.set_dtype(type);
  for (const int64_t size : shape) proto.mutable_tensor_shape()->add_dim()->set_size(size);
  return proto;
}

Result<Tensor> Parse(const TensorProto& proto, Arena* arena, std::string* keep) {
  *keep = proto.SerializeAsString();
  return ParseTensor(*keep, "x", arena);
}

template <class T>
std::vector<T> Values(const TensorProto& proto) {
  Arena arena;
  std::string keep;
  const auto tensor = Parse(proto, &arena, &keep);
  EXPECT_TRUE(tensor) << tensor.error().ToString();
  if (!tensor) return {};
  EXPECT_EQ(tensor->type(), FromTensorFlowType(proto.dtype()));
  const auto values = tensor->template values<T>();
  return {values.begin(), values.end()};
}

std::string ErrorOf(const TensorProto& proto) {
  Arena arena;
  std::string keep;
  const auto tensor = Parse(proto, &arena, &keep);
  return tensor ? "no error" : tensor.error().message();
}

TEST(TensorWire, ReadsTypedLists) {
  TensorProto floats = Proto(::tensorflow::DT_FLOAT, {2});
  floats.add_float_val(1.5f);
  floats.add_float_val(-2);
  EXPECT_EQ(Values<float>(floats), (std::vector<float>{1.5f, -2}));
  TensorProto small = Proto(::tensorflow::DT_INT8, {2});
  small.add_int_val(-128);
  small.add_int_val(127);
  EXPECT_EQ(Values<int8_t>(small), (std::vector<int8_t>{-128, 127}));
  TensorProto half = Proto(::tensorflow::DT_HALF, {1});
  half.add_half_val(0x3c00);
  EXPECT_EQ(Values<uint16_t>(half), (std::vector<uint16_t>{0x3c00}));
  TensorProto large = Proto(::tensorflow::DT_UINT64, {1});
  large.add_uint64_val(~uint64_t{0});
  EXPECT_EQ(Values<uint64_t>(large), (std::vector<uint64_t>{~uint64_t{0}}));
  TensorProto flags = Proto(::tensorflow::DT_BOOL, {2});
  flags.add_bool_val(true);
  flags.add_bool_val(false);
  EXPECT_EQ(Values<uint8_t>(flags), (std::vector<uint8_t>{1, 0}));
  TensorProto complex = Proto(::tensorflow::DT_COMPLEX64, {1});
  complex.add_scomplex_val(1);
  complex.add_scomplex_val(2);
  EXPECT_EQ(Values<float>(complex)[0], 1);
}

TEST(TensorWire, RepeatsTheLastValueAndFillsWithZeros) {
  TensorProto ones = Proto(::tensorflow::DT_INT64, {2, 2});
  ones.add_int64_val(7);
  ones.add_int64_val(-1);
  EXPECT_EQ(Values<int64_t>(ones), (std::vector<int64_t>{7, -1, -1, -1}));
  TensorProto one = Proto(::tensorflow::DT_FLOAT, {3});
  one.add_float_val(2.5f);
  EXPECT_EQ(Values<float>(one), (std::vector<float>{2.5f, 2.5f, 2.5f}));
  EXPECT_EQ(Values<double>(Proto(::tensorflow::DT_DOUBLE, {2})), (std::vector<double>{0, 0}));
}

TEST(TensorWire, ReadsUnpackedLists) {
  std::string bytes = Proto(::tensorflow::DT_FLOAT, {2}).SerializeAsString();
  for (const float value : {1.0f, 2.0f}) {
    bytes += static_cast<char>(5 << 3 | 5);
    bytes.append(reinterpret_cast<const char*>(&value), 4);
  }
  Arena arena;
  const auto tensor = ParseTensor(bytes, "x", &arena);
  ASSERT_TRUE(tensor) << tensor.error().ToString();
  EXPECT_EQ(tensor->values<float>()[1], 2.0f);
}

TEST(TensorWire, ReadsStringsBothWays) {
  TensorProto list = Proto(::tensorflow::DT_STRING, {3});
  list.add_string_val("a");
  list.add_string_val("bc");
  TensorProto content = Proto(::tensorflow::DT_STRING, {3});
  content.set_tensor_content(std::string("\1\2\2abcbc", 8));
  for (const TensorProto& proto : {list, content}) {
    Arena arena;
    std::string keep;
    const auto tensor = Parse(proto, &arena, &keep);
    ASSERT_TRUE(tensor) << tensor.error().ToString();
    EXPECT_EQ(tensor->strings()[0], "a");
    EXPECT_EQ(tensor->strings()[1], "bc");
    EXPECT_EQ(tensor->strings()[2], "bc");
  }
}

TEST(TensorWire, RefusesWhatDoesNotFit) {
  TensorProto many = Proto(::tensorflow::DT_FLOAT, {1});
  many.add_float_val(1);
  many.add_float_val(2);
  EXPECT_NE(ErrorOf(many), "no error");
  TensorProto content = Proto(::tensorflow::DT_FLOAT, {2});
  content.set_tensor_content("1234567");
  EXPECT_EQ(ErrorOf(content), "input \"x\": tensor_content has 7 bytes; the shape [2] of FP32 needs 8");
  EXPECT_EQ(ErrorOf(Proto(::tensorflow::DT_RESOURCE, {1})), "input \"x\": tensors of dtype 20 are not taken");
  EXPECT_EQ(ErrorOf(Proto(::tensorflow::DT_FLOAT, {-1})), "input \"x\": invalid shape [-1]");
  EXPECT_NE(ErrorOf(Proto(::tensorflow::DT_FLOAT, {int64_t{1} << 40})), "no error");
  TensorProto any = Proto(::tensorflow::DT_FLOAT, {});
  any.mutable_tensor_shape()->set_unknown_rank(true);
  EXPECT_EQ(ErrorOf(any), "input \"x\": the tensor's shape has an unknown rank");
}

template <class T>
class TensorRoundTrip : public testing::Test {};
using Numbers = testing::Types<int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t, float, double>;
TYPED_TEST_SUITE(TensorRoundTrip, Numbers);

// What is written is what protobuf itself understands, in both forms.
TYPED_TEST(TensorRoundTrip, AgreesWithProtobuf) {
  EXPECT_TRUE(rc::check([](const std::vector<TypeParam>& values, bool content) {
    const Tensor tensor = Tensor::Of({static_cast<int64_t>(values.size()), 1}, values);
    std::string bytes;
    AppendTensorMessage(tensor, content, &bytes);
    RC_ASSERT(bytes.size() == TensorMessageSize(tensor, content));
    TensorProto proto;
    RC_ASSERT(proto.ParseFromString(bytes));
    RC_ASSERT(proto.SerializeAsString().size() == bytes.size());
    Arena arena;
    const auto again = ParseTensor(bytes, "x", &arena);
    RC_ASSERT(again.has_value());
    RC_ASSERT(again->shape() == tensor.shape());
    RC_ASSERT(values.empty() || std::memcmp(again->data(), tensor.data(), tensor.bytes()) == 0);
  }));
}

TEST(PredictWire, ReadsWhatProtobufWrites) {
  ::tensorflow::serving::PredictRequest proto;
  proto.mutable_model_spec()->set_name("m");
  proto.mutable_model_spec()->mutable_version()->set_value(3);
  proto.mutable_model_spec()->set_signature_name("s");
  (*proto.mutable_inputs())["a"] = Proto(::tensorflow::DT_FLOAT, {});
  (*proto.mutable_inputs())["b"] = Proto(::tensorflow::DT_INT32, {0});
  proto.add_output_filter("y");
  const std::string bytes = proto.SerializeAsString();
  const auto view = ParsePredictRequest(bytes);
  ASSERT_TRUE(view);
  EXPECT_TRUE(view->spec.present);
  EXPECT_EQ(view->spec.name, "m");
  EXPECT_EQ(view->spec.version, 3);
  EXPECT_EQ(view->spec.signature, "s");
  EXPECT_EQ(view->inputs.size(), 2u);
  ASSERT_EQ(view->output_filter.size(), 1u);
  EXPECT_EQ(view->output_filter[0], "y");
  for (size_t length = 0; length < bytes.size(); length++) {
    const std::string cut = bytes.substr(0, length);
    if (::tensorflow::serving::PredictRequest().ParseFromString(cut)) {
      EXPECT_TRUE(ParsePredictRequest(cut)) << length;
    }
  }
}

}  // namespace
}  // namespace headrace::tfserving
