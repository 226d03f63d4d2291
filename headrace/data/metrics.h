// How well a binary classifier does, from labels and predicted probabilities.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace headrace::data {

struct Interval {  // of 95 % confidence
  double lower = 0;
  double upper = 0;
};

struct Metric {
  double value = 0;
  std::optional<Interval> interval = {};
};

// By name; a metric that is not defined on the rows, as the AUC of one class is not, is absent:
//   count, positives  rows, and those with label 1
//   auc               area under the ROC curve, ties count half; interval by DeLong et al. 1988
//   auprc             average precision: the sum over thresholds of (R_n - R_(n-1)) P_n
//   log_loss          mean of -ln p(label), p kept within float's epsilon of 0 and 1; interval of a mean
//   brier             mean of (p - label)²; interval of a mean
//   accuracy, precision, recall
//                     where "positive" is a prediction above the threshold; Wilson's interval
//   f1                the harmonic mean of precision and recall
//   calibration       mean prediction / mean label
//   mean_label, mean_prediction
using Metrics = std::map<std::string, Metric, std::less<>>;

// Null when it is absent. Points into `metrics`: two functions, so that no temporary optional comes between.
const Metric* FindMetric(const Metrics& metrics, std::string_view name);
inline const Metric* FindMetric(const std::optional<Metrics>& metrics, std::string_view name) {
  return metrics ? FindMetric(*metrics, name) : nullptr;
}

// 1: more is better; -1: less is better; 0: neither, or not a metric.
int BetterDirection(std::string_view metric);

// `labels` are 0 or 1, `predictions` within 0 … 1, as many.
Metrics ComputeMetrics(std::span<const uint8_t> labels, std::span<const float> predictions, double threshold = 0.5);

// candidate - baseline on the same rows, of the metrics that both have; intervals of the paired differences of auc
// (DeLong), log_loss, brier and accuracy.
Metrics ComputeChanges(std::span<const uint8_t> labels, std::span<const float> candidate,
                       std::span<const float> baseline, double threshold = 0.5);

}  // namespace headrace::data
