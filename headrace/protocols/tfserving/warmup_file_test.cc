#include "headrace/protocols/tfserving/warmup_file.h"

#include <gmock/gmock.h>

#include "headrace/backends/onnxruntime/onnx_engine.h"
#include "headrace/base/files.h"
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

TEST_F(WarmUpTest, AThousandAreEnough) {
  EXPECT_EQ(WarmUp(std::vector<std::string>(1000, Record(3))), true);
  EXPECT_THAT(WarmUp(std::vector<std::string>(1001, Record(3))).error().message(), HasSubstr("more than 1000"));
}

}  // namespace
}  // namespace headrace::tfserving
