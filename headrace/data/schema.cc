#include "headrace/data/schema.h"

#include <fmt/format.h>

#include <algorithm>

#include "headrace/base/files.h"
#include "headrace/base/json.h"

namespace headrace::data {
namespace {

constexpr std::string_view kHeader =
    "# What the data must look like. Yours to edit: every change is a decision that a review can see.\n"
    "#   presence            {min_fraction: share of rows with a value, min_count: rows with a value}\n"
    "#   string_domain       the values that may occur; distribution: {min_domain_mass: 0.99} tolerates 1 % of others\n"
    "#   int_domain,\n"
    "#   float_domain        {min: 0, max: 100}, both ends allowed; for floats also disallow_nan, disallow_inf: true\n"
    "#   bool_domain         true: nothing but 0 and 1\n"
    "#   unique              {min: 1, max: 100}: how many different texts\n"
    "#   drift_comparator    against the statistics of the span before: {infinity_norm: 0.1} of texts,\n"
    "#                       {jensen_shannon_divergence: 0.1} of numbers and texts\n"
    "#   not_in_environment  [SERVING]: absent there, as a label is\n";

bool Contains(const std::vector<std::string>& items, std::string_view item) {
  return std::ranges::find(items, item) != items.end();
}

// JSON's quoted text is YAML's double-quoted text; words such as NO and numbers stay text that way.
std::string Quoted(std::string_view text) { return ToJson(json::value(text)); }

std::string List(const std::vector<std::string>& items) {
  std::string out = "[";
  for (size_t i = 0; i < items.size(); i++) out += (i == 0 ? "" : ", ") + Quoted(items[i]);
  return out + "]";
}

// "{min: 1, max: 2}" of the parts that are there; empty when none is.
class Mapping {
 public:
  template <class T>
  Mapping& Add(std::string_view key, const std::optional<T>& value) {
    if (value) text_ += fmt::format("{}{}: {}", text_.empty() ? "" : ", ", key, *value);
    return *this;
  }
  void Write(std::string_view key, std::string& out) const {
    if (!text_.empty()) out += fmt::format("    {}: {{{}}}\n", key, text_);
  }

 private:
  std::string text_;
};

std::optional<bool> WhenTrue(bool value) { return value ? std::optional(true) : std::nullopt; }

void WriteFeature(const FeatureSchema& feature, std::string& out) {
  out += "  - name: " + Quoted(feature.name) + "\n    type: " + std::string(FeatureTypeName(feature.type)) + "\n";
  if (!feature.lifecycle_stage.empty()) out += "    lifecycle_stage: " + feature.lifecycle_stage + "\n";
  Mapping().Add("min_fraction", feature.min_fraction).Add("min_count", feature.min_count).Write("presence", out);
  if (feature.bool_domain) out += "    bool_domain: true\n";
  if (feature.number) {
    Mapping()
        .Add("min", feature.number->range.min)
        .Add("max", feature.number->range.max)
        .Add("disallow_nan", WhenTrue(feature.number->disallow_nan))
        .Add("disallow_inf", WhenTrue(feature.number->disallow_inf))
        .Write(feature.type == FeatureType::kInt ? "int_domain" : "float_domain", out);
  }
  if (feature.string_domain) {
    out += "    string_domain:\n";
    for (const auto& value : *feature.string_domain) out += "      - " + Quoted(value) + "\n";
  }
  if (feature.min_domain_mass != 1)
    Mapping().Add("min_domain_mass", std::optional(feature.min_domain_mass)).Write("distribution", out);
  Mapping().Add("min", feature.unique_min).Add("max", feature.unique_max).Write("unique", out);
  Mapping()
      .Add("infinity_norm", feature.drift.infinity_norm)
      .Add("jensen_shannon_divergence", feature.drift.jensen_shannon_divergence)
      .Write("drift_comparator", out);
  if (!feature.in_environment.empty()) out += "    in_environment: " + List(feature.in_environment) + "\n";
  if (!feature.not_in_environment.empty()) out += "    not_in_environment: " + List(feature.not_in_environment) + "\n";
}

bool IsBool(const FeatureStatistics& feature) {
  return feature.sql_type == "BOOLEAN" || (feature.type == FeatureType::kInt && feature.numeric &&
                                           feature.numeric->min >= 0 && feature.numeric->max == 1);
}

FeatureSchema InferFeature(const FeatureStatistics& statistics, const InferOptions& options) {
  FeatureSchema feature;
  feature.name = statistics.name;
  feature.type = statistics.type;
  if (statistics.num_non_missing > 0) feature.min_count = 1;
  if (statistics.num_missing == 0 && statistics.num_non_missing > 0) feature.min_fraction = 1;
  feature.bool_domain = IsBool(statistics);
  if (statistics.text && statistics.text->unique > 0 && statistics.text->unique <= options.max_string_domain) {
    auto& domain = feature.string_domain.emplace();
    for (const auto& value : statistics.text->values) domain.push_back(value.value);
    std::ranges::sort(domain);
  }
  if (Contains(options.training_only, feature.name)) feature.not_in_environment = {"SERVING"};
  return feature;
}

}  // namespace

bool FeatureSchema::IsIn(std::string_view environment) const {
  static constexpr std::string_view kUnchecked[] = {"DEPRECATED", "PLANNED", "ALPHA", "DEBUG_ONLY", "DISABLED"};
  if (std::ranges::find(kUnchecked, lifecycle_stage) != std::end(kUnchecked)) return false;
  if (environment.empty()) return true;
  if (Contains(not_in_environment, environment)) return false;
  return in_environment.empty() || Contains(in_environment, environment);
}

const FeatureSchema* Schema::Find(std::string_view name) const {
  for (const auto& feature : features)
    if (feature.name == name) return &feature;
  return nullptr;
}

Schema InferSchema(const DatasetStatistics& statistics, const InferOptions& options) {
  Schema schema;
  if (!options.training_only.empty()) schema.environments = {"TRAINING", "SERVING"};
  for (const auto& feature : statistics.features) schema.features.push_back(InferFeature(feature, options));
  return schema;
}

std::string WriteSchema(const Schema& schema) {
  std::string out(kHeader);
  if (!schema.environments.empty()) out += "environments: " + List(schema.environments) + "\n";
  std::string dataset;
  if (schema.min_examples) dataset += fmt::format("  min_examples: {}\n", *schema.min_examples);
  if (schema.max_examples) dataset += fmt::format("  max_examples: {}\n", *schema.max_examples);
  std::string drift;
  Mapping()
      .Add("min_fraction_threshold", schema.min_fraction_of_baseline)
      .Add("max_fraction_threshold", schema.max_fraction_of_baseline)
      .Write("drift_comparator", drift);
  if (!drift.empty()) dataset += drift.substr(2);
  if (!dataset.empty()) out += "dataset:\n" + dataset;
  out += "features:\n";
  for (const auto& feature : schema.features) WriteFeature(feature, out);
  return out;
}

Result<Schema> ReadSchemaFile(const std::filesystem::path& file) {
  HR_ASSIGN_OR_UNEXPECTED(const std::string text, ReadFile(file));
  return ReadSchema(text, file.string());
}

}  // namespace headrace::data
