#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "headrace/data/anomalies.h"
#include "headrace/data/drift.h"

namespace headrace::data {
namespace {

bool IsFloat(const FeatureSchema& feature) { return feature.type == FeatureType::kFloat; }

// "1 to 6000", "at least 1", "at most 6000"; one bound at least is there.
std::string RangeText(const Range& range) {
  if (range.min && range.max) return fmt::format("{} to {}", *range.min, *range.max);
  return range.min ? fmt::format("at least {}", *range.min) : fmt::format("at most {}", range.max.value_or(0));
}

std::string DomainText(const std::vector<std::string>& domain) {
  constexpr size_t kShown = 20;
  const auto shown = std::min(domain.size(), kShown);
  std::string out =
      fmt::format("one of {}", fmt::join(domain.begin(), domain.begin() + static_cast<long>(shown), ", "));
  if (shown < domain.size()) out += fmt::format(", … ({} values)", domain.size());
  return out;
}

// The anomalies of one split.
class Validation {
 public:
  Validation(const DatasetStatistics& dataset, const Schema& schema, const ValidateOptions& options,
             std::vector<Anomaly>& out)
      : dataset_(dataset),
        schema_(schema),
        options_(options),
        baseline_(options.baseline == nullptr ? nullptr : options.baseline->Find(dataset.name)),
        out_(out) {}

  Status Run() {
    Examples();
    for (const auto& feature : schema_.features)
      if (feature.IsIn(options_.environment)) HR_RETURN_IF_ERROR(Feature(feature));
    for (const auto& column : dataset_.features) NewColumn(column);
    return OkStatus();
  }

 private:
  Anomaly& Add(std::string_view column, std::string_view type, std::string description, std::string expected) {
    Anomaly& anomaly = out_.emplace_back();
    anomaly.split = dataset_.name;
    anomaly.column = column;
    anomaly.type = type;
    anomaly.description = std::move(description);
    anomaly.expected = std::move(expected);
    anomaly.num_examples = dataset_.num_examples;
    return anomaly;
  }

  void Examples() {
    const int64_t count = dataset_.num_examples;
    if (schema_.min_examples && count < *schema_.min_examples)
      Add("", "DATASET_LOW_NUM_EXAMPLES", fmt::format("{} rows", count),
          fmt::format("at least {} rows", *schema_.min_examples));
    if (schema_.max_examples && count > *schema_.max_examples)
      Add("", "DATASET_HIGH_NUM_EXAMPLES", fmt::format("{} rows", count),
          fmt::format("at most {} rows", *schema_.max_examples));
    if (baseline_ == nullptr || baseline_->num_examples == 0) return;
    const double ratio = static_cast<double>(count) / static_cast<double>(baseline_->num_examples);
    const std::string found = fmt::format("{} rows, {:.3g} times the {} before", count, ratio, baseline_->num_examples);
    if (schema_.min_fraction_of_baseline && ratio < *schema_.min_fraction_of_baseline)
      Add("", "COMPARATOR_LOW_NUM_EXAMPLES", found,
          fmt::format("at least {} times", *schema_.min_fraction_of_baseline));
    if (schema_.max_fraction_of_baseline && ratio > *schema_.max_fraction_of_baseline)
      Add("", "COMPARATOR_HIGH_NUM_EXAMPLES", found,
          fmt::format("at most {} times", *schema_.max_fraction_of_baseline));
  }

  void NewColumn(const FeatureStatistics& column) {
    const FeatureSchema* known = schema_.Find(column.name);
    if (known != nullptr) return;
    Anomaly& anomaly =
        Add(column.name, "SCHEMA_NEW_COLUMN",
            fmt::format("a column of type {} that the schema does not name", FeatureTypeName(column.type)),
            "no such column; add it to the schema if it is meant, or rename it back");
    if (column.text) anomaly.values = Top(column.text->values);
  }

  static std::vector<ValueCount> Top(const std::vector<ValueCount>& values) {
    const auto count = static_cast<long>(std::min(values.size(), Anomaly::kMaxValues));
    return {values.begin(), values.begin() + count};
  }

  Status Feature(const FeatureSchema& feature) {
    const FeatureStatistics* column = dataset_.Find(feature.name);
    if (column == nullptr) {
      if (feature.min_fraction.value_or(0) > 0 || feature.min_count.value_or(0) > 0)
        Add(feature.name, "SCHEMA_MISSING_COLUMN", "the column is missing",
            fmt::format("a column of type {}", FeatureTypeName(feature.type)));
      return OkStatus();
    }
    Presence(feature, *column);
    if (column->type != feature.type) Type(feature, *column);
    if (column->text) Text(feature, *column);
    if (column->numeric) HR_RETURN_IF_ERROR(Number(feature, *column));
    Drift(feature, *column);
    return OkStatus();
  }

  void Presence(const FeatureSchema& feature, const FeatureStatistics& column) {
    const double fraction = column.fraction_present();
    if (feature.min_count && column.num_non_missing < *feature.min_count) {
      Add(feature.name, column.num_non_missing == 0 ? "FEATURE_TYPE_NOT_PRESENT" : "FEATURE_TYPE_LOW_NUMBER_PRESENT",
          fmt::format("{} rows with a value", column.num_non_missing), fmt::format("at least {}", *feature.min_count));
    }
    if (feature.min_fraction && fraction < *feature.min_fraction && column.num_non_missing > 0) {
      Add(feature.name, "FEATURE_TYPE_LOW_FRACTION_PRESENT",
          fmt::format("{:.4g} % of the rows have a value", fraction * 100),
          fmt::format("at least {:.4g} %", *feature.min_fraction * 100))
          .count = column.num_missing;
    }
  }

  void Type(const FeatureSchema& feature, const FeatureStatistics& column) {
    std::string found = fmt::format("values of type {} ({})", FeatureTypeName(column.type), column.sql_type);
    if (column.numeric)
      found += fmt::format(", {:.4g} to {:.4g}, {:.4g} in the mean", column.numeric->min, column.numeric->max,
                           column.numeric->mean);
    std::string expected(FeatureTypeName(feature.type));
    if (feature.number && (feature.number->range.min || feature.number->range.max))
      expected += ", " + RangeText(feature.number->range);
    Add(feature.name, "UNEXPECTED_DATA_TYPE", std::move(found), std::move(expected));
  }

  void Text(const FeatureSchema& feature, const FeatureStatistics& column) {
    const StringStatistics& text = *column.text;
    if (feature.unique_min && text.unique < *feature.unique_min)
      Add(feature.name, "FEATURE_TYPE_LOW_UNIQUE", fmt::format("{} different values", text.unique),
          fmt::format("at least {}", *feature.unique_min));
    if (feature.unique_max && text.unique > *feature.unique_max)
      Add(feature.name, "FEATURE_TYPE_HIGH_UNIQUE", fmt::format("{} different values", text.unique),
          fmt::format("at most {}", *feature.unique_max));
    if (!feature.string_domain) return;
    const std::set<std::string_view> domain(feature.string_domain->begin(), feature.string_domain->end());
    std::vector<ValueCount> strange;
    int64_t count = 0;
    for (const auto& value : text.values) {
      if (domain.contains(value.value)) continue;
      strange.push_back(value);
      count += value.count;
    }
    const double mass = 1 - static_cast<double>(count) / static_cast<double>(column.num_non_missing);
    if (count == 0 || mass >= feature.min_domain_mass) return;
    Anomaly& anomaly = Add(feature.name, "ENUM_TYPE_UNEXPECTED_STRING_VALUES",
                           fmt::format("{} value{} outside the domain in {} rows ({:.3g} %)", strange.size(),
                                       strange.size() == 1 ? "" : "s", count, 100 * (1 - mass)),
                           DomainText(*feature.string_domain));
    anomaly.values = Top(strange);
    anomaly.count = count;
  }

  Status Number(const FeatureSchema& feature, const FeatureStatistics& column) {
    const NumericStatistics& numeric = *column.numeric;
    if (feature.bool_domain) HR_RETURN_IF_ERROR(Bool(feature, column));
    if (!feature.number) return OkStatus();
    const NumberDomain& domain = *feature.number;
    if (domain.disallow_nan && numeric.num_nan > 0)
      Add(feature.name, "FLOAT_TYPE_HAS_NAN", fmt::format("{} values are NaN", numeric.num_nan), "no NaN").count =
          numeric.num_nan;
    if (domain.disallow_inf && numeric.num_inf > 0)
      Add(feature.name, "FLOAT_TYPE_HAS_INF", fmt::format("{} values are infinite", numeric.num_inf), "finite values")
          .count = numeric.num_inf;
    if (numeric.quantiles.empty()) return OkStatus();
    if (domain.range.min && numeric.min < *domain.range.min)
      HR_RETURN_IF_ERROR(OutOfRange(feature, IsFloat(feature) ? "FLOAT_TYPE_SMALL_FLOAT" : "INT_TYPE_SMALL_INT",
                                    fmt::format("values down to {}", numeric.min),
                                    fmt::format("< {}", SqlDouble(*domain.range.min)), domain.range));
    if (domain.range.max && numeric.max > *domain.range.max)
      HR_RETURN_IF_ERROR(OutOfRange(feature, IsFloat(feature) ? "FLOAT_TYPE_BIG_FLOAT" : "INT_TYPE_BIG_INT",
                                    fmt::format("values up to {}", numeric.max),
                                    fmt::format("> {}", SqlDouble(*domain.range.max)), domain.range));
    return OkStatus();
  }

  Status Bool(const FeatureSchema& feature, const FeatureStatistics& column) {
    const NumericStatistics& numeric = *column.numeric;
    if (numeric.quantiles.empty()) return OkStatus();
    const Range range{0, 1};
    if (numeric.min < 0)
      HR_RETURN_IF_ERROR(
          OutOfRange(feature, "BOOL_TYPE_SMALL_INT", fmt::format("values down to {}", numeric.min), "< 0", range));
    if (numeric.max > 1)
      HR_RETURN_IF_ERROR(
          OutOfRange(feature, "BOOL_TYPE_BIG_INT", fmt::format("values up to {}", numeric.max), "> 1", range));
    return OkStatus();
  }

  // Counts the offenders and names the most frequent where the rows are at hand.
  Status OutOfRange(const FeatureSchema& feature, std::string_view type, std::string found,
                    const std::string& condition, const Range& range) {
    Anomaly& anomaly = Add(feature.name, type, std::move(found), RangeText(range));
    const auto folder = options_.examples / dataset_.name;
    if (options_.engine == nullptr || options_.examples.empty() || !std::filesystem::exists(folder)) return OkStatus();
    const std::string name = QuoteName(feature.name);
    const std::string sql = fmt::format(
        "SELECT CAST({0} AS VARCHAR), count(*) AS n, sum(count(*)) OVER () AS total FROM {1} WHERE {0} {2} GROUP BY "
        "{0} "
        "ORDER BY n DESC, {0} LIMIT {3}",
        name, ParquetSource(folder).Relation(), condition, Anomaly::kMaxValues);
    HR_RETURN_IF_ERROR(ForEachRow(*options_.engine, sql, [&anomaly](const RecordBatch& batch, int64_t row) {
      anomaly.values.push_back({std::string(batch.column(0).String(row)), batch.column(1).Int64(row)});
      anomaly.count = batch.column(2).Int64(row);
      return OkStatus();
    }));
    anomaly.description += fmt::format(" in {} rows ({:.3g} %)", anomaly.count.value_or(0),
                                       100.0 * static_cast<double>(anomaly.count.value_or(0)) /
                                           static_cast<double>(std::max<int64_t>(dataset_.num_examples, 1)));
    return OkStatus();
  }

  void Drift(const FeatureSchema& feature, const FeatureStatistics& column) {
    const bool compares = feature.drift.infinity_norm || feature.drift.jensen_shannon_divergence;
    if (!compares || baseline_ == nullptr) return;
    const FeatureStatistics* before = baseline_->Find(feature.name);
    if (before == nullptr) {
      Add(feature.name, "COMPARATOR_CONTROL_DATA_MISSING", "the statistics of the span before lack the column",
          "a column to compare with");
      return;
    }
    if (before->text && column.text && feature.drift.infinity_norm) Infinity(feature, *before->text, *column.text);
    if (!feature.drift.jensen_shannon_divergence) return;
    if (before->text && column.text) Divergence(feature, JensenShannon(*before->text, *column.text), "");
    if (before->numeric && column.numeric)
      Divergence(
          feature, JensenShannon(*before->numeric, *column.numeric),
          fmt::format(" (mean {:.4g} before, {:.4g} now; median {:.4g} before, {:.4g} now)", before->numeric->mean,
                      column.numeric->mean, before->numeric->median, column.numeric->median));
  }

  void Infinity(const FeatureSchema& feature, const StringStatistics& before, const StringStatistics& now) {
    const InfinityNorm norm = LInfinity(before, now);
    if (norm.distance <= *feature.drift.infinity_norm) return;
    Add(feature.name, "COMPARATOR_L_INFTY_HIGH",
        fmt::format("the share of \"{}\" moved by {:.4g} (from {:.4g} to {:.4g})", norm.value, norm.distance,
                    norm.before, norm.now),
        fmt::format("an L-infinity distance of at most {} from the span before", *feature.drift.infinity_norm));
  }

  void Divergence(const FeatureSchema& feature, double divergence, const std::string& detail) {
    if (divergence <= *feature.drift.jensen_shannon_divergence) return;
    Add(feature.name, "COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH",
        fmt::format("a Jensen-Shannon divergence of {:.4g}{}", divergence, detail),
        fmt::format("at most {} from the span before", *feature.drift.jensen_shannon_divergence));
  }

  const DatasetStatistics& dataset_;
  const Schema& schema_;
  const ValidateOptions& options_;
  const DatasetStatistics* baseline_;
  std::vector<Anomaly>& out_;
};

}  // namespace

Result<std::vector<Anomaly>> Validate(const Statistics& statistics, const Schema& schema,
                                      const ValidateOptions& options) {
  std::vector<Anomaly> anomalies;
  for (const auto& dataset : statistics.datasets)
    HR_UNEXPECTED_IF_ERROR(Validation(dataset, schema, options, anomalies).Run());
  return anomalies;
}

}  // namespace headrace::data
