// The prediction log, written and read by DuckDB.
#include "headrace/serving/prediction_log.h"

#include <gmock/gmock.h>

#include "headrace/app/builtins.h"
#include "headrace/backends/duckdb/duckdb_engine.h"
#include "headrace/base/files.h"
#include "headrace/core/float16.h"
#include "headrace/serving/model_manager.h"
#include "tests/conformance/onnx_models.h"

namespace headrace::app {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;

class PredictionLogTest : public testing::Test {
 protected:
  void Start(const OnnxModelBuilder& model, serving::PredictionLogOptions options = {},
             const std::vector<std::string>& names = {"m"}) {
    std::filesystem::create_directories(dir_.path() / "m" / "7");
    model.Write(dir_.path() / "m" / "7" / "model.onnx");
    serving::ModelManagerOptions manager;
    manager.engines = BuiltinEngines();
    manager_ = std::make_unique<serving::ModelManager>(manager);
    serving::ServerConfig config;
    for (const auto& name : names) {
      auto& m = config.models.emplace_back();
      m.name = name;
      m.base_path = dir_.path() / "m";
      m.log_fraction = 1;
    }
    ASSERT_EQ(manager_->SetConfig(config), OkStatus());
    ASSERT_EQ(manager_->WaitAvailable(names, std::chrono::steady_clock::now() + seconds(10)), OkStatus());
    options.folder = dir_.path() / "log";
    log_ = std::make_unique<serving::PredictionLog>(engine_.get(), options);
    predictor_ = std::make_unique<serving::Predictor>(serving::PredictorOptions{
        .log = [this](const auto& call, const Status& status) { log_->Record(call, status); }});
  }

  Status Ask(std::vector<Tensor> inputs, serving::RequestOrigin origin = {}, std::string_view model = "m") {
    serving::PredictCall call;
    call.servable = *manager_->Lookup({.model = model});
    call.request.signature = &call.servable.signatures()[0];
    call.request.inputs.assign(inputs.begin(), inputs.end());
    call.run_inline = true;
    call.origin = origin;
    Status result;
    predictor_->Predict(&call, [&](Status status) { result = std::move(status); });
    return result;
  }

  // One column of all rows, as text, in the order of event_time and row_index.
  std::vector<std::string> Column(const std::string& expression) {
    std::vector<std::string> out;
    const std::string files = QuoteString((dir_.path() / "log" / "m" / "*" / "*.parquet").string());
    const Status status = ForEachRow(
        *engine_,
        fmt::format("SELECT CAST({} AS VARCHAR) AS c FROM {} ORDER BY event_time, row_index", expression, files),
        [&](const RecordBatch& batch, int64_t row) {
          out.push_back(batch.column(0).IsNull(row) ? "NULL" : std::string(batch.column(0).String(row)));
          return OkStatus();
        });
    EXPECT_EQ(status, OkStatus());
    return out;
  }

  TempDir dir_;
  std::unique_ptr<QueryEngine> engine_ = duckdb::MakeQueryEngine({.threads = 1});
  std::unique_ptr<serving::ModelManager> manager_;
  std::unique_ptr<serving::PredictionLog> log_;
  std::unique_ptr<serving::Predictor> predictor_;
};

TEST_F(PredictionLogTest, ARowForEachInstanceWithTypedStructs) {
  OnnxModelBuilder model;
  model.Input("age", DataType::kInt64, {-1}).Input("name", DataType::kString, {-1});
  model.Input("grid", DataType::kFloat32, {-1, 2}).Output("grid_out", DataType::kFloat32, {-1, 2});
  model.Output("age_out", DataType::kInt64, {-1}).Output("name_out", DataType::kString, {-1});
  model.Node("Identity", {"age"}, {"age_out"});
  model.Node("Identity", {"name"}, {"name_out"});
  model.Node("Add", {"grid", "grid"}, {"grid_out"});
  Start(model);
  ASSERT_EQ(Ask({Tensor::Of<int64_t>(Shape{2}, {41, 42}), Tensor::OfStrings(Shape{2}, {"it's", "say \"höh\", [x]"}),
                 Tensor::Of<float>(Shape{2, 2}, {1, 2.5f, 3, 4})}),
            OkStatus());
  ASSERT_EQ(log_->Flush(), OkStatus());
  EXPECT_THAT(Column("features.age"), ElementsAre("41", "42"));
  EXPECT_THAT(Column("features.name"), ElementsAre("it's", "say \"höh\", [x]"));
  EXPECT_THAT(Column("features.grid"), ElementsAre("[1.0, 2.5]", "[3.0, 4.0]"));
  EXPECT_THAT(Column("prediction.grid_out[2]"), ElementsAre("5.0", "8.0"));
  EXPECT_THAT(Column("typeof(features.grid)"), ElementsAre("FLOAT[]", "FLOAT[]"));
  EXPECT_THAT(Column("row_index"), ElementsAre("0", "1"));
  EXPECT_THAT(Column("model_version"), ElementsAre("7", "7"));
  EXPECT_THAT(Column("status_code"), ElementsAre("OK", "OK"));
  EXPECT_THAT(Column("batch_size"), ElementsAre("2", "2"));
  EXPECT_THAT(Column("sampling_prob"), ElementsAre("1.0", "1.0"));
  EXPECT_EQ(log_->recorded(), 1u);
}

TEST_F(PredictionLogTest, EachRowSaysWhereItCameFrom) {
  OnnxModelBuilder model;
  model.Input("x", DataType::kFloat32, {-1}).Output("y", DataType::kFloat32, {-1}).Node("Identity", {"x"}, {"y"});
  Start(model);
  std::string trace = "4bf92f3577b34da6a3ce929d0e0e4736", client = "shop", id = "it's 1";
  ASSERT_EQ(Ask({Tensor::Of<float>(Shape{2}, {1, 2})}, {.trace_id = trace, .client = client, .request_id = id}),
            OkStatus());
  trace = client = id = "overwritten, as a connection's buffers are";
  ASSERT_EQ(Ask({Tensor::Of<float>(Shape{1}, {3})}), OkStatus());
  ASSERT_EQ(log_->Flush(), OkStatus());
  EXPECT_THAT(Column("trace_id"),
              ElementsAre("4bf92f3577b34da6a3ce929d0e0e4736", "4bf92f3577b34da6a3ce929d0e0e4736", ""));
  EXPECT_THAT(Column("client"), ElementsAre("shop", "shop", ""));
  EXPECT_THAT(Column("request_id"), ElementsAre("it's 1", "it's 1", ""));
}

TEST_F(PredictionLogTest, WritesEveryStringSoThatItCanBeHadBack) {
  OnnxModelBuilder model;
  model.Input("x", DataType::kString, {-1}).Output("y", DataType::kString, {-1}).Node("Identity", {"x"}, {"y"});
  model.Input("xs", DataType::kString, {-1, 2}).Output("ys", DataType::kString, {-1, 2});
  model.Node("Identity", {"xs"}, {"ys"});
  Start(model);
  const std::string binary("\0\xff", 2), nul("a\0b", 3), look_alike = R"({"b64": "aGk="})";
  ASSERT_EQ(Ask({Tensor::OfStrings(Shape{3}, {binary, look_alike, "h\xc3\xb6he"}),
                 Tensor::OfStrings(Shape{3, 2}, {binary, "plain", nul, "\x80", "a\nb\t,'[]{}", "\\\""})},
                {.trace_id = {}, .client = {}, .request_id = "\xfe"}),
            OkStatus());
  ASSERT_EQ(log_->Flush(), OkStatus());
  EXPECT_THAT(Column("features.x"),
              ElementsAre(R"({"b64": "AP8="})", R"({"b64": "eyJiNjQiOiAiYUdrPSJ9"})", "h\xc3\xb6he"));
  EXPECT_THAT(Column("prediction.y"),
              ElementsAre(R"({"b64": "AP8="})", R"({"b64": "eyJiNjQiOiAiYUdrPSJ9"})", "h\xc3\xb6he"));
  EXPECT_THAT(Column("features.xs[1]"), ElementsAre(R"({"b64": "AP8="})", R"({"b64": "YQBi"})", "a\nb\t,'[]{}"));
  EXPECT_THAT(Column("prediction.ys[2]"), ElementsAre("plain", R"({"b64": "gA=="})", "\\\""));
  EXPECT_THAT(Column("request_id"), testing::Each(R"({"b64": "/g=="})"));
  EXPECT_EQ(log_->dropped(), 0u);
}

TEST_F(PredictionLogTest, AFileThatCannotBeWrittenCostsItsOwnPredictionsAlone) {
  OnnxModelBuilder model;
  model.Input("x", DataType::kFloat32, {-1}).Output("y", DataType::kFloat32, {-1}).Node("Identity", {"x"}, {"y"});
  Start(model, {.folder = {}, .flush_interval = std::chrono::hours(1)}, {"a", "m"});
  std::filesystem::create_directories(dir_.path() / "log");
  ASSERT_EQ(WriteFileAtomically(dir_.path() / "log" / "a", "in the way of the folder"), OkStatus());
  for (int i = 0; i < 3; i++) ASSERT_EQ(Ask({Tensor::Of<float>(Shape{1}, {1})}, {}, "a"), OkStatus());
  for (int i = 0; i < 2; i++) ASSERT_EQ(Ask({Tensor::Of<float>(Shape{1}, {2})}, {}, "m"), OkStatus());
  EXPECT_FALSE(log_->Flush().ok());
  EXPECT_EQ(log_->dropped(), 3u);
  EXPECT_THAT(Column("features.x"), ElementsAre("2.0", "2.0"));
}

TEST_F(PredictionLogTest, HalfPrecisionBecomesFloat) {
  OnnxModelBuilder model;
  model.Input("half", DataType::kFloat16, {-1}).Input("brain", DataType::kBfloat16, {-1, 2});
  model.Output("half_out", DataType::kFloat16, {-1}).Output("brain_out", DataType::kBfloat16, {-1, 2});
  model.Node("Identity", {"half"}, {"half_out"});
  model.Node("Identity", {"brain"}, {"brain_out"});
  Start(model);
  const std::vector<uint16_t> halves = {FloatToFloat16(0.5f), FloatToFloat16(-65504)};
  const std::vector<uint16_t> brains = {FloatToBfloat16(1.5f), FloatToBfloat16(-2), FloatToBfloat16(0x1p100f), 0x7fc0};
  ASSERT_EQ(Ask({Tensor(DataType::kFloat16, Shape{2}, halves.data(), nullptr),
                 Tensor(DataType::kBfloat16, Shape{2, 2}, brains.data(), nullptr)}),
            OkStatus());
  ASSERT_EQ(log_->Flush(), OkStatus());
  EXPECT_THAT(Column("features.half"), ElementsAre("0.5", "-65504.0"));
  EXPECT_THAT(Column("prediction.half_out"), ElementsAre("0.5", "-65504.0"));
  EXPECT_THAT(Column("features.brain"), ElementsAre("[1.5, -2.0]", "[1.2676506e+30, nan]"));
  EXPECT_THAT(Column("typeof(prediction.brain_out)"), ElementsAre("FLOAT[]", "FLOAT[]"));
}

TEST_F(PredictionLogTest, FailuresAreLoggedWithoutAPrediction) {
  OnnxModelBuilder model;  // refuses an index out of range
  model.Input("i", DataType::kInt64, {-1}).Output("y", DataType::kFloat32, {-1}).Weights("w", {2}, {10, 20});
  model.Node("Gather", {"w", "i"}, {"y"});
  Start(model);
  EXPECT_EQ(Ask({Tensor::Of<int64_t>(Shape{1}, {1})}), OkStatus());
  EXPECT_EQ(Ask({Tensor::Of<int64_t>(Shape{1}, {5})}).code(), Code::kInvalidArgument);
  ASSERT_EQ(log_->Flush(), OkStatus());
  EXPECT_THAT(Column("status_code"), ElementsAre("OK", "INVALID_ARGUMENT"));
  EXPECT_THAT(Column("prediction.y"), ElementsAre("20.0", "NULL"));
  EXPECT_THAT(Column("features.i"), ElementsAre("1", "5"));
}

TEST_F(PredictionLogTest, WhatDoesNotFitIsDroppedAndCounted) {
  serving::PredictionLogOptions options;
  options.max_queued = 8;
  options.max_prediction_bytes = 1000;
  options.flush_interval = std::chrono::hours(1);
  OnnxModelBuilder model;
  model.Input("x", DataType::kFloat32, {-1}).Output("y", DataType::kFloat32, {-1}).Node("Identity", {"x"}, {"y"});
  Start(model, options);
  ASSERT_EQ(Ask({Tensor::Of(Shape{1000}, std::vector<float>(1000))}), OkStatus());
  EXPECT_EQ(log_->dropped(), 1u) << "too large";
  for (int i = 0; i < 200; i++) ASSERT_EQ(Ask({Tensor::Of<float>(Shape{1}, {1})}), OkStatus());
  EXPECT_EQ(log_->recorded() + log_->dropped(), 201u);
  predictor_.reset();
  const uint64_t recorded = log_->recorded();
  log_.reset();  // writes the rest
  EXPECT_EQ(Column("1").size(), recorded);
}

}  // namespace
}  // namespace headrace::app
