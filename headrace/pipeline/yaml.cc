#include "headrace/pipeline/yaml.h"

#include <yaml-cpp/yaml.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <string>

namespace headrace::pipeline {
namespace {

constexpr size_t kMaxValues = 1'000'000;
constexpr int kMaxDepth = 100;

bool AnyOf(std::string_view text, std::initializer_list<std::string_view> words) {
  for (const auto word : words)
    if (text == word) return true;
  return false;
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// [-+]?[0-9][0-9_]*\.[0-9_]*([eE][-+][0-9]+)? and the form that starts with the point: PyYAML's resolver.
bool LooksLikeFloat(std::string_view text) {
  const bool sign = !text.empty() && (text[0] == '-' || text[0] == '+');
  if (sign) text.remove_prefix(1);
  size_t i = 0;
  while (i < text.size() && (IsDigit(text[i]) || (i > 0 && text[i] == '_'))) i++;
  const bool digits_first = i > 0;
  if (i == text.size() || text[i] != '.') return false;
  const size_t point = i++;
  while (i < text.size() && (IsDigit(text[i]) || text[i] == '_')) i++;
  if (!digits_first && (sign || i == point + 1 || !IsDigit(text[point + 1]))) return false;
  if (i == text.size()) return true;
  if (text[i] != 'e' && text[i] != 'E') return false;
  i++;
  if (i == text.size() || (text[i] != '-' && text[i] != '+')) return false;
  i++;
  if (i == text.size()) return false;
  for (; i < text.size(); i++)
    if (!IsDigit(text[i])) return false;
  return true;
}

std::string WithoutUnderscores(std::string_view text) {
  std::string out;
  for (const char c : text)
    if (c != '_') out += c;
  return out;
}

// [-+]? then 0b…, 0x…, 0[0-7]…, or decimal. False when `text` is none of them.
bool ReadInteger(std::string_view text, json::value* out) {
  std::string digits = WithoutUnderscores(text);
  std::string_view rest = digits;
  const bool negative = !rest.empty() && rest[0] == '-';
  if (!rest.empty() && (rest[0] == '-' || rest[0] == '+')) rest.remove_prefix(1);
  if (rest.empty() || !IsDigit(rest[0]) || text.front() == '_') return false;
  int base = 10;
  if (rest.starts_with("0x")) {
    base = 16;
    rest.remove_prefix(2);
  } else if (rest.starts_with("0b")) {
    base = 2;
    rest.remove_prefix(2);
  } else if (rest.size() > 1 && rest[0] == '0') {
    base = 8;
    rest.remove_prefix(1);
  }
  uint64_t magnitude = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), magnitude, base);
  if (end != rest.data() + rest.size() || rest.empty()) return false;
  if (error == std::errc::result_out_of_range || magnitude > static_cast<uint64_t>(INT64_MAX)) {
    if (base != 10) return false;
    *out = std::stod(digits);
    return true;
  }
  *out = negative ? -static_cast<int64_t>(magnitude) : static_cast<int64_t>(magnitude);
  return true;
}

json::value PlainScalar(const std::string& text) {
  if (AnyOf(text, {"", "~", "null", "Null", "NULL"})) return nullptr;
  if (AnyOf(text, {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"})) return true;
  if (AnyOf(text, {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"})) return false;
  json::value number;
  if (ReadInteger(text, &number)) return number;
  if (LooksLikeFloat(text)) {
    const std::string digits = WithoutUnderscores(text);
    double value = 0;
    const char* begin = digits.data() + (digits[0] == '+' ? 1 : 0);
    std::from_chars(begin, digits.data() + digits.size(), value);
    return value;
  }
  const double infinity = std::numeric_limits<double>::infinity();
  if (AnyOf(text, {".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"})) return infinity;
  if (AnyOf(text, {"-.inf", "-.Inf", "-.INF"})) return -infinity;
  if (AnyOf(text, {".nan", ".NaN", ".NAN"})) return std::numeric_limits<double>::quiet_NaN();
  return json::value(text);
}

std::string Where(const YAML::Mark& mark) { return fmt::format("line {}, column {}", mark.line + 1, mark.column + 1); }

class Converter {
 public:
  Result<json::value> Convert(const YAML::Node& node, int depth) {
    if (++values_ > kMaxValues) return std::unexpected(InvalidArgument("more than {} values", kMaxValues));
    if (depth > kMaxDepth)
      return std::unexpected(InvalidArgument("{}: nested deeper than {} levels", Where(node.Mark()), kMaxDepth));
    switch (node.Type()) {
      case YAML::NodeType::Scalar: return Scalar(node);
      case YAML::NodeType::Sequence: return Sequence(node, depth);
      case YAML::NodeType::Map: return Map(node, depth);
      case YAML::NodeType::Null:
      case YAML::NodeType::Undefined: return json::value(nullptr);
    }
    return json::value(nullptr);
  }

 private:
  static Result<json::value> Scalar(const YAML::Node& node) {
    const std::string& tag = node.Tag();
    if (tag == "?" || tag.empty()) return PlainScalar(node.Scalar());
    if (tag == "!" || tag == "tag:yaml.org,2002:str") return json::value(node.Scalar());
    if (tag == "tag:yaml.org,2002:int" || tag == "tag:yaml.org,2002:float" || tag == "tag:yaml.org,2002:bool" ||
        tag == "tag:yaml.org,2002:null")
      return PlainScalar(node.Scalar());
    return std::unexpected(InvalidArgument("{}: tag {} is not one of JSON's types", Where(node.Mark()), tag));
  }

  Result<json::value> Sequence(const YAML::Node& node, int depth) {
    json::array out;
    for (const auto& item : node) {
      HR_ASSIGN_OR_UNEXPECTED(json::value value, Convert(item, depth + 1));
      out.push_back(std::move(value));
    }
    return json::value(std::move(out));
  }

  Result<json::value> Map(const YAML::Node& node, int depth) {
    json::object out;
    for (const auto& item : node) {
      if (!item.first.IsScalar())
        return std::unexpected(InvalidArgument("{}: a key must be a scalar", Where(item.first.Mark())));
      const std::string& key = item.first.Scalar();
      if (out.contains(key))
        return std::unexpected(InvalidArgument("{}: key \"{}\" is there twice", Where(item.first.Mark()), key));
      HR_ASSIGN_OR_UNEXPECTED(json::value value, Convert(item.second, depth + 1));
      out.emplace(key, std::move(value));
    }
    return json::value(std::move(out));
  }

  size_t values_ = 0;
};

}  // namespace

Result<std::vector<json::value>> ParseYaml(std::string_view text) {
  std::vector<json::value> documents;
  try {
    Converter converter;
    for (const auto& document : YAML::LoadAll(std::string(text))) {
      HR_ASSIGN_OR_UNEXPECTED(json::value value, converter.Convert(document, 0));
      documents.push_back(std::move(value));
    }
  } catch (const YAML::Exception& error) {
    return std::unexpected(InvalidArgument("{}: {}", Where(error.mark), error.msg));
  } catch (const std::exception& error) {
    return std::unexpected(InvalidArgument("not YAML: {}", error.what()));
  }
  return documents;
}

}  // namespace headrace::pipeline
