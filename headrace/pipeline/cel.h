// The part of CEL (https://github.com/google/cel-spec) that compiled pipelines use, over JSON values:
//   literals, lists, [] and . access, ! and unary -, == != < <= > >= in, && ||, c ? a : b, parentheses, and the
//   functions int() double() string() bool() size() parseJson() has(), with startsWith(), endsWith() and contains() on
//   strings.
// As in CEL, false && error is false and true || error is true. Numbers compare by value, whatever their type; other
// types are equal only to their own.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/base/json.h"
#include "headrace/base/status.h"

namespace headrace::pipeline {

// Immutable; safe to share between threads.
class CelExpression {
 public:
  // kInvalidArgument with the column of what was not understood.
  static Result<CelExpression> Parse(std::string_view text);

  // `variables` are the names that the expression may use. kInvalidArgument for a missing key, a wrong type.
  Result<json::value> Evaluate(const json::object& variables) const;
  // The same, where anything but true or false is an error.
  Result<bool> EvaluateBool(const json::object& variables) const;

  const std::string& text() const { return text_; }

  enum class Kind : uint8_t {
    kLiteral,
    kName,
    kList,
    kField,
    kIndex,
    kCall,
    kNot,
    kNegate,
    kBinary,
    kAnd,
    kOr,
    kChoice
  };
  struct Node {
    Kind kind;
    json::value literal;           // kLiteral
    std::string name;              // kName, kField, kCall; the operator of kBinary
    std::vector<size_t> operands;  // positions of the operands, all before this node
  };

 private:
  std::string text_;
  std::vector<Node> nodes_;  // the last is the root
};

}  // namespace headrace::pipeline
