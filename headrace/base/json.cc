#include "headrace/base/json.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <vector>

namespace headrace {
namespace {

struct Style {
  bool sorted = false;
  bool pretty = false;
};

void WriteDouble(double number, std::string& out) {
  if (!std::isfinite(number)) {
    out += "null";
    return;
  }
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, number).ptr;
  const std::string_view written(text, static_cast<size_t>(end - text));
  out += written;
  if (written.find_first_of(".e") == std::string_view::npos) out += ".0";
}

void Write(const json::value& value, Style style, size_t depth, std::string& out);

// `count` items between `open` and `close`; `write_item(i)` writes one.
template <class WriteItem>
void WriteItems(char open, char close, size_t count, Style style, size_t depth, std::string& out,
                WriteItem write_item) {
  const auto newline = [&](size_t indent) {
    if (style.pretty && count > 0) out.append("\n").append(indent * 2, ' ');
  };
  out += open;
  for (size_t i = 0; i < count; i++) {
    if (i > 0) out += ',';
    newline(depth + 1);
    write_item(i);
  }
  newline(depth);
  out += close;
}

void WriteObject(const json::object& object, Style style, size_t depth, std::string& out) {
  std::vector<const json::key_value_pair*> members;
  members.reserve(object.size());
  for (const auto& member : object) members.push_back(&member);
  if (style.sorted) std::ranges::sort(members, {}, [](const auto* member) { return std::string_view(member->key()); });
  WriteItems('{', '}', members.size(), style, depth, out, [&](size_t i) {
    out += json::serialize(json::string(members[i]->key()));
    out += style.pretty ? ": " : ":";
    Write(members[i]->value(), style, depth + 1, out);
  });
}

void Write(const json::value& value, Style style, size_t depth, std::string& out) {
  if (const auto* object = value.if_object()) {
    WriteObject(*object, style, depth, out);
  } else if (const auto* array = value.if_array()) {
    WriteItems('[', ']', array->size(), style, depth, out,
               [&](size_t i) { Write((*array)[i], style, depth + 1, out); });
  } else if (const auto* number = value.if_double()) {
    WriteDouble(*number, out);
  } else {
    out += json::serialize(value);
  }
}

Status WrongType(std::string_view key, const json::value& found, std::string_view expected) {
  std::string text = ToJson(found);
  if (text.size() > 80) text = text.substr(0, 77) + "...";
  return InvalidArgument("\"{}\": expected {}, found {}", key, expected, text);
}

Status Missing(std::string_view key, std::string_view expected) {
  return InvalidArgument("\"{}\": missing, expected {}", key, expected);
}

// The member, or nullptr when missing or null.
const json::value* Find(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  return value && !value->is_null() ? value : nullptr;
}

template <class T>
Result<T> Required(Result<std::optional<T>> found, std::string_view key, std::string_view expected) {
  if (!found) return std::unexpected(std::move(found).error());
  if (!*found) return std::unexpected(Missing(key, expected));
  return **std::move(found);
}

}  // namespace

std::string ToJson(const json::value& value) {
  std::string out;
  Write(value, {}, 0, out);
  return out;
}

std::string CanonicalJson(const json::value& value) {
  std::string out;
  Write(value, {.sorted = true}, 0, out);
  return out;
}

std::string PrettyJson(const json::value& value) {
  std::string out;
  Write(value, {.pretty = true}, 0, out);
  out += '\n';
  return out;
}

Result<std::optional<std::string>> OptionalString(const json::object& object, std::string_view key) {
  const auto* value = Find(object, key);
  if (!value) return std::nullopt;
  if (!value->is_string()) return std::unexpected(WrongType(key, *value, "a string"));
  return std::string(std::string_view(value->get_string()));
}

Result<std::optional<int64_t>> OptionalInt(const json::object& object, std::string_view key) {
  const auto* value = Find(object, key);
  if (!value) return std::nullopt;
  json::error_code error;
  const auto number = value->to_number<int64_t>(error);
  if (error) return std::unexpected(WrongType(key, *value, "an integer"));
  return number;
}

Result<std::optional<double>> OptionalDouble(const json::object& object, std::string_view key) {
  const auto* value = Find(object, key);
  if (!value) return std::nullopt;
  json::error_code error;
  const auto number = value->to_number<double>(error);
  if (error) return std::unexpected(WrongType(key, *value, "a number"));
  return number;
}

Result<std::optional<bool>> OptionalBool(const json::object& object, std::string_view key) {
  const auto* value = Find(object, key);
  if (!value) return std::nullopt;
  if (!value->is_bool()) return std::unexpected(WrongType(key, *value, "true or false"));
  return value->get_bool();
}

Result<std::string> RequiredString(const json::object& object, std::string_view key) {
  return Required(OptionalString(object, key), key, "a string");
}
Result<int64_t> RequiredInt(const json::object& object, std::string_view key) {
  return Required(OptionalInt(object, key), key, "an integer");
}
Result<double> RequiredDouble(const json::object& object, std::string_view key) {
  return Required(OptionalDouble(object, key), key, "a number");
}

Result<const json::object*> RequiredObject(const json::object& object, std::string_view key) {
  const auto* value = Find(object, key);
  if (!value) return std::unexpected(Missing(key, "an object"));
  if (!value->is_object()) return std::unexpected(WrongType(key, *value, "an object"));
  return &value->get_object();
}

Result<const json::array*> RequiredArray(const json::object& object, std::string_view key) {
  const auto* value = Find(object, key);
  if (!value) return std::unexpected(Missing(key, "an array"));
  if (!value->is_array()) return std::unexpected(WrongType(key, *value, "an array"));
  return &value->get_array();
}

}  // namespace headrace
