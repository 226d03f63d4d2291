#include "headrace/protocols/tfserving/warmup_file.h"

#include <gmock/gmock.h>

#include "headrace/backends/onnxruntime/onnx_engine.h"
#include "headrace/base/files.h"
#include "headrace/protocols/tfserving/examples.h"
#include "headrace/protocols/tfserving/tfrecord.h"
#include "proto/tfserving/prediction_log.pb.h"
#include "tests/conformance/onnx_models.h"

namespace headrace::tfserving {
namespace {

using testing::HasSubstr;

TEST(TfRecord, ChecksumsAreTensorFlows) {
  // RFC 3720, B.4: the CRC-32C of 32 zero bytes is 8a9136aa.
  const uint32_t crc = 0x8a9136aau;
  EXPECT_EQ(MaskedCrc32c(std::string(32, '\0')), ((crc >> 15) | (crc << 17)) + 0xa282ead8u);
}

TEST(TfRecord, ReadsWhatItWroteAndSeesDamage) {
  std::string file;
  for (const char* record : {"first", "", "third"}) AppendTfRecord(record, &file);
  TfRecordReader reader(file);
  for (const char* record : {"first", "", "third"}) EXPECT_EQ(**reader.Next(), record);
  EXPECT_EQ(*reader.Next(), std::nullopt);
  for (size_t i = 0; i < file.size(); i++) {
    std::string damaged = file;
    damaged[i] ^= 1;
    TfRecordReader careful(damaged);
    bool failed = false;
    for (int record = 0; record < 3 && !failed; record++) failed = !careful.Next().has_value();
    EXPECT_TRUE(failed) << "byte " << i;
  }
  TfRecordReader cut(std::string_view(file).substr(0, file.size() - 1));
  EXPECT_TRUE(cut.Next().has_value());
  EXPECT_TRUE(cut.Next().has_value());
  EXPECT_EQ(cut.Next().error().code(), Code::kDataLoss);
}

class WarmUpTest : public testing::Test {
 protected:
  WarmUpTest() {
    WriteOnnxTestModel({}, dir_.path());
    servable_ = *engine_->Load(dir_.path(), {});
  }

  // A request with x of shape [1, columns].
  std::string Record(int columns) {
    ::tensorflow::serving::PredictionLog log;
    auto* request = log.mutable_predict_log()->mutable_request();
    request->mutable_model_spec()->set_name("m");
    auto& x = (*request->mutable_inputs())["x"];
    x.set_dtype(::tensorflow::DT_FLOAT);
    x.mutable_tensor_shape()->add_dim()->set_size(1);
    x.mutable_tensor_shape()->add_dim()->set_size(columns);
    for (int i = 0; i < columns; i++) x.add_float_val(1);
    return log.SerializeAsString();
  }

  Result<bool> WarmUp(const std::vector<std::string>& records) {
    std::string file;
    for (const auto& record : records) AppendTfRecord(record, &file);
    const auto path = dir_.path() / "assets.extra" / "tf_serving_warmup_requests";
    EXPECT_EQ(WriteFileAtomically(path, file), OkStatus());
    return WarmUpFromFile(dir_.path(), *servable_);
  }

  TempDir dir_;
  std::unique_ptr<Engine> engine_ = onnxruntime::MakeEngine();
  std::unique_ptr<Servable> servable_;
};

TEST_F(WarmUpTest, WithoutAFileThereIsNothingToRun) { EXPECT_EQ(WarmUpFromFile(dir_.path(), *servable_), false); }

TEST_F(WarmUpTest, RunsItsRequests) { EXPECT_EQ(WarmUp({Record(3), Record(3)}), true); }

TEST_F(WarmUpTest, TheFirstThatFailsIsNamed) {
  const auto result = WarmUp({Record(3), Record(2)});
  ASSERT_FALSE(result.has_value());
  EXPECT_THAT(result.error().message(), HasSubstr("record 2"));
  EXPECT_THAT(WarmUp({"no message"}).error().message(), HasSubstr("record 1"));
}

// Regresses ("serving_default", of the feature x) and classifies ("classes", of serialized examples); keeps what it was
// asked.
class Recorder : public Servable {
 public:
  Recorder() {
    signatures_.push_back({.name = "serving_default",
                           .method = std::string(kRegressMethod),
                           .inputs = {{"x", DataType::kFloat32, Shape{-1, 2}}},
                           .outputs = {{"y", DataType::kFloat32, Shape{-1}}}});
    signatures_.push_back({.name = "classes",
                           .method = std::string(kClassifyMethod),
                           .inputs = {{"examples", DataType::kString, Shape{-1}}},
                           .outputs = {{"scores", DataType::kFloat32, Shape{-1, 1}}}});
  }
  const std::vector<Signature>& signatures() const override { return signatures_; }
  void Infer(const InferRequest& request, InferResponse* response, InferDone done) override {
    const int64_t rows = request.inputs[0].shape()[0];
    asked.push_back(fmt::format("{} {}", request.signature->name, rows));
    const bool regress = request.signature == &signatures_[0];
    Shape shape = regress ? Shape{rows} : Shape{rows, 1};
    if (wrong_shape) shape.push_back(1), shape.push_back(1);
    response->outputs.push_back(Tensor::Of(std::move(shape), std::vector<float>(static_cast<size_t>(rows))));
    done(OkStatus());
  }
  size_t memory_bytes() const override { return 0; }

  std::vector<std::string> asked;
  bool wrong_shape = false;

 private:
  std::vector<Signature> signatures_;
};

class WarmUpExamplesTest : public testing::Test {
 protected:
  static void Fill(::tensorflow::serving::Input* input, int examples) {
    for (int i = 0; i < examples; i++) {
      auto& features = *input->mutable_example_list()->add_examples()->mutable_features()->mutable_feature();
      for (const float value : {1.0f, 2.0f}) features["x"].mutable_float_list()->add_value(value);
    }
  }
  static std::string Regress(int examples) {
    ::tensorflow::serving::PredictionLog log;
    Fill(log.mutable_regress_log()->mutable_request()->mutable_input(), examples);
    return log.SerializeAsString();
  }
  static std::string Classify(const std::string& signature, int examples) {
    ::tensorflow::serving::PredictionLog log;
    auto* request = log.mutable_classify_log()->mutable_request();
    request->mutable_model_spec()->set_signature_name(signature);
    Fill(request->mutable_input(), examples);
    return log.SerializeAsString();
  }
  static std::string Both(std::string_view second_method, int examples) {
    ::tensorflow::serving::PredictionLog log;
    auto* request = log.mutable_multi_inference_log()->mutable_request();
    request->add_tasks()->set_method_name(std::string(kRegressMethod));
    auto* second = request->add_tasks();
    second->mutable_model_spec()->set_signature_name("classes");
    second->set_method_name(std::string(second_method));
    Fill(request->mutable_input(), examples);
    return log.SerializeAsString();
  }
  static std::string SessionRun() { return {"\x2a\x02\x0a\x00", 4}; }  // field 5, a message

  Result<bool> WarmUp(const std::vector<std::string>& records) {
    std::string file;
    for (const auto& record : records) AppendTfRecord(record, &file);
    const auto path = dir_.path() / "assets.extra" / "tf_serving_warmup_requests";
    EXPECT_EQ(WriteFileAtomically(path, file), OkStatus());
    return WarmUpFromFile(dir_.path(), recorder_);
  }

  TempDir dir_;
  Recorder recorder_;
};

TEST_F(WarmUpExamplesTest, RunsEveryKindOfRequest) {
  EXPECT_EQ(WarmUp({Regress(2), SessionRun(), Classify("classes", 3), Both(kClassifyMethod, 4)}), true);
  EXPECT_THAT(recorder_.asked,
              testing::ElementsAre("serving_default 2", "classes 3", "serving_default 4", "classes 4"));
}

TEST_F(WarmUpExamplesTest, SessionRunsAloneAreNoWarmUp) {
  EXPECT_EQ(WarmUp({SessionRun(), SessionRun()}), false);
  EXPECT_THAT(recorder_.asked, testing::IsEmpty());
}

TEST_F(WarmUpExamplesTest, WhatAClientWouldBeRefusedFails) {
  const auto error = [&](const std::string& record) { return WarmUp({Regress(1), record}).error().message(); };
  EXPECT_THAT(error(Classify("none", 1)), HasSubstr("record 2: Serving signature key \"none\" not found."));
  EXPECT_THAT(error(Classify("", 1)), HasSubstr("record 2: Expected classification signature method_name"));
  EXPECT_THAT(error(Regress(0)), HasSubstr("record 2: Input is empty."));
  EXPECT_THAT(error(Both("tensorflow/serving/predict", 1)), HasSubstr("record 2: Unsupported signature method_name"));
  recorder_.wrong_shape = true;
  EXPECT_THAT(WarmUp({Classify("classes", 2)}).error().message(),
              HasSubstr("record 1: Expected Tensor shape: [batch_size num_classes]"));
}

TEST_F(WarmUpTest, AThousandAreEnough) {
  EXPECT_EQ(WarmUp(std::vector<std::string>(1000, Record(3))), true);
  EXPECT_THAT(WarmUp(std::vector<std::string>(1001, Record(3))).error().message(), HasSubstr("more than 1000"));
}

}  // namespace
}  // namespace headrace::tfserving
