#include "headrace/data/schema.h"

#include <gtest/gtest.h>

namespace headrace::data {
namespace {

FeatureStatistics Numeric(std::string name, FeatureType type, double min, double max, int64_t missing) {
  FeatureStatistics feature;
  feature.name = std::move(name);
  feature.type = type;
  feature.num_non_missing = 10;
  feature.num_missing = missing;
  feature.numeric = NumericStatistics{.min = min, .max = max};
  return feature;
}

FeatureStatistics Text(std::string name, int64_t unique) {
  FeatureStatistics feature;
  feature.name = std::move(name);
  feature.num_non_missing = 1000;
  feature.text.emplace().unique = unique;
  for (int64_t i = 0; i < unique; i++) feature.text->values.push_back({"v" + std::to_string(i), 1});
  return feature;
}

TEST(InferSchema, FollowsTheRulesOfTfdv) {
  DatasetStatistics statistics;
  statistics.features = {Numeric("all", FeatureType::kInt, -5, 5, 0), Numeric("some", FeatureType::kFloat, 0, 1, 3),
                         Numeric("flag", FeatureType::kInt, 0, 1, 0), Text("few", 100), Text("many", 101)};
  statistics.features.push_back({.name = "none", .num_missing = 10});
  const Schema schema = InferSchema(statistics, {.training_only = {"flag"}});
  EXPECT_EQ(schema.Find("all")->min_fraction, 1);
  EXPECT_FALSE(schema.Find("all")->number.has_value());
  EXPECT_FALSE(schema.Find("some")->min_fraction.has_value());
  EXPECT_EQ(schema.Find("some")->min_count, 1);
  EXPECT_FALSE(schema.Find("some")->bool_domain);
  EXPECT_TRUE(schema.Find("flag")->bool_domain);
  EXPECT_TRUE(schema.Find("flag")->IsIn("TRAINING"));
  EXPECT_FALSE(schema.Find("flag")->IsIn("SERVING"));
  EXPECT_EQ(schema.Find("few")->string_domain->size(), 100U);
  EXPECT_FALSE(schema.Find("many")->string_domain.has_value());
  EXPECT_FALSE(schema.Find("none")->min_count.has_value());
}

constexpr std::string_view kFull = R"(environments: [TRAINING, "SERVING"]
dataset:
  min_examples: 1000
  drift_comparator: {min_fraction_threshold: 0.5, max_fraction_threshold: 2}
features:
  - name: "carrier"
    type: STRING
    presence: {min_fraction: 1, min_count: 1}
    string_domain: [NO, 9E, "a \"b\""]
    distribution: {min_domain_mass: 0.99}
    unique: {min: 2, max: 100}
    drift_comparator: {infinity_norm: 0.1}
  - name: distance
    type: INT
    int_domain: {min: 1}
    drift_comparator: {jensen_shannon_divergence: 0.2}
  - name: humidity
    type: FLOAT
    float_domain: {min: 0, max: 100.5, disallow_nan: true, disallow_inf: true}
  - name: late
    type: INT
    bool_domain: true
    not_in_environment: [SERVING]
    lifecycle_stage: DEPRECATED
)";

TEST(ReadSchema, TakesEveryField) {
  const auto schema = ReadSchema(kFull, "schema.yaml");
  ASSERT_TRUE(schema.has_value()) << schema.error().ToString();
  EXPECT_EQ(schema->environments, (std::vector<std::string>{"TRAINING", "SERVING"}));
  EXPECT_EQ(schema->min_examples, 1000);
  EXPECT_EQ(schema->max_fraction_of_baseline, 2);
  const FeatureSchema* carrier = schema->Find("carrier");
  EXPECT_EQ(*carrier->string_domain, (std::vector<std::string>{"NO", "9E", "a \"b\""}));
  EXPECT_EQ(carrier->min_domain_mass, 0.99);
  EXPECT_EQ(carrier->unique_max, 100);
  EXPECT_EQ(carrier->drift.infinity_norm, 0.1);
  EXPECT_EQ(schema->Find("distance")->number->range.min, 1);
  EXPECT_FALSE(schema->Find("distance")->number->range.max.has_value());
  EXPECT_EQ(schema->Find("distance")->line, 13);
  EXPECT_TRUE(schema->Find("humidity")->number->disallow_inf);
  EXPECT_FALSE(schema->Find("late")->IsIn("TRAINING"));
}

TEST(WriteSchema, ReadsBack) {
  const auto schema = ReadSchema(kFull, "schema.yaml");
  const std::string text = WriteSchema(*schema);
  const auto again = ReadSchema(text, "written.yaml");
  ASSERT_TRUE(again.has_value()) << again.error().ToString();
  EXPECT_EQ(WriteSchema(*again), text);
  EXPECT_EQ(again->Find("carrier")->string_domain, schema->Find("carrier")->string_domain);
  EXPECT_EQ(again->min_fraction_of_baseline, 0.5);
}

TEST(ReadSchema, NamesTheLineAndTheField) {
  const auto error = [](std::string_view text) { return ReadSchema(text, "s.yaml").error().message(); };
  EXPECT_EQ(error("features:\n  - name: x\n    type: INT\n    int_domain: {min: low}\n"),
            "s.yaml:4: features[0] \"x\".int_domain.min: expected a number, found \"low\"");
  EXPECT_EQ(error("features:\n  - name: x\n    type: NUMBER\n"),
            "s.yaml:3: features[0] \"x\".type: expected INT, FLOAT or STRING, found \"NUMBER\"");
  EXPECT_EQ(error("features:\n  - name: x\n    type: INT\n    domain: 3\n").substr(0, 55),
            "s.yaml:4: features[0] \"x\".domain: not a field; expected");
  EXPECT_EQ(error("features:\n  - {name: x, type: INT}\n  - {name: x, type: INT}\n"),
            "s.yaml:3: feature \"x\": already at line 2");
  EXPECT_EQ(error("features:\n  - {name: x, type: INT, string_domain: [a]}\n"),
            "s.yaml:2: features[0] \"x\".string_domain: does not fit the type INT; it is for STRING");
  EXPECT_EQ(error("features:\n  - {name: x, type: INT, drift_comparator: {infinity_norm: 0.1}}\n"),
            "s.yaml:2: features[0] \"x\".drift_comparator: infinity_norm compares texts; use jensen_shannon_divergence "
            "for numbers");
  EXPECT_EQ(error("features:\n  - {name: x, type: INT, int_domain: {min: 2, max: 1}}\n"),
            "s.yaml:2: features[0] \"x\".int_domain: min 2 is above max 1");
  EXPECT_EQ(error("features: [\n").substr(0, 7), "s.yaml:");
  EXPECT_EQ(error("").substr(0, 7), "s.yaml:");
}

}  // namespace
}  // namespace headrace::data
