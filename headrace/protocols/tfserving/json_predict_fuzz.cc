// The body of POST …:predict: the first byte picks the signature; what is read is answered with its own inputs.
#include <algorithm>
#include <array>
#include <string>

#include "headrace/protocols/tfserving/json_predict.h"

namespace {

using namespace headrace;

Signature Make(std::initializer_list<DataType> types) {
  Signature signature;
  for (const DataType type : types)
    signature.inputs.push_back({std::string(1, static_cast<char>('a' + signature.inputs.size())), type, {}, true});
  signature.outputs = signature.inputs;
  return signature;
}

class Picked final : public tfserving::SignatureFinder {
 public:
  explicit Picked(const Signature& signature) : signature_(signature) {}
  Result<const Signature*> Find(std::string_view) override { return &signature_; }

 private:
  const Signature& signature_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::array<Signature, 8> kSignatures = {Make({DataType::kFloat32}),
                                                       Make({DataType::kString}),
                                                       Make({DataType::kFloat32, DataType::kString}),
                                                       Make({DataType::kInt8}),
                                                       Make({DataType::kUint64}),
                                                       Make({DataType::kBool}),
                                                       Make({DataType::kFloat64, DataType::kInt64}),
                                                       Make({DataType::kFloat16})};
  if (size < 1) return 0;
  Picked signatures(kSignatures[data[0] % kSignatures.size()]);
  std::string body(reinterpret_cast<const char*>(data) + 1, size - 1);
  body.append(64, '\0');
  Arena arena;
  InferRequest request;
  const auto format = tfserving::DecodePredict({body.data(), size - 1}, signatures, &arena, &request);
  if (!format) return 0;
  std::array<uint32_t, 2> outputs = {0, 1};
  std::string answer;
  tfserving::EncodePredict(*format, *request.signature, {outputs.data(), request.inputs.size()},
                           {request.inputs.data(), request.inputs.size()}, &answer)
      .IgnoreError();
  return 0;
}
