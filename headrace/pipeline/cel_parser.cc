#include "headrace/pipeline/cel_parser.h"

#include <charconv>
#include <cstdlib>

namespace headrace::pipeline {
namespace {

using Kind = CelExpression::Kind;
using Node = CelExpression::Node;

constexpr int kMaxDepth = 64;
constexpr size_t kMaxText = 64 * 1024;
constexpr size_t kMaxNodes = 2000;  // bounds the depth of evaluation too

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsNameStart(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool IsNamePart(char c) { return IsNameStart(c) || IsDigit(c); }

void AppendUtf8(uint32_t c, std::string* out) {
  if (c < 0x80) {
    *out += static_cast<char>(c);
  } else if (c < 0x800) {
    *out += static_cast<char>(0xC0 | (c >> 6));
    *out += static_cast<char>(0x80 | (c & 0x3F));
  } else {
    *out += static_cast<char>(0xE0 | (c >> 12));
    *out += static_cast<char>(0x80 | ((c >> 6) & 0x3F));
    *out += static_cast<char>(0x80 | (c & 0x3F));
  }
}

// A recursive descent parser, one function a precedence level; each returns the position of its node.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<std::vector<Node>> Run() {
    if (text_.size() > kMaxText) return std::unexpected(InvalidArgument("longer than {} bytes", kMaxText));
    HR_UNEXPECTED_IF_ERROR(Choice());
    Skip();
    if (at_ < text_.size()) return std::unexpected(Error("an operator or the end"));
    if (nodes_.size() > kMaxNodes) return std::unexpected(InvalidArgument("more than {} parts", kMaxNodes));
    return std::move(nodes_);
  }

 private:
  struct Deeper {
    explicit Deeper(int* depth) : depth_(depth) { ++*depth_; }
    ~Deeper() { --*depth_; }
    int* depth_;
  };

  Status Error(std::string_view expected) const {
    if (at_ >= text_.size()) return InvalidArgument("column {}: expected {}, found the end", at_ + 1, expected);
    return InvalidArgument("column {}: expected {}, found \"{}\"", at_ + 1, expected, text_.substr(at_, 20));
  }

  void Skip() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r'))
      at_++;
  }

  bool Take(std::string_view token) {
    Skip();
    if (!text_.substr(at_).starts_with(token)) return false;
    at_ += token.size();
    return true;
  }

  // A word that is not the beginning of a longer name.
  bool TakeWord(std::string_view word) {
    Skip();
    if (!text_.substr(at_).starts_with(word)) return false;
    if (at_ + word.size() < text_.size() && IsNamePart(text_[at_ + word.size()])) return false;
    at_ += word.size();
    return true;
  }

  size_t Add(Kind kind, std::string name, std::vector<size_t> operands, json::value literal = nullptr) {
    nodes_.push_back({kind, std::move(literal), std::move(name), std::move(operands)});
    return nodes_.size() - 1;
  }

  Result<size_t> Choice() {
    const Deeper deeper(&depth_);
    if (depth_ > kMaxDepth) return std::unexpected(InvalidArgument("nested deeper than {} levels", kMaxDepth));
    HR_ASSIGN_OR_UNEXPECTED(const size_t condition, Or());
    if (!Take("?")) return condition;
    HR_ASSIGN_OR_UNEXPECTED(const size_t yes, Choice());
    if (!Take(":")) return std::unexpected(Error("\":\""));
    HR_ASSIGN_OR_UNEXPECTED(const size_t no, Choice());
    return Add(Kind::kChoice, "?:", {condition, yes, no});
  }

  Result<size_t> Or() {
    HR_ASSIGN_OR_UNEXPECTED(size_t left, And());
    while (Take("||")) {
      HR_ASSIGN_OR_UNEXPECTED(const size_t right, And());
      left = Add(Kind::kOr, "||", {left, right});
    }
    return left;
  }

  Result<size_t> And() {
    HR_ASSIGN_OR_UNEXPECTED(size_t left, Relation());
    while (Take("&&")) {
      HR_ASSIGN_OR_UNEXPECTED(const size_t right, Relation());
      left = Add(Kind::kAnd, "&&", {left, right});
    }
    return left;
  }

  Result<size_t> Relation() {
    HR_ASSIGN_OR_UNEXPECTED(size_t left, Unary());
    for (;;) {
      std::string op;
      for (const std::string_view candidate : {"==", "!=", "<=", ">=", "<", ">"}) {
        if (!Take(candidate)) continue;
        op = candidate;
        break;
      }
      if (op.empty() && TakeWord("in")) op = "in";
      if (op.empty()) return left;
      HR_ASSIGN_OR_UNEXPECTED(const size_t right, Unary());
      left = Add(Kind::kBinary, op, {left, right});
    }
  }

  Result<size_t> Unary() {
    const Deeper deeper(&depth_);
    if (depth_ > kMaxDepth) return std::unexpected(InvalidArgument("nested deeper than {} levels", kMaxDepth));
    Skip();
    if (at_ < text_.size() && text_[at_] == '!' && !text_.substr(at_).starts_with("!=")) {
      at_++;
      HR_ASSIGN_OR_UNEXPECTED(const size_t operand, Unary());
      return Add(Kind::kNot, "!", {operand});
    }
    if (Take("-")) {
      HR_ASSIGN_OR_UNEXPECTED(const size_t operand, Unary());
      return Add(Kind::kNegate, "-", {operand});
    }
    return Member();
  }

  Result<size_t> Member() {
    HR_ASSIGN_OR_UNEXPECTED(size_t value, Primary());
    for (;;) {
      if (Take("[")) {
        HR_ASSIGN_OR_UNEXPECTED(const size_t index, Choice());
        if (!Take("]")) return std::unexpected(Error("\"]\""));
        value = Add(Kind::kIndex, "[]", {value, index});
      } else if (Take(".")) {
        HR_ASSIGN_OR_UNEXPECTED(std::string name, Name());
        if (!Take("(")) {
          value = Add(Kind::kField, std::move(name), {value});
          continue;
        }
        HR_ASSIGN_OR_UNEXPECTED(value, Call(std::move(name), {value}));
      } else {
        return value;
      }
    }
  }

  Result<std::string> Name() {
    Skip();
    const size_t start = at_;
    if (at_ >= text_.size() || !IsNameStart(text_[at_])) return std::unexpected(Error("a name"));
    while (at_ < text_.size() && IsNamePart(text_[at_])) at_++;
    return std::string(text_.substr(start, at_ - start));
  }

  // After the opening parenthesis.
  Result<size_t> Call(std::string name, std::vector<size_t> operands) {
    if (!Take(")")) {
      do {
        HR_ASSIGN_OR_UNEXPECTED(const size_t argument, Choice());
        operands.push_back(argument);
      } while (Take(","));
      if (!Take(")")) return std::unexpected(Error("\",\" or \")\""));
    }
    return Add(Kind::kCall, std::move(name), std::move(operands));
  }

  Result<size_t> Primary() {
    Skip();
    if (at_ >= text_.size()) return std::unexpected(Error("a value"));
    const char c = text_[at_];
    if (c == '(') {
      at_++;
      HR_ASSIGN_OR_UNEXPECTED(const size_t value, Choice());
      if (!Take(")")) return std::unexpected(Error("\")\""));
      return value;
    }
    if (c == '[') return List();
    if (c == '\'' || c == '"') return Text(c);
    if (IsDigit(c) || c == '.') return Number();
    if (TakeWord("true")) return Add(Kind::kLiteral, "", {}, true);
    if (TakeWord("false")) return Add(Kind::kLiteral, "", {}, false);
    if (TakeWord("null")) return Add(Kind::kLiteral, "", {}, nullptr);
    if (!IsNameStart(c)) return std::unexpected(Error("a value"));
    HR_ASSIGN_OR_UNEXPECTED(std::string name, Name());
    if (Take("(")) return Call(std::move(name), {});
    return Add(Kind::kName, std::move(name), {});
  }

  Result<size_t> List() {
    at_++;
    std::vector<size_t> items;
    if (!Take("]")) {
      do {
        HR_ASSIGN_OR_UNEXPECTED(const size_t item, Choice());
        items.push_back(item);
      } while (Take(","));
      if (!Take("]")) return std::unexpected(Error("\",\" or \"]\""));
    }
    return Add(Kind::kList, "", std::move(items));
  }

  Result<size_t> Number() {
    const size_t start = at_;
    bool real = false;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      const bool exponent_sign =
          (c == '-' || c == '+') && (text_[at_ - 1] == 'e' || text_[at_ - 1] == 'E') && at_ > start;
      if (c == '.' || c == 'e' || c == 'E') real = true;
      if (!IsDigit(c) && c != '.' && c != 'e' && c != 'E' && !exponent_sign) break;
      at_++;
    }
    const std::string_view digits = text_.substr(start, at_ - start);
    const char* end = digits.data() + digits.size();
    if (!real) {
      int64_t number = 0;
      const auto read = std::from_chars(digits.data(), end, number);
      if (read.ec == std::errc() && read.ptr == end) return Add(Kind::kLiteral, "", {}, number);
    }
    double number = 0;
    const auto read = std::from_chars(digits.data(), end, number);
    if (read.ec != std::errc() || read.ptr != end) {
      at_ = start;
      return std::unexpected(Error("a number"));
    }
    return Add(Kind::kLiteral, "", {}, number);
  }

  Result<size_t> Text(char quote) {
    const size_t start = at_++;
    std::string out;
    while (at_ < text_.size() && text_[at_] != quote) {
      if (text_[at_] != '\\') {
        out += text_[at_++];
        continue;
      }
      if (!Escape(&out)) return std::unexpected(Error("an escape sequence"));
    }
    if (at_ >= text_.size()) {
      at_ = start;
      return std::unexpected(Error("a closing quote"));
    }
    at_++;
    return Add(Kind::kLiteral, "", {}, json::value(out));
  }

  // At a backslash. False when what follows is no escape sequence.
  bool Escape(std::string* out) {
    if (at_ + 1 >= text_.size()) return false;
    static constexpr std::string_view kFrom = "abfnrtv\\'\"`?";
    static constexpr std::string_view kTo = "\a\b\f\n\r\t\v\\'\"`?";
    const char c = text_[at_ + 1];
    if (const size_t position = kFrom.find(c); position != std::string_view::npos) {
      *out += kTo[position];
      at_ += 2;
      return true;
    }
    if ((c != 'u' || at_ + 6 > text_.size()) && (c != 'x' || at_ + 4 > text_.size())) return false;
    const size_t digits = c == 'u' ? 4 : 2;
    uint32_t code = 0;
    const char* begin = text_.data() + at_ + 2;
    const auto read = std::from_chars(begin, begin + digits, code, 16);
    if (read.ec != std::errc() || read.ptr != begin + digits || (code >= 0xD800 && code < 0xE000)) return false;
    AppendUtf8(code, out);
    at_ += 2 + digits;
    return true;
  }

  const std::string_view text_;
  size_t at_ = 0;
  int depth_ = 0;
  std::vector<Node> nodes_;
};

}  // namespace

Result<std::vector<CelExpression::Node>> ParseCel(std::string_view text) { return Parser(text).Run(); }

}  // namespace headrace::pipeline
