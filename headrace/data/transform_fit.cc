#include "headrace/data/transform_fit.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "headrace/data/distribution.h"

namespace headrace::data {
namespace {

std::string SqlFloat(float value) { return fmt::format("CAST('{}' AS FLOAT)", value); }

// Follows one feature through its steps: `sql_` is the value that the next step sees.
class Fitting {
 public:
  Fitting(QueryEngine& engine, std::string relation, const FeatureSpec& spec)
      : engine_(engine), relation_(std::move(relation)), input_(spec.input) {
    const std::string name = QuoteName(spec.column);
    switch (spec.input) {
      case InputKind::kNumber: {
        const std::string number = "CAST(" + name + " AS FLOAT)";
        sql_ = fmt::format("CASE WHEN isfinite({0}) THEN {0} END", number);
        break;
      }
      case InputKind::kInteger: sql_ = "CAST(" + name + " AS BIGINT)"; break;
      case InputKind::kText: sql_ = "nullif(CAST(" + name + " AS VARCHAR), '')"; break;
    }
  }

  Status Fit(FittedStep& fitted) {
    switch (fitted.step.kind) {
      case StepKind::kPassthrough: return OkStatus();
      case StepKind::kImpute: return Impute(fitted);
      case StepKind::kZScore: return Scale(fitted, &NumericStatistics::mean);
      case StepKind::kMinMax: return Scale(fitted, &NumericStatistics::min);
      case StepKind::kLog1p: sql_ = fmt::format("CAST(ln(1 + {}) AS FLOAT)", AtLeast(sql_, 0)); return OkStatus();
      case StepKind::kClip: return Clip(fitted.step);
      case StepKind::kBucketize: return Bucketize(fitted);
      case StepKind::kVocabulary: return Vocabulary(fitted);
      case StepKind::kHash: fitted.size = fitted.step.buckets; break;
      case StepKind::kOneHot: fitted.size = size_; break;
    }
    size_ = fitted.size;
    return OkStatus();
  }

 private:
  Result<NumericStatistics> Describe(int buckets) {
    HR_ASSIGN_OR_UNEXPECTED(const auto extents, ComputeExtents(engine_, relation_, {sql_}));
    if (extents[0].count == 0)
      return std::unexpected(InvalidArgument("every value is missing: there is nothing to compute constants from"));
    return Summarize(engine_, relation_, sql_, extents[0], buckets);
  }

  Status Impute(FittedStep& fitted) {
    if (input_ == InputKind::kText) return ImputeText(fitted);
    fitted.value = static_cast<float>(fitted.step.number);
    if (!fitted.step.method.empty()) {
      HR_ASSIGN_OR_RETURN(const NumericStatistics numeric, Describe(2));
      if (fitted.step.method == "mean") fitted.value = static_cast<float>(numeric.mean);
      if (fitted.step.method == "median") fitted.value = static_cast<float>(numeric.median);
      if (fitted.step.method == "min") fitted.value = static_cast<float>(numeric.min);
      if (fitted.step.method == "max") fitted.value = static_cast<float>(numeric.max);
    }
    sql_ = fmt::format("coalesce({}, {})", sql_, SqlFloat(fitted.value));
    return OkStatus();
  }

  Status ImputeText(FittedStep& fitted) {
    fitted.text = fitted.step.text;
    if (fitted.step.method == "most_frequent") {
      HR_ASSIGN_OR_RETURN(const StringStatistics texts, CountTexts(engine_, relation_, sql_, 1));
      if (texts.values.empty()) return InvalidArgument("every value is missing: there is no most frequent one");
      fitted.text = texts.values[0].value;
    }
    sql_ = fmt::format("coalesce({}, {})", sql_, QuoteString(fitted.text));
    return OkStatus();
  }

  // (x - value) / scale, with the mean and the deviation or the minimum and the range.
  Status Scale(FittedStep& fitted, double NumericStatistics::* from) {
    HR_ASSIGN_OR_RETURN(const NumericStatistics numeric, Describe(2));
    fitted.value = static_cast<float>(numeric.*from);
    const double scale = fitted.step.kind == StepKind::kZScore ? numeric.std_dev : numeric.max - numeric.min;
    fitted.scale = static_cast<float>(scale);
    if (fitted.scale == 0) fitted.scale = 1;
    sql_ = fmt::format("(({} - {}) / {})", sql_, SqlFloat(fitted.value), SqlFloat(fitted.scale));
    return OkStatus();
  }

  // NULL stays NULL, which SQL's greatest and least do not promise.
  static std::string AtLeast(const std::string& sql, float low) {
    return fmt::format("(CASE WHEN {0} < {1} THEN {1} ELSE {0} END)", sql, SqlFloat(low));
  }

  Status Clip(const Step& step) {
    if (step.min) sql_ = AtLeast(sql_, static_cast<float>(*step.min));
    if (step.max)
      sql_ = fmt::format("(CASE WHEN {0} > {1} THEN {1} ELSE {0} END)", sql_, SqlFloat(static_cast<float>(*step.max)));
    return OkStatus();
  }

  Status Bucketize(FittedStep& fitted) {
    std::vector<double> boundaries = fitted.step.boundaries;
    if (boundaries.empty()) {
      HR_ASSIGN_OR_RETURN(const NumericStatistics numeric, Describe(static_cast<int>(fitted.step.buckets)));
      for (size_t i = 1; i < numeric.quantiles.size(); i++) boundaries.push_back(numeric.quantiles[i].low);
    }
    for (const double boundary : boundaries) fitted.boundaries.push_back(static_cast<float>(boundary));
    auto& rounded = fitted.boundaries;
    rounded.erase(std::unique(rounded.begin(), rounded.end()), rounded.end());
    fitted.size = static_cast<int64_t>(rounded.size()) + 2;
    size_ = fitted.size;
    return OkStatus();
  }

  Status Vocabulary(FittedStep& fitted) {
    const std::string sql = input_ == InputKind::kInteger ? "CAST(" + sql_ + " AS VARCHAR)" : sql_;
    HR_ASSIGN_OR_RETURN(const StringStatistics texts, CountTexts(engine_, relation_, sql, fitted.step.max_size));
    for (const auto& [value, count] : texts.values) {
      if (count < fitted.step.min_count) continue;
      if (input_ == InputKind::kInteger)
        std::from_chars(value.data(), value.data() + value.size(), fitted.numbers.emplace_back());
      else
        fitted.words.push_back(value);
    }
    fitted.size = static_cast<int64_t>(fitted.words.size() + fitted.numbers.size()) + 1;
    size_ = fitted.size;
    if (fitted.size > 1) return OkStatus();
    return InvalidArgument("vocabulary: no value occurs {} times or more", fitted.step.min_count);
  }

  QueryEngine& engine_;
  const std::string relation_;
  const InputKind input_;
  std::string sql_;
  int64_t size_ = 0;
};

// Names that every trainer takes: without the characters of JSON that LightGBM refuses.
std::string Plain(std::string text) {
  for (char& c : text)
    if (std::string_view("\"\\,:[]{}").find(c) != std::string_view::npos || static_cast<unsigned char>(c) < ' ')
      c = '_';
  return text;
}

}  // namespace

std::vector<std::string> FittedFeature::OutputNames() const {
  if (steps.back().step.kind != StepKind::kOneHot) return {Plain(name)};
  const FittedStep& index = steps[steps.size() - 2];
  std::vector<std::string> names;
  for (int64_t i = 0; i < index.size; i++) {
    const auto at = static_cast<size_t>(i);
    std::string value = std::to_string(i);
    const bool rest = index.step.kind != StepKind::kHash && i + 1 == index.size;
    if (rest)
      value = "?";
    else if (at < index.words.size())
      value = index.words[at];
    else if (at < index.numbers.size())
      value = std::to_string(index.numbers[at]);
    names.push_back(Plain(name + "=" + value));
  }
  return names;
}

Result<std::vector<FittedFeature>> FitTransform(QueryEngine& engine, const ParquetSource& train,
                                                const TransformSpec& spec) {
  std::vector<FittedFeature> out;
  for (const auto& feature : spec.features) {
    FittedFeature fitted{feature.name, feature.column, feature.input, {}};
    Fitting fitting(engine, train.Relation(), feature);
    for (const auto& step : feature.steps) {
      FittedStep& now = fitted.steps.emplace_back(FittedStep{.step = step});
      if (Status status = fitting.Fit(now); !status.ok())
        return std::unexpected(
            status.WithContext(fmt::format("feature \"{}\": {}", feature.name, StepName(step.kind))));
    }
    out.push_back(std::move(fitted));
  }
  return out;
}

}  // namespace headrace::data
