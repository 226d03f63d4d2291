// What the engine costs beside a bare loop over ONNX Runtime, for a model that does next to nothing.
#include <benchmark/benchmark.h>

#include "headrace/backends/onnxruntime/onnx_engine.h"
#include "headrace/backends/onnxruntime/ort_api.h"
#include "headrace/base/files.h"
#include "tests/conformance/onnx_models.h"

namespace headrace {
namespace {

struct Model {
  Model() { WriteOnnxTestModel({EngineTestModel::Kind::kAffine, DataType::kFloat32}, dir.path()); }
  TempDir dir;
};

void BM_BareOnnxRuntime(benchmark::State& state) {
  const Model model;
  const OrtApi& api = *onnxruntime::Api();
  OrtEnv* env;
  OrtSessionOptions* options;
  OrtSession* session;
  OrtMemoryInfo* memory;
  (void)api.CreateEnv(ORT_LOGGING_LEVEL_ERROR, "bench", &env);
  (void)api.CreateSessionOptions(&options);
  (void)api.SetIntraOpNumThreads(options, 1);
  (void)api.CreateSession(env, (model.dir.path() / "model.onnx").c_str(), options, &session);
  (void)api.CreateCpuMemoryInfo(OrtDeviceAllocator, OrtMemTypeDefault, &memory);
  const char* input_name = "x";
  const char* output_name = "y";
  float x[3] = {1, 2, 3};
  const int64_t shape[2] = {1, 3};
  OrtValue* input;
  (void)api.CreateTensorWithDataAsOrtValue(memory, x, sizeof x, shape, 2, ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, &input);
  for (auto _ : state) {
    OrtValue* output = nullptr;
    (void)api.Run(session, nullptr, &input_name, &input, 1, &output_name, 1, &output);
    api.ReleaseValue(output);
  }
}
BENCHMARK(BM_BareOnnxRuntime);

void BM_Servable(benchmark::State& state) {
  const Model model;
  const auto engine = onnxruntime::MakeEngine();
  const auto servable = *engine->Load(model.dir.path(), {});
  alignas(8) const float x[3] = {1, 2, 3};
  for (auto _ : state) {
    InferRequest request;
    request.signature = &servable->signatures()[0];
    request.inputs.push_back(Tensor(DataType::kFloat32, Shape{1, 3}, x, nullptr));
    request.outputs.push_back(0);
    InferResponse response;
    servable->Infer(request, &response, [](Status status) { benchmark::DoNotOptimize(status.ok()); });
    benchmark::DoNotOptimize(response.outputs[0].data());
  }
}
BENCHMARK(BM_Servable);

}  // namespace
}  // namespace headrace
