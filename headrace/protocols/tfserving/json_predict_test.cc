#include "headrace/protocols/tfserving/json_predict.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <cstring>

#include "headrace/protocols/tfserving/json_tensor.h"

namespace headrace::tfserving {
namespace {

class OneSignature final : public SignatureFinder {
 public:
  explicit OneSignature(const Signature& signature) : signature_(signature) {}
  Result<const Signature*> Find(std::string_view) override { return &signature_; }

 private:
  const Signature& signature_;
};

// Text → tensors, with nothing but padding behind the text.
Result<PredictFormat> Decode(const std::string& text, const Signature& signature, Arena* arena, InferRequest* request) {
  std::string padded = text + std::string(64, '\0');
  OneSignature finder(signature);
  const auto format = DecodePredict({padded.data(), text.size()}, finder, arena, request);
  padded.assign(padded.size(), 'x');  // nothing may point into the text
  return format;
}

Signature Echo(std::vector<TensorSpec> specs) {
  Signature signature;
  signature.inputs = specs;
  signature.outputs = std::move(specs);
  return signature;
}

void ExpectEqual(const Tensor& a, const Tensor& b) {
  RC_ASSERT(a.type() == b.type());
  RC_ASSERT(a.shape() == b.shape());
  if (a.type() == DataType::kString) {
    for (int64_t i = 0; i < a.size(); i++)
      RC_ASSERT(a.strings()[static_cast<size_t>(i)] == b.strings()[static_cast<size_t>(i)]);
  } else {
    RC_ASSERT(a.bytes() == 0 || std::memcmp(a.data(), b.data(), a.bytes()) == 0);
  }
}

// Tensors → text → tensors, in both forms.
void RoundTrip(const Signature& signature, const std::vector<Tensor>& tensors) {
  std::vector<uint32_t> outputs;
  outputs.reserve(tensors.size());
  for (uint32_t i = 0; i < tensors.size(); i++) outputs.push_back(i);
  for (const PredictFormat format : {PredictFormat::kRows, PredictFormat::kColumns}) {
    std::string text;
    RC_ASSERT(EncodePredict(format, signature, outputs, tensors, &text).ok());
    const bool rows = format == PredictFormat::kRows;
    text.replace(0, text.find(':'), rows ? "{\"instances\"" : "{\"inputs\"");
    Arena arena;
    InferRequest request;
    const auto decoded = Decode(text, signature, &arena, &request);
    if (!decoded) RC_FAIL(decoded.error().ToString() + " of " + text);
    RC_ASSERT(*decoded == format);
    for (size_t i = 0; i < tensors.size(); i++) ExpectEqual(tensors[i], request.inputs[i]);
  }
}

rc::Gen<Shape> SomeShape() {
  return rc::gen::map(rc::gen::container<std::vector<int>>(rc::gen::inRange(1, 4)), [](std::vector<int> sizes) {
    Shape shape{3};
    for (size_t i = 0; i < sizes.size() && i < 3; i++) shape.push_back(sizes[i]);
    return shape;
  });
}

template <class T>
Tensor SomeTensor(const Shape& shape) {
  const auto count = static_cast<size_t>(*ElementCount(shape));
  if constexpr (std::is_floating_point_v<T>) {
    using Bits = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;
    std::vector<T> values;
    for (const Bits bits : *rc::gen::container<std::vector<Bits>>(count, rc::gen::arbitrary<Bits>())) {
      T value;
      std::memcpy(&value, &bits, sizeof value);
      values.push_back(std::isnan(value) ? std::numeric_limits<T>::quiet_NaN() : value);
    }
    return Tensor::Of(shape, std::move(values));
  } else {
    return Tensor::Of(shape, *rc::gen::container<std::vector<T>>(count, rc::gen::arbitrary<T>()));
  }
}

template <class T>
class JsonRoundTrip : public testing::Test {};
using Numbers = testing::Types<int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t, float, double>;
TYPED_TEST_SUITE(JsonRoundTrip, Numbers);

TYPED_TEST(JsonRoundTrip, KeepsEveryBit) {
  EXPECT_TRUE(rc::check([] {
    const Shape shape = *SomeShape();
    const TensorSpec spec{"x", DataTypeOf<TypeParam>(), {}, true};
    RoundTrip(Echo({spec}), {SomeTensor<TypeParam>(shape)});
    RoundTrip(Echo({spec, {"other name", DataType::kFloat32, {}, true}}),
              {SomeTensor<TypeParam>(shape), SomeTensor<float>({3})});
  }));
}

TEST(JsonStrings, KeepsEveryByteAsBase64) {
  EXPECT_TRUE(rc::check([](const std::vector<std::string>& values) {
    RC_PRE(!values.empty());
    const Tensor tensor = Tensor::OfStrings({static_cast<int64_t>(values.size())}, values);
    RoundTrip(Echo({{"s_bytes", DataType::kString, {}, true}}), {tensor});
  }));
}

TEST(Base64, TakesPaddedBareAndUrlSafe) {
  Arena arena;
  EXPECT_EQ(DecodeBase64("AP-_", &arena), std::string_view("\0\xff\xbf", 3));
  EXPECT_EQ(DecodeBase64("AP+/", &arena), std::string_view("\0\xff\xbf", 3));
  EXPECT_EQ(DecodeBase64("aG8=", &arena), "ho");
  EXPECT_EQ(DecodeBase64("aG8", &arena), "ho");
  EXPECT_EQ(DecodeBase64("", &arena), "");
  for (const char* bad : {"a", "aG8==x", "a b=", "====", "aGk===="}) EXPECT_FALSE(DecodeBase64(bad, &arena)) << bad;
}

TEST(JsonDepth, IsBounded) {
  const Signature signature = Echo({{"x", DataType::kFloat32, {}, true}});
  std::string text = "{\"inputs\":" + std::string(5000, '[') + "1" + std::string(5000, ']') + "}";
  Arena arena;
  InferRequest request;
  EXPECT_FALSE(Decode(text, signature, &arena, &request));
}

TEST(JsonShapes, OfEmptyLists) {
  const Signature signature = Echo({{"x", DataType::kFloat32, {}, true}});
  for (const auto& [text, shape] :
       {std::pair{"{\"inputs\": []}", Shape{0}}, std::pair{"{\"inputs\": [[], []]}", Shape{2, 0}},
        std::pair{"{\"instances\": [[], []]}", Shape{2, 0}}, std::pair{"{\"inputs\": 3}", Shape{}}}) {
    Arena arena;
    InferRequest request;
    ASSERT_TRUE(Decode(text, signature, &arena, &request)) << text;
    EXPECT_EQ(request.inputs[0].shape(), shape) << text;
  }
}

}  // namespace
}  // namespace headrace::tfserving
