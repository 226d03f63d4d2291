#include "headrace/core/listing.h"

#include <fmt/format.h>

#include <algorithm>

#include "headrace/base/json.h"

namespace headrace {
namespace {

constexpr int64_t kDefaultPage = 20;
constexpr int64_t kLargestPage = 200;
constexpr std::string_view kHex = "0123456789abcdef";

struct Order {
  std::string sort_by;
  bool descending = false;
  std::vector<ListPredicate> predicates;
  // Where the page begins: behind this row; no value: at the beginning.
  std::optional<SqlValue> last_value;
  std::string last_key;
};

json::value ToValue(const SqlValue& value) {
  if (const auto* integer = std::get_if<int64_t>(&value)) return *integer;
  if (const auto* real = std::get_if<double>(&value)) return *real;
  if (const auto* text = std::get_if<std::string>(&value)) return json::value(*text);
  return nullptr;
}

SqlValue ToSqlValue(const json::value& value) {
  if (value.is_int64()) return value.get_int64();
  if (value.is_double()) return value.get_double();
  if (value.is_string()) return std::string(value.get_string());
  return {};
}

json::array PredicatesJson(const std::vector<ListPredicate>& predicates) {
  json::array list;
  for (const auto& predicate : predicates) {
    json::array values;
    for (const auto& value : predicate.values) values.push_back(ToValue(value));
    list.push_back(json::array{static_cast<int64_t>(predicate.operation), predicate.field, std::move(values)});
  }
  return list;
}

std::string Encode(const Order& order) {
  const std::string text =
      ToJson(json::array{json::value(order.sort_by), order.descending, PredicatesJson(order.predicates),
                         ToValue(*order.last_value), json::value(order.last_key)});
  std::string token;
  for (const unsigned char byte : text) {
    token += kHex[byte >> 4];
    token += kHex[byte & 15];
  }
  return token;
}

Result<json::array> DecodeText(const std::string& token) {
  std::string text;
  for (size_t i = 0; i + 1 < token.size(); i += 2) {
    const auto high = kHex.find(token[i]), low = kHex.find(token[i + 1]);
    if (high == kHex.npos || low == kHex.npos) return std::unexpected(InvalidArgument("not a token"));
    text += static_cast<char>(high << 4 | low);
  }
  HR_ASSIGN_OR_UNEXPECTED(auto value, ParseJson(text));
  if (token.size() % 2 != 0 || !value.is_array() || value.get_array().size() != 5)
    return std::unexpected(InvalidArgument("not a token"));
  return std::move(value.get_array());
}

Result<Order> Decode(const std::string& token) {
  const auto invalid = [&] { return std::unexpected(InvalidArgument("page_token \"{}\" is not one of ours", token)); };
  const auto parts = DecodeText(token);
  if (!parts) return invalid();
  const auto& list = *parts;
  if (!list[0].is_string() || !list[1].is_bool() || !list[2].is_array() || !list[4].is_string()) return invalid();
  Order order{std::string(list[0].get_string()),
              list[1].get_bool(),
              {},
              ToSqlValue(list[3]),
              std::string(list[4].get_string())};
  for (const auto& entry : list[2].get_array()) {
    const auto* one = entry.if_array();
    if (!one || one->size() != 3 || !one->at(0).is_int64() || !one->at(1).is_string() || !one->at(2).is_array())
      return invalid();
    const int64_t operation = one->at(0).get_int64();
    if (operation < 0 || operation > static_cast<int64_t>(ListOperation::kSubstring)) return invalid();
    auto& predicate = order.predicates.emplace_back();
    predicate.operation = static_cast<ListOperation>(operation);
    predicate.field = one->at(1).get_string();
    for (const auto& value : one->at(2).get_array()) predicate.values.push_back(ToSqlValue(value));
  }
  return order;
}

Result<Order> OrderOf(const ListTable& table, const ListRequest& request) {
  if (request.page_token.empty())
    return Order{
        request.sort_by.empty() ? table.default_sort : request.sort_by, request.descending, request.predicates, {}, ""};
  HR_ASSIGN_OR_UNEXPECTED(Order order, Decode(request.page_token));
  const bool other_order =
      !request.sort_by.empty() && (request.sort_by != order.sort_by || request.descending != order.descending);
  const bool other_filter =
      !request.predicates.empty() && PredicatesJson(request.predicates) != PredicatesJson(order.predicates);
  if (other_order || other_filter)
    return std::unexpected(
        InvalidArgument("page_token belongs to a list with another {}; send the token alone or with "
                        "the same sort order and filter",
                        other_order ? "sort order" : "filter"));
  return order;
}

Result<const ListField*> FieldOf(const ListTable& table, const std::string& name, std::string_view use) {
  const auto found = std::ranges::find(table.fields, name, &ListField::name);
  if (found != table.fields.end()) return &*found;
  std::string known;
  for (const auto& field : table.fields) known += (known.empty() ? "" : ", ") + field.name;
  return std::unexpected(InvalidArgument("{}: {} has no field \"{}\"; there are {}", use, table.name, name, known));
}

std::string Expression(const ListField& field) {
  return field.nullable ? fmt::format("COALESCE({}, {})", field.column, field.is_text ? "''" : "0") : field.column;
}

std::string LikePattern(const std::string& text) {
  std::string pattern = "%";
  for (const char c : text) {
    if (c == '%' || c == '_' || c == '\\') pattern += '\\';
    pattern += c;
  }
  return pattern + "%";
}

// Collects conditions with their parameters.
struct Where {
  std::string sql;
  std::vector<SqlValue> parameters;

  void Add(const std::string& condition, const std::vector<SqlValue>& values) {
    sql += (sql.empty() ? " WHERE " : " AND ") + condition;
    parameters.insert(parameters.end(), values.begin(), values.end());
  }

  Status Add(const ListTable& table, const ListPredicate& predicate) {
    HR_ASSIGN_OR_RETURN(const ListField* field, FieldOf(table, predicate.field, "filter"));
    const bool single = predicate.operation != ListOperation::kIn;
    if (predicate.values.empty() || (single && predicate.values.size() != 1))
      return InvalidArgument("filter: field {}: expected {}, found {} values", field->name,
                             single ? "one value" : "one value or more", predicate.values.size());
    for (const auto& value : predicate.values)
      if (std::holds_alternative<std::string>(value) != field->is_text)
        return InvalidArgument("filter: field {}: expected a {}", field->name, field->is_text ? "string" : "number");
    const std::string column = Expression(*field);
    if (predicate.operation == ListOperation::kSubstring) {
      if (!field->is_text) return InvalidArgument("filter: field {} is not a text to search in", field->name);
      Add(fmt::format("lower({}) LIKE lower(?) ESCAPE '\\'", column),
          {LikePattern(std::get<std::string>(predicate.values[0]))});
      return OkStatus();
    }
    if (predicate.operation == ListOperation::kIn) {
      std::string places = "?";
      for (size_t i = 1; i < predicate.values.size(); i++) places += ", ?";
      Add(fmt::format("{} IN ({})", column, places), predicate.values);
      return OkStatus();
    }
    static constexpr const char* kOperators[] = {"=", "<>", ">", ">=", "<", "<="};
    Add(fmt::format("{} {} ?", column, kOperators[static_cast<size_t>(predicate.operation)]), predicate.values);
    return OkStatus();
  }
};

}  // namespace

Result<ListedRows> ListRows(Transaction& transaction, const ListTable& table, const ListRequest& request,
                            const std::vector<ListPredicate>& scope) {
  if (request.page_size < 0)
    return std::unexpected(InvalidArgument("page_size: expected 0 or more, found {}", request.page_size));
  const int64_t size = request.page_size == 0 ? kDefaultPage : std::min(request.page_size, kLargestPage);
  HR_ASSIGN_OR_UNEXPECTED(Order order, OrderOf(table, request));
  HR_ASSIGN_OR_UNEXPECTED(const ListField* sort, FieldOf(table, order.sort_by, "sort_by"));
  Where where;
  for (const auto& predicate : scope) HR_UNEXPECTED_IF_ERROR(where.Add(table, predicate));
  for (const auto& predicate : order.predicates) HR_UNEXPECTED_IF_ERROR(where.Add(table, predicate));
  HR_ASSIGN_OR_UNEXPECTED(
      const auto count,
      transaction.Query(fmt::format("SELECT count(*) FROM {}{}", table.name, where.sql), where.parameters));
  const std::string by = Expression(*sort);
  if (order.last_value) {
    const char* beyond = order.descending ? "<" : ">";
    where.Add(fmt::format("({0} {2} ? OR ({0} = ? AND {1} {2} ?))", by, table.key, beyond),
              {*order.last_value, *order.last_value, order.last_key});
  }
  const char* direction = order.descending ? "DESC" : "ASC";
  where.parameters.emplace_back(size + 1);
  ListedRows listed;
  HR_ASSIGN_OR_UNEXPECTED(
      listed.rows, transaction.Query(fmt::format("SELECT {0}, {1}, {2} FROM {3}{4} ORDER BY {1} {5}, {2} {5} LIMIT ?",
                                                 table.columns, by, table.key, table.name, where.sql, direction),
                                     where.parameters));
  listed.total = count.at(0).integer(0);
  if (static_cast<int64_t>(listed.rows.size()) <= size) return listed;
  listed.rows.pop_back();
  const SqlRow& last = listed.rows.back();
  order.last_value = sort->is_text ? SqlValue(last.text(last.size() - 2)) : SqlValue(last.integer(last.size() - 2));
  order.last_key = last.text(last.size() - 1);
  listed.next_page_token = Encode(order);
  return listed;
}

}  // namespace headrace
