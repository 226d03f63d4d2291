// Evaluations as JSON and as a table.
#include <fmt/format.h>

#include "headrace/data/evaluate.h"

namespace headrace::data {
namespace {

void AddMetric(std::string_view prefix, const Metric& metric, json::object& out) {
  const std::string name(prefix);
  out[name] = metric.value;
  if (!metric.interval) return;
  out[name + "_interval"] = json::array{metric.interval->lower, metric.interval->upper};
}

json::object MetricsToJson(const SliceResult& slice) {
  json::object out;
  for (const auto& [name, metric] : slice.metrics) {
    if (name == "count" || name == "positives") {
      out[name] = static_cast<int64_t>(metric.value);
      continue;
    }
    json::object item;
    AddMetric("value", metric, item);
    if (const Metric* baseline = FindMetric(slice.baseline, name)) AddMetric("baseline", *baseline, item);
    if (const Metric* change = FindMetric(slice.change, name)) AddMetric("change", *change, item);
    out[name] = item;
  }
  return out;
}

std::string Cell(const Metrics& metrics, std::string_view name, int digits) {
  const Metric* metric = FindMetric(metrics, name);
  return metric == nullptr ? "-" : fmt::format("{:.{}f}", metric->value, digits);
}

}  // namespace

json::value ToJsonValue(const Evaluation& evaluation) {
  json::array slices;
  for (const auto& slice : evaluation.slices)
    slices.push_back({{"column", slice.column}, {"value", slice.value}, {"metrics", MetricsToJson(slice)}});
  return {{"overall", MetricsToJson(evaluation.overall)}, {"slices", slices}};
}

std::string FormatEvaluation(const Evaluation& evaluation) {
  std::string out = fmt::format("{:24} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}\n", "slice", "rows", "auc", "auprc",
                                "log_loss", "accuracy", evaluation.overall.change ? "auc +/-" : "");
  const auto line = [&out](const SliceResult& slice) {
    const std::string change = slice.change ? Cell(*slice.change, "auc", 4) : "";
    out += fmt::format("{:24} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}\n", slice.name(), Cell(slice.metrics, "count", 0),
                       Cell(slice.metrics, "auc", 4), Cell(slice.metrics, "auprc", 4),
                       Cell(slice.metrics, "log_loss", 4), Cell(slice.metrics, "accuracy", 4), change);
  };
  line(evaluation.overall);
  for (const auto& slice : evaluation.slices) line(slice);
  return out;
}

}  // namespace headrace::data
