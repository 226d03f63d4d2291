#include <gmock/gmock.h>

#include "headrace/backends/onnxruntime/onnx_engine.h"
#include "headrace/components/test_task.h"

namespace headrace::components {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

// The model under test is a transform's graph whose only feature is a column that holds the probability already.
class ModelGateTest : public TaskTest {
 protected:
  void SetUp() override {
    services_.engines = {engine_.get()};
    services_.environment = [this](std::string_view name) -> std::optional<std::string> {
      if (name == "HEADRACE_MODELS_DIR") return models_.string();
      return std::nullopt;
    };
    for (const char* split : {"train", "eval"}) {
      fs::create_directories(PathOf("examples") / split);
      Execute(
          "COPY (SELECT (range * 37 % 100) / 100.0::DOUBLE AS p, (range * 53 % 100) / 100.0::DOUBLE AS q, "
          "CASE WHEN range * 37 % 100 + range % 7 * 11 > 80 THEN 1 ELSE 0 END AS late, "
          "CASE WHEN range % 4 = 0 THEN 'JFK' ELSE 'LGA' END AS origin FROM range(2000)) TO " +
          QuoteString((PathOf("examples") / split / "data.parquet").string()) + " (FORMAT PARQUET)");
    }
    MakeModel("p");
  }

  // transform_graph predicts `column`.
  void MakeModel(const std::string& column) {
    const json::value spec = {{"features", {{column, json::array{{{"clip", {{"min", 0}, {"max", 1}}}}}}}}};
    const Answer answer = Run("Transform", {{"spec", spec}}, {"examples"}, {"transform_graph", "transformed_examples"});
    ASSERT_TRUE(answer.status.ok()) << answer.status.ToString();
    fs::remove_all(PathOf("serving_model"));
    fs::copy(PathOf("transform_graph"), PathOf("serving_model"), fs::copy_options::recursive);
  }

  Answer Evaluate(const json::value& thresholds, json::object parameters = {}) {
    parameters["label"] = "late";
    parameters["slices"] = json::array{"origin"};
    parameters["thresholds"] = thresholds;
    return Run("Evaluator", parameters, {"examples", "serving_model"}, {"evaluation", "blessing"});
  }
  Answer Push(json::object parameters = {{"model_name", "flights"}}) {
    return Run("Pusher", std::move(parameters), {"serving_model", "blessing"}, {"pushed_model"});
  }
  static json::value Auc(double lower) { return {{"auc", {{"lower", lower}}}}; }

  std::unique_ptr<Engine> engine_ = onnxruntime::MakeEngine();
  fs::path models_ = dir_.path() / "models";
};

TEST_F(ModelGateTest, BlessesAndPushesOnce) {
  const Answer evaluation = Evaluate(Auc(0.6));
  ASSERT_TRUE(evaluation.status.ok()) << evaluation.status.ToString();
  EXPECT_EQ(evaluation.refusal, "");
  EXPECT_THAT(evaluation.printed, HasSubstr("origin=JFK"));
  EXPECT_EQ(evaluation.output.at("parameterValues").at("blessed").as_bool(), true);
  EXPECT_EQ(*ReadFile(dir_.path() / "blessed"), "true");
  EXPECT_EQ(evaluation.metadata("blessing").at("blessed").to_number<int>(), 1);

  const Answer push = Push();
  ASSERT_TRUE(push.status.ok()) << push.status.ToString();
  const json::object metadata = push.metadata("pushed_model");
  EXPECT_EQ(metadata.at("model").as_string(), "flights");
  EXPECT_EQ(metadata.at("version").as_string(), "1");
  EXPECT_EQ(metadata.at("pushed").as_bool(), true);
  EXPECT_EQ(*ReadFile(models_ / "flights" / "1" / "model.onnx"), *ReadFile(PathOf("serving_model") / "model.onnx"));

  // The task is tried again: the push was done.
  EXPECT_EQ(Push().metadata("pushed_model").at("version").as_string(), "1");
  EXPECT_FALSE(fs::exists(models_ / "flights" / "2"));
  EXPECT_FALSE(fs::exists(models_ / "flights" / ".push"));

  // Another model takes the next number, and the first one's task may still be tried again.
  MakeModel("q");
  ASSERT_EQ(Push().metadata("pushed_model").at("version").as_string(), "2");
}

TEST_F(ModelGateTest, WritesNothingThatIsNotBlessed) {
  const Answer evaluation = Evaluate(Auc(0.99999));
  ASSERT_TRUE(evaluation.status.ok()) << evaluation.status.ToString();
  EXPECT_EQ(*ReadFile(dir_.path() / "blessed"), "false");
  EXPECT_THAT(evaluation.printed, HasSubstr("FAIL overall auc value"));
  EXPECT_THAT(*ReadFile(PathOf("blessing") / "verdict.json"), HasSubstr("\"blessed\": false"));
  const Answer push = Push();
  ASSERT_TRUE(push.status.ok());
  EXPECT_THAT(push.printed, HasSubstr("not pushed: the evaluation did not bless the model"));
  EXPECT_EQ(push.metadata("pushed_model").at("pushed").as_bool(), false);
  EXPECT_FALSE(fs::exists(models_));
  EXPECT_THAT(Run("Pusher", {{"model_name", "flights"}}, {"serving_model"}, {"pushed_model"}).printed,
              HasSubstr("there is no blessing"));
}

TEST_F(ModelGateTest, ComparesWithWhatIsServed) {
  const std::string base = (models_ / "flights").string();
  ASSERT_TRUE(Evaluate(Auc(0.5), {{"baseline_model", base}}).status.ok());
  ASSERT_TRUE(Push().status.ok());
  MakeModel("q");
  const json::value no_worse = {{"auc", {{"change", 0}}}};
  const Answer worse = Evaluate(no_worse, {{"baseline_model", base}});
  ASSERT_TRUE(worse.status.ok()) << worse.status.ToString();
  EXPECT_THAT(worse.printed, HasSubstr("compared with " + base + "/1"));
  EXPECT_THAT(worse.printed, HasSubstr("FAIL overall auc change"));
  const auto metrics = ParseJson(*ReadFile(PathOf("evaluation") / "metrics.json"));
  EXPECT_LT(metrics->at("overall").at("auc").at("change").as_double(), 0);
  MakeModel("p");
  EXPECT_EQ(Evaluate(no_worse, {{"baseline_model", base}}).metadata("blessing").at("blessed").to_number<int>(), 1);
}

TEST_F(ModelGateTest, KeepsPredictionsAndSamples) {
  ASSERT_TRUE(Evaluate(Auc(0.5)).status.ok());
  const std::string file = QuoteString((PathOf("evaluation") / "predictions.parquet").string());
  int64_t rows = 0;
  const Status status = ForEachRow(
      *query_, "SELECT \"row\", prediction, label, origin FROM " + file, [&](const RecordBatch& batch, int64_t row) {
        EXPECT_EQ(batch.column(0).Int64(row), rows);
        EXPECT_EQ(batch.column(1).Double(row), static_cast<float>(static_cast<double>(rows * 37 % 100) / 100));
        rows++;
        return OkStatus();
      });
  EXPECT_TRUE(status.ok()) << status.ToString();
  EXPECT_EQ(rows, 2000);
  const std::string samples = *ReadFile(PathOf("evaluation") / "samples.jsonl");
  EXPECT_EQ(std::count(samples.begin(), samples.end(), '\n'), 20);
  const auto first = ParseJson(samples.substr(0, samples.find('\n')));
  EXPECT_EQ(first->at("prediction").as_double(), first->at("instance").at("p").as_double());
}

TEST_F(ModelGateTest, SaysWhatIsWrong) {
  EXPECT_THAT(Evaluate({{"auk", {{"lower", 1}}}}).status.message(), HasSubstr("\"auk\": not a metric"));
  EXPECT_THAT(Evaluate(json::object()).status.message(), HasSubstr("bless everything"));
  EXPECT_THAT(Evaluate(Auc(0.5), {{"split", "test"}}).status.message(), HasSubstr("no Parquet files in"));
  json::object parameters = {{"label", "p"}, {"thresholds", Auc(0.5)}};
  EXPECT_THAT(Run("Evaluator", parameters, {"examples", "serving_model"}, {"evaluation", "blessing"}).status.message(),
              HasSubstr("label \"p\": expected 0 or 1, found 0.37"));
  EXPECT_THAT(Push({{"model_name", "a/b"}}).status.message(), HasSubstr("expected a plain name"));
  models_.clear();
  services_.environment = [](std::string_view) { return std::nullopt; };
  EXPECT_THAT(Push().status.message(), HasSubstr("HEADRACE_MODELS_DIR is not set"));
}

}  // namespace
}  // namespace headrace::components
