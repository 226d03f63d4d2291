#include "headrace/serving/predictor.h"

#include <gmock/gmock.h>

#include <future>
#include <latch>
#include <semaphore>
#include <thread>

#include "headrace/serving/engine_test_util.h"
#include "headrace/serving/model_manager.h"
#include "headrace/serving/warmup.h"

namespace headrace::serving {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

class PredictorTest : public testing::Test {
 protected:
  void Load(std::string_view content, bool warm_up = true) {
    PublishAdd(dir_.path() / "m", "1", content);
    ModelManagerOptions options;
    options.engines = {&engine_};
    options.enable_warmup = warm_up;
    manager_ = std::make_unique<ModelManager>(options);
    ServerConfig config;
    config.models.resize(1);
    config.models[0].name = "m";
    config.models[0].base_path = dir_.path() / "m";
    ASSERT_EQ(manager_->SetConfig(config), OkStatus());
    ASSERT_EQ(manager_->WaitAvailable({"m"}, In(seconds(10))), OkStatus());
  }

  void Fill(PredictCall* call) {
    call->servable = *manager_->Lookup({.model = "m"});
    call->request.signature = &call->servable.signatures()[0];
    call->request.inputs.push_back(Tensor::Of<float>(Shape{2}, {1, 2}));
  }

  // The status, and whether `done` ran on this thread.
  std::pair<Status, bool> Predict(Predictor& predictor, PredictCall* call) {
    std::promise<std::pair<Status, bool>> promise;
    const auto caller = std::this_thread::get_id();
    predictor.Predict(
        call, [&](Status status) { promise.set_value({std::move(status), std::this_thread::get_id() == caller}); });
    return promise.get_future().get();
  }

  TempDir dir_;
  AddEngine engine_;
  std::unique_ptr<ModelManager> manager_;
};

TEST_F(PredictorTest, ACheapModelRunsOnTheCallersThread) {
  Load("3");
  Predictor predictor({.inline_limit = std::chrono::seconds(10)});
  PredictCall call;
  Fill(&call);
  const auto [status, here] = Predict(predictor, &call);
  EXPECT_EQ(status, OkStatus());
  EXPECT_TRUE(here);
  EXPECT_THAT(call.response.outputs[0].values<float>(), testing::ElementsAre(4, 5));
  EXPECT_EQ(call.servable.stats().success.count, 1u);
  EXPECT_EQ(call.servable.stats().rows, 2u);
}

TEST_F(PredictorTest, ADearModelRunsOnThePool) {
  Load("3 slow");
  Predictor predictor({});
  PredictCall call;
  Fill(&call);
  EXPECT_FALSE(Predict(predictor, &call).second);
}

TEST_F(PredictorTest, AnUnknownModelRunsOnThePoolUntilItIsMeasured) {
  Load("3", false);
  Predictor predictor({.inline_limit = std::chrono::seconds(10)});
  PredictCall unknown, known;
  Fill(&unknown);
  EXPECT_FALSE(Predict(predictor, &unknown).second);
  Fill(&known);
  EXPECT_TRUE(Predict(predictor, &known).second);
}

TEST_F(PredictorTest, AModelWhoseValuesDecideHowLongItRunsNeverRunsOnTheCallersThread) {
  Load("3 fitful");
  Predictor predictor({});
  for (int i = 0; i < 3; i++) {
    PredictCall call;
    Fill(&call);
    EXPECT_FALSE(Predict(predictor, &call).second);
  }
}

TEST_F(PredictorTest, TheBytesOfStringsCountAsElements) {
  InferRequest request;
  request.inputs.push_back(Tensor::OfStrings(Shape{2}, {std::string(1000, 'x'), ""}));
  request.inputs.push_back(Tensor::Of<float>(Shape{3}, {1, 2, 3}));
  EXPECT_EQ(InputElements(request), 1005);
}

TEST_F(PredictorTest, AStringOverItsLimitIsRefusedByItsInputsName) {
  Signature signature;
  signature.inputs = {{"text", DataType::kString, Shape{-1}}};
  InferRequest request;
  request.signature = &signature;
  request.inputs.push_back(Tensor::OfStrings(Shape{2}, {"four", "fives"}));
  EXPECT_EQ(CheckStrings(request, 5), OkStatus());
  const Status status = CheckStrings(request, 4);
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("\"text\""), HasSubstr("5 bytes"), HasSubstr("at most 4")));
}

TEST_F(PredictorTest, InputsAreCheckedAgainstTheSignature) {
  Load("3");
  Predictor predictor({});
  PredictCall call;
  Fill(&call);
  call.request.inputs[0] = Tensor::Of<int64_t>(Shape{1}, {1});
  const Status status = Predict(predictor, &call).first;
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("\"x\""), HasSubstr("FP32"), HasSubstr("INT64")));
  EXPECT_EQ(call.servable.stats().requests_by_code[static_cast<int>(Code::kInvalidArgument)], 1u);
}

TEST_F(PredictorTest, WhatExpiredInTheQueueIsNeverComputed) {
  Load("3");
  Predictor predictor({});
  PredictCall call;
  Fill(&call);
  call.request.deadline = std::chrono::steady_clock::now() - milliseconds(1);
  EXPECT_EQ(Predict(predictor, &call).first.code(), Code::kDeadlineExceeded);
  EXPECT_EQ(call.servable.stats().executions, 0u);
}

TEST_F(PredictorTest, AnAnswerThatComesTooLateIsNone) {
  Load("3 slow");
  Predictor predictor({});
  uint64_t computed = 0, late = 0;
  for (; computed == 0 && late < 1000; late++) {  // on a busy machine some are late before they start
    PredictCall call;
    Fill(&call);
    call.run_inline = true;
    call.request.deadline = std::chrono::steady_clock::now() + milliseconds(1);
    ASSERT_EQ(Predict(predictor, &call).first.code(), Code::kDeadlineExceeded);
    computed = call.servable.stats().executions;
    EXPECT_EQ(call.servable.stats().requests_by_code[static_cast<int>(Code::kDeadlineExceeded)], late + 1);
  }
  EXPECT_EQ(computed, 1u);
}

TEST_F(PredictorTest, WhatTheClientGaveUpInTheQueueIsNeverComputed) {
  Load("3 slow");
  Predictor predictor({});
  PredictCall call;
  Fill(&call);
  const std::atomic<bool> cancelled{true};
  call.request.cancelled = &cancelled;
  EXPECT_EQ(Predict(predictor, &call).first.code(), Code::kCancelled);
  EXPECT_EQ(call.servable.stats().executions, 0u);
}

TEST_F(PredictorTest, AFullQueueRefusesAndDrainAnswersTheRest) {
  Load("3 slow");
  PredictorOptions options;
  options.threads = 1;
  options.max_queued = 2;
  Predictor predictor(options);
  constexpr int kCalls = 20;
  std::vector<PredictCall> calls(kCalls);
  std::atomic<int> answered{0}, refused{0};
  for (auto& call : calls) {
    Fill(&call);
    predictor.Predict(&call, [&](Status status) {
      status.ok() ? answered++ : refused++;
      EXPECT_TRUE(status.ok() || status.code() == Code::kResourceExhausted);
    });
  }
  predictor.Drain();
  EXPECT_EQ(answered + refused, kCalls);
  EXPECT_GE(answered, 2);
  EXPECT_GE(refused, kCalls - 10);
  PredictCall late;
  Fill(&late);
  EXPECT_EQ(Predict(predictor, &late).first.code(), Code::kUnavailable);
}

}  // namespace
}  // namespace headrace::serving
