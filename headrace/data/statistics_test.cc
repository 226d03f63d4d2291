#include "headrace/data/statistics.h"

#include <gtest/gtest.h>

#include <cmath>

#include "headrace/backends/duckdb/duckdb_engine.h"
#include "headrace/base/files.h"

namespace headrace::data {
namespace {

class StatisticsTest : public testing::Test {
 protected:
  void Write(const std::string& split, const std::string& select) {
    std::filesystem::create_directories(dir_.path() / split);
    const std::string file = (dir_.path() / split / "data.parquet").string();
    const Status status = engine_->Execute("COPY (" + select + ") TO " + QuoteString(file) + " (FORMAT PARQUET)");
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  Statistics Compute() {
    auto result = ComputeStatistics(*engine_, dir_.path());
    EXPECT_TRUE(result.has_value()) << result.error().ToString();
    return result ? *result : Statistics();
  }

  TempDir dir_;
  std::unique_ptr<QueryEngine> engine_ = duckdb::MakeQueryEngine();
};

TEST_F(StatisticsTest, DescribesNumbers) {
  Write("train",
        "SELECT * FROM (VALUES (1, 0.5::DOUBLE, true), (2, 'nan'::DOUBLE, false), (0, 'inf'::DOUBLE, true), "
        "(NULL, NULL, NULL), (5, -1.5, true)) AS t(i, d, b)");
  const Statistics statistics = Compute();
  const DatasetStatistics* train = statistics.Find("train");
  ASSERT_NE(train, nullptr);
  EXPECT_EQ(train->num_examples, 5);
  const FeatureStatistics* i = train->Find("i");
  EXPECT_EQ(i->type, FeatureType::kInt);
  EXPECT_EQ(i->num_non_missing, 4);
  EXPECT_EQ(i->num_missing, 1);
  EXPECT_EQ(i->numeric->mean, 2);
  EXPECT_EQ(i->numeric->std_dev, std::sqrt(3.5));
  EXPECT_EQ(i->numeric->num_zeros, 1);
  EXPECT_EQ(i->numeric->min, 0);
  EXPECT_EQ(i->numeric->median, 1.5);
  EXPECT_EQ(i->numeric->max, 5);
  ASSERT_EQ(i->numeric->standard.size(), 10U);
  EXPECT_EQ(i->numeric->standard[0].count, 1);
  EXPECT_EQ(i->numeric->standard[2].count, 1);
  EXPECT_EQ(i->numeric->standard[4].count, 1);
  EXPECT_EQ(i->numeric->standard[9].count, 1);
  const FeatureStatistics* d = train->Find("d");
  EXPECT_EQ(d->type, FeatureType::kFloat);
  EXPECT_EQ(d->num_missing, 1);
  EXPECT_EQ(d->numeric->num_nan, 1);
  EXPECT_EQ(d->numeric->num_inf, 1);
  EXPECT_EQ(d->numeric->mean, -0.5);
  EXPECT_EQ(d->numeric->max, 0.5);
  const FeatureStatistics* b = train->Find("b");
  EXPECT_EQ(b->type, FeatureType::kInt);
  EXPECT_EQ(b->sql_type, "BOOLEAN");
  EXPECT_EQ(b->numeric->max, 1);
  EXPECT_EQ(b->numeric->mean, 0.75);
}

TEST_F(StatisticsTest, DescribesTexts) {
  Write("train", "SELECT * FROM (VALUES ('b'), ('a'), ('b'), (NULL), (''), ('é')) AS t(s)");
  const Statistics statistics = Compute();
  const FeatureStatistics* s = statistics.Find("train")->Find("s");
  EXPECT_EQ(s->type, FeatureType::kString);
  EXPECT_EQ(s->num_missing, 1);
  EXPECT_EQ(s->text->unique, 4);
  EXPECT_EQ(s->text->avg_length, 1);
  ASSERT_EQ(s->text->values.size(), 4U);
  EXPECT_EQ(s->text->values[0].value, "b");
  EXPECT_EQ(s->text->values[0].count, 2);
  EXPECT_EQ(s->text->values[1].value, "");
}

TEST_F(StatisticsTest, TakesColumnsWithoutValues) {
  Write("train", "SELECT NULL::INTEGER AS i, NULL::VARCHAR AS s, 7 AS constant, DATE '1970-01-02' AS day");
  const Statistics statistics = Compute();
  const DatasetStatistics* train = statistics.Find("train");
  EXPECT_FALSE(train->Find("i")->numeric.has_value());
  EXPECT_EQ(train->Find("s")->text->unique, 0);
  EXPECT_EQ(train->Find("constant")->numeric->standard.size(), 1U);
  EXPECT_EQ(train->Find("constant")->numeric->std_dev, 0);
  EXPECT_EQ(train->Find("day")->numeric->max, 86400);
}

TEST_F(StatisticsTest, SurvivesJson) {
  Write("train", "SELECT range * 0.3 AS x, 'v' || range % 7 AS s, NULL::INTEGER AS n FROM range(1000)");
  Write("eval", "SELECT 1.0::DOUBLE AS x, 's' AS s, 1 AS n");
  const Statistics statistics = Compute();
  const json::value value = ToJsonValue(statistics);
  const auto parsed = ParseJson(PrettyJson(value));
  ASSERT_TRUE(parsed.has_value());
  const auto read = StatisticsFromJson(*parsed);
  ASSERT_TRUE(read.has_value()) << read.error().ToString();
  EXPECT_EQ(CanonicalJson(ToJsonValue(*read)), CanonicalJson(value));
  EXPECT_EQ(read->datasets[0].name, "eval");
}

TEST_F(StatisticsTest, AreTheSameWithAnyNumberOfThreads) {
  Write("train", "SELECT sin(range) AS x FROM range(1000000)");
  const std::string once = CanonicalJson(ToJsonValue(Compute()));
  for (const int threads : {1, 3, 8}) {
    engine_ = duckdb::MakeQueryEngine({.threads = threads});
    EXPECT_EQ(CanonicalJson(ToJsonValue(Compute())), once) << threads;
  }
}

TEST_F(StatisticsTest, SaysWhatIsWrong) {
  EXPECT_EQ(ComputeStatistics(*engine_, dir_.path()).error().code(), Code::kNotFound);
  EXPECT_EQ(ComputeStatistics(*engine_, dir_.path() / "none").error().code(), Code::kNotFound);
  const auto read = StatisticsFromJson(
      *ParseJson(R"({"datasets":[{"name":"train","features":[{"name":"x","type":"INT","num_stats":{}}]}]})"));
  EXPECT_NE(read.error().message().find("train.x"), std::string::npos) << read.error().message();
  EXPECT_NE(read.error().message().find("common_stats"), std::string::npos) << read.error().message();
}

}  // namespace
}  // namespace headrace::data
