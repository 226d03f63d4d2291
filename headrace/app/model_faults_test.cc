// What goes wrong with models on disk, with the real engine: the server goes on with what it has.
#include <gmock/gmock.h>

#include <atomic>
#include <future>
#include <thread>

#include "headrace/app/builtins.h"
#include "headrace/base/files.h"
#include "headrace/serving/model_manager.h"
#include "headrace/serving/predictor.h"
#include "tests/conformance/onnx_models.h"
#include "tests/conformance/resident_memory.h"

namespace headrace::app {
namespace {

namespace fs = std::filesystem;
using serving::VersionState;
using std::chrono::seconds;

Deadline In(Duration duration) { return std::chrono::steady_clock::now() + duration; }

class ModelFaultsTest : public testing::Test {
 protected:
  void SetUp() override {
    serving::ModelManagerOptions options;
    options.engines = BuiltinEngines();
    options.poll_interval = Duration::zero();
    manager_ = std::make_unique<serving::ModelManager>(options);
    fs::create_directories(base_);
    Publish("1");
    serving::ServerConfig config;
    config.models.resize(1);
    config.models[0].name = "m";
    config.models[0].base_path = base_;
    ASSERT_EQ(manager_->SetConfig(config), OkStatus());
    ASSERT_EQ(manager_->WaitAvailable({"m"}, In(seconds(10))), OkStatus());
  }

  // Written aside and renamed; `spoil` changes the files before.
  void Publish(const std::string& version, const std::function<void(const fs::path&)>& spoil = [](const auto&) {}) {
    const fs::path aside = dir_.path() / "aside";
    fs::create_directories(aside);
    WriteOnnxTestModel({}, aside);
    spoil(aside);
    ASSERT_EQ(PublishByRename(aside, base_ / version), OkStatus());
  }

  testing::AssertionResult Reaches(int64_t version, VersionState state) {
    for (const Deadline end = In(seconds(20)); std::chrono::steady_clock::now() < end; std::this_thread::yield())
      if (const auto statuses = manager_->Statuses("m", version); statuses && statuses->front().state == state)
        return testing::AssertionSuccess();
    return testing::AssertionFailure() << "version " << version << " did not reach " << VersionStateName(state);
  }

  Status Predict() {
    auto handle = manager_->Lookup({.model = "m"});
    if (!handle) return handle.error();
    serving::PredictCall call;
    call.servable = *std::move(handle);
    call.request.signature = &call.servable.signatures()[0];
    call.request.inputs.push_back(Tensor::Of<float>(Shape{1, 3}, {1, 2, 3}));
    std::promise<Status> done;
    predictor_.Predict(&call, [&](Status status) { done.set_value(std::move(status)); });
    HR_RETURN_IF_ERROR(done.get_future().get());
    const float y = call.response.outputs[0].values<float>()[0];
    return y == 14.5f ? OkStatus() : Internal("expected 14.5, found {}", y);
  }

  TempDir dir_;
  const fs::path base_ = dir_.path() / "m";
  std::unique_ptr<serving::ModelManager> manager_;
  serving::Predictor predictor_{{}};
};

TEST_F(ModelFaultsTest, ACorruptModelIsInTheStatusAndTheOldVersionServes) {
  Publish("2", [](const fs::path& aside) {
    std::string bytes = *ReadFile(aside / "model.onnx");
    for (size_t i = 0; i < bytes.size(); i += 3) bytes[i] = static_cast<char>(~bytes[i]);
    ASSERT_EQ(WriteFileAtomically(aside / "model.onnx", bytes), OkStatus());
  });
  manager_->PollNow();
  ASSERT_TRUE(Reaches(2, VersionState::kEnd));
  const Status error = manager_->Statuses("m", 2)->front().error;
  EXPECT_FALSE(error.ok());
  EXPECT_THAT(error.message(), testing::HasSubstr((base_ / "2" / "model.onnx").string()));
  EXPECT_EQ(manager_->Statuses("m", 1)->front().state, VersionState::kAvailable);
  EXPECT_EQ(Predict(), OkStatus());
}

TEST_F(ModelFaultsTest, AHalfWrittenVersionIsNeverServed) {
  TempDir whole;
  WriteOnnxTestModel({}, whole.path());
  const std::string bytes = *ReadFile(whole.path() / "model.onnx");
  fs::create_directories(base_ / "2");
  for (size_t length = 0; length < bytes.size(); length += 1 + bytes.size() / 16) {
    std::ofstream(base_ / "2" / "model.onnx", std::ios::binary) << bytes.substr(0, length);
    manager_->PollNow();
    ASSERT_TRUE(Reaches(2, VersionState::kEnd)) << length;
    EXPECT_FALSE(manager_->Lookup({.model = "m", .version = 2}).has_value());
    EXPECT_EQ(Predict(), OkStatus());
  }
  std::ofstream(base_ / "2" / "model.onnx", std::ios::binary) << bytes;
  manager_->PollNow();
  ASSERT_TRUE(Reaches(2, VersionState::kAvailable)) << "whole at last";
}

TEST_F(ModelFaultsTest, FoldersWrittenAsideAreNotLookedAt) {
  for (const char* name : {".2", "2.tmp", "2-partial"}) {
    fs::create_directories(base_ / name);
    WriteOnnxTestModel({}, base_ / name);
  }
  manager_->PollNow();
  EXPECT_EQ(manager_->Statuses("m")->size(), 1u);
}

TEST_F(ModelFaultsTest, AHundredSwapsUnderLoadLoseNoRequestAndNoMemory) {
  std::atomic<bool> stop{false};
  std::atomic<int> sent{0}, failed{0};
  const auto ask = [&] {
    while (!stop) {
      sent++;
      if (!Predict().ok()) failed++;
    }
  };
  std::thread first(ask), second(ask);
  [[maybe_unused]] size_t before = 0;
  for (int version = 2; version <= 120; version++) {
    Publish(std::to_string(version));
    manager_->PollNow();
    ASSERT_TRUE(Reaches(version, VersionState::kAvailable));
    ASSERT_TRUE(Reaches(version - 1, VersionState::kEnd));
    if (version == 20) before = ResidentMemory();
  }
  stop = true;
  first.join();
  second.join();
  EXPECT_GT(sent, 1000);
  EXPECT_EQ(failed, 0);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // they keep what is freed, to catch its use
  const size_t after = ResidentMemory();
  EXPECT_LT(after, before + before / 10 + (8 << 20)) << "resident bytes grew from " << before << " to " << after;
#endif
}

}  // namespace
}  // namespace headrace::app
