#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "headrace/backends/duckdb/duckdb_engine.h"
#include "headrace/base/files.h"
#include "headrace/data/anomalies.h"
#include "headrace/data/drift.h"

namespace headrace::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class ValidateTest : public testing::Test {
 protected:
  std::filesystem::path Write(const std::string& name, const std::string& select) {
    const auto folder = dir_.path() / name;
    std::filesystem::create_directories(folder / "train");
    const std::string file = QuoteString((folder / "train" / "data.parquet").string());
    const Status status = engine_->Execute("COPY (" + select + ") TO " + file + " (FORMAT PARQUET)");
    EXPECT_TRUE(status.ok()) << status.ToString();
    return folder;
  }
  Statistics StatisticsOf(const std::filesystem::path& folder) {
    auto statistics = ComputeStatistics(*engine_, folder);
    EXPECT_TRUE(statistics.has_value()) << statistics.error().ToString();
    return *statistics;
  }
  // "column TYPE" of each anomaly.
  std::vector<std::string> Check(const std::string& select, const std::string& schema_text,
                                 const Statistics* baseline = nullptr, const std::string& environment = "") {
    const auto folder = Write("now", select);
    const auto schema = ReadSchema(schema_text, "schema.yaml");
    EXPECT_TRUE(schema.has_value()) << schema.error().ToString();
    auto anomalies =
        Validate(StatisticsOf(folder), *schema,
                 {.environment = environment, .baseline = baseline, .engine = engine_.get(), .examples = folder});
    EXPECT_TRUE(anomalies.has_value()) << anomalies.error().ToString();
    anomalies_ = *anomalies;
    std::vector<std::string> out;
    for (const auto& anomaly : anomalies_) out.push_back(anomaly.column + " " + anomaly.type);
    return out;
  }

  TempDir dir_;
  std::unique_ptr<QueryEngine> engine_ = duckdb::MakeQueryEngine();
  std::vector<Anomaly> anomalies_;
};

TEST_F(ValidateTest, DataFitsTheSchemaInferredFromIt) {
  const std::string select =
      "SELECT range AS i, range / 7 AS f, 'c' || range % 5 AS s, range % 2 = 0 AS b, NULL::INTEGER AS n, "
      "DATE '2013-01-01' AS d FROM range(1000)";
  const Statistics statistics = StatisticsOf(Write("before", select));
  const Schema schema = InferSchema(*statistics.Find("train"));
  EXPECT_THAT(Check(select, WriteSchema(schema), &statistics), ElementsAre());
  EXPECT_EQ(FormatAnomalies(anomalies_), "no anomalies\n");
}

TEST_F(ValidateTest, NamesWhatBrokeWithValuesAndExpectation) {
  const auto found = Check(
      "SELECT range AS dep_hhmm, CASE WHEN range % 4 = 0 THEN -range ELSE range + 1 END AS distance, "
      "CASE WHEN range % 10 = 0 THEN 'ZZ' ELSE 'UA' END AS carrier, range * 1.5::DOUBLE AS delay FROM range(100)",
      R"(features:
  - {name: dep_time, type: INT, presence: {min_fraction: 1}}
  - {name: distance, type: INT, int_domain: {min: 1, max: 99}}
  - {name: carrier, type: STRING, string_domain: [AA, UA]}
  - {name: delay, type: INT}
)");
  EXPECT_THAT(found, ElementsAre("dep_time SCHEMA_MISSING_COLUMN", "distance INT_TYPE_SMALL_INT",
                                 "distance INT_TYPE_BIG_INT", "carrier ENUM_TYPE_UNEXPECTED_STRING_VALUES",
                                 "delay UNEXPECTED_DATA_TYPE", "dep_hhmm SCHEMA_NEW_COLUMN"));
  EXPECT_EQ(anomalies_[1].count, 25);
  EXPECT_EQ(anomalies_[1].values.size(), 10U);
  EXPECT_EQ(anomalies_[1].expected, "1 to 99");
  EXPECT_EQ(anomalies_[1].description, "values down to -96 in 25 rows (25 %)");
  EXPECT_EQ(anomalies_[2].values[0].value, "100");
  EXPECT_EQ(anomalies_[3].values[0].value, "ZZ");
  EXPECT_EQ(anomalies_[3].values[0].count, 10);
  EXPECT_EQ(anomalies_[3].expected, "one of AA, UA");
  EXPECT_THAT(anomalies_[4].description, HasSubstr("FLOAT (DOUBLE)"));
  const std::string text = FormatAnomalies(anomalies_);
  EXPECT_THAT(text, HasSubstr("carrier  ENUM_TYPE_UNEXPECTED_STRING_VALUES"));
  EXPECT_THAT(text, HasSubstr("values: \"ZZ\" × 10"));
  const json::value value = ToJsonValue(anomalies_);
  EXPECT_EQ(value.at("num_anomalies").to_number<int>(), 6);
  EXPECT_EQ(value.at("anomalies").at(3).at("values").at(0).at("value").as_string(), "ZZ");
}

TEST_F(ValidateTest, ChecksPresenceUniquenessFlagsAndFloats) {
  const auto found = Check(
      "SELECT CASE WHEN range = 0 THEN NULL ELSE 1 END AS sparse, NULL::INTEGER AS empty, 'v' || range AS id, "
      "range AS flag, CASE range WHEN 1 THEN 'nan'::DOUBLE WHEN 2 THEN 'inf'::DOUBLE ELSE 0.5 END AS f FROM range(10)",
      R"(dataset: {min_examples: 11, max_examples: 5}
features:
  - {name: sparse, type: INT, presence: {min_fraction: 1, min_count: 10}}
  - {name: empty, type: INT, presence: {min_count: 1}}
  - {name: id, type: STRING, unique: {max: 9}}
  - {name: flag, type: INT, bool_domain: true}
  - {name: f, type: FLOAT, float_domain: {min: 0.6, disallow_nan: true, disallow_inf: true}}
)");
  EXPECT_THAT(found,
              ElementsAre(" DATASET_LOW_NUM_EXAMPLES", " DATASET_HIGH_NUM_EXAMPLES",
                          "sparse FEATURE_TYPE_LOW_NUMBER_PRESENT", "sparse FEATURE_TYPE_LOW_FRACTION_PRESENT",
                          "empty FEATURE_TYPE_NOT_PRESENT", "id FEATURE_TYPE_HIGH_UNIQUE", "flag BOOL_TYPE_BIG_INT",
                          "f FLOAT_TYPE_HAS_NAN", "f FLOAT_TYPE_HAS_INF", "f FLOAT_TYPE_SMALL_FLOAT"));
}

TEST_F(ValidateTest, ToleratesWhatTheSchemaTolerates) {
  EXPECT_THAT(
      Check("SELECT CASE WHEN range = 0 THEN 'ZZ' ELSE 'UA' END AS c FROM range(100)",
            "features:\n  - {name: c, type: STRING, string_domain: [UA], distribution: {min_domain_mass: 0.99}}\n"
            "  - {name: absent, type: INT}\n"
            "  - {name: label, type: INT, presence: {min_fraction: 1}, not_in_environment: [SERVING]}\n"
            "  - {name: old, type: INT, presence: {min_fraction: 1}, lifecycle_stage: DEPRECATED}\n",
            nullptr, "SERVING"),
      ElementsAre());
}

TEST_F(ValidateTest, ComparesWithTheSpanBefore) {
  const std::string schema = R"(dataset: {drift_comparator: {min_fraction_threshold: 0.5}}
features:
  - {name: delay, type: INT, drift_comparator: {jensen_shannon_divergence: 0.1}}
  - {name: c, type: STRING, drift_comparator: {infinity_norm: 0.1, jensen_shannon_divergence: 0.9}}
  - {name: fresh, type: INT, drift_comparator: {jensen_shannon_divergence: 0.1}}
)";
  const Statistics before =
      StatisticsOf(Write("before", "SELECT (range * 7919) % 301 AS delay, 'c' || range % 2 AS c FROM range(10000)"));
  EXPECT_THAT(Check("SELECT (range * 7919) % 301 AS delay, 'c' || range % 2 AS c, 1 AS fresh FROM range(9000)", schema,
                    &before),
              ElementsAre("fresh COMPARATOR_CONTROL_DATA_MISSING"));
  // Minutes became hours, one value became rarer, half of the rows are gone.
  EXPECT_THAT(Check("SELECT ((range * 7919) % 301) / 60 AS delay, 'c' || least(range % 3, 1) AS c, 1 AS fresh "
                    "FROM range(4999)",
                    schema, &before),
              ElementsAre(" COMPARATOR_LOW_NUM_EXAMPLES", "delay UNEXPECTED_DATA_TYPE",
                          "delay COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH", "c COMPARATOR_L_INFTY_HIGH",
                          "fresh COMPARATOR_CONTROL_DATA_MISSING"));
}

TEST(JensenShannon, OneOutlierMovesItByItsShare) {
  NumericStatistics flat;
  for (int i = 0; i < 10; i++) flat.quantiles.push_back({5, 5, 1000});
  NumericStatistics outlier = flat;
  outlier.quantiles.back() = {5, 1e6, 1000};
  EXPECT_EQ(JensenShannon(flat, flat), 0);
  EXPECT_LT(JensenShannon(flat, outlier), 0.1);
  NumericStatistics shifted;
  for (int i = 0; i < 10; i++) shifted.quantiles.push_back({15, 15, 1000});
  EXPECT_NEAR(JensenShannon(flat, shifted), 1, 1e-12);
}

TEST(JensenShannon, IsTheKnownDivergenceOfTexts) {
  const StringStatistics a{.unique = 2, .values = {{"x", 1}, {"y", 1}}};
  const StringStatistics b{.unique = 1, .values = {{"x", 5}}};
  // m = (3/4, 1/4): (1/2 log2(2/3) + 1/2 log2 2) / 2 + log2(4/3) / 2.
  EXPECT_NEAR(JensenShannon(a, b), 0.31127812445913283, 1e-15);
  EXPECT_EQ(LInfinity(a, b).distance, 0.5);
}

}  // namespace
}  // namespace headrace::data
