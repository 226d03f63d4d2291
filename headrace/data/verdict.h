// Whether an evaluation is good enough to serve: thresholds, and the decision as a file that can be diffed.
//
//   {
//     "auc":      {"lower": 0.65, "change": {"lower": -0.005}},
//     "log_loss": {"upper": 0.6, "change": {"upper": 0.02, "relative": true}},
//     "slices": {
//       "carrier":    {"min_examples": 200, "auc": {"lower": 0.5}},
//       "origin=JFK": {"accuracy": {"lower": 0.7}}
//     },
//     "prediction_threshold": 0.5
//   }
//
// "lower" and "upper" bound the value; "change" bounds candidate - baseline, or with "relative" that difference divided
// by the baseline's value. A number for "change" is the worst change that is allowed, in the metric's own sense: -0.01
// lets an auc fall, and a log_loss rise, by 0.01. Bounds are inclusive. Under "slices" a column stands for each of its
// values with at least "min_examples" rows, COLUMN=VALUE for one slice.
//
// A metric or a slice that is missing fails. Without a baseline, bounds on changes are skipped and say so.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "headrace/base/json.h"
#include "headrace/base/status.h"
#include "headrace/data/evaluate.h"

namespace headrace::data {

struct Bounds {
  std::optional<double> lower;  // inclusive
  std::optional<double> upper;  // inclusive
};

struct MetricThreshold {
  std::string metric;
  Bounds value;
  Bounds change;
  bool relative = false;  // of `change`
};

struct SliceThresholds {
  std::string slice;  // "COLUMN" or "COLUMN=VALUE"
  int64_t min_examples = 0;
  std::vector<MetricThreshold> metrics;
};

struct Thresholds {
  std::vector<MetricThreshold> overall;
  std::vector<SliceThresholds> slices;
  double prediction_threshold = 0.5;
};

// kInvalidArgument, naming the metric or the member that is not known.
Result<Thresholds> ParseThresholds(const json::object& thresholds);

struct Check {
  std::string slice;  // "overall", "carrier=UA"
  std::string metric;
  std::string kind;  // "value", "change", "relative_change"
  Bounds bounds;
  std::optional<double> found;       // nothing: missing, or skipped
  std::optional<Interval> interval;  // 95 %, where known
  bool passed = false;
  // "ok", "out of bounds", "missing", "no baseline"; "ok, uncertain" and "out of bounds, uncertain" where the interval
  // reaches across the bound, so that more examples might change the answer.
  std::string reason;
};

struct Verdict {
  bool blessed = false;  // every check passed
  std::vector<Check> checks;
};

// No threshold blesses whatever comes: TFMA's trap of a rubber stamp, so kInvalidArgument when there is none.
Result<Verdict> Judge(const Evaluation& evaluation, const Thresholds& thresholds);

// {"blessed": true, "checks": […]}, the same bytes for the same decision.
json::value ToJsonValue(const Verdict& verdict);
std::string FormatVerdict(const Verdict& verdict);

}  // namespace headrace::data
