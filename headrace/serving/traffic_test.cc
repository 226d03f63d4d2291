// Weights decided by an input's value, and shadow copies, through the predictor.
#include <gmock/gmock.h>

#include <compare>
#include <future>
#include <map>
#include <mutex>
#include <set>

#include "headrace/serving/engine_test_util.h"
#include "headrace/serving/model_manager.h"
#include "headrace/serving/predictor.h"
#include "headrace/serving/serving_metrics.h"

namespace headrace::serving {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

class TrafficTest : public testing::Test {
 protected:
  // Versions 1, 2, … of what add.txt says, all served, under `traffic`.
  void Serve(const std::vector<std::string>& versions, TrafficPolicy traffic, double log_fraction = 0) {
    for (size_t i = 0; i < versions.size(); i++) PublishAdd(dir_.path() / "m", std::to_string(i + 1), versions[i]);
    ModelManagerOptions options;
    options.engines = {&engine_};
    manager_ = std::make_unique<ModelManager>(options);
    ServerConfig config;
    auto& model = config.models.emplace_back();
    model.name = "m";
    model.base_path = dir_.path() / "m";
    model.versions.kind = VersionPolicy::Kind::kAll;
    model.traffic = std::move(traffic);
    model.log_fraction = log_fraction;
    ASSERT_EQ(manager_->SetConfig(config), OkStatus());
    ASSERT_EQ(manager_->WaitSettled(In(seconds(10))), OkStatus());
    predictor_ = std::make_unique<Predictor>(PredictorOptions{
        .manager = manager_.get(), .log = [this](const PredictCall& call, const Status&) {
          const std::scoped_lock lock(mutex_);
          logged_.push_back({call.servable.role(), call.servable.version(), call.response.outputs[0].values<float>()[0],
                             call.executed_rows, std::string(call.origin.request_id)});
        }});
  }

  float Ask(float x, std::optional<int64_t> version = {}, std::string request_id = "") {
    PredictCall call;
    call.origin.request_id = request_id;
    call.servable = *manager_->Lookup({.model = "m", .version = version});
    call.request.signature = &call.servable.signatures()[0];
    call.request.inputs.push_back(Tensor::Of<float>(Shape{1}, {x}));
    call.run_inline = true;
    Status result;
    predictor_->Predict(&call, [&](Status status) { result = std::move(status); });
    EXPECT_EQ(result, OkStatus());
    EXPECT_EQ(call.request.signature, &call.servable.signatures()[0]);
    return call.response.outputs[0].values<float>()[0] - x;
  }

  uint64_t Outcome(int64_t shadow_version, ShadowOutcome outcome) {
    for (const auto& count : predictor_->shadows().Counts())
      if (count.shadow_version == shadow_version) return count.by_outcome[static_cast<size_t>(outcome)];
    return 0;
  }

  TempDir dir_;
  AddEngine engine_;
  struct Logged {
    Role role;
    int64_t version;
    float answer;
    int64_t executed_rows;
    std::string request_id;
    auto operator<=>(const Logged&) const = default;
  };
  std::mutex mutex_;
  std::vector<Logged> logged_;
  std::unique_ptr<ModelManager> manager_;
  std::unique_ptr<Predictor> predictor_;
};

TEST_F(TrafficTest, AnInputsValueDecidesAndSticks) {
  TrafficPolicy traffic;
  traffic.weights = {{VersionRef{1, ""}, 1}, {VersionRef{2, ""}, 1}};
  traffic.sticky_input = "x";
  Serve({"100", "200"}, traffic);
  int second = 0;
  for (int x = 0; x < 400; x++) {
    const float got = Ask(static_cast<float>(x));
    EXPECT_EQ(Ask(static_cast<float>(x)), got);
    second += got == 200;
  }
  EXPECT_NEAR(second, 200, 60);
  EXPECT_EQ(Ask(3, 1), 100) << "a named version is not routed";
}

TEST_F(TrafficTest, ShadowsAreComparedAndNeverReturned) {
  TrafficPolicy traffic;
  traffic.weights = {{VersionRef{1, ""}, 1}};
  traffic.shadows = {VersionRef{2, ""}, VersionRef{3, ""}};
  Serve({"5", "5", "6"}, traffic);
  for (int x = 0; x < 50; x++) EXPECT_EQ(Ask(static_cast<float>(x)), 5);
  Ask(1, 1);
  predictor_->Drain();
  EXPECT_EQ(Outcome(2, ShadowOutcome::kSame), 50u) << "requests that name a version are not copied";
  EXPECT_EQ(Outcome(2, ShadowOutcome::kDifferent), 0u);
  EXPECT_EQ(Outcome(3, ShadowOutcome::kDifferent), 50u);
  EXPECT_THAT(ExposeServingMetrics(*manager_, predictor_.get()),
              HasSubstr("headrace_serving_shadow_requests{model_name=\"m\",version=\"1\",shadow_version=\"3\",result="
                        "\"different\"} 50\n"));
}

TEST_F(TrafficTest, ASlowShadowIsDroppedNotWaitedFor) {
  TrafficPolicy traffic;
  traffic.weights = {{VersionRef{1, ""}, 1}};
  traffic.shadows = {VersionRef{2, ""}};
  Serve({"5", "5 slow"}, traffic);
  for (int x = 0; x < 2000; x++) Ask(static_cast<float>(x));
  predictor_->Drain();
  EXPECT_GT(Outcome(2, ShadowOutcome::kDropped), 0u);
  EXPECT_EQ(Outcome(2, ShadowOutcome::kDropped) + Outcome(2, ShadowOutcome::kSame), 2000u);
}

TEST_F(TrafficTest, TheLogGetsItsShare) {
  Serve({"5"}, {}, 0.25);
  for (int x = 0; x < 2000; x++) Ask(0);
  EXPECT_NEAR(static_cast<double>(logged_.size()), 500, 120);
  EXPECT_THAT(logged_, testing::Each(Logged{Role::kPrimary, 1, 5, 1, ""}));
}

TEST_F(TrafficTest, TheLogKnowsPrimaryAndCanary) {
  TrafficPolicy traffic;
  traffic.weights = {{VersionRef{1, ""}, 1}, {VersionRef{2, ""}, 5}, {VersionRef{3, ""}, 5}};
  Serve({"10", "20", "30", "40"}, traffic, 1);
  for (int64_t version = 1; version <= 4; version++) Ask(0, version);
  EXPECT_THAT(logged_, testing::ElementsAre(Logged{Role::kCanary, 1, 10, 1, ""}, Logged{Role::kPrimary, 2, 20, 1, ""},
                                            Logged{Role::kCanary, 3, 30, 1, ""}, Logged{Role::kPrimary, 4, 40, 1, ""}));
  logged_.clear();
  for (int i = 0; i < 300; i++) Ask(0);
  EXPECT_THAT(std::set(logged_.begin(), logged_.end()),
              testing::ElementsAre(Logged{Role::kPrimary, 2, 20, 1, ""}, Logged{Role::kCanary, 1, 10, 1, ""},
                                   Logged{Role::kCanary, 3, 30, 1, ""}));
}

TEST_F(TrafficTest, WithoutWeightsTheLatestIsPrimary) {
  Serve({"10", "20"}, {}, 1);
  Ask(0);
  Ask(0, 1);
  EXPECT_THAT(logged_,
              testing::ElementsAre(Logged{Role::kPrimary, 2, 20, 1, ""}, Logged{Role::kPrimary, 1, 10, 1, ""}));
}

TEST_F(TrafficTest, TheLogGetsTheAnswersOfShadowsWithTheirRequest) {
  TrafficPolicy traffic;
  traffic.weights = {{VersionRef{1, ""}, 1}};
  traffic.shadows = {VersionRef{2, ""}};
  Serve({"5", "6"}, traffic, 1);
  Ask(1, {}, "r1");
  Ask(1, 1, "r2");
  predictor_->Drain();
  EXPECT_THAT(logged_,
              testing::UnorderedElementsAre(Logged{Role::kPrimary, 1, 6, 1, "r1"}, Logged{Role::kShadow, 2, 7, 1, "r1"},
                                            Logged{Role::kPrimary, 1, 6, 1, "r2"}));
}

TEST_F(TrafficTest, ShadowsOfRequestsThatAreNotSampledAreNotLogged) {
  TrafficPolicy traffic;
  traffic.weights = {{VersionRef{1, ""}, 1}};
  traffic.shadows = {VersionRef{2, ""}};
  Serve({"5", "6"}, traffic, 0.5);
  for (int i = 0; i < 100; i++) Ask(1, {}, std::to_string(i));
  predictor_->Drain();
  std::map<std::string, int> rows;
  for (const auto& row : logged_) rows[row.request_id]++;
  EXPECT_NEAR(static_cast<double>(rows.size()), 50, 30);
  for (const auto& [id, count] : rows) EXPECT_EQ(count, 2) << id;
}

TEST(SameAnswer, TreatsNanAndRoundingAsEqual) {
  const auto response = [](std::vector<float> values) {
    InferResponse made;
    const auto size = static_cast<int64_t>(values.size());
    made.outputs.push_back(Tensor::Of<float>(Shape{size}, std::move(values)));
    return made;
  };
  EXPECT_TRUE(SameAnswer(response({1, NAN, 1e6f}), response({1.0000001f, NAN, 1e6f + 1})));
  EXPECT_FALSE(SameAnswer(response({1}), response({1.001f})));
  EXPECT_FALSE(SameAnswer(response({1}), response({NAN})));
  EXPECT_FALSE(SameAnswer(response({1}), response({1, 1})));
}

}  // namespace
}  // namespace headrace::serving
