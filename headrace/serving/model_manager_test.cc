#include "headrace/serving/model_manager.h"

#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "headrace/serving/engine_test_util.h"
#include "headrace/serving/serving_metrics.h"
#include "headrace/serving/warmup.h"

namespace headrace::serving {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

class ModelManagerTest : public testing::Test {
 protected:
  ModelManagerOptions Options() {
    ModelManagerOptions options;
    options.engines = {&engine_};
    options.poll_interval = Duration::zero();  // the tests poll
    options.load_retry_interval = milliseconds(1);
    return options;
  }

  std::filesystem::path Base(const std::string& model) { return dir_.path() / model; }

  ModelConfig Config(const std::string& name) {
    ModelConfig model;
    model.name = name;
    model.base_path = Base(name);
    return model;
  }

  ServerConfig Serve(std::vector<ModelConfig> models) {
    ServerConfig config;
    config.models = std::move(models);
    return config;
  }

  void Start(ModelConfig model) {
    const std::string name = model.name;
    ASSERT_EQ(manager_->SetConfig(Serve({std::move(model)})), OkStatus());
    ASSERT_EQ(manager_->WaitAvailable({name}, In(seconds(10))), OkStatus());
  }

  // Waits until `version` of m is in `state`.
  testing::AssertionResult Reaches(int64_t version, VersionState state) {
    const Deadline deadline = In(seconds(10));
    while (std::chrono::steady_clock::now() < deadline) {
      const auto statuses = manager_->Statuses("m", version);
      if (statuses && statuses->front().state == state) return testing::AssertionSuccess();
      std::this_thread::yield();
    }
    return testing::AssertionFailure() << "version " << version << " did not reach " << VersionStateName(state);
  }

  float Ask(const VersionSelector& selector, float x = 1) {
    auto handle = manager_->Lookup(selector);
    if (!handle) return -1;
    InferRequest request;
    request.signature = &handle->signatures()[0];
    request.inputs.push_back(Tensor::Of<float>(Shape{1}, {x}));
    request.outputs = {0};
    InferResponse response;
    return InferAndWait(handle->servable(), request, &response).ok() ? response.outputs[0].values<float>()[0] : -2;
  }

  TempDir dir_;
  AddEngine engine_;
  std::unique_ptr<ModelManager> manager_ = std::make_unique<ModelManager>(Options());
};

TEST_F(ModelManagerTest, ServesTheLatestAndSwapsWhenANewerComes) {
  PublishAdd(Base("m"), "1", "1");
  Start(Config("m"));
  EXPECT_EQ(Ask({.model = "m"}), 2);
  PublishAdd(Base("m"), "00002", "2");
  manager_->PollNow();
  ASSERT_TRUE(Reaches(2, VersionState::kAvailable));
  ASSERT_TRUE(Reaches(1, VersionState::kEnd));
  EXPECT_EQ(Ask({.model = "m"}), 3);
  const auto statuses = manager_->Statuses("m");
  ASSERT_EQ(statuses->size(), 2u);
  EXPECT_EQ((*statuses)[0].version, 2);
  EXPECT_EQ(engine_.alive, 1);
}

TEST_F(ModelManagerTest, LookupErrorsAreTensorFlowServings) {
  PublishAdd(Base("m"), "1", "1");
  Start(Config("m"));
  EXPECT_EQ(manager_->Lookup({.model = "x"}).error(), NotFound("Servable not found for request: Latest(x)"));
  EXPECT_EQ(manager_->Lookup({.model = "m", .version = 3}).error(),
            NotFound("Servable not found for request: Specific(m, 3)"));
  EXPECT_EQ(manager_->Lookup({.model = "m", .label = "l"}).error(),
            InvalidArgument("Unrecognized servable version label: l"));
  EXPECT_EQ(manager_->Statuses("x").error(), NotFound("Could not find any versions of model x"));
  EXPECT_EQ(manager_->Statuses("m", 3).error(), NotFound("Could not find version 3 of model m"));
}

TEST_F(ModelManagerTest, ABrokenVersionIsReportedAndTheOldOneServes) {
  PublishAdd(Base("m"), "1", "1");
  Start(Config("m"));
  PublishAdd(Base("m"), "2", "broken");
  manager_->PollNow();
  ASSERT_TRUE(Reaches(2, VersionState::kEnd));
  const auto status = manager_->Statuses("m", 2)->front();
  EXPECT_EQ(status.error.code(), Code::kDataLoss);
  EXPECT_THAT(status.error.message(), HasSubstr("add.txt"));
  EXPECT_EQ(Ask({.model = "m"}), 2);
  const int loads = engine_.loads;
  manager_->PollNow();
  EXPECT_EQ(engine_.loads, loads) << "what is broken is not loaded again until it changes";
  ASSERT_TRUE(WriteFileAtomically(Base("m") / "2" / "add.txt", "20").ok());
  manager_->PollNow();
  ASSERT_TRUE(Reaches(2, VersionState::kAvailable));
  EXPECT_EQ(Ask({.model = "m"}), 21);
}

TEST_F(ModelManagerTest, AFolderWithoutAModelIsAnErrorUntilItHasOne) {
  std::filesystem::create_directories(Base("m") / "1");
  ASSERT_EQ(manager_->SetConfig(Serve({Config("m")})), OkStatus());
  ASSERT_TRUE(Reaches(1, VersionState::kEnd));
  EXPECT_THAT(manager_->Statuses("m")->front().error.message(), HasSubstr("no file of a model"));
  ASSERT_TRUE(WriteFileAtomically(Base("m") / "1" / "add.txt", "5").ok());
  manager_->PollNow();
  ASSERT_TRUE(Reaches(1, VersionState::kAvailable));
}

TEST_F(ModelManagerTest, TransientFailuresAreRetried) {
  PublishAdd(Base("m"), "1", "flaky");
  Start(Config("m"));
  EXPECT_EQ(engine_.loads, 3);
  EXPECT_EQ(Ask({.model = "m"}), 4);
}

TEST_F(ModelManagerTest, WhatDoesNotFitIntoMemoryIsNotLoaded) {
  ModelManagerOptions options = Options();
  options.memory_limit_bytes = 100 << 20;
  options.max_load_retries = 1;
  manager_ = std::make_unique<ModelManager>(options);
  PublishAdd(Base("m"), "1", "1");
  Start(Config("m"));
  PublishAdd(Base("m"), "2", "large");
  manager_->PollNow();
  ASSERT_TRUE(Reaches(2, VersionState::kEnd));
  EXPECT_EQ(manager_->Statuses("m", 2)->front().error.code(), Code::kResourceExhausted);
  EXPECT_EQ(engine_.loads, 1);
  EXPECT_EQ(Ask({.model = "m"}), 2);
}

TEST_F(ModelManagerTest, AHandleKeepsItsVersionLoaded) {
  PublishAdd(Base("m"), "1", "1");
  Start(Config("m"));
  auto held = manager_->Lookup({.model = "m"});
  ASSERT_TRUE(held.has_value());
  PublishAdd(Base("m"), "2", "2");
  manager_->PollNow();
  ASSERT_TRUE(Reaches(1, VersionState::kUnloading));
  EXPECT_EQ(held->version(), 1);
  EXPECT_EQ(engine_.alive, 2);
  *held = ServableHandle();
  ASSERT_TRUE(Reaches(1, VersionState::kEnd));
  EXPECT_EQ(engine_.alive, 1);
}

TEST_F(ModelManagerTest, LabelsAndPolicies) {
  for (const char* version : {"1", "2", "3"}) PublishAdd(Base("m"), version, version);
  ModelConfig config = Config("m");
  config.versions = {VersionPolicy::Kind::kSpecific, 0, {1, 3}};
  config.labels = {{"stable", 1}, {"gone", 2}};
  Start(config);
  ASSERT_TRUE(Reaches(1, VersionState::kAvailable));
  ASSERT_TRUE(Reaches(3, VersionState::kAvailable));
  EXPECT_EQ(Ask({.model = "m", .label = "stable"}), 2);
  EXPECT_EQ(Ask({.model = "m"}), 4);
  EXPECT_EQ(manager_->Lookup({.model = "m", .label = "gone"}).error(),
            NotFound("Servable not found for request: Specific(m, 2)"));
  ASSERT_EQ(manager_->SetLabels("m", {{"stable", 3}}), OkStatus());
  EXPECT_EQ(Ask({.model = "m", .label = "stable"}), 4);
}

TEST_F(ModelManagerTest, ABadReloadChangesNothing) {
  PublishAdd(Base("m"), "1", "1");
  PublishAdd(Base("bad"), "1", "broken");
  Start(Config("m"));
  const ServerConfig before = manager_->config();
  ASSERT_TRUE(Reaches(1, VersionState::kAvailable));
  const auto unloads = std::make_shared<std::atomic<int>>(0);
  manager_->AddListener([unloads](const VersionEvent& event) {
    *unloads += event.model == "m" && event.status.state == VersionState::kUnloading;
  });
  ModelConfig moved = Config("m");
  moved.base_path = Base("elsewhere");
  ModelConfig labelled = Config("m");
  labelled.labels = {{"canary", 9}};
  ModelConfig absent = Config("m");
  absent.versions = {.kind = VersionPolicy::Kind::kSpecific, .versions = {7}};
  for (const auto& models : std::vector<std::vector<ModelConfig>>{{Config("bad")},
                                                                  {Config("m"), Config("absent")},
                                                                  {moved},
                                                                  {absent},
                                                                  {labelled},
                                                                  {Config("m"), Config("m")}}) {
    EXPECT_NE(manager_->SetConfig(Serve(models), In(seconds(10))), OkStatus());
    EXPECT_EQ(manager_->config(), before);
    EXPECT_EQ(manager_->Models(), std::vector<std::string>{"m"});
    EXPECT_EQ(Ask({.model = "m"}), 2);
  }
  EXPECT_EQ(*unloads, 0);
}

TEST_F(ModelManagerTest, AGoodReloadWaitsForTheNewAndDropsTheOld) {
  PublishAdd(Base("m"), "1", "1");
  PublishAdd(Base("n"), "1", "10");
  Start(Config("m"));
  ASSERT_EQ(manager_->SetConfig(Serve({Config("n")}), In(seconds(10))), OkStatus());
  EXPECT_EQ(Ask({.model = "n"}), 11);
  EXPECT_EQ(manager_->Models(), std::vector<std::string>{"n"});
  ASSERT_TRUE(Reaches(1, VersionState::kEnd));
  EXPECT_EQ(Ask({.model = "m"}), -1);
}

TEST_F(ModelManagerTest, AMovedBasePathSwapsTheSameVersionNumber) {
  PublishAdd(Base("m"), "1", "1");
  PublishAdd(Base("elsewhere"), "1", "50");
  Start(Config("m"));
  ModelConfig moved = Config("m");
  moved.base_path = Base("elsewhere");
  ASSERT_EQ(manager_->SetConfig(Serve({moved}), In(seconds(10))), OkStatus());
  EXPECT_EQ(Ask({.model = "m"}), 51);
}

TEST_F(ModelManagerTest, TheModelsRootIsFollowed) {
  PublishAdd(Base("m"), "1", "1");
  ServerConfig config;
  config.models_root = dir_.path();
  ASSERT_EQ(manager_->SetConfig(config), OkStatus());
  ASSERT_EQ(manager_->WaitAvailable({"m"}, In(seconds(10))), OkStatus());
  PublishAdd(Base("later"), "1", "7");
  manager_->PollNow();
  ASSERT_EQ(manager_->WaitAvailable({"later"}, In(seconds(10))), OkStatus());
  EXPECT_EQ(Ask({.model = "later"}), 8);
  std::filesystem::remove_all(Base("later"));
  manager_->PollNow();
  EXPECT_EQ(manager_->Models(), std::vector<std::string>{"m"});
}

TEST_F(ModelManagerTest, WeightsSplitAndKeysStick) {
  for (const char* version : {"1", "2"}) PublishAdd(Base("m"), version, version);
  ModelConfig config = Config("m");
  config.versions.kind = VersionPolicy::Kind::kAll;
  config.labels = {{"canary", 2}};
  config.traffic.weights = {{VersionRef{1, ""}, 3}, {VersionRef{0, "canary"}, 1}};
  config.traffic.sticky_header = "x-user";
  Start(config);
  ASSERT_TRUE(Reaches(1, VersionState::kAvailable));
  ASSERT_TRUE(Reaches(2, VersionState::kAvailable));
  EXPECT_EQ(manager_->RouteHeader("m"), "x-user");
  int second = 0;
  for (int i = 0; i < 2000; i++) second += Ask({.model = "m"}) == 3;
  EXPECT_NEAR(second, 500, 120);
  const float first = Ask({.model = "m", .route_key = "alice"});
  for (int i = 0; i < 20; i++) EXPECT_EQ(Ask({.model = "m", .route_key = "alice"}), first);
}

TEST_F(ModelManagerTest, HistoryIsBounded) {
  ModelManagerOptions options = Options();
  options.history_per_model = 3;
  manager_ = std::make_unique<ModelManager>(options);
  PublishAdd(Base("m"), "1", "1");
  Start(Config("m"));
  for (int version = 2; version <= 10; version++) {
    PublishAdd(Base("m"), std::to_string(version), "1");
    manager_->PollNow();
    ASSERT_TRUE(Reaches(version, VersionState::kAvailable));
    ASSERT_TRUE(Reaches(version - 1, VersionState::kEnd));
  }
  EXPECT_EQ(manager_->Statuses("m")->size(), 4u);
}

TEST_F(ModelManagerTest, HundredsOfSwapsUnderLoadFailNoRequest) {
  PublishAdd(Base("m"), "1", "1");
  Start(Config("m"));
  std::atomic<bool> stop{false};
  std::atomic<int> sent{0}, failed{0};
  std::vector<std::thread> clients;
  clients.reserve(3);
  for (int i = 0; i < 3; i++)
    clients.emplace_back([&] {
      while (!stop) {
        sent++;
        if (Ask({.model = "m"}) < 0) failed++;
      }
    });
  for (int version = 2; version <= 200; version++) {
    PublishAdd(Base("m"), std::to_string(version), "1");
    manager_->PollNow();
    ASSERT_TRUE(Reaches(version, VersionState::kAvailable));
  }
  stop = true;
  for (auto& client : clients) client.join();
  EXPECT_GT(sent, 200);
  EXPECT_EQ(failed, 0);
  manager_.reset();
  EXPECT_EQ(engine_.alive, 0);
}

TEST_F(ModelManagerTest, ListenersSeeEachStateInOrder) {
  std::vector<std::pair<int64_t, VersionState>> seen;
  manager_->AddListener(
      [&](const VersionEvent& event) { seen.emplace_back(event.status.version, event.status.state); });
  PublishAdd(Base("m"), "1", "1");
  Start(Config("m"));
  manager_.reset();
  EXPECT_THAT(seen, testing::ElementsAre(std::pair(1, VersionState::kLoading), std::pair(1, VersionState::kAvailable),
                                         std::pair(1, VersionState::kUnloading), std::pair(1, VersionState::kEnd)));
}

TEST_F(ModelManagerTest, MetricsNameModelsAndVersions) {
  PublishAdd(Base("m"), "1", "1");
  Start(Config("m"));
  manager_->Lookup({.model = "m"})->stats().RecordRequest(Code::kOk, milliseconds(1));
  const std::string text = ExposeServingMetrics(*manager_);
  EXPECT_THAT(text, HasSubstr(":tensorflow:serving:request_count{model_name=\"m\",status=\"OK\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("headrace_serving_request_count{model_name=\"m\",version=\"1\",status=\"OK\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("headrace_serving_version_state{model_name=\"m\",version=\"1\"} 30\n"));
}

}  // namespace
}  // namespace headrace::serving
