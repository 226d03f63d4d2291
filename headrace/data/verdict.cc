#include "headrace/data/verdict.h"

#include <fmt/format.h>

#include <algorithm>

namespace headrace::data {
namespace {

constexpr std::string_view kMetrics[] = {"count",          "positives", "auc",    "auprc", "log_loss",    "brier",
                                         "accuracy",       "precision", "recall", "f1",    "calibration", "mean_label",
                                         "mean_prediction"};

Status CheckMembers(const json::object& object, std::initializer_list<std::string_view> known) {
  for (const auto& member : object)
    if (std::ranges::find(known, std::string_view(member.key())) == known.end())
      return InvalidArgument("\"{}\": not known here; expected one of {}", std::string_view(member.key()),
                             fmt::join(known, ", "));
  return OkStatus();
}

Status ReadBounds(const json::object& object, Bounds& out) {
  HR_ASSIGN_OR_RETURN(out.lower, OptionalDouble(object, "lower"));
  HR_ASSIGN_OR_RETURN(out.upper, OptionalDouble(object, "upper"));
  return OkStatus();
}

Status ReadChange(const json::value& value, MetricThreshold& out) {
  if (value.is_number()) {
    const double worst = value.to_number<double>();
    if (BetterDirection(out.metric) == 0)
      return InvalidArgument("\"change\": for {} neither way is better; expected {{\"lower\", \"upper\"}}", out.metric);
    (BetterDirection(out.metric) > 0 ? out.change.lower : out.change.upper) =
        BetterDirection(out.metric) > 0 ? worst : -worst;
    return OkStatus();
  }
  if (!value.is_object()) return InvalidArgument("\"change\": expected a number or an object, found {}", ToJson(value));
  HR_RETURN_IF_ERROR(CheckMembers(value.as_object(), {"lower", "upper", "relative"}));
  HR_RETURN_IF_ERROR(ReadBounds(value.as_object(), out.change));
  HR_ASSIGN_OR_RETURN(const auto relative, OptionalBool(value.as_object(), "relative"));
  out.relative = relative.value_or(false);
  return OkStatus();
}

Result<MetricThreshold> ReadMetric(std::string_view metric, const json::value& value) {
  if (std::ranges::find(kMetrics, metric) == std::end(kMetrics))
    return std::unexpected(InvalidArgument("not a metric; expected one of {}", fmt::join(kMetrics, ", ")));
  if (!value.is_object())
    return std::unexpected(InvalidArgument("expected {{\"lower\", \"upper\", \"change\"}}, found {}", ToJson(value)));
  MetricThreshold out;
  out.metric = metric;
  const json::object& object = value.as_object();
  HR_UNEXPECTED_IF_ERROR(CheckMembers(object, {"lower", "upper", "change"}));
  HR_UNEXPECTED_IF_ERROR(ReadBounds(object, out.value));
  if (const auto* change = object.if_contains("change")) HR_UNEXPECTED_IF_ERROR(ReadChange(*change, out));
  if (!out.value.lower && !out.value.upper && !out.change.lower && !out.change.upper)
    return std::unexpected(InvalidArgument("no bound; expected \"lower\", \"upper\" or \"change\""));
  return out;
}

// The members of `object` that are metrics; the others are `skipped`.
Status ReadMetrics(const json::object& object, std::initializer_list<std::string_view> skipped,
                   const std::string& where, std::vector<MetricThreshold>& out) {
  for (const auto& [key, value] : object) {
    const std::string_view name = key;
    if (std::ranges::find(skipped, name) != skipped.end()) continue;
    auto threshold = ReadMetric(name, value);
    if (!threshold) return threshold.error().WithContext(fmt::format("{}\"{}\"", where, name));
    out.push_back(*std::move(threshold));
  }
  return OkStatus();
}

bool Within(double value, const Bounds& bounds) {
  return (!bounds.lower || value >= *bounds.lower) && (!bounds.upper || value <= *bounds.upper);
}

void Decide(Check& check) {
  if (!check.found) {
    check.reason = "missing";
    return;
  }
  check.passed = Within(*check.found, check.bounds);
  check.reason = check.passed ? "ok" : "out of bounds";
  if (!check.interval) return;
  const bool all_in = Within(check.interval->lower, check.bounds) && Within(check.interval->upper, check.bounds);
  const bool all_out = (check.bounds.lower && check.interval->upper < *check.bounds.lower) ||
                       (check.bounds.upper && check.interval->lower > *check.bounds.upper);
  if (check.passed ? !all_in : !all_out) check.reason += ", uncertain";
}

void AddChecks(const SliceResult& slice, const MetricThreshold& threshold, std::vector<Check>& out) {
  if (threshold.value.lower || threshold.value.upper) {
    Check check{slice.name(), threshold.metric, "value", threshold.value, {}, {}, false, {}};
    if (const Metric* metric = FindMetric(slice.metrics, threshold.metric)) {
      check.found = metric->value;
      check.interval = metric->interval;
    }
    Decide(check);
    out.push_back(std::move(check));
  }
  if (!threshold.change.lower && !threshold.change.upper) return;
  Check check{slice.name(),
              threshold.metric,
              threshold.relative ? "relative_change" : "change",
              threshold.change,
              {},
              {},
              false,
              {}};
  const Metric* change = FindMetric(slice.change, threshold.metric);
  const Metric* before = FindMetric(slice.baseline, threshold.metric);
  if (!slice.baseline) {
    check.passed = true;
    check.reason = "no baseline";
    out.push_back(std::move(check));
    return;
  }
  if (change != nullptr && before != nullptr) {
    const double divisor = threshold.relative ? before->value : 1;
    check.found = change->value / divisor;
    if (change->interval)
      check.interval = Interval{change->interval->lower / divisor, change->interval->upper / divisor};
  }
  Decide(check);
  out.push_back(std::move(check));
}

void JudgeSlices(const Evaluation& evaluation, const SliceThresholds& thresholds, std::vector<Check>& out) {
  bool found = false;
  for (const auto& slice : evaluation.slices) {
    if (slice.column != thresholds.slice && slice.name() != thresholds.slice) continue;
    found = true;
    const Metric* count = FindMetric(slice.metrics, "count");
    if (count == nullptr || count->value < static_cast<double>(thresholds.min_examples)) continue;
    for (const auto& threshold : thresholds.metrics) AddChecks(slice, threshold, out);
  }
  if (found) return;
  for (const auto& threshold : thresholds.metrics)
    out.push_back({thresholds.slice, threshold.metric, "value", threshold.value, {}, {}, false, "missing"});
}

std::string BoundsText(const Bounds& bounds) {
  if (bounds.lower && bounds.upper) return fmt::format("{} to {}", *bounds.lower, *bounds.upper);
  return bounds.lower ? fmt::format("at least {}", *bounds.lower) : fmt::format("at most {}", bounds.upper.value_or(0));
}

}  // namespace

Result<Thresholds> ParseThresholds(const json::object& object) {
  Thresholds out;
  HR_UNEXPECTED_IF_ERROR(ReadMetrics(object, {"slices", "prediction_threshold"}, "", out.overall));
  HR_ASSIGN_OR_UNEXPECTED(const auto threshold, OptionalDouble(object, "prediction_threshold"));
  out.prediction_threshold = threshold.value_or(0.5);
  if (!object.contains("slices")) return out;
  HR_ASSIGN_OR_UNEXPECTED(const json::object* slices, RequiredObject(object, "slices"));
  for (const auto& [key, value] : *slices) {
    SliceThresholds& slice = out.slices.emplace_back();
    slice.slice = std::string_view(key);
    const std::string where = fmt::format("slices.\"{}\".", slice.slice);
    if (!value.is_object())
      return std::unexpected(InvalidArgument("{} expected an object, found {}", where, ToJson(value)));
    HR_UNEXPECTED_IF_ERROR(ReadMetrics(value.as_object(), {"min_examples"}, where, slice.metrics));
    HR_ASSIGN_OR_UNEXPECTED(const auto count, OptionalInt(value.as_object(), "min_examples"));
    slice.min_examples = count.value_or(0);
  }
  return out;
}

Result<Verdict> Judge(const Evaluation& evaluation, const Thresholds& thresholds) {
  Verdict verdict;
  for (const auto& threshold : thresholds.overall) AddChecks(evaluation.overall, threshold, verdict.checks);
  for (const auto& slice : thresholds.slices) JudgeSlices(evaluation, slice, verdict.checks);
  if (verdict.checks.empty())
    return std::unexpected(
        InvalidArgument("parameter \"thresholds\": no check to make; a gate without one would bless everything"));
  verdict.blessed = std::ranges::all_of(verdict.checks, &Check::passed);
  return verdict;
}

json::value ToJsonValue(const Verdict& verdict) {
  json::array checks;
  for (const auto& check : verdict.checks) {
    json::object item = {{"slice", check.slice}, {"metric", check.metric}, {"kind", check.kind}};
    if (check.bounds.lower) item["lower"] = *check.bounds.lower;
    if (check.bounds.upper) item["upper"] = *check.bounds.upper;
    if (check.found) item["found"] = *check.found;
    if (check.interval) item["interval"] = json::array{check.interval->lower, check.interval->upper};
    item["passed"] = check.passed;
    item["reason"] = check.reason;
    checks.push_back(item);
  }
  return {{"blessed", verdict.blessed}, {"checks", checks}};
}

std::string FormatVerdict(const Verdict& verdict) {
  std::string out;
  for (const auto& check : verdict.checks) {
    const std::string found = check.found ? fmt::format("{:.6g}", *check.found) : "-";
    out += fmt::format("{} {} {} {}: {}, expected {} ({})\n", check.passed ? "pass" : "FAIL", check.slice, check.metric,
                       check.kind, found, BoundsText(check.bounds), check.reason);
  }
  return out + (verdict.blessed ? "blessed\n" : "not blessed\n");
}

}  // namespace headrace::data
