#include "headrace/pipeline/cel.h"

#include <charconv>
#include <cmath>
#include <compare>

#include "headrace/pipeline/cel_parser.h"

namespace headrace::pipeline {
namespace {

using Kind = CelExpression::Kind;
using Node = CelExpression::Node;

std::string_view TypeName(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null: return "null";
    case json::kind::bool_: return "bool";
    case json::kind::int64:
    case json::kind::uint64: return "int";
    case json::kind::double_: return "double";
    case json::kind::string: return "string";
    case json::kind::array: return "list";
    case json::kind::object: return "map";
  }
  return "value";
}

double AsDouble(const json::value& value) {
  if (value.is_int64()) return static_cast<double>(value.get_int64());
  if (value.is_uint64()) return static_cast<double>(value.get_uint64());
  return value.get_double();
}

std::partial_ordering CompareNumbers(const json::value& left, const json::value& right) {
  if (left.is_int64() && right.is_int64()) return left.get_int64() <=> right.get_int64();
  return AsDouble(left) <=> AsDouble(right);
}

bool Equal(const json::value& left, const json::value& right) {
  if (left.is_number() && right.is_number()) return CompareNumbers(left, right) == 0;
  if (left.kind() != right.kind()) return false;
  if (left.is_array()) {
    const auto& a = left.get_array();
    const auto& b = right.get_array();
    if (a.size() != b.size()) return false;
    for (size_t i = 0; i < a.size(); i++)
      if (!Equal(a[i], b[i])) return false;
    return true;
  }
  if (left.is_object()) {
    const auto& a = left.get_object();
    const auto& b = right.get_object();
    if (a.size() != b.size()) return false;
    for (const auto& [key, value] : a) {
      const auto* other = b.if_contains(key);
      if (other == nullptr || !Equal(value, *other)) return false;
    }
    return true;
  }
  return left == right;
}

Result<json::value> Order(const std::string& op, const json::value& left, const json::value& right) {
  std::partial_ordering order = std::partial_ordering::unordered;
  if (left.is_number() && right.is_number()) {
    order = CompareNumbers(left, right);
  } else if (left.is_string() && right.is_string()) {
    order = left.get_string().compare(right.get_string()) <=> 0;
  } else if (left.is_bool() && right.is_bool()) {
    order = left.get_bool() <=> right.get_bool();
  } else {
    return std::unexpected(InvalidArgument("{} does not compare {} with {}", op, TypeName(left), TypeName(right)));
  }
  if (op == "<") return json::value(order < 0);
  if (op == "<=") return json::value(order <= 0);
  if (op == ">") return json::value(order > 0);
  return json::value(order >= 0);
}

Result<json::value> Contains(const json::value& item, const json::value& all) {
  if (all.is_object() && item.is_string()) return json::value(all.get_object().contains(item.get_string()));
  if (!all.is_array())
    return std::unexpected(InvalidArgument("in wants a list or a map on its right, found {}", TypeName(all)));
  for (const auto& member : all.get_array())
    if (Equal(item, member)) return json::value(true);
  return json::value(false);
}

Result<json::value> Member(const json::value& value, std::string_view name) {
  if (!value.is_object())
    return std::unexpected(InvalidArgument("no field \"{}\" in a value of type {}", name, TypeName(value)));
  const auto* member = value.get_object().if_contains(name);
  if (member == nullptr) return std::unexpected(InvalidArgument("no such key: {}", name));
  return *member;
}

Result<json::value> Index(const json::value& value, const json::value& index) {
  if (index.is_string()) return Member(value, index.get_string());
  if (!value.is_array() || !index.is_number())
    return std::unexpected(InvalidArgument("[] does not take {} of {}", TypeName(index), TypeName(value)));
  const double position = AsDouble(index);
  const auto& items = value.get_array();
  if (!(position >= 0 && position < static_cast<double>(items.size())) || position != std::floor(position))
    return std::unexpected(InvalidArgument("index {} is outside a list of {}", position, items.size()));
  return items[static_cast<size_t>(position)];
}

Result<json::value> ToInt(const json::value& value) {
  if (value.is_int64()) return value;
  if (value.is_number()) {
    const double number = std::trunc(AsDouble(value));
    if (!(number >= -9.2e18 && number <= 9.2e18))
      return std::unexpected(InvalidArgument("int(): {} is out of range", number));
    return json::value(static_cast<int64_t>(number));
  }
  if (value.is_string()) {
    const auto& text = value.get_string();
    int64_t number = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
    if (read.ec == std::errc() && read.ptr == text.data() + text.size() && !text.empty()) return json::value(number);
  }
  return std::unexpected(InvalidArgument("int(): {} is not a number", ToJson(value)));
}

Result<json::value> ToDouble(const json::value& value) {
  if (value.is_number()) return json::value(AsDouble(value));
  if (value.is_string()) {
    const auto& text = value.get_string();
    double number = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
    if (read.ec == std::errc() && read.ptr == text.data() + text.size() && !text.empty()) return json::value(number);
  }
  return std::unexpected(InvalidArgument("double(): {} is not a number", ToJson(value)));
}

Result<json::value> ToBool(const json::value& value) {
  if (value.is_bool()) return value;
  if (value.is_string() && value.get_string() == "true") return json::value(true);
  if (value.is_string() && value.get_string() == "false") return json::value(false);
  return std::unexpected(InvalidArgument("bool(): {} is neither true nor false", ToJson(value)));
}

Result<json::value> SizeOf(const json::value& value) {
  if (value.is_string()) return json::value(static_cast<int64_t>(value.get_string().size()));
  if (value.is_array()) return json::value(static_cast<int64_t>(value.get_array().size()));
  if (value.is_object()) return json::value(static_cast<int64_t>(value.get_object().size()));
  return std::unexpected(InvalidArgument("size() of a value of type {}", TypeName(value)));
}

Result<json::value> CallOne(const std::string& name, const json::value& value) {
  if (name == "int") return ToInt(value);
  if (name == "double") return ToDouble(value);
  if (name == "bool") return ToBool(value);
  if (name == "string") return value.is_string() ? value : json::value(ToJson(value));
  if (name == "size") return SizeOf(value);
  if (name == "parseJson") {
    if (!value.is_string())
      return std::unexpected(InvalidArgument("parseJson() of a value of type {}", TypeName(value)));
    HR_ASSIGN_OR_UNEXPECTED(json::value parsed, ParseJson(value.get_string()));
    return parsed;
  }
  return std::unexpected(InvalidArgument("there is no function {} of one argument", name));
}

Result<json::value> CallTwo(const std::string& name, const json::value& value, const json::value& argument) {
  if (!value.is_string() || !argument.is_string())
    return std::unexpected(
        InvalidArgument("there is no function {} of {} and {}", name, TypeName(value), TypeName(argument)));
  const std::string_view text = value.get_string();
  const std::string_view part = argument.get_string();
  if (name == "startsWith") return json::value(text.starts_with(part));
  if (name == "endsWith") return json::value(text.ends_with(part));
  if (name == "contains") return json::value(text.find(part) != std::string_view::npos);
  return std::unexpected(InvalidArgument("there is no function {} of two arguments", name));
}

class Evaluator {
 public:
  Evaluator(const std::vector<Node>& nodes, const json::object& variables) : nodes_(nodes), variables_(variables) {}

  Result<json::value> Value(size_t position) const {
    const Node& node = nodes_[position];
    switch (node.kind) {
      case Kind::kLiteral: return node.literal;
      case Kind::kName: return Variable(node.name);
      case Kind::kList: return List(node);
      case Kind::kAnd: return Logic(node, false);
      case Kind::kOr: return Logic(node, true);
      case Kind::kChoice: return Choice(node);
      case Kind::kCall: return Call(node);
      default: break;
    }
    HR_ASSIGN_OR_UNEXPECTED(const json::value first, Value(node.operands[0]));
    if (node.kind == Kind::kField) return Member(first, node.name);
    if (node.kind == Kind::kNot) {
      if (!first.is_bool()) return std::unexpected(InvalidArgument("! of a value of type {}", TypeName(first)));
      return json::value(!first.get_bool());
    }
    if (node.kind == Kind::kNegate) {
      if (first.is_int64() && first.get_int64() != INT64_MIN) return json::value(-first.get_int64());
      if (first.is_number()) return json::value(-AsDouble(first));
      return std::unexpected(InvalidArgument("- of a value of type {}", TypeName(first)));
    }
    HR_ASSIGN_OR_UNEXPECTED(const json::value second, Value(node.operands[1]));
    if (node.kind == Kind::kIndex) return Index(first, second);
    if (node.name == "==") return json::value(Equal(first, second));
    if (node.name == "!=") return json::value(!Equal(first, second));
    if (node.name == "in") return Contains(first, second);
    return Order(node.name, first, second);
  }

 private:
  Result<json::value> Variable(const std::string& name) const {
    if (const auto* value = variables_.if_contains(name)) return *value;
    return std::unexpected(InvalidArgument("unknown name {}", name));
  }

  Result<json::value> List(const Node& node) const {
    json::array items;
    for (const size_t operand : node.operands) {
      HR_ASSIGN_OR_UNEXPECTED(json::value item, Value(operand));
      items.push_back(std::move(item));
    }
    return json::value(std::move(items));
  }

  // && and ||: `absorbing` decides whatever the other side is, even an error.
  Result<json::value> Logic(const Node& node, bool absorbing) const {
    std::optional<Status> error;
    for (const size_t operand : node.operands) {
      Result<json::value> value = Value(operand);
      if (value && !value->is_bool())
        value = std::unexpected(InvalidArgument("{} of a value of type {}", node.name, TypeName(*value)));
      if (!value) {
        error = std::move(value).error();
      } else if (value->get_bool() == absorbing) {
        return json::value(absorbing);
      }
    }
    if (error) return std::unexpected(*std::move(error));
    return json::value(!absorbing);
  }

  Result<json::value> Choice(const Node& node) const {
    HR_ASSIGN_OR_UNEXPECTED(const json::value condition, Value(node.operands[0]));
    if (!condition.is_bool()) return std::unexpected(InvalidArgument("? of a value of type {}", TypeName(condition)));
    return Value(node.operands[condition.get_bool() ? 1 : 2]);
  }

  Result<json::value> Call(const Node& node) const {
    if (node.operands.empty() || node.operands.size() > 2)
      return std::unexpected(
          InvalidArgument("there is no function {} of {} arguments", node.name, node.operands.size()));
    if (node.name == "has") {
      if (nodes_[node.operands[0]].kind != Kind::kField && nodes_[node.operands[0]].kind != Kind::kIndex)
        return std::unexpected(InvalidArgument("has() wants a field"));
      return json::value(Value(node.operands[0]).has_value());
    }
    HR_ASSIGN_OR_UNEXPECTED(const json::value first, Value(node.operands[0]));
    if (node.operands.size() == 1) return CallOne(node.name, first);
    HR_ASSIGN_OR_UNEXPECTED(const json::value second, Value(node.operands[1]));
    return CallTwo(node.name, first, second);
  }

  const std::vector<Node>& nodes_;
  const json::object& variables_;
};

}  // namespace

Result<CelExpression> CelExpression::Parse(std::string_view text) {
  CelExpression expression;
  expression.text_ = text;
  auto nodes = ParseCel(text);
  if (!nodes) return std::unexpected(nodes.error().WithContext(fmt::format("expression \"{}\"", text.substr(0, 200))));
  expression.nodes_ = *std::move(nodes);
  return expression;
}

Result<json::value> CelExpression::Evaluate(const json::object& variables) const {
  auto value = Evaluator(nodes_, variables).Value(nodes_.size() - 1);
  if (!value) return std::unexpected(value.error().WithContext(fmt::format("expression \"{}\"", text_)));
  return value;
}

Result<bool> CelExpression::EvaluateBool(const json::object& variables) const {
  HR_ASSIGN_OR_UNEXPECTED(const json::value value, Evaluate(variables));
  if (!value.is_bool())
    return std::unexpected(
        InvalidArgument("expression \"{}\": expected true or false, found {}", text_, ToJson(value)));
  return value.get_bool();
}

}  // namespace headrace::pipeline
