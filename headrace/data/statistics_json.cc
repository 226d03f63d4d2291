#include "headrace/data/statistics.h"

namespace headrace::data {
namespace {

constexpr size_t kTopValues = 20;

json::array BucketsToJson(const std::vector<Bucket>& buckets) {
  json::array out;
  for (const auto& bucket : buckets)
    out.push_back({{"low_value", bucket.low}, {"high_value", bucket.high}, {"sample_count", bucket.count}});
  return out;
}

json::object CommonToJson(const FeatureStatistics& feature) {
  json::object common = {{"num_non_missing", feature.num_non_missing}, {"num_missing", feature.num_missing}};
  if (feature.num_non_missing == 0) return common;
  common["min_num_values"] = 1;
  common["max_num_values"] = 1;
  common["avg_num_values"] = 1.0;
  common["tot_num_values"] = feature.num_non_missing;
  return common;
}

json::object NumericToJson(const FeatureStatistics& feature) {
  json::object out = {{"common_stats", CommonToJson(feature)}};
  if (!feature.numeric) return out;
  const NumericStatistics& numeric = *feature.numeric;
  out["mean"] = numeric.mean;
  out["std_dev"] = numeric.std_dev;
  out["num_zeros"] = numeric.num_zeros;
  out["min"] = numeric.min;
  out["median"] = numeric.median;
  out["max"] = numeric.max;
  json::object standard = {
      {"num_nan", numeric.num_nan}, {"buckets", BucketsToJson(numeric.standard)}, {"type", "STANDARD"}};
  json::object quantiles = {
      {"num_nan", numeric.num_nan}, {"buckets", BucketsToJson(numeric.quantiles)}, {"type", "QUANTILES"}};
  out["histograms"] = json::array{standard, quantiles};
  return out;
}

json::object StringToJson(const FeatureStatistics& feature) {
  json::object out = {{"common_stats", CommonToJson(feature)}};
  if (!feature.text) return out;
  json::array top;
  json::array ranks;
  for (size_t i = 0; i < feature.text->values.size(); i++) {
    const auto& [value, count] = feature.text->values[i];
    const auto frequency = static_cast<double>(count);
    if (i < kTopValues) top.push_back({{"value", value}, {"frequency", frequency}});
    ranks.push_back({{"low_rank", i}, {"high_rank", i}, {"label", value}, {"sample_count", frequency}});
  }
  out["unique"] = feature.text->unique;
  out["top_values"] = top;
  out["avg_length"] = feature.text->avg_length;
  out["rank_histogram"] = {{"buckets", ranks}};
  return out;
}

json::object FeatureToJson(const FeatureStatistics& feature) {
  json::object out = {{"name", feature.name}, {"type", FeatureTypeName(feature.type)}};
  if (feature.type == FeatureType::kString)
    out["string_stats"] = StringToJson(feature);
  else
    out["num_stats"] = NumericToJson(feature);
  json::array custom = {json::object{{"name", "sql_type"}, {"str", feature.sql_type}}};
  if (feature.numeric && feature.numeric->num_inf > 0)
    custom.push_back({{"name", "num_inf"}, {"num", static_cast<double>(feature.numeric->num_inf)}});
  out["custom_stats"] = custom;
  return out;
}

// A number that may be absent, as zeros are in what protobuf writes.
template <class T>
Status Read(const json::object& object, std::string_view key, T& out) {
  HR_ASSIGN_OR_RETURN(const auto value, OptionalDouble(object, key));
  out = static_cast<T>(value.value_or(0));
  return OkStatus();
}

Status ReadBuckets(const json::object& histogram, std::vector<Bucket>& out) {
  HR_ASSIGN_OR_RETURN(const json::array* buckets, RequiredArray(histogram, "buckets"));
  for (const auto& item : *buckets) {
    if (!item.is_object()) return InvalidArgument("buckets: expected objects");
    Bucket& bucket = out.emplace_back();
    HR_RETURN_IF_ERROR(Read(item.as_object(), "low_value", bucket.low));
    HR_RETURN_IF_ERROR(Read(item.as_object(), "high_value", bucket.high));
    HR_RETURN_IF_ERROR(Read(item.as_object(), "sample_count", bucket.count));
  }
  return OkStatus();
}

Status ReadNumeric(const json::object& stats, FeatureStatistics& feature) {
  if (!stats.contains("mean") && !stats.contains("histograms")) return OkStatus();
  NumericStatistics& numeric = feature.numeric.emplace();
  HR_RETURN_IF_ERROR(Read(stats, "mean", numeric.mean));
  HR_RETURN_IF_ERROR(Read(stats, "std_dev", numeric.std_dev));
  HR_RETURN_IF_ERROR(Read(stats, "num_zeros", numeric.num_zeros));
  HR_RETURN_IF_ERROR(Read(stats, "min", numeric.min));
  HR_RETURN_IF_ERROR(Read(stats, "median", numeric.median));
  HR_RETURN_IF_ERROR(Read(stats, "max", numeric.max));
  if (!stats.contains("histograms")) return OkStatus();
  HR_ASSIGN_OR_RETURN(const json::array* histograms, RequiredArray(stats, "histograms"));
  for (const auto& item : *histograms) {
    if (!item.is_object()) return InvalidArgument("histograms: expected objects");
    const json::object& histogram = item.as_object();
    HR_RETURN_IF_ERROR(Read(histogram, "num_nan", numeric.num_nan));
    HR_ASSIGN_OR_RETURN(const auto type, OptionalString(histogram, "type"));
    HR_RETURN_IF_ERROR(ReadBuckets(histogram, type == "QUANTILES" ? numeric.quantiles : numeric.standard));
  }
  return OkStatus();
}

Status ReadString(const json::object& stats, FeatureStatistics& feature) {
  StringStatistics& text = feature.text.emplace();
  HR_RETURN_IF_ERROR(Read(stats, "unique", text.unique));
  HR_RETURN_IF_ERROR(Read(stats, "avg_length", text.avg_length));
  if (!stats.contains("rank_histogram")) return OkStatus();
  HR_ASSIGN_OR_RETURN(const json::object* ranks, RequiredObject(stats, "rank_histogram"));
  HR_ASSIGN_OR_RETURN(const json::array* buckets, RequiredArray(*ranks, "buckets"));
  for (const auto& item : *buckets) {
    if (!item.is_object()) return InvalidArgument("rank_histogram: expected objects");
    ValueCount& value = text.values.emplace_back();
    HR_ASSIGN_OR_RETURN(auto label, OptionalString(item.as_object(), "label"));
    value.value = std::move(label).value_or("");
    HR_RETURN_IF_ERROR(Read(item.as_object(), "sample_count", value.count));
  }
  return OkStatus();
}

Status ReadCustom(const json::object& object, FeatureStatistics& feature) {
  if (!object.contains("custom_stats")) return OkStatus();
  HR_ASSIGN_OR_RETURN(const json::array* custom, RequiredArray(object, "custom_stats"));
  for (const auto& item : *custom) {
    if (!item.is_object()) return InvalidArgument("custom_stats: expected objects");
    HR_ASSIGN_OR_RETURN(const std::string name, RequiredString(item.as_object(), "name"));
    if (name == "sql_type") {
      HR_ASSIGN_OR_RETURN(feature.sql_type, RequiredString(item.as_object(), "str"));
    } else if (name == "num_inf" && feature.numeric) {
      HR_RETURN_IF_ERROR(Read(item.as_object(), "num", feature.numeric->num_inf));
    }
  }
  return OkStatus();
}

Status ReadFeature(const json::object& object, FeatureStatistics& feature) {
  HR_ASSIGN_OR_RETURN(feature.name, RequiredString(object, "name"));
  HR_ASSIGN_OR_RETURN(const std::string type, RequiredString(object, "type"));
  if (type == "INT")
    feature.type = FeatureType::kInt;
  else if (type == "FLOAT")
    feature.type = FeatureType::kFloat;
  else if (type == "STRING" || type == "BYTES")
    feature.type = FeatureType::kString;
  else
    return InvalidArgument("type: expected INT, FLOAT or STRING, found \"{}\"", type);
  const bool text = feature.type == FeatureType::kString;
  HR_ASSIGN_OR_RETURN(const json::object* stats, RequiredObject(object, text ? "string_stats" : "num_stats"));
  HR_ASSIGN_OR_RETURN(const json::object* common, RequiredObject(*stats, "common_stats"));
  HR_RETURN_IF_ERROR(Read(*common, "num_non_missing", feature.num_non_missing));
  HR_RETURN_IF_ERROR(Read(*common, "num_missing", feature.num_missing));
  HR_RETURN_IF_ERROR(text ? ReadString(*stats, feature) : ReadNumeric(*stats, feature));
  return ReadCustom(object, feature);
}

Status ReadDataset(const json::object& object, DatasetStatistics& dataset) {
  HR_ASSIGN_OR_RETURN(dataset.name, RequiredString(object, "name"));
  HR_RETURN_IF_ERROR(Read(object, "num_examples", dataset.num_examples));
  HR_ASSIGN_OR_RETURN(const json::array* features, RequiredArray(object, "features"));
  for (const auto& item : *features) {
    if (!item.is_object()) return InvalidArgument("features: expected objects");
    FeatureStatistics& feature = dataset.features.emplace_back();
    if (Status status = ReadFeature(item.as_object(), feature); !status.ok())
      return status.WithContext(dataset.name + "." + feature.name);
  }
  return OkStatus();
}

}  // namespace

json::value ToJsonValue(const Statistics& statistics) {
  json::array datasets;
  for (const auto& dataset : statistics.datasets) {
    json::array features;
    for (const auto& feature : dataset.features) features.push_back(FeatureToJson(feature));
    datasets.push_back({{"name", dataset.name}, {"num_examples", dataset.num_examples}, {"features", features}});
  }
  return {{"datasets", datasets}};
}

Result<Statistics> StatisticsFromJson(const json::value& value) {
  if (!value.is_object()) return std::unexpected(InvalidArgument("statistics: expected a JSON object"));
  HR_ASSIGN_OR_UNEXPECTED(const json::array* datasets, RequiredArray(value.as_object(), "datasets"));
  Statistics out;
  for (const auto& item : *datasets) {
    if (!item.is_object()) return std::unexpected(InvalidArgument("datasets: expected objects"));
    HR_UNEXPECTED_IF_ERROR(ReadDataset(item.as_object(), out.datasets.emplace_back()));
  }
  return out;
}

}  // namespace headrace::data
