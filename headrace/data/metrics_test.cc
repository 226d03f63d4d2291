#include "headrace/data/metrics.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cmath>

namespace headrace::data {
namespace {

struct Rows {
  std::vector<uint8_t> labels;
  std::vector<float> a;
  std::vector<float> b;
};

// Few different scores, so that there are ties.
Rows Arbitrary() {
  const auto n = *rc::gen::inRange<size_t>(2, 60);
  Rows rows;
  for (size_t i = 0; i < n; i++) {
    rows.labels.push_back(i < 2 ? static_cast<uint8_t>(i) : *rc::gen::inRange<uint8_t>(0, 2));
    rows.a.push_back(static_cast<float>(*rc::gen::inRange(0, 11)) / 10);
    rows.b.push_back(static_cast<float>(*rc::gen::inRange(0, 11)) / 10);
  }
  return rows;
}

double Pair(float positive, float negative) {
  if (positive == negative) return 0.5;
  return positive > negative ? 1 : 0;
}

// DeLong's variance of a sum of AUCs with weights, straight from its definition: every positive with every negative.
struct Definition {
  double auc = 0;
  double variance = 0;
};
Definition ByDefinition(const Rows& rows, double weight_a, double weight_b) {
  std::vector<double> v10;
  std::vector<double> v01;
  const auto psi = [&](size_t i, size_t j) {
    return weight_a * Pair(rows.a[i], rows.a[j]) + weight_b * Pair(rows.b[i], rows.b[j]);
  };
  for (const int wanted : {1, 0}) {
    for (size_t i = 0; i < rows.labels.size(); i++) {
      if (rows.labels[i] != wanted) continue;
      double sum = 0;
      double count = 0;
      for (size_t j = 0; j < rows.labels.size(); j++) {
        if (rows.labels[j] == wanted) continue;
        sum += wanted == 1 ? psi(i, j) : psi(j, i);
        count++;
      }
      (wanted == 1 ? v10 : v01).push_back(sum / count);
    }
  }
  const auto error = [](const std::vector<double>& v, double mean) {
    double squares = 0;
    for (const double x : v) squares += (x - mean) * (x - mean);
    const auto n = static_cast<double>(v.size());
    return v.size() < 2 ? INFINITY : squares / (n - 1) / n;
  };
  Definition out;
  for (const double x : v10) out.auc += x / static_cast<double>(v10.size());
  out.variance = error(v10, out.auc) + error(v01, out.auc);
  return out;
}

void ExpectSame(const Metric& metric, const Definition& definition) {
  RC_ASSERT(std::abs(metric.value - definition.auc) < 1e-12);
  RC_ASSERT(metric.interval.has_value() == std::isfinite(definition.variance));
  if (!metric.interval) return;
  const double half = (metric.interval->upper - metric.interval->lower) / 2;
  RC_ASSERT(std::abs(half - 1.959963984540054 * std::sqrt(definition.variance)) < 1e-9);
}

TEST(MetricsTest, AucIsDeLongsByDefinition) {
  EXPECT_TRUE(rc::check([] {
    const Rows rows = Arbitrary();
    ExpectSame(ComputeMetrics(rows.labels, rows.a).at("auc"), ByDefinition(rows, 1, 0));
    ExpectSame(ComputeChanges(rows.labels, rows.a, rows.b).at("auc"), ByDefinition(rows, 1, -1));
  }));
}

TEST(MetricsTest, KnownValues) {
  const std::vector<uint8_t> labels = {0, 0, 1, 1};
  const std::vector<float> scores = {0.1F, 0.4F, 0.35F, 0.8F};
  const Metrics metrics = ComputeMetrics(labels, scores);
  EXPECT_EQ(metrics.at("count").value, 4);
  EXPECT_EQ(metrics.at("positives").value, 2);
  EXPECT_EQ(metrics.at("auc").value, 0.75);
  EXPECT_NEAR(metrics.at("auprc").value, 0.8333333333333333, 1e-15);
  EXPECT_EQ(metrics.at("accuracy").value, 0.75);
  EXPECT_EQ(metrics.at("precision").value, 1);
  EXPECT_EQ(metrics.at("recall").value, 0.5);
  EXPECT_NEAR(metrics.at("f1").value, 2.0 / 3, 1e-15);
  // Wilson's interval of 1 of 2.
  EXPECT_NEAR(metrics.at("recall").interval->lower, 0.09453120573423074, 1e-12);
  EXPECT_NEAR(metrics.at("recall").interval->upper, 0.9054687942657693, 1e-12);
}

TEST(MetricsTest, WhatIsNotDefinedIsAbsent) {
  const std::vector<uint8_t> labels = {0, 0};
  const std::vector<float> scores = {0.1F, 0.2F};
  const Metrics metrics = ComputeMetrics(labels, scores);
  for (const char* name : {"auc", "auprc", "precision", "recall", "f1", "calibration"})
    EXPECT_FALSE(metrics.contains(name)) << name;
  EXPECT_EQ(metrics.at("accuracy").value, 1);
  EXPECT_EQ(ComputeMetrics({}, {}).size(), 2U);
}

TEST(MetricsTest, AThresholdIsExceededNotReached) {
  const std::vector<uint8_t> labels = {1, 1};
  const std::vector<float> scores = {0.5F, 0.75F};
  EXPECT_EQ(ComputeMetrics(labels, scores).at("recall").value, 0.5);
  EXPECT_EQ(ComputeMetrics(labels, scores, 0.75).contains("precision"), false);
}

TEST(MetricsTest, CertainAndWrongIsFinite) {
  const std::vector<uint8_t> labels = {1};
  const std::vector<float> scores = {0};
  EXPECT_NEAR(ComputeMetrics(labels, scores).at("log_loss").value, 15.94, 0.01);
}

TEST(MetricsTest, ChangesOfTheSameModelAreZeroAndCertain) {
  const std::vector<uint8_t> labels = {0, 1, 0, 1, 1};
  const std::vector<float> scores = {0.1F, 0.4F, 0.35F, 0.8F, 0.2F};
  for (const auto& [name, metric] : ComputeChanges(labels, scores, scores)) {
    EXPECT_EQ(metric.value, 0) << name;
    if (metric.interval) {
      EXPECT_EQ(metric.interval->upper, 0) << name;
    }
  }
}

}  // namespace
}  // namespace headrace::data
