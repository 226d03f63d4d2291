// The path of a request through this room: lookup, and prediction on a model that only adds.
#include <benchmark/benchmark.h>

#include "headrace/serving/engine_test_util.h"
#include "headrace/serving/model_manager.h"
#include "headrace/serving/predictor.h"

namespace headrace::serving {
namespace {

struct Fixture {
  explicit Fixture(size_t models) {
    ModelManagerOptions options;
    options.engines = {&engine};
    manager = std::make_unique<ModelManager>(options);
    ServerConfig config;
    for (size_t i = 0; i < models; i++) {
      const std::string name = "model-" + std::to_string(i);
      PublishAdd(dir.path() / name, "1", "1");
      config.models.emplace_back();
      config.models.back().name = name;
      config.models.back().base_path = dir.path() / name;
    }
    if (!manager->SetConfig(config).ok() || !manager->WaitAvailable({}, In(std::chrono::seconds(30))).ok())
      std::abort();
  }
  TempDir dir;
  AddEngine engine;
  std::unique_ptr<ModelManager> manager;
};

Fixture& Shared() {
  static Fixture& fixture = *new Fixture(100);
  return fixture;
}

void BM_Lookup(benchmark::State& state) {
  const auto& manager = *Shared().manager;
  for (auto _ : state) benchmark::DoNotOptimize(manager.Lookup({.model = "model-50"}));
}
BENCHMARK(BM_Lookup)->Threads(1)->Threads(2);

void BM_LookupOfAVersion(benchmark::State& state) {
  const auto& manager = *Shared().manager;
  for (auto _ : state) benchmark::DoNotOptimize(manager.Lookup({.model = "model-50", .version = 1}));
}
BENCHMARK(BM_LookupOfAVersion);

void BM_LookupAndPredict(benchmark::State& state) {
  const auto& manager = *Shared().manager;
  Predictor predictor({});
  const float x[1] = {1};
  for (auto _ : state) {
    PredictCall call;
    call.servable = *manager.Lookup({.model = "model-50"});
    call.request.signature = &call.servable.signatures()[0];
    call.request.inputs.push_back(Tensor(DataType::kFloat32, Shape{1}, x, nullptr));
    predictor.Predict(&call, [](Status status) { benchmark::DoNotOptimize(status.ok()); });
    benchmark::DoNotOptimize(call.response.outputs[0].data());
  }
}
BENCHMARK(BM_LookupAndPredict);

}  // namespace
}  // namespace headrace::serving
