#include "headrace/backends/tensorflow/tensorflow_engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "headrace/backends/tensorflow/saved_model_test_util.h"
#include "tests/conformance/engine_conformance.h"

namespace headrace {
namespace {

using tensorflow::SavedModelWriter;

void WriteOperation(SavedModelWriter* model, const std::string& name, const std::string& operation, DataType type,
                    const std::vector<std::string>& inputs) {
  model->Node(name, operation, inputs, {SavedModelWriter::Type("T", type)});
}

void WriteLayer(SavedModelWriter* model, int64_t inputs, int64_t outputs, const std::vector<float>& weights,
                const std::vector<float>& bias) {
  model->Placeholder("in", DataType::kFloat32, {-1, inputs});
  model->Constant("weights", {inputs, outputs}, weights);
  model->Constant("bias", {outputs}, bias);
  WriteOperation(model, "product", "MatMul", DataType::kFloat32, {"in", "weights"});
  WriteOperation(model, "out", "AddV2", DataType::kFloat32, {"product", "bias"});
  model->AddSignature("serving_default", {{"x", "in:0", DataType::kFloat32, {-1, inputs}}},
                      {{"y", "out:0", DataType::kFloat32, {-1, outputs}}});
}

// y = x, by a loop of x rounds (https://www.tensorflow.org/api_docs/python/tf/raw_ops: Enter and what belongs to it).
void WriteCountingLoop(SavedModelWriter* model) {
  constexpr DataType kInt = DataType::kInt64;
  const auto type = SavedModelWriter::Type("T", kInt);
  std::string frame, constant, two;
  ProtoWriter(&frame).Bytes(2, "rounds");
  ProtoWriter(&constant).Number(5, 1);
  ProtoWriter(&two).Number(3, 2);
  model->Placeholder("in", kInt, {1});
  model->ScalarConstant("zero", 0);
  model->ScalarConstant("one", 1);
  model->Node("from", "Enter", {"zero"}, {type, {"frame_name", frame}});
  for (const auto& [name, value] : {std::pair("to", "in"), {"step", "one"}})
    model->Node(name, "Enter", {value}, {type, {"frame_name", frame}, {"is_constant", constant}});
  model->Node("count", "Merge", {"from", "next"}, {type, {"N", two}});
  model->Node("below", "Less", {"count", "to"}, {type});
  model->Node("scalar", "Squeeze", {"below"}, {SavedModelWriter::Type("T", DataType::kBool)});
  model->Node("go_on", "LoopCond", {"scalar"}, {});
  model->Node("turn", "Switch", {"count", "go_on"}, {type});
  model->Node("more", "AddV2", {"turn:1", "step"}, {type});
  model->Node("next", "NextIteration", {"more"}, {type});
  model->Node("out", "Exit", {"turn"}, {type});
  model->AddSignature("serving_default", {{"x", "in:0", kInt, {1}}}, {{"y", "out:0", kInt, {1}}});
}

void WriteSavedModel(const EngineTestModel& model, const std::filesystem::path& dir) {
  using Kind = EngineTestModel::Kind;
  const DataType type = model.kind == Kind::kIdentity ? model.type : DataType::kFloat32;
  SavedModelWriter writer;
  if (model.kind == Kind::kAffine) {
    WriteLayer(&writer, 3, 1, {1, 2, 3}, {0.5f});
  } else if (model.kind == Kind::kCounting) {
    WriteCountingLoop(&writer);
  } else if (model.kind == Kind::kLarge) {
    WriteLayer(&writer, 1024, 2048, std::vector<float>(1024 * 2048, 0.25f), std::vector<float>(2048));
  } else {
    const Shape shape = model.kind == Kind::kFixed ? Shape{2, 2} : Shape{-1};
    writer.Placeholder("in", type, shape);
    if (model.kind == Kind::kIdentity) {
      WriteOperation(&writer, "out", "Identity", type, {"in"});
    } else {
      WriteOperation(&writer, "out", "AddV2", type, {"in", "in"});
      WriteOperation(&writer, "product", "Mul", type, {"in", "in"});
    }
    const std::vector<SavedModelWriter::Port> inputs = {{"x", "in:0", type, shape}};
    if (model.kind == Kind::kTwoOutputs)
      writer.AddSignature("serving_default", inputs,
                          {{"sum", "out:0", type, shape}, {"product", "product:0", type, shape}});
    else
      writer.AddSignature("serving_default", inputs, {{"y", "out:0", type, shape}});
  }
  writer.Write(dir);
}

// What is named must load, or the tests fail.
bool HasTensorFlow() { return std::getenv("HEADRACE_TENSORFLOW") != nullptr; }

class TensorFlowEngineTest : public testing::Test {
 protected:
  std::unique_ptr<Engine> engine_ = tensorflow::MakeEngine();
  TempDir dir_;
};

// In a process of its own, since the library is looked for once.
TEST_F(TensorFlowEngineTest, SaysWhatIsMissing) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  WriteSavedModel({}, dir_.path());
  const auto load = [this] {
    setenv("HEADRACE_TENSORFLOW", "/no/libtensorflow_cc.so.2", 1);
    const auto loaded = engine_->Load(dir_.path(), {});
    const Status status = loaded ? OkStatus() : loaded.error();
    std::fputs(status.ToString().c_str(), stderr);
    std::_Exit(status.code() == Code::kUnavailable ? 0 : 1);
  };
  EXPECT_EXIT(load(), testing::ExitedWithCode(0), "HEADRACE_TENSORFLOW");
}

TEST_F(TensorFlowEngineTest, ServesEverySignatureOfOneGraph) {
  if (!HasTensorFlow()) GTEST_SKIP() << "HEADRACE_TENSORFLOW names no library; run ./dev setup";
  SavedModelWriter writer;
  writer.Placeholder("in", DataType::kInt64, {-1});
  WriteOperation(&writer, "sum", "AddV2", DataType::kInt64, {"in", "in"});
  WriteOperation(&writer, "product", "Mul", DataType::kInt64, {"in", "in"});
  const SavedModelWriter::Port in{"x", "in:0", DataType::kInt64, {-1}};
  writer.AddSignature("square", {in}, {{"y", "product:0", DataType::kInt64, {-1}}});
  writer.AddSignature("serving_default", {in}, {{"y", "sum:0", DataType::kInt64, {-1}}});
  writer.Write(dir_.path());
  const auto servable = engine_->Load(dir_.path(), {});
  ASSERT_TRUE(servable.has_value()) << servable.error().ToString();
  ASSERT_EQ((*servable)->signatures().size(), 2u);
  EXPECT_EQ((*servable)->signatures()[0].name, "serving_default");
  EXPECT_EQ((*servable)->platform(), "tensorflow_savedmodel");
  InferRequest request;
  request.signature = (*servable)->FindSignature("square");
  request.inputs = {Tensor::Of<int64_t>({2}, {3, 4})};
  request.outputs = {0};
  InferResponse response;
  Status status = Unknown("not done");
  (*servable)->Infer(request, &response, [&](Status done) { status = std::move(done); });
  ASSERT_EQ(status, OkStatus());
  EXPECT_THAT(response.outputs[0].values<int64_t>(), testing::ElementsAre(9, 16));
}

TEST_F(TensorFlowEngineTest, RefusesASignatureOverATensorThatIsNotThere) {
  if (!HasTensorFlow()) GTEST_SKIP() << "HEADRACE_TENSORFLOW names no library; run ./dev setup";
  SavedModelWriter writer;
  writer.Placeholder("in", DataType::kFloat32, {-1});
  writer.AddSignature("serving_default", {{"x", "in:0", DataType::kFloat32, {-1}}},
                      {{"y", "out:0", DataType::kFloat32, {-1}}});
  writer.Write(dir_.path());
  const auto loaded = engine_->Load(dir_.path(), {});
  ASSERT_FALSE(loaded.has_value());
  EXPECT_THAT(loaded.error().message(), testing::HasSubstr("out:0"));
}

const EngineUnderTest kTensorFlow = {
    "TensorFlow",
    [] { return tensorflow::MakeEngine(); },
    WriteSavedModel,
    "saved_model.pb",
    {DataType::kBool, DataType::kInt8, DataType::kInt16, DataType::kInt32, DataType::kInt64, DataType::kUint8,
     DataType::kUint16, DataType::kUint32, DataType::kUint64, DataType::kFloat16, DataType::kBfloat16,
     DataType::kFloat32, DataType::kFloat64, DataType::kComplex64, DataType::kComplex128, DataType::kString}};

std::vector<EngineUnderTest> WhenThere() {
  return HasTensorFlow() ? std::vector<EngineUnderTest>{kTensorFlow} : std::vector<EngineUnderTest>();
}

INSTANTIATE_TEST_SUITE_P(TensorFlow, EngineConformance, testing::ValuesIn(WhenThere()), EngineName);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(EngineConformance);

}  // namespace
}  // namespace headrace
