#include "headrace/data/metrics.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

namespace headrace::data {
namespace {

constexpr double kZ = 1.959963984540054;  // the normal distribution's 97.5 % quantile

Interval Around(double centre, double half) { return {centre - half, centre + half}; }

// The mean of f(i) over n ≥ 1 rows, with the interval of a mean.
Metric MeanOf(size_t n, const std::function<double(size_t)>& f) {
  const auto count = static_cast<double>(n);
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += f(i);
  const double mean = sum / count;
  double squares = 0;
  for (size_t i = 0; i < n; i++) squares += (f(i) - mean) * (f(i) - mean);
  Metric metric{mean, std::nullopt};
  if (n > 1) metric.interval = Around(mean, kZ * std::sqrt(squares / (count - 1) / count));
  return metric;
}

// hits / n with Wilson's interval; absent for n 0.
std::optional<Metric> Share(int64_t hits, int64_t n) {
  if (n == 0) return std::nullopt;
  const auto count = static_cast<double>(n);
  const double p = static_cast<double>(hits) / count;
  const double z2 = kZ * kZ / count;
  const double centre = (p + z2 / 2) / (1 + z2);
  const double half = kZ / (1 + z2) * std::sqrt(p * (1 - p) / count + z2 / (4 * count));
  return Metric{p, Around(centre, half)};
}

std::vector<size_t> Sorted(std::span<const float> scores, const std::vector<size_t>& rows) {
  std::vector<size_t> order = rows;
  std::ranges::sort(order, {}, [scores](size_t row) { return scores[row]; });
  return order;
}

// The rank of each of `rows` by score, from 1, ties sharing their mean rank; by position in `rank` = row.
void MidRanks(std::span<const float> scores, const std::vector<size_t>& rows, std::vector<double>& rank) {
  const auto order = Sorted(scores, rows);
  for (size_t begin = 0; begin < order.size();) {
    size_t end = begin;
    while (end < order.size() && scores[order[end]] == scores[order[begin]]) end++;
    const double shared = static_cast<double>(begin + end + 1) / 2;
    for (size_t i = begin; i < end; i++) rank[order[i]] = shared;
    begin = end;
  }
}

// DeLong's components: for each positive the share of negatives below it, for each negative the share of positives
// above.
struct DeLong {
  std::vector<double> positives;
  std::vector<double> negatives;
};

struct Rows {
  std::vector<size_t> all;
  std::vector<size_t> positive;
  std::vector<size_t> negative;

  explicit Rows(std::span<const uint8_t> labels) {
    for (size_t row = 0; row < labels.size(); row++) {
      all.push_back(row);
      (labels[row] != 0 ? positive : negative).push_back(row);
    }
  }
  bool two_classes() const { return !positive.empty() && !negative.empty(); }
};

DeLong Components(const Rows& rows, std::span<const float> scores) {
  std::vector<double> among_all(scores.size());
  std::vector<double> within(scores.size());
  MidRanks(scores, rows.all, among_all);
  MidRanks(scores, rows.positive, within);
  MidRanks(scores, rows.negative, within);
  const auto m = static_cast<double>(rows.positive.size());
  const auto n = static_cast<double>(rows.negative.size());
  DeLong out;
  for (const size_t row : rows.positive) out.positives.push_back((among_all[row] - within[row]) / n);
  for (const size_t row : rows.negative) out.negatives.push_back(1 - (among_all[row] - within[row]) / m);
  return out;
}

double Mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// The variance of the mean.
double ErrorOf(const std::vector<double>& values) {
  if (values.size() < 2) return std::numeric_limits<double>::infinity();
  const double mean = Mean(values);
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  const auto n = static_cast<double>(values.size());
  return squares / (n - 1) / n;
}

Metric AucOf(const DeLong& components) {
  Metric metric{Mean(components.positives), std::nullopt};
  const double variance = ErrorOf(components.positives) + ErrorOf(components.negatives);
  if (std::isfinite(variance)) metric.interval = Around(metric.value, kZ * std::sqrt(variance));
  return metric;
}

Metric AveragePrecision(const Rows& rows, std::span<const uint8_t> labels, std::span<const float> scores) {
  auto order = Sorted(scores, rows.all);
  std::ranges::reverse(order);
  const auto positives = static_cast<double>(rows.positive.size());
  double hits = 0;
  double sum = 0;
  for (size_t begin = 0; begin < order.size();) {
    size_t end = begin;
    double found = 0;
    for (; end < order.size() && scores[order[end]] == scores[order[begin]]; end++) found += labels[order[end]];
    hits += found;
    sum += found / positives * (hits / static_cast<double>(end));
    begin = end;
  }
  return {sum, std::nullopt};
}

double LogLoss(uint8_t label, float prediction) {
  constexpr double kEpsilon = std::numeric_limits<float>::epsilon();
  const double p = std::clamp(static_cast<double>(prediction), kEpsilon, 1 - kEpsilon);
  return -std::log(label != 0 ? p : 1 - p);
}

double SquaredError(uint8_t label, float prediction) {
  const double error = static_cast<double>(prediction) - label;
  return error * error;
}

void AddThreshold(std::span<const uint8_t> labels, std::span<const float> predictions, double threshold, Metrics& out) {
  int64_t counts[2][2] = {};  // [label][predicted]
  for (size_t i = 0; i < labels.size(); i++) counts[labels[i] != 0][static_cast<double>(predictions[i]) > threshold]++;
  const int64_t hits = counts[1][1];
  out["accuracy"] = *Share(hits + counts[0][0], static_cast<int64_t>(labels.size()));
  const auto precision = Share(hits, hits + counts[0][1]);
  const auto recall = Share(hits, hits + counts[1][0]);
  if (precision) out["precision"] = *precision;
  if (recall) out["recall"] = *recall;
  const auto total = static_cast<double>(2 * hits + counts[0][1] + counts[1][0]);
  if (total > 0) out["f1"] = {2 * static_cast<double>(hits) / total, std::nullopt};
}

}  // namespace

const Metric* FindMetric(const Metrics& metrics, std::string_view name) {
  const auto found = metrics.find(name);
  return found == metrics.end() ? nullptr : &found->second;
}

int BetterDirection(std::string_view metric) {
  for (const std::string_view more : {"auc", "auprc", "accuracy", "precision", "recall", "f1"})
    if (metric == more) return 1;
  return metric == "log_loss" || metric == "brier" ? -1 : 0;
}

Metrics ComputeMetrics(std::span<const uint8_t> labels, std::span<const float> predictions, double threshold) {
  Metrics out;
  const size_t n = labels.size();
  const Rows rows(labels);
  out["count"] = {static_cast<double>(n), std::nullopt};
  out["positives"] = {static_cast<double>(rows.positive.size()), std::nullopt};
  if (n == 0) return out;
  AddThreshold(labels, predictions, threshold, out);
  out["log_loss"] = MeanOf(n, [&](size_t i) { return LogLoss(labels[i], predictions[i]); });
  out["brier"] = MeanOf(n, [&](size_t i) { return SquaredError(labels[i], predictions[i]); });
  const double label = MeanOf(n, [&](size_t i) { return static_cast<double>(labels[i]); }).value;
  const double prediction = MeanOf(n, [&](size_t i) { return static_cast<double>(predictions[i]); }).value;
  out["mean_label"] = {label, std::nullopt};
  out["mean_prediction"] = {prediction, std::nullopt};
  if (label > 0) out["calibration"] = {prediction / label, std::nullopt};
  if (!rows.positive.empty()) out["auprc"] = AveragePrecision(rows, labels, predictions);
  if (rows.two_classes()) out["auc"] = AucOf(Components(rows, predictions));
  return out;
}

Metrics ComputeChanges(std::span<const uint8_t> labels, std::span<const float> candidate,
                       std::span<const float> baseline, double threshold) {
  const Metrics now = ComputeMetrics(labels, candidate, threshold);
  const Metrics before = ComputeMetrics(labels, baseline, threshold);
  Metrics out;
  for (const auto& [name, metric] : now) {
    const auto found = before.find(name);
    if (found != before.end()) out[name] = {metric.value - found->second.value, std::nullopt};
  }
  const size_t n = labels.size();
  if (n < 2) return out;
  const auto paired = [&](const char* name, const std::function<double(size_t)>& difference) {
    out[name].interval = MeanOf(n, difference).interval;
  };
  paired("log_loss", [&](size_t i) { return LogLoss(labels[i], candidate[i]) - LogLoss(labels[i], baseline[i]); });
  paired("brier",
         [&](size_t i) { return SquaredError(labels[i], candidate[i]) - SquaredError(labels[i], baseline[i]); });
  paired("accuracy", [&](size_t i) {
    const bool label = labels[i] != 0;
    const auto right = [&](float p) { return (static_cast<double>(p) > threshold) == label ? 1.0 : 0.0; };
    return right(candidate[i]) - right(baseline[i]);
  });
  const Rows rows(labels);
  if (!rows.two_classes()) return out;
  DeLong difference = Components(rows, candidate);
  const DeLong other = Components(rows, baseline);
  for (size_t i = 0; i < other.positives.size(); i++) difference.positives[i] -= other.positives[i];
  for (size_t i = 0; i < other.negatives.size(); i++) difference.negatives[i] -= other.negatives[i];
  const double variance = ErrorOf(difference.positives) + ErrorOf(difference.negatives);
  if (std::isfinite(variance)) out["auc"].interval = Around(out["auc"].value, kZ * std::sqrt(variance));
  return out;
}

}  // namespace headrace::data
