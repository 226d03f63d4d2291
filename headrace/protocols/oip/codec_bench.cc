// The codecs alone, without network and model.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "headrace/base/proto_wire.h"
#include "headrace/protocols/common/json_text.h"
#include "headrace/protocols/oip/grpc_codec.h"
#include "headrace/protocols/oip/json_request.h"
#include "headrace/protocols/oip/json_response.h"

namespace headrace::oip {
namespace {

std::vector<float> Numbers(size_t count) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; i++) values[i] = static_cast<float>((i * 7919) % 10007) / 10007;
  return values;
}

std::string JsonBody(size_t count) {
  const Tensor tensor = Tensor::Of(Shape{1, static_cast<int64_t>(count)}, Numbers(count));
  std::string body =
      R"({"inputs":[{"name":"x","shape":[1,)" + std::to_string(count) + R"(],"datatype":"FP32","data":[)";
  AppendJsonElements(&body, tensor, 0, count);
  return body + "]}]}";
}

void ReadJson(benchmark::State& state) {
  std::string body = JsonBody(static_cast<size_t>(state.range(0)));
  const size_t size = body.size();
  body.append(64, ' ');
  for (auto _ : state) {
    Arena arena;
    InferCall call;
    if (!ReadInferRequest({body.data(), size}, size, "m", &arena, &call).ok()) std::abort();
    benchmark::DoNotOptimize(call.inputs.data());
  }
  state.SetBytesProcessed(static_cast<int64_t>(size) * state.iterations());
}
BENCHMARK(ReadJson)->Arg(4)->Arg(1024)->Arg(150528);

void ReadBinary(benchmark::State& state) {
  const auto values = Numbers(static_cast<size_t>(state.range(0)));
  const size_t bytes = values.size() * sizeof(float);
  std::string body = R"({"inputs":[{"name":"x","shape":[1,)" + std::to_string(values.size()) +
                     R"(],"datatype":"FP32","parameters":{"binary_data_size":)" + std::to_string(bytes) +
                     R"(}}],"outputs":[{"name":"y","parameters":{"binary_data":true}}]})";
  const size_t json_bytes = body.size();
  body.append(reinterpret_cast<const char*>(values.data()), bytes).append(64, ' ');
  for (auto _ : state) {
    Arena arena;
    InferCall call;
    if (!ReadInferRequest({body.data(), json_bytes + bytes}, json_bytes, "m", &arena, &call).ok()) std::abort();
    benchmark::DoNotOptimize(call.inputs.data());
  }
}
BENCHMARK(ReadBinary)->Arg(4)->Arg(150528);

void ReadGrpc(benchmark::State& state) {
  const auto values = Numbers(static_cast<size_t>(state.range(0)));
  std::string input, shape, message;
  ProtoWriter(&shape).Varint(values.size());
  ProtoWriter(&input).String(1, "x");
  ProtoWriter(&input).String(2, "FP32");
  ProtoWriter(&input).Bytes(3, shape);
  ProtoWriter(&message).String(1, "m");
  ProtoWriter(&message).Bytes(5, input);
  ProtoWriter(&message).Bytes(7, {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)});
  for (auto _ : state) {
    Arena arena;
    GrpcInferCall call;
    if (!DecodeRequest(message, &arena, &call).ok()) std::abort();
    benchmark::DoNotOptimize(call.call.inputs.data());
  }
}
BENCHMARK(ReadGrpc)->Arg(4)->Arg(150528);

void WriteJson(benchmark::State& state) {
  const auto count = static_cast<size_t>(state.range(0));
  Signature signature;
  signature.outputs = {{"y", DataType::kFloat32, {-1, -1}}};
  InferRequest request;
  request.signature = &signature;
  request.outputs = {0};
  InferResponse response;
  response.outputs = {Tensor::Of(Shape{1, static_cast<int64_t>(count)}, Numbers(count))};
  const InferCall call;
  std::string body;
  for (auto _ : state) {
    body.clear();
    BinaryTail tail;
    if (!WriteInferResponse(call, {"m", 1, &request, &response}, &body, &tail)) std::abort();
    benchmark::DoNotOptimize(body.data());
  }
}
BENCHMARK(WriteJson)->Arg(2)->Arg(1000);

}  // namespace
}  // namespace headrace::oip
