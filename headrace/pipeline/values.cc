#include "headrace/pipeline/values.h"

#include <algorithm>
#include <cmath>

namespace headrace::pipeline {
namespace {

constexpr double kExactIntegers = 9007199254740992.0;  // 2^53

Status Mismatch(const json::value& value, ParameterType type) {
  return InvalidArgument("expected {}, found {}", ParameterTypeName(type), ToJson(value).substr(0, 200));
}

Result<json::value> CoerceType(const json::value& value, ParameterType type) {
  switch (type) {
    case ParameterType::kString: return value.is_string() ? value : json::value(ParameterText(value));
    case ParameterType::kInteger: {
      const json::value number = NormalNumbers(value);
      if (number.is_int64() || number.is_uint64()) return number;
      return std::unexpected(Mismatch(value, type));
    }
    case ParameterType::kDouble:
      if (value.is_number()) return NormalNumbers(value);
      return std::unexpected(Mismatch(value, type));
    case ParameterType::kBoolean:
      if (value.is_bool()) return value;
      return std::unexpected(Mismatch(value, type));
    case ParameterType::kList:
      if (value.is_array()) return NormalNumbers(value);
      return std::unexpected(Mismatch(value, type));
    case ParameterType::kStruct:
    case ParameterType::kTaskFinalStatus:
    case ParameterType::kTaskConfig:
      if (value.is_object()) return NormalNumbers(value);
      return std::unexpected(Mismatch(value, type));
    case ParameterType::kUnspecified: return NormalNumbers(value);
  }
  return value;
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\n' || text.front() == '\t' || text.front() == '\r'))
    text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\n' || text.back() == '\t' || text.back() == '\r'))
    text.remove_suffix(1);
  return text;
}

Result<json::value> ParseTyped(std::string_view text, ParameterType type) {
  const std::string_view trimmed = Trim(text);
  switch (type) {
    case ParameterType::kString:
    case ParameterType::kUnspecified: return json::value(std::string(text));
    case ParameterType::kBoolean:
      if (trimmed == "true" || trimmed == "True") return json::value(true);
      if (trimmed == "false" || trimmed == "False") return json::value(false);
      return std::unexpected(InvalidArgument("expected true or false, found \"{}\"", trimmed.substr(0, 100)));
    default: {
      auto value = ParseJson(trimmed);
      if (!value)
        return std::unexpected(
            InvalidArgument("expected {}, found \"{}\"", ParameterTypeName(type), trimmed.substr(0, 100)));
      return CoerceType(*value, type);
    }
  }
}

}  // namespace

std::string_view ParameterTypeName(ParameterType type) {
  switch (type) {
    case ParameterType::kUnspecified: return "PARAMETER_TYPE_ENUM_UNSPECIFIED";
    case ParameterType::kDouble: return "NUMBER_DOUBLE";
    case ParameterType::kInteger: return "NUMBER_INTEGER";
    case ParameterType::kString: return "STRING";
    case ParameterType::kBoolean: return "BOOLEAN";
    case ParameterType::kList: return "LIST";
    case ParameterType::kStruct: return "STRUCT";
    case ParameterType::kTaskFinalStatus: return "TASK_FINAL_STATUS";
    case ParameterType::kTaskConfig: return "TASK_CONFIG";
  }
  return "UNKNOWN";
}

json::value NormalNumber(double number) {
  if (number == std::floor(number) && std::abs(number) <= kExactIntegers) return static_cast<int64_t>(number);
  return number;
}

json::value NormalNumbers(json::value value) {
  if (value.is_double()) return NormalNumber(value.get_double());
  if (value.is_array())
    for (auto& item : value.get_array()) item = NormalNumbers(std::move(item));
  if (value.is_object())
    for (auto& member : value.get_object()) member.value() = NormalNumbers(std::move(member.value()));
  return value;
}

Result<json::value> CoerceParameter(const json::value& value, const ParameterSpec& spec) {
  if (value.is_null() && (spec.optional || spec.default_value)) return value;
  HR_ASSIGN_OR_UNEXPECTED(json::value coerced, CoerceType(value, spec.type));
  if (spec.literals.empty()) return coerced;
  const std::string canonical = CanonicalJson(NormalNumbers(coerced));
  for (const auto& literal : spec.literals)
    if (CanonicalJson(NormalNumbers(literal)) == canonical) return coerced;
  return std::unexpected(InvalidArgument("{} is not one of the values allowed: {}", canonical,
                                         ToJson(json::array(spec.literals.begin(), spec.literals.end()))));
}

std::string ParameterText(const json::value& value) {
  if (value.is_string()) return std::string(value.get_string());
  return CanonicalJson(NormalNumbers(value));
}

Result<json::value> ParseParameterText(std::string_view text, const ParameterSpec& spec) {
  HR_ASSIGN_OR_UNEXPECTED(const json::value value, ParseTyped(text, spec.type));
  return CoerceParameter(value, spec);
}

Result<json::value> ParseOutputParameter(std::string_view text, ParameterType type) { return ParseTyped(text, type); }

}  // namespace headrace::pipeline
