#include "headrace/data/verdict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace headrace::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Evaluation Example(bool with_baseline) {
  Evaluation out;
  out.overall.metrics = {
      {"count", {1000, {}}}, {"auc", {0.75, Interval{0.73, 0.77}}}, {"log_loss", {0.5, Interval{0.45, 0.55}}}};
  const auto slice = [&out](const char* value, double count, std::optional<double> auc) {
    SliceResult& result = out.slices.emplace_back();
    result.column = "carrier";
    result.value = value;
    result.metrics["count"] = {count, {}};
    if (auc) result.metrics["auc"] = {*auc, {}};
  };
  slice("AA", 600, 0.7);
  slice("HA", 30, std::nullopt);
  if (with_baseline) {
    out.overall.baseline = Metrics{{"auc", {0.76, {}}}, {"log_loss", {0.4, {}}}};
    out.overall.change = Metrics{{"auc", {-0.01, Interval{-0.02, 0}}}, {"log_loss", {0.1, Interval{0.05, 0.15}}}};
  }
  return out;
}

// "slice metric kind: reason" of each check, with "FAIL " before those that failed.
std::vector<std::string> Checks(const std::string& thresholds, bool with_baseline = true) {
  const auto parsed = ParseThresholds(ParseJson(thresholds)->as_object());
  EXPECT_TRUE(parsed.has_value()) << parsed.error().ToString();
  const auto verdict = Judge(Example(with_baseline), *parsed);
  EXPECT_TRUE(verdict.has_value()) << verdict.error().ToString();
  std::vector<std::string> out;
  bool passed = true;
  for (const auto& check : verdict->checks) {
    out.push_back((check.passed ? "" : "FAIL ") + check.slice + " " + check.metric + " " + check.kind + ": " +
                  check.reason);
    passed = passed && check.passed;
  }
  EXPECT_EQ(verdict->blessed, passed);
  return out;
}

std::string ErrorOf(const std::string& thresholds) {
  return ParseThresholds(ParseJson(thresholds)->as_object()).error().message();
}

TEST(VerdictTest, BoundsAreInclusive) {
  EXPECT_THAT(Checks(R"({"auc": {"lower": 0.75, "upper": 0.75}, "log_loss": {"upper": 0.5}})"),
              ElementsAre("overall auc value: ok, uncertain", "overall log_loss value: ok, uncertain"));
  EXPECT_THAT(Checks(R"({"auc": {"lower": 0.7500001}})"),
              ElementsAre("FAIL overall auc value: out of bounds, uncertain"));
  EXPECT_THAT(Checks(R"({"auc": {"lower": 0.72}})"), ElementsAre("overall auc value: ok"));
  EXPECT_THAT(Checks(R"({"auc": {"lower": 0.8}})"), ElementsAre("FAIL overall auc value: out of bounds"));
}

TEST(VerdictTest, WhatIsMissingFails) {
  EXPECT_THAT(
      Checks(R"({"recall": {"lower": 0}, "slices": {"carrier=ZZ": {"auc": {"lower": 0}},
                         "origin": {"auc": {"lower": 0}}, "carrier": {"auc": {"lower": 0}}}})"),
      ElementsAre("FAIL overall recall value: missing", "FAIL carrier=ZZ auc value: missing",
                  "FAIL origin auc value: missing", "carrier=AA auc value: ok", "FAIL carrier=HA auc value: missing"));
}

TEST(VerdictTest, SmallSlicesAreLeftOutWhenAskedFor) {
  EXPECT_THAT(Checks(R"({"slices": {"carrier": {"min_examples": 100, "auc": {"lower": 0.65}}}})"),
              ElementsAre("carrier=AA auc value: ok"));
}

TEST(VerdictTest, ComparesWithTheBaseline) {
  EXPECT_THAT(Checks(R"({"auc": {"change": -0.01}, "log_loss": {"change": {"upper": 0.2, "relative": true}}})"),
              ElementsAre("overall auc change: ok, uncertain",
                          "FAIL overall log_loss relative_change: out of bounds, uncertain"));
  EXPECT_THAT(Checks(R"({"log_loss": {"change": -0.01}})"), ElementsAre("FAIL overall log_loss change: out of bounds"));
  EXPECT_THAT(Checks(R"({"auc": {"change": 0.1}})", false), ElementsAre("overall auc change: no baseline"));
  EXPECT_THAT(Checks(R"({"recall": {"change": 0.1}})"), ElementsAre("FAIL overall recall change: missing"));
}

TEST(VerdictTest, RefusesWhatItCannotJudge) {
  EXPECT_THAT(ErrorOf(R"({"auc": {"min": 0.7}})"), HasSubstr("\"auc\": \"min\": not known here"));
  EXPECT_THAT(ErrorOf(R"({"gini": {"lower": 0.7}})"), HasSubstr("\"gini\": not a metric; expected one of count"));
  EXPECT_THAT(ErrorOf(R"({"auc": {}})"), HasSubstr("\"auc\": no bound"));
  EXPECT_THAT(ErrorOf(R"({"calibration": {"change": 0.1}})"), HasSubstr("neither way is better"));
  EXPECT_THAT(ErrorOf(R"({"slices": {"carrier": {"auc": 1}}})"), HasSubstr("slices.\"carrier\".\"auc\""));
  EXPECT_THAT(Judge(Example(false), Thresholds{}).error().message(), HasSubstr("bless everything"));
}

TEST(VerdictTest, IsAFileToDiff) {
  const auto thresholds = ParseThresholds(ParseJson(R"({"auc": {"lower": 0.72}})")->as_object());
  EXPECT_EQ(ToJson(ToJsonValue(*Judge(Example(false), *thresholds))),
            R"({"blessed":true,"checks":[{"slice":"overall","metric":"auc","kind":"value","lower":0.72,"found":0.75,)"
            R"("interval":[0.73,0.77],"passed":true,"reason":"ok"}]})");
}

}  // namespace
}  // namespace headrace::data
