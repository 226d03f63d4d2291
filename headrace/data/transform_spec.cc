#include "headrace/data/transform_spec.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

namespace headrace::data {
namespace {

constexpr std::array<std::string_view, 10> kNames = {"passthrough", "impute",    "z_score",    "min_max", "log1p",
                                                     "clip",        "bucketize", "vocabulary", "hash",    "one_hot"};

Result<StepKind> KindOf(std::string_view name) {
  const auto found = std::ranges::find(kNames, name);
  if (found != kNames.end()) return static_cast<StepKind>(found - kNames.begin());
  return std::unexpected(InvalidArgument("\"{}\": not a step; expected one of {}", name, fmt::join(kNames, ", ")));
}

Status CheckMembers(const json::object& object, std::initializer_list<std::string_view> known) {
  for (const auto& member : object)
    if (std::ranges::find(known, std::string_view(member.key())) == known.end())
      return InvalidArgument("\"{}\": not known here; expected one of {}", std::string_view(member.key()),
                             fmt::join(known, ", "));
  return OkStatus();
}

Status ReadImpute(const json::value& argument, Step& step) {
  static constexpr std::array<std::string_view, 5> kMethods = {"mean", "median", "min", "max", "most_frequent"};
  if (argument.is_number()) {
    step.number = argument.to_number<double>();
    return OkStatus();
  }
  if (!argument.is_string())
    return InvalidArgument("impute: expected a number, a text or a method, found {}", ToJson(argument));
  const std::string text(argument.as_string());
  if (std::ranges::find(kMethods, text) != kMethods.end())
    step.method = text;
  else
    step.text = text;
  return OkStatus();
}

Status ReadBoundaries(const json::object& object, Step& step) {
  if (!object.contains("boundaries")) return OkStatus();
  HR_ASSIGN_OR_RETURN(const json::array* boundaries, RequiredArray(object, "boundaries"));
  for (const auto& item : *boundaries) {
    if (!item.is_number()) return InvalidArgument("boundaries: expected numbers, found {}", ToJson(item));
    step.boundaries.push_back(item.to_number<double>());
  }
  if (!step.boundaries.empty() && std::ranges::is_sorted(step.boundaries)) return OkStatus();
  return InvalidArgument("boundaries: expected numbers in ascending order, found {}", ToJson(*boundaries));
}

// A count of 1 or more.
Status ReadCount(const json::object& object, std::string_view key, int64_t& out) {
  HR_ASSIGN_OR_RETURN(const auto value, OptionalInt(object, key));
  if (value) out = *value;
  if (value && *value < 1) return InvalidArgument("\"{}\": expected 1 or more, found {}", key, *value);
  return OkStatus();
}

Status ReadArguments(const json::object& object, Step& step) {
  switch (step.kind) {
    case StepKind::kClip: {
      HR_RETURN_IF_ERROR(CheckMembers(object, {"min", "max"}));
      HR_ASSIGN_OR_RETURN(step.min, OptionalDouble(object, "min"));
      HR_ASSIGN_OR_RETURN(step.max, OptionalDouble(object, "max"));
      return OkStatus();
    }
    case StepKind::kBucketize:
      HR_RETURN_IF_ERROR(CheckMembers(object, {"buckets", "boundaries"}));
      HR_RETURN_IF_ERROR(ReadCount(object, "buckets", step.buckets));
      HR_RETURN_IF_ERROR(ReadBoundaries(object, step));
      if ((step.buckets == 0) == step.boundaries.empty())
        return InvalidArgument("bucketize: expected either \"buckets\" or \"boundaries\"");
      return OkStatus();
    case StepKind::kVocabulary:
    case StepKind::kOneHot:
      HR_RETURN_IF_ERROR(CheckMembers(object, {"max_size", "min_count"}));
      HR_RETURN_IF_ERROR(ReadCount(object, "max_size", step.max_size));
      return ReadCount(object, "min_count", step.min_count);
    case StepKind::kHash:
      HR_RETURN_IF_ERROR(CheckMembers(object, {"buckets"}));
      return ReadCount(object, "buckets", step.buckets);
    default: return CheckMembers(object, {});
  }
}

Result<Step> ReadStep(const json::value& value) {
  Step step;
  json::value argument = json::object();
  std::string name;
  if (value.is_string()) {
    name = value.as_string();
  } else if (value.is_object() && value.as_object().size() == 1) {
    name = value.as_object().begin()->key();
    argument = value.as_object().begin()->value();
  } else {
    return std::unexpected(InvalidArgument("expected a step's name or {{name: argument}}, found {}", ToJson(value)));
  }
  HR_ASSIGN_OR_UNEXPECTED(step.kind, KindOf(name));
  if (step.kind == StepKind::kImpute) {
    if (value.is_string()) argument = json::value();
    HR_UNEXPECTED_IF_ERROR(ReadImpute(argument, step));
    return step;
  }
  if (!argument.is_object())
    return std::unexpected(InvalidArgument("{}: expected an object of arguments, found {}", name, ToJson(argument)));
  if (Status status = ReadArguments(argument.as_object(), step); !status.ok())
    return std::unexpected(status.WithContext(name));
  if (step.kind == StepKind::kHash && step.buckets == 0)
    return std::unexpected(InvalidArgument("hash: \"buckets\": missing"));
  if (step.kind == StepKind::kBucketize && step.buckets == 0 && step.boundaries.empty())
    return std::unexpected(InvalidArgument("bucketize: expected either \"buckets\" or \"boundaries\""));
  return step;
}

Status ReadFeature(const json::value& value, FeatureSpec& feature) {
  json::value steps = value;
  feature.column = feature.name;
  if (value.is_object() && value.as_object().contains("steps")) {
    HR_RETURN_IF_ERROR(CheckMembers(value.as_object(), {"column", "steps"}));
    HR_ASSIGN_OR_RETURN(const auto column, OptionalString(value.as_object(), "column"));
    feature.column = column.value_or(feature.name);
    steps = value.at("steps");
  }
  if (!steps.is_array()) steps = json::array{steps};
  for (const auto& item : steps.as_array()) {
    HR_ASSIGN_OR_RETURN(Step step, ReadStep(item));
    feature.steps.push_back(std::move(step));
  }
  return feature.steps.empty() ? InvalidArgument("expected at least one step, such as \"passthrough\"") : OkStatus();
}

enum class ValueKind { kNumber, kInteger, kText, kIndex, kColumns };

std::string_view KindName(ValueKind kind) {
  static constexpr std::array<std::string_view, 5> kKinds = {"numbers", "whole numbers", "texts", "an index",
                                                             "columns"};
  return kKinds[static_cast<size_t>(kind)];
}

bool IsCategorical(StepKind kind) {
  return kind == StepKind::kVocabulary || kind == StepKind::kHash || kind == StepKind::kOneHot;
}

Result<ValueKind> Apply(const Step& step, ValueKind kind) {
  const bool text = kind == ValueKind::kText;
  const bool category = text || kind == ValueKind::kInteger;
  switch (step.kind) {
    case StepKind::kImpute:
      if (text && (!step.text.empty() || step.method == "most_frequent")) return kind;
      if (kind == ValueKind::kNumber && step.text.empty() && step.method != "most_frequent") return kind;
      break;
    case StepKind::kPassthrough:
    case StepKind::kZScore:
    case StepKind::kMinMax:
    case StepKind::kLog1p:
    case StepKind::kClip:
      if (kind == ValueKind::kNumber) return kind;
      break;
    case StepKind::kBucketize:
      if (kind == ValueKind::kNumber) return ValueKind::kIndex;
      break;
    case StepKind::kVocabulary:
    case StepKind::kHash:
      if (category) return ValueKind::kIndex;
      break;
    case StepKind::kOneHot:
      if (kind == ValueKind::kIndex) return ValueKind::kColumns;
      break;
  }
  return std::unexpected(InvalidArgument("step \"{}\" does not take {}", StepName(step.kind), KindName(kind)));
}

Status CheckFeature(const SourceColumn& column, FeatureSpec& feature) {
  if (column.sql_type == "DATE" || column.sql_type.starts_with("TIME"))
    return InvalidArgument("column \"{}\" is a {}; derive a number or a text from it in the query", column.name,
                           column.sql_type);
  ValueKind kind = ValueKind::kNumber;
  feature.input = InputKind::kNumber;
  if (column.type == FeatureType::kString) {
    kind = ValueKind::kText;
    feature.input = InputKind::kText;
  } else if (column.type == FeatureType::kInt && IsCategorical(feature.steps[0].kind)) {
    kind = ValueKind::kInteger;
    feature.input = InputKind::kInteger;
  }
  for (size_t i = 0; i < feature.steps.size(); i++) {
    Step& step = feature.steps[i];
    if (step.kind == StepKind::kOneHot && (kind == ValueKind::kText || kind == ValueKind::kInteger)) {
      Step vocabulary = step;
      vocabulary.kind = StepKind::kVocabulary;
      feature.steps.insert(feature.steps.begin() + static_cast<long>(i), std::move(vocabulary));
    }
    HR_ASSIGN_OR_RETURN(kind, Apply(feature.steps[i], kind));
  }
  if (kind == ValueKind::kText) return InvalidArgument("ends with texts; add \"vocabulary\", \"hash\" or \"one_hot\"");
  return OkStatus();
}

const SourceColumn* FindColumn(const std::vector<SourceColumn>& columns, std::string_view name) {
  for (const auto& column : columns)
    if (column.name == name) return &column;
  return nullptr;
}

Status Missing(const std::vector<SourceColumn>& columns, std::string_view what, std::string_view name) {
  std::vector<std::string> names;
  names.reserve(columns.size());
  for (const auto& column : columns) names.push_back(column.name);
  return InvalidArgument("{}: the examples have no column \"{}\"; there are {}", what, name, fmt::join(names, ", "));
}

}  // namespace

std::string_view StepName(StepKind kind) { return kNames[static_cast<size_t>(kind)]; }

Result<TransformSpec> ParseTransformSpec(const json::object& object) {
  TransformSpec spec;
  HR_UNEXPECTED_IF_ERROR(CheckMembers(object, {"label", "features", "passthrough"}));
  HR_ASSIGN_OR_UNEXPECTED(const auto label, OptionalString(object, "label"));
  spec.label = label.value_or("");
  HR_ASSIGN_OR_UNEXPECTED(const json::object* features, RequiredObject(object, "features"));
  for (const auto& [name, value] : *features) {
    FeatureSpec& feature = spec.features.emplace_back();
    feature.name = std::string_view(name);
    if (Status status = ReadFeature(value, feature); !status.ok())
      return std::unexpected(status.WithContext("feature \"" + feature.name + "\""));
  }
  if (spec.features.empty()) return std::unexpected(InvalidArgument("\"features\": expected at least one"));
  if (!object.contains("passthrough")) return spec;
  HR_ASSIGN_OR_UNEXPECTED(const json::array* passthrough, RequiredArray(object, "passthrough"));
  for (const auto& item : *passthrough) {
    if (!item.is_string())
      return std::unexpected(InvalidArgument("passthrough: expected names of columns, found {}", ToJson(item)));
    spec.passthrough.emplace_back(item.as_string());
  }
  return spec;
}

Status CheckSpec(const std::vector<SourceColumn>& columns, TransformSpec* spec) {
  if (!spec->label.empty() && FindColumn(columns, spec->label) == nullptr)
    return Missing(columns, "label", spec->label);
  for (const auto& name : spec->passthrough)
    if (FindColumn(columns, name) == nullptr) return Missing(columns, "passthrough", name);
  for (auto& feature : spec->features) {
    const std::string what = "feature \"" + feature.name + "\"";
    const SourceColumn* column = FindColumn(columns, feature.column);
    if (column == nullptr) return Missing(columns, what, feature.column);
    if (feature.column == kFeaturesOutput)
      return InvalidArgument("{}: the graph's output has the name of column \"{}\"; rename it in the query", what,
                             feature.column);
    if (feature.column == spec->label) return InvalidArgument("{}: made from the label, which no request has", what);
    if (Status status = CheckFeature(*column, feature); !status.ok()) return status.WithContext(what);
  }
  return OkStatus();
}

}  // namespace headrace::data
