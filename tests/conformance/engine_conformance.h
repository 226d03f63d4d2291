// What every Engine must do. A backend's test includes this file once and instantiates the suite:
//   INSTANTIATE_TEST_SUITE_P(OnnxRuntime, EngineConformance, testing::Values(EngineUnderTest{…}), EngineName);
#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "headrace/base/files.h"
#include "headrace/core/engine.h"
#include "tests/conformance/engine_test_model.h"
#include "tests/conformance/resident_memory.h"

namespace headrace {

struct EngineUnderTest {
  std::string name;
  std::function<std::unique_ptr<Engine>()> make;
  // Writes the model into the folder `dir`, which exists.
  std::function<void(const EngineTestModel&, const std::filesystem::path& dir)> write;
  std::string model_file;       // its main file's name
  std::vector<DataType> types;  // that kIdentity can have
};

inline std::string EngineName(const testing::TestParamInfo<EngineUnderTest>& info) { return info.param.name; }
inline void PrintTo(const EngineUnderTest& under_test, std::ostream* out) { *out << under_test.name; }

class EngineConformance : public testing::TestWithParam<EngineUnderTest> {
 protected:
  using Kind = EngineTestModel::Kind;

  std::unique_ptr<Servable> Load(Kind kind, DataType type = DataType::kFloat32) {
    const auto dir = Write(kind, type);
    auto servable = engine_->Load(dir, {});
    EXPECT_TRUE(servable.has_value()) << servable.error().ToString();
    return servable ? *std::move(servable) : nullptr;
  }

  std::filesystem::path Write(Kind kind, DataType type = DataType::kFloat32) {
    const auto dir = dir_.path() / std::to_string(next_++);
    std::filesystem::create_directories(dir);
    GetParam().write({kind, type}, dir);
    return dir;
  }

  Status Infer(Servable& servable, std::vector<Tensor> inputs, InferResponse* response,
               std::vector<uint32_t> outputs = {0}) {
    InferRequest request;
    request.signature = &servable.signatures()[0];
    request.inputs.assign(inputs.begin(), inputs.end());
    request.outputs.assign(outputs.begin(), outputs.end());
    std::promise<Status> done;
    servable.Infer(request, response, [&](Status status) { done.set_value(std::move(status)); });
    return done.get_future().get();
  }

  std::unique_ptr<Engine> engine_ = GetParam().make();
  TempDir dir_;
  int next_ = 1;
};

// Other tests include this for the models that it writes.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(EngineConformance);

TEST_P(EngineConformance, RecognisesItsOwnFilesOnly) {
  EXPECT_TRUE(engine_->Recognizes(Write(Kind::kAffine)));
  std::filesystem::create_directories(dir_.path() / "empty");
  EXPECT_FALSE(engine_->Recognizes(dir_.path() / "empty"));
  EXPECT_FALSE(engine_->Recognizes(dir_.path() / "absent"));
}

TEST_P(EngineConformance, TellsItsSignature) {
  const auto servable = Load(Kind::kAffine);
  ASSERT_NE(servable, nullptr);
  const Signature* signature = servable->FindSignature("serving_default");
  ASSERT_NE(signature, nullptr);
  ASSERT_EQ(signature->inputs.size(), 1u);
  EXPECT_EQ(signature->inputs[0].name, "x");
  EXPECT_EQ(signature->inputs[0].type, DataType::kFloat32);
  EXPECT_EQ(signature->inputs[0].shape, (Shape{-1, 3}));
  EXPECT_FALSE(signature->inputs[0].any_rank);
  ASSERT_EQ(signature->outputs.size(), 1u);
  EXPECT_EQ(signature->outputs[0].name, "y");
  EXPECT_EQ(signature->outputs[0].shape, (Shape{-1, 1}));
}

TEST_P(EngineConformance, ComputesForAnyBatchSize) {
  const auto servable = Load(Kind::kAffine);
  for (const int64_t rows : {1, 2, 7, 1000}) {
    std::vector<float> x(static_cast<size_t>(rows * 3));
    for (size_t i = 0; i < x.size(); i++) x[i] = static_cast<float>(i % 11);
    InferResponse response;
    ASSERT_EQ(Infer(*servable, {Tensor::Of(Shape{rows, 3}, x)}, &response), OkStatus());
    ASSERT_EQ(response.outputs[0].shape(), (Shape{rows, 1}));
    const auto y = response.outputs[0].values<float>();
    for (size_t row = 0; row < y.size(); row++)
      ASSERT_FLOAT_EQ(y[row], x[row * 3] + 2 * x[row * 3 + 1] + 3 * x[row * 3 + 2] + 0.5f);
  }
}

TEST_P(EngineConformance, AnEmptyBatchGivesAnEmptyAnswer) {
  const auto servable = Load(Kind::kIdentity);
  InferResponse response;
  ASSERT_EQ(Infer(*servable, {Tensor::Of<float>(Shape{0}, {})}, &response), OkStatus());
  EXPECT_EQ(response.outputs[0].shape(), (Shape{0}));
}

TEST_P(EngineConformance, CarriesEveryTypeBitForBit) {
  for (const DataType type : GetParam().types) {
    SCOPED_TRACE(DataTypeName(type));
    const auto servable = Load(Kind::kIdentity, type);
    ASSERT_NE(servable, nullptr);
    ASSERT_EQ(servable->signatures()[0].inputs[0].type, type);
    InferResponse response;
    if (type == DataType::kString) {
      const std::vector<std::string> strings = {"",         "plain", std::string("nul\0inside", 10),
                                                "\xff\xfe", "höhe",  std::string(100000, 'x')};
      ASSERT_EQ(Infer(*servable, {Tensor::OfStrings(Shape{6}, strings)}, &response), OkStatus());
      EXPECT_THAT(response.outputs[0].strings(), testing::ElementsAreArray(strings));
      continue;
    }
    // Every byte pattern would be fair for all types but BOOL.
    alignas(16) unsigned char bytes[5 * 16];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = static_cast<unsigned char>(i * 7 % 64);
    if (type == DataType::kBool)
      for (auto& byte : bytes) byte &= 1;
    ASSERT_EQ(Infer(*servable, {Tensor(type, Shape{5}, bytes, nullptr)}, &response), OkStatus());
    ASSERT_EQ(response.outputs[0].type(), type);
    ASSERT_EQ(response.outputs[0].bytes(), 5 * DataTypeSize(type));
    EXPECT_EQ(std::memcmp(response.outputs[0].data(), bytes, response.outputs[0].bytes()), 0);
  }
}

TEST_P(EngineConformance, TakesInputsThatAreNotAligned) {
  const auto servable = Load(Kind::kAffine);
  alignas(8) char buffer[64];
  const float x[3] = {1, 2, 3};
  std::memcpy(buffer + 1, x, sizeof x);
  InferResponse response;
  ASSERT_EQ(Infer(*servable, {Tensor(DataType::kFloat32, Shape{1, 3}, buffer + 1, nullptr)}, &response), OkStatus());
  EXPECT_FLOAT_EQ(response.outputs[0].values<float>()[0], 14.5f);
}

TEST_P(EngineConformance, ComputesOnlyTheOutputsAskedForInTheirOrder) {
  const auto servable = Load(Kind::kTwoOutputs);
  const Signature& signature = servable->signatures()[0];
  const auto sum = static_cast<uint32_t>(signature.OutputIndex("sum"));
  const auto product = static_cast<uint32_t>(signature.OutputIndex("product"));
  const Tensor x = Tensor::Of<float>(Shape{2}, {3, 5});
  InferResponse response;
  ASSERT_EQ(Infer(*servable, {x}, &response, {product, sum}), OkStatus());
  EXPECT_THAT(response.outputs[0].values<float>(), testing::ElementsAre(9, 25));
  EXPECT_THAT(response.outputs[1].values<float>(), testing::ElementsAre(6, 10));
  ASSERT_EQ(Infer(*servable, {x}, &response, {product}), OkStatus());
  ASSERT_EQ(response.outputs.size(), 1u);
  EXPECT_THAT(response.outputs[0].values<float>(), testing::ElementsAre(9, 25));
}

TEST_P(EngineConformance, RefusesAWrongShapeAndGoesOn) {
  const auto servable = Load(Kind::kFixed);
  InferResponse response;
  const Status status = Infer(*servable, {Tensor::Of<float>(Shape{3, 2}, {1, 2, 3, 4, 5, 6})}, &response);
  EXPECT_EQ(status.code(), Code::kInvalidArgument) << status.ToString();
  ASSERT_EQ(Infer(*servable, {Tensor::Of<float>(Shape{2, 2}, {1, 2, 3, 4})}, &response), OkStatus());
  EXPECT_THAT(response.outputs[0].values<float>(), testing::ElementsAre(2, 4, 6, 8));
}

TEST_P(EngineConformance, TellsWhetherValuesDecideHowLongARunTakes) {
  EXPECT_TRUE(Load(Kind::kCounting)->runtime_depends_on_values());
  EXPECT_FALSE(Load(Kind::kAffine)->runtime_depends_on_values());
}

TEST_P(EngineConformance, StopsARunAtItsDeadlineAndGoesOn) {
  const auto servable = Load(Kind::kCounting);
  ASSERT_NE(servable, nullptr);
  InferRequest request;
  request.signature = &servable->signatures()[0];
  request.inputs.push_back(Tensor::Of<int64_t>(Shape{1}, {int64_t{1} << 40}));  // days
  request.outputs = {0};
  request.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(20);
  InferResponse response;
  std::promise<Status> done;
  servable->Infer(request, &response, [&](Status status) { done.set_value(std::move(status)); });
  EXPECT_EQ(done.get_future().get().code(), Code::kDeadlineExceeded);
  EXPECT_GE(std::chrono::steady_clock::now(), request.deadline);
  // With the same deadline still set, far away this time.
  request.deadline += std::chrono::hours(1);
  request.inputs[0] = Tensor::Of<int64_t>(Shape{1}, {3});
  std::promise<Status> again;
  servable->Infer(request, &response, [&](Status status) { again.set_value(std::move(status)); });
  ASSERT_EQ(again.get_future().get(), OkStatus());
  EXPECT_THAT(response.outputs[0].values<int64_t>(), testing::ElementsAre(3));
}

TEST_P(EngineConformance, AnswersOutliveTheModel) {
  auto servable = Load(Kind::kTwoOutputs);
  InferResponse response;
  const auto sum = static_cast<uint32_t>(servable->signatures()[0].OutputIndex("sum"));
  ASSERT_EQ(Infer(*servable, {Tensor::Of<float>(Shape{1}, {4})}, &response, {sum}), OkStatus());
  servable.reset();
  EXPECT_EQ(response.outputs[0].values<float>()[0], 8);
}

TEST_P(EngineConformance, ManyThreadsAtOnceGetTheirOwnAnswers) {
  const auto servable = Load(Kind::kAffine);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 8; thread++)
    threads.emplace_back([&, thread] {
      for (int i = 0; i < 500; i++) {
        const auto x = static_cast<float>(thread * 1000 + i);
        InferResponse response;
        const Status status = Infer(*servable, {Tensor::Of<float>(Shape{1, 3}, {x, 0, 0})}, &response);
        if (!status.ok() || response.outputs[0].values<float>()[0] != x + 0.5f) wrong++;
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST_P(EngineConformance, BrokenFilesAreErrorsThatNameTheFile) {
  const auto garbage = Write(Kind::kAffine);
  std::ofstream(garbage / GetParam().model_file) << "this is no model at all, whatever its name says";
  const auto empty = Write(Kind::kAffine);
  std::ofstream(empty / GetParam().model_file).flush();
  for (const auto& dir : {garbage, empty}) {
    const auto loaded = engine_->Load(dir, {});
    ASSERT_FALSE(loaded.has_value());
    EXPECT_TRUE(loaded.error().code() == Code::kInvalidArgument || loaded.error().code() == Code::kDataLoss)
        << loaded.error().ToString();
    EXPECT_THAT(loaded.error().message(), testing::HasSubstr((dir / GetParam().model_file).string()));
  }
}

TEST_P(EngineConformance, ATruncatedFileIsNeverLoaded) {
  const auto dir = Write(Kind::kAffine);
  const auto file = dir / GetParam().model_file;
  const std::string whole = *ReadFile(file);
  for (size_t length = 0; length < whole.size(); length += 1 + whole.size() / 64) {
    ASSERT_TRUE(WriteFileAtomically(file, std::string_view(whole).substr(0, length)).ok());
    EXPECT_FALSE(engine_->Load(dir, {}).has_value()) << length << " of " << whole.size() << " bytes";
  }
}

TEST_P(EngineConformance, EstimatesMemoryBeforeItLoads) {
  const auto estimate = engine_->EstimateMemory(Write(Kind::kLarge));
  ASSERT_TRUE(estimate.has_value());
  EXPECT_GT(*estimate, size_t{8} << 20);
  EXPECT_LT(*estimate, size_t{64} << 20);
}

TEST_P(EngineConformance, UnloadingReturnsMemory) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers keep what is freed, to catch its use";
#endif
  const auto dir = Write(Kind::kLarge);
  const std::vector<float> x(16 * 1024, 1.0f);
  const auto cycle = [&] {
    auto servable = engine_->Load(dir, {});
    ASSERT_TRUE(servable.has_value());
    InferResponse response;
    ASSERT_EQ(Infer(**servable, {Tensor::Of(Shape{16, 1024}, x)}, &response), OkStatus());
  };
  for (int i = 0; i < 5; i++) cycle();
  const size_t before = ResidentMemory();
  for (int i = 0; i < 100; i++) cycle();
  const size_t after = ResidentMemory();
  EXPECT_LT(after, before + before / 10 + (8 << 20)) << "resident bytes grew from " << before << " to " << after;
}

}  // namespace headrace
