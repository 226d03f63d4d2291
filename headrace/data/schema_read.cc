// ReadSchema: YAML to Schema, with the line in every error.
#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <initializer_list>

#include "headrace/data/schema.h"

namespace headrace::data {
namespace {

constexpr std::string_view kStages[] = {"UNKNOWN_STAGE", "PLANNED",    "ALPHA",      "BETA",
                                        "PRODUCTION",    "DEPRECATED", "DEBUG_ONLY", "DISABLED"};

class Reader {
 public:
  explicit Reader(std::string_view file) : file_(file) {}

  Result<Schema> Read(const YAML::Node& root) {
    Schema schema;
    if (!root.IsMap()) return std::unexpected(At(root, "", "expected a mapping with \"features\""));
    HR_UNEXPECTED_IF_ERROR(CheckKeys(root, "", {"environments", "dataset", "features"}));
    HR_UNEXPECTED_IF_ERROR(Strings(root, "", "environments", schema.environments));
    HR_UNEXPECTED_IF_ERROR(Dataset(root["dataset"], schema));
    const YAML::Node features = root["features"];
    if (!features || !features.IsSequence())
      return std::unexpected(At(root, "features", "expected a list of features"));
    for (size_t i = 0; i < features.size(); i++) {
      FeatureSchema feature;
      HR_UNEXPECTED_IF_ERROR(Feature(features[i], fmt::format("features[{}]", i), feature));
      if (const auto* same = schema.Find(feature.name))
        return std::unexpected(At(features[i], fmt::format("feature \"{}\"", feature.name),
                                  fmt::format("already at line {}", same->line)));
      schema.features.push_back(std::move(feature));
    }
    return schema;
  }

 private:
  Status At(const YAML::Node& node, std::string_view where, std::string_view what) const {
    const int line = node.Mark().line + 1;
    return InvalidArgument("{}:{}: {}{}{}", file_, line, where, where.empty() ? "" : ": ", what);
  }

  static std::string Join(std::string_view where, std::string_view key) {
    return where.empty() ? std::string(key) : fmt::format("{}.{}", where, key);
  }

  static std::string Found(const YAML::Node& node) {
    if (node.IsScalar()) return fmt::format("found \"{}\"", node.Scalar());
    if (node.IsMap()) return "found a mapping";
    return node.IsSequence() ? "found a list" : "found nothing";
  }

  Status CheckKeys(const YAML::Node& map, std::string_view where, std::initializer_list<std::string_view> known) const {
    for (const auto& entry : map) {
      const std::string key = entry.first.IsScalar() ? entry.first.Scalar() : "";
      if (std::ranges::find(known, key) != known.end()) continue;
      return At(entry.first, Join(where, key), fmt::format("not a field; expected one of {}", fmt::join(known, ", ")));
    }
    return OkStatus();
  }

  Status Strings(const YAML::Node& map, std::string_view where, const char* key, std::vector<std::string>& out) const {
    const YAML::Node list = map[key];
    if (!list) return OkStatus();
    if (!list.IsSequence()) return At(list, Join(where, key), "expected a list of texts, " + Found(list));
    for (const auto& item : list) {
      if (!item.IsScalar()) return At(item, Join(where, key), "expected a text, " + Found(item));
      out.push_back(item.Scalar());
    }
    return OkStatus();
  }

  template <class T>
  Status Number(const YAML::Node& map, std::string_view where, const char* key, std::optional<T>& out) const {
    const YAML::Node node = map[key];
    if (!node) return OkStatus();
    T value{};
    const std::string text = node.IsScalar() ? node.Scalar() : "";
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc() || end != text.data() + text.size())
      return At(node, Join(where, key),
                fmt::format("expected {}, {}", std::is_integral_v<T> ? "a whole number" : "a number", Found(node)));
    out = value;
    return OkStatus();
  }

  Status Bool(const YAML::Node& map, std::string_view where, const char* key, bool& out) const {
    const YAML::Node node = map[key];
    if (!node) return OkStatus();
    if (!node.IsScalar() || (node.Scalar() != "true" && node.Scalar() != "false"))
      return At(node, Join(where, key), "expected true or false, " + Found(node));
    out = node.Scalar() == "true";
    return OkStatus();
  }

  // The mapping `key` of `map`, or an undefined node when it is not there.
  Result<YAML::Node> Mapping(const YAML::Node& map, std::string_view where, const char* key,
                             std::initializer_list<std::string_view> known) const {
    const YAML::Node node = map[key];
    if (!node) return node;
    if (!node.IsMap()) return std::unexpected(At(node, Join(where, key), "expected a mapping, " + Found(node)));
    HR_UNEXPECTED_IF_ERROR(CheckKeys(node, Join(where, key), known));
    return node;
  }

  // A share between 0 and 1.
  Status Fraction(const YAML::Node& map, std::string_view where, const char* key, std::optional<double>& out) const {
    HR_RETURN_IF_ERROR(Number(map, where, key, out));
    if (!out || (*out >= 0 && *out <= 1)) return OkStatus();
    return At(map[key], Join(where, key), "expected a number from 0 to 1, " + Found(map[key]));
  }

  Status Dataset(const YAML::Node& node, Schema& schema) const {
    if (!node) return OkStatus();
    if (!node.IsMap()) return At(node, "dataset", "expected a mapping, " + Found(node));
    HR_RETURN_IF_ERROR(CheckKeys(node, "dataset", {"min_examples", "max_examples", "drift_comparator"}));
    HR_RETURN_IF_ERROR(Number(node, "dataset", "min_examples", schema.min_examples));
    HR_RETURN_IF_ERROR(Number(node, "dataset", "max_examples", schema.max_examples));
    HR_ASSIGN_OR_RETURN(const auto drift, Mapping(node, "dataset", "drift_comparator",
                                                  {"min_fraction_threshold", "max_fraction_threshold"}));
    if (!drift) return OkStatus();
    const std::string where = "dataset.drift_comparator";
    HR_RETURN_IF_ERROR(Number(drift, where, "min_fraction_threshold", schema.min_fraction_of_baseline));
    return Number(drift, where, "max_fraction_threshold", schema.max_fraction_of_baseline);
  }

  Status Feature(const YAML::Node& node, std::string where, FeatureSchema& feature) const {
    if (!node.IsMap()) return At(node, where, "expected a mapping, " + Found(node));
    feature.line = node.Mark().line + 1;
    if (!node["name"] || !node["name"].IsScalar()) return At(node, where, "\"name\": missing, expected a text");
    feature.name = node["name"].Scalar();
    where += fmt::format(" \"{}\"", feature.name);
    HR_RETURN_IF_ERROR(CheckKeys(
        node, where,
        {"name", "type", "presence", "int_domain", "float_domain", "bool_domain", "string_domain", "distribution",
         "unique", "drift_comparator", "in_environment", "not_in_environment", "lifecycle_stage"}));
    HR_RETURN_IF_ERROR(Type(node, where, feature));
    HR_RETURN_IF_ERROR(Stage(node, where, feature));
    HR_RETURN_IF_ERROR(Domains(node, where, feature));
    HR_RETURN_IF_ERROR(Constraints(node, where, feature));
    HR_RETURN_IF_ERROR(Drift(node, where, feature));
    HR_RETURN_IF_ERROR(Strings(node, where, "in_environment", feature.in_environment));
    return Strings(node, where, "not_in_environment", feature.not_in_environment);
  }

  Status Type(const YAML::Node& map, std::string_view where, FeatureSchema& feature) const {
    const YAML::Node node = map["type"];
    const std::string text = node && node.IsScalar() ? node.Scalar() : "";
    if (text == "INT")
      feature.type = FeatureType::kInt;
    else if (text == "FLOAT")
      feature.type = FeatureType::kFloat;
    else if (text == "STRING" || text == "BYTES")
      feature.type = FeatureType::kString;
    else
      return At(node ? node : map, Join(where, "type"),
                "expected INT, FLOAT or STRING, " + (node ? Found(node) : "found nothing"));
    return OkStatus();
  }

  Status Stage(const YAML::Node& map, std::string_view where, FeatureSchema& feature) const {
    const YAML::Node node = map["lifecycle_stage"];
    if (!node) return OkStatus();
    feature.lifecycle_stage = node.IsScalar() ? node.Scalar() : "";
    if (std::ranges::find(kStages, feature.lifecycle_stage) != std::end(kStages)) return OkStatus();
    return At(node, Join(where, "lifecycle_stage"),
              fmt::format("expected one of {}, {}", fmt::join(kStages, ", "), Found(node)));
  }

  Status Domains(const YAML::Node& node, const std::string& where, FeatureSchema& feature) const {
    HR_RETURN_IF_ERROR(NumberDomainOf(node, where, "int_domain", FeatureType::kInt, feature));
    HR_RETURN_IF_ERROR(NumberDomainOf(node, where, "float_domain", FeatureType::kFloat, feature));
    HR_RETURN_IF_ERROR(Bool(node, where, "bool_domain", feature.bool_domain));
    if (node["string_domain"]) {
      HR_RETURN_IF_ERROR(Fits(node, where, "string_domain", FeatureType::kString, feature));
      HR_RETURN_IF_ERROR(Strings(node, where, "string_domain", feature.string_domain.emplace()));
    }
    return OkStatus();
  }

  Status Fits(const YAML::Node& node, std::string_view where, const char* key, FeatureType type,
              const FeatureSchema& feature) const {
    if (feature.type == type) return OkStatus();
    return At(
        node[key], Join(where, key),
        fmt::format("does not fit the type {}; it is for {}", FeatureTypeName(feature.type), FeatureTypeName(type)));
  }

  Status NumberDomainOf(const YAML::Node& node, const std::string& where, const char* key, FeatureType type,
                        FeatureSchema& feature) const {
    HR_ASSIGN_OR_RETURN(const auto domain,
                        type == FeatureType::kInt
                            ? Mapping(node, where, key, {"min", "max"})
                            : Mapping(node, where, key, {"min", "max", "disallow_nan", "disallow_inf"}));
    if (!domain) return OkStatus();
    HR_RETURN_IF_ERROR(Fits(node, where, key, type, feature));
    NumberDomain& number = feature.number.emplace();
    const std::string here = Join(where, key);
    HR_RETURN_IF_ERROR(Number(domain, here, "min", number.range.min));
    HR_RETURN_IF_ERROR(Number(domain, here, "max", number.range.max));
    if (number.range.min && number.range.max && *number.range.min > *number.range.max)
      return At(domain, here, fmt::format("min {} is above max {}", *number.range.min, *number.range.max));
    HR_RETURN_IF_ERROR(Bool(domain, here, "disallow_nan", number.disallow_nan));
    return Bool(domain, here, "disallow_inf", number.disallow_inf);
  }

  Status Constraints(const YAML::Node& node, const std::string& where, FeatureSchema& feature) const {
    HR_ASSIGN_OR_RETURN(const auto presence, Mapping(node, where, "presence", {"min_fraction", "min_count"}));
    if (presence) {
      HR_RETURN_IF_ERROR(Fraction(presence, where + ".presence", "min_fraction", feature.min_fraction));
      HR_RETURN_IF_ERROR(Number(presence, where + ".presence", "min_count", feature.min_count));
    }
    HR_ASSIGN_OR_RETURN(const auto distribution, Mapping(node, where, "distribution", {"min_domain_mass"}));
    if (distribution) {
      std::optional<double> mass;
      HR_RETURN_IF_ERROR(Fraction(distribution, where + ".distribution", "min_domain_mass", mass));
      feature.min_domain_mass = mass.value_or(1);
    }
    HR_ASSIGN_OR_RETURN(const auto unique, Mapping(node, where, "unique", {"min", "max"}));
    if (!unique) return OkStatus();
    HR_RETURN_IF_ERROR(Fits(node, where, "unique", FeatureType::kString, feature));
    HR_RETURN_IF_ERROR(Number(unique, where + ".unique", "min", feature.unique_min));
    return Number(unique, where + ".unique", "max", feature.unique_max);
  }

  Status Drift(const YAML::Node& node, const std::string& where, FeatureSchema& feature) const {
    HR_ASSIGN_OR_RETURN(const auto drift,
                        Mapping(node, where, "drift_comparator", {"infinity_norm", "jensen_shannon_divergence"}));
    if (!drift) return OkStatus();
    const std::string here = where + ".drift_comparator";
    HR_RETURN_IF_ERROR(Fraction(drift, here, "infinity_norm", feature.drift.infinity_norm));
    if (feature.drift.infinity_norm && feature.type != FeatureType::kString)
      return At(drift, here, "infinity_norm compares texts; use jensen_shannon_divergence for numbers");
    return Fraction(drift, here, "jensen_shannon_divergence", feature.drift.jensen_shannon_divergence);
  }

  const std::string_view file_;
};

}  // namespace

Result<Schema> ReadSchema(std::string_view text, std::string_view file_name) {
  try {
    return Reader(file_name).Read(YAML::Load(std::string(text)));
  } catch (const YAML::Exception& error) {
    return std::unexpected(InvalidArgument("{}:{}: {}", file_name, error.mark.line + 1, error.msg));
  }
}

}  // namespace headrace::data
