#include "headrace/protocols/kfp/list_query.h"

#include <array>
#include <cctype>
#include <charconv>
#include <chrono>

namespace headrace::kfp {
namespace {

// filter.proto's Predicate.Operation, by number.
constexpr std::array<std::string_view, 9> kOperations = {
    "OPERATION_UNSPECIFIED", "EQUALS", "NOT_EQUALS",  "GREATER_THAN", "GREATER_THAN_EQUALS", "LESS_THAN",
    "LESS_THAN_EQUALS",      "IN",     "IS_SUBSTRING"};

Result<ListOperation> OperationOf(const json::object& predicate) {
  const auto* value = predicate.if_contains("operation");
  size_t number = 0;
  if (value && value->is_int64())
    number = static_cast<size_t>(value->get_int64());
  else if (value && value->is_string())
    while (number < kOperations.size() && kOperations[number] != std::string_view(value->get_string())) number++;
  if (number < 1 || number >= kOperations.size())
    return std::unexpected(
        InvalidArgument("filter: operation {}: expected EQUALS, NOT_EQUALS, GREATER_THAN, GREATER_THAN_EQUALS, "
                        "LESS_THAN, LESS_THAN_EQUALS, IN or IS_SUBSTRING",
                        value ? ToJson(*value) : "missing"));
  return static_cast<ListOperation>(number - 1);
}

// int64 is a string in JSON, and clients send a number too.
Result<SqlValue> IntegerOf(const json::value& value) {
  if (value.is_int64()) return SqlValue(value.get_int64());
  if (value.is_string()) {
    const std::string_view text = value.get_string();
    int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc() && end == text.data() + text.size()) return SqlValue(number);
  }
  return std::unexpected(InvalidArgument("filter: expected an integer, found {}", ToJson(value)));
}

Result<SqlValue> TextOf(const json::value& value) {
  if (!value.is_string()) return std::unexpected(InvalidArgument("filter: expected a string, found {}", ToJson(value)));
  return SqlValue(std::string(value.get_string()));
}

Result<SqlValue> TimeOf(const json::value& value) {
  HR_ASSIGN_OR_UNEXPECTED(const SqlValue text, TextOf(value));
  HR_ASSIGN_OR_UNEXPECTED(const int64_t micros, ParseTimestamp(std::get<std::string>(text)));
  return SqlValue(micros);
}

struct ValueKind {
  std::string_view camel, snake;
  Result<SqlValue> (*read)(const json::value&);
  bool list;
};
constexpr ValueKind kValueKinds[] = {
    {"stringValue", "string_value", TextOf, false},  {"intValue", "int_value", IntegerOf, false},
    {"longValue", "long_value", IntegerOf, false},   {"timestampValue", "timestamp_value", TimeOf, false},
    {"stringValues", "string_values", TextOf, true}, {"intValues", "int_values", IntegerOf, true},
    {"longValues", "long_values", IntegerOf, true}};

Result<std::vector<SqlValue>> ValuesOf(const json::object& predicate) {
  for (const auto& kind : kValueKinds) {
    const auto* value = predicate.if_contains(kind.camel);
    if (!value) value = predicate.if_contains(kind.snake);
    if (!value) continue;
    std::vector<SqlValue> values;
    if (!kind.list) {
      HR_ASSIGN_OR_UNEXPECTED(values.emplace_back(), kind.read(*value));
      return values;
    }
    const auto* holder = value->if_object();
    const auto* list = holder ? holder->if_contains("values") : nullptr;
    if (!list || !list->is_array())
      return std::unexpected(InvalidArgument("filter: {}: expected {{\"values\": […]}}", kind.snake));
    for (const auto& item : list->get_array()) {
      HR_ASSIGN_OR_UNEXPECTED(values.emplace_back(), kind.read(item));
    }
    return values;
  }
  return std::unexpected(InvalidArgument("filter: a predicate has no value (string_value, int_value, …)"));
}

Result<std::vector<ListPredicate>> PredicatesOf(std::string_view text) {
  std::vector<ListPredicate> predicates;
  if (text.empty()) return predicates;
  const auto filter = ParseJson(text);
  if (!filter || !filter->is_object())
    return std::unexpected(InvalidArgument("filter: expected a JSON object with predicates, found \"{}\"", text));
  const auto* list = filter->get_object().if_contains("predicates");
  if (!list) return predicates;
  if (!list->is_array()) return std::unexpected(InvalidArgument("filter: predicates: expected a list"));
  for (const auto& item : list->get_array()) {
    if (!item.is_object()) return std::unexpected(InvalidArgument("filter: predicates: expected objects"));
    const auto& predicate = item.get_object();
    ListPredicate& added = predicates.emplace_back();
    HR_ASSIGN_OR_UNEXPECTED(added.operation, OperationOf(predicate));
    HR_ASSIGN_OR_UNEXPECTED(added.field, RequiredString(predicate, "key"));
    HR_ASSIGN_OR_UNEXPECTED(added.values, ValuesOf(predicate));
  }
  return predicates;
}

Status ReadSortBy(std::string text, ListRequest* list) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  while (!text.empty() && text.back() == ' ') text.pop_back();
  const auto space = text.find(' ');
  list->sort_by = text.substr(0, space);
  if (space == text.npos) return OkStatus();
  const std::string direction = text.substr(text.find_first_not_of(' ', space));
  if (direction != "asc" && direction != "desc")
    return InvalidArgument("sort_by \"{}\": expected \"field_name\", \"field_name desc\" or \"field_name asc\"", text);
  list->descending = direction == "desc";
  return OkStatus();
}

// `count` digits at the start of `text`, which loses them; -1 when there are not as many.
int TakeDigits(std::string_view& text, size_t count) {
  int number = 0;
  for (size_t i = 0; i < count; i++) {
    if (i >= text.size() || text[i] < '0' || text[i] > '9') return -1;
    number = number * 10 + (text[i] - '0');
  }
  text.remove_prefix(count);
  return number;
}

bool Take(std::string_view& text, char expected) {
  if (text.empty() || std::toupper(static_cast<unsigned char>(text[0])) != expected) return false;
  text.remove_prefix(1);
  return true;
}

int64_t TakeFraction(std::string_view& text) {
  int64_t micros = 0, unit = 100'000;
  while (!text.empty() && text[0] >= '0' && text[0] <= '9') {
    micros += (text[0] - '0') * unit;
    unit /= 10;
    text.remove_prefix(1);
  }
  return micros;
}

}  // namespace

Result<int64_t> ParseTimestamp(std::string_view text) {
  const auto invalid = [whole = text] {
    return std::unexpected(InvalidArgument("time \"{}\": expected RFC 3339, as 2013-01-31T12:00:00Z", whole));
  };
  const int year = TakeDigits(text, 4);
  if (!Take(text, '-')) return invalid();
  const int month = TakeDigits(text, 2);
  if (!Take(text, '-')) return invalid();
  const int day = TakeDigits(text, 2);
  if (!Take(text, 'T')) return invalid();
  const int hour = TakeDigits(text, 2);
  if (!Take(text, ':')) return invalid();
  const int minute = TakeDigits(text, 2);
  if (!Take(text, ':')) return invalid();
  const int second = TakeDigits(text, 2);
  const int64_t fraction = Take(text, '.') ? TakeFraction(text) : 0;
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (year < 0 || month < 0 || day < 0 || !date.ok() || hour < 0 || hour > 23 || minute < 0 || minute > 59 ||
      second < 0 || second > 60)
    return invalid();
  int offset = 0;
  if (!Take(text, 'Z')) {
    const bool east = Take(text, '+');
    if (!east && !Take(text, '-')) return invalid();
    const int hours = TakeDigits(text, 2);
    if (!Take(text, ':')) return invalid();
    const int minutes = TakeDigits(text, 2);
    if (hours < 0 || minutes < 0) return invalid();
    offset = (east ? 1 : -1) * (hours * 60 + minutes);
  }
  if (!text.empty()) return invalid();
  const int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  const int64_t seconds = ((days * 24 + hour) * 60 + minute - offset) * 60 + second;
  return seconds * 1'000'000 + fraction;
}

Result<ListRequest> ListRequestOf(const ListQueryText& text) {
  ListRequest list{.page_size = text.page_size, .page_token = text.page_token};
  HR_UNEXPECTED_IF_ERROR(ReadSortBy(text.sort_by, &list));
  HR_ASSIGN_OR_UNEXPECTED(list.predicates, PredicatesOf(text.filter));
  return list;
}

Result<ListRequest> ListRequestOf(const net::RouteRequest& request) {
  HR_ASSIGN_OR_UNEXPECTED(const int64_t page_size, request.QueryInt("page_size", 0));
  return ListRequestOf(ListQueryText{page_size, request.Query("page_token").value_or(""),
                                     request.Query("sort_by").value_or(""), request.Query("filter").value_or("")});
}

}  // namespace headrace::kfp
