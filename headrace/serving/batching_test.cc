// Batching through the predictor, with threads.
#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "headrace/serving/batch_queue.h"
#include "headrace/serving/engine_test_util.h"
#include "headrace/serving/model_manager.h"
#include "headrace/serving/predictor.h"

namespace headrace::serving {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class BatchingTest : public testing::Test {
 protected:
  void Load(std::string_view content, BatchingConfig batching) {
    batching.enabled = true;
    PublishAdd(dir_.path() / "m", "1", content);
    ModelManagerOptions options;
    options.engines = {&engine_};
    manager_ = std::make_unique<ModelManager>(options);
    ServerConfig config;
    config.models.resize(1);
    config.models[0].name = "m";
    config.models[0].base_path = dir_.path() / "m";
    config.models[0].batching = batching;
    ASSERT_EQ(manager_->SetConfig(config), OkStatus());
    ASSERT_EQ(manager_->WaitAvailable({"m"}, In(seconds(10))), OkStatus());
    predictor_ = std::make_unique<Predictor>(PredictorOptions{});
  }

  void Fill(PredictCall* call, std::vector<float> x) {
    call->servable = *manager_->Lookup({.model = "m"});
    call->request.signature = &call->servable.signatures()[0];
    call->request.inputs.push_back(Tensor::Of<float>(Shape{static_cast<int64_t>(x.size())}, x));
  }

  VersionStats& Stats() { return manager_->Lookup({.model = "m"})->stats(); }

  TempDir dir_;
  AddEngine engine_;
  std::unique_ptr<ModelManager> manager_;
  std::unique_ptr<Predictor> predictor_;
};

TEST_F(BatchingTest, LoadMakesBatchesAndEachGetsItsOwnRows) {
  BatchingConfig batching;
  batching.max_batch_size = 16;
  batching.allowed_batch_sizes = {4, 16};
  Load("3 slow", batching);
  constexpr int kCalls = 60;
  std::vector<PredictCall> calls(kCalls);
  std::atomic<int> good{0};
  for (int i = 0; i < kCalls; i++) {
    const auto x = static_cast<float>(i);
    Fill(&calls[static_cast<size_t>(i)], i % 3 == 0 ? std::vector{x, x + 100, x + 200} : std::vector{x});
    predictor_->Predict(&calls[static_cast<size_t>(i)], [&](Status status) { good += status.ok(); });
  }
  predictor_->Drain();
  EXPECT_EQ(good, kCalls);
  int64_t most = 0;
  for (const auto& call : calls) {
    EXPECT_GE(call.executed_rows, call.request.inputs[0].shape()[0]);
    most = std::max(most, call.executed_rows);
  }
  EXPECT_GT(most, 3) << "a batch's rows, not the request's";
  for (int i = 0; i < kCalls; i++) {
    const auto x = static_cast<float>(i);
    const auto y = calls[static_cast<size_t>(i)].response.outputs[0].values<float>();
    if (i % 3 == 0)
      EXPECT_THAT(y, testing::ElementsAre(x + 3, x + 103, x + 203));
    else
      EXPECT_THAT(y, testing::ElementsAre(x + 3));
  }
  EXPECT_LT(Stats().executions, 60u);
  EXPECT_EQ(Stats().rows, 100u);
  EXPECT_EQ(Stats().success.count, 60u);
}

TEST_F(BatchingTest, TheTimeoutGathersCompany) {
  BatchingConfig batching;
  batching.max_batch_size = 2;
  batching.timeout = seconds(20);
  Load("3", batching);
  std::vector<PredictCall> calls(2);
  std::atomic<int> done{0};
  for (auto& call : calls) Fill(&call, {1});
  predictor_->Predict(&calls[0], [&](Status status) { done += status.ok(); });
  predictor_->Predict(&calls[1], [&](Status status) { done += status.ok(); });
  predictor_->Drain();
  EXPECT_EQ(done, 2);
  EXPECT_EQ(Stats().executions, 1u) << "full before the timeout: run at once, together";
  const auto sizes = Stats().batch_sizes.Read();
  ASSERT_EQ(sizes.size(), 1u);
  EXPECT_EQ(sizes[0].rows, 2u);
  EXPECT_GT(sizes[0].input_nanos, 0u);
  EXPECT_GT(sizes[0].output_nanos, 0u);
  EXPECT_EQ(Stats().compute.count, 2u) << "of requests";
  EXPECT_EQ(Stats().compute.nanos, 2 * sizes[0].runtime_nanos);
}

TEST_F(BatchingTest, ALoneRequestWaitsNoLongerThanTheTimeout) {
  BatchingConfig batching;
  batching.timeout = milliseconds(5);
  Load("3", batching);
  PredictCall call;
  Fill(&call, {1});
  Status result = Internal("not done");
  predictor_->Predict(&call, [&](Status status) { result = status; });
  predictor_->Drain();
  EXPECT_EQ(result, OkStatus());
  EXPECT_GE(call.queued, milliseconds(5));
  EXPECT_LT(call.queued, seconds(5));
}

TEST_F(BatchingTest, AFullQueueIsUnavailableAndTheExpiredAreNotComputed) {
  BatchingConfig batching;
  batching.max_batch_size = 2;
  batching.max_enqueued_batches = 2;
  batching.threads = 1;
  Load("3 slow", batching);
  std::vector<PredictCall> calls(40);
  std::atomic<int> ok{0}, full{0}, expired{0};
  for (size_t i = 0; i < calls.size(); i++) {
    Fill(&calls[i], {1});
    if (i == 1) calls[i].request.deadline = std::chrono::steady_clock::now();
    predictor_->Predict(&calls[i], [&](Status status) {
      ok += status.ok();
      full += status.code() == Code::kResourceExhausted;
      expired += status.code() == Code::kDeadlineExceeded;
    });
  }
  predictor_->Drain();
  EXPECT_EQ(ok + full + expired, 40);
  EXPECT_GT(full, 0);
  EXPECT_EQ(expired, 1);
}

TEST(BatchQueue, TheUrgentGoFirst) {
  Signature signature;
  BatchingConfig config;
  config.max_batch_size = 2;
  config.priorities = 2;
  config.threads = 1;
  BatchQueue queue(config);
  std::vector<PredictCall> calls(4);
  const Deadline now = std::chrono::steady_clock::now();
  for (size_t i = 0; i < calls.size(); i++) {
    calls[i].request.signature = &signature;
    calls[i].request.inputs.push_back(Tensor::Of<float>(Shape{1}, {1}));
    calls[i].priority = i >= 2 ? 0 : 1;
    ASSERT_TRUE(queue.Add(&calls[i], 1, now).has_value());
  }
  EXPECT_THAT(queue.Take(now).calls, testing::ElementsAre(&calls[2], &calls[3]));
  EXPECT_THAT(queue.Take(now).calls, testing::ElementsAre(&calls[0], &calls[1]));
  EXPECT_EQ(queue.Take(now).next, BatchQueue::Next::kNothing);
}

TEST(BatchQueue, ShapesThatDifferDoNotMixUnlessPadded) {
  Signature signature;
  for (const bool pad : {false, true}) {
    BatchingConfig config;
    config.pad_variable_length_inputs = pad;
    BatchQueue queue(config);
    std::vector<PredictCall> calls(2);
    for (size_t i = 0; i < 2; i++) {
      calls[i].request.signature = &signature;
      calls[i].request.inputs.push_back(Tensor::Of<float>(Shape{1, static_cast<int64_t>(i) + 1}, {1, 2}));
      ASSERT_TRUE(queue.Add(&calls[i], 1, {}).has_value());
    }
    EXPECT_EQ(queue.Take({}).calls.size(), pad ? 2u : 1u);
  }
}

}  // namespace
}  // namespace headrace::serving
