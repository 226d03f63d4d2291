#include "headrace/protocols/scoring/batch.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>

#include "headrace/net/http.h"
#include "headrace/protocols/scoring/header_text.h"

namespace headrace::scoring {
namespace {

enum class Format { kJson, kJsonLines, kCsv };

std::optional<Format> FormatOf(std::string_view content_type) {
  const std::string_view type = TakePart(&content_type, ';');
  while (!content_type.empty()) {
    std::string_view value = TakePart(&content_type, ';');
    const std::string_view name = TakePart(&value, '=');
    if (value.size() >= 2 && value.starts_with('"') && value.ends_with('"')) value = value.substr(1, value.size() - 2);
    if (net::EqualIgnoringCase(name, "charset") && !net::EqualIgnoringCase(value, "utf-8") &&
        !net::EqualIgnoringCase(value, "us-ascii"))
      return std::nullopt;
  }
  const auto is = [&](std::string_view name) { return net::EqualIgnoringCase(type, name); };
  if (is("text/csv")) return Format::kCsv;
  if (is("application/jsonlines") || is("application/x-jsonlines")) return Format::kJsonLines;
  if (type.empty() || is("application/json") || is("application/x-www-form-urlencoded")) return Format::kJson;
  return std::nullopt;
}

// Where the string that begins at `at` ends: behind its quote.
size_t StringEnd(std::string_view text, size_t at) {
  for (at++; at < text.size() && text[at] != '"'; at++)
    if (text[at] == '\\') at++;
  return std::min(at + 1, text.size());
}

// ParseJson that knows the words of Python's json: NaN as null, and infinities as numbers beyond a double's range.
Result<json::value> ParseLenientJson(std::string_view text) {
  constexpr std::string_view kNan = "NaN", kInfinity = "Infinity";
  if (text.find(kNan) == text.npos && text.find(kInfinity) == text.npos) return ParseJson(text);
  std::string strict;
  strict.reserve(text.size() + 16);
  for (size_t at = 0; at < text.size();) {
    const std::string_view rest = text.substr(at);
    if (rest.starts_with('"')) {
      const size_t end = StringEnd(text, at);
      strict += text.substr(at, end - at);
      at = end;
    } else if (rest.starts_with(kNan)) {
      strict += "null";
      at += kNan.size();
    } else if (rest.starts_with(kInfinity)) {
      strict += "1e999";
      at += kInfinity.size();
    } else {
      strict += text[at++];
    }
  }
  return ParseJson(strict);
}

bool IsBytes(const json::value& value) {
  return value.is_object() && value.as_object().size() == 1 && value.as_object().contains("b64");
}

Status RaggedRow(size_t row) {
  return InvalidArgument("row {}: its names are not those of row 0; give each row the same ones", row);
}

// [{"a": 1, "b": 2}, …] → columns.
Status SplitRows(const json::array& rows, Batch* batch) {
  for (const auto& [key, value] : rows[0].as_object()) batch->columns.emplace_back(key, json::array());
  for (size_t i = 0; i < rows.size(); i++) {
    const json::object* row = rows[i].if_object();
    if (row == nullptr || row->size() != batch->columns.size()) return RaggedRow(i);
    for (auto& [name, values] : batch->columns) {
      const json::value* value = row->if_contains(name);
      if (value == nullptr) return RaggedRow(i);
      values.push_back(*value);
    }
  }
  return OkStatus();
}

// The same of records that need not have the same names: pandas' columns are all that occur, in the order in which they
// do.
constexpr size_t kMaxSparseCells = 1 << 20, kMaxSparseness = 64;

Status SplitRecords(const json::value& value, Batch* batch) {
  if (!value.is_array() || value.as_array().empty())
    return InvalidArgument("dataframe_records: expected an array with at least one row");
  const json::array& rows = value.as_array();
  std::map<std::string_view, size_t> places;
  size_t cells = 0;
  for (size_t i = 0; i < rows.size(); i++) {
    if (!rows[i].is_object()) return InvalidArgument("dataframe_records: row {}: expected an object", i);
    for (const auto& field : rows[i].as_object()) {
      const std::string_view key = field.key();
      if (places.try_emplace(key, batch->columns.size()).second) batch->columns.emplace_back(key, json::array());
      cells++;
    }
  }
  // A small text can name a great many columns that are empty but for one row.
  if (places.size() > std::max(kMaxSparseCells, kMaxSparseness * cells) / rows.size())
    return InvalidArgument("dataframe_records: {} names in {} rows of {} values together; expected rows of equal names",
                           places.size(), rows.size(), cells);
  for (auto& column : batch->columns) column.second.resize(rows.size());
  for (size_t i = 0; i < rows.size(); i++)
    for (const auto& [key, cell] : rows[i].as_object()) batch->columns[places.at(key)].second[i] = cell;
  return OkStatus();
}

Status TakeRows(std::string_view field, json::value& value, Batch* batch) {
  if (!value.is_array() || value.as_array().empty())
    return InvalidArgument("{}: expected an array with at least one row", field);
  json::array& rows = value.as_array();
  if (rows[0].is_object() && !IsBytes(rows[0])) return SplitRows(rows, batch);
  batch->columns.emplace_back("", std::move(rows));
  return OkStatus();
}

Status TakeInputs(json::value& value, Batch* batch) {
  batch->form = Batch::Form::kColumns;
  if (value.is_array()) {
    batch->columns.emplace_back("", std::move(value.as_array()));
    return OkStatus();
  }
  if (!value.is_object()) return InvalidArgument("inputs: expected an object of tensors by name, or one array");
  for (auto& [name, column] : value.as_object()) {
    if (!column.is_array()) return InvalidArgument("inputs: {}: expected an array", std::string_view(name));
    batch->columns.emplace_back(name, std::move(column.as_array()));
  }
  return OkStatus();
}

Status TakeSplit(const json::value& value, Batch* batch) {
  batch->form = Batch::Form::kTable;
  if (!value.is_object()) return InvalidArgument("dataframe_split: expected an object with \"columns\" and \"data\"");
  HR_ASSIGN_OR_RETURN(const json::array* names, RequiredArray(value.as_object(), "columns"));
  HR_ASSIGN_OR_RETURN(const json::array* rows, RequiredArray(value.as_object(), "data"));
  for (const auto& name : *names) {
    if (!name.is_string()) return InvalidArgument("dataframe_split: columns: expected names");
    batch->columns.emplace_back(name.as_string(), json::array());
  }
  for (size_t i = 0; i < rows->size(); i++) {
    const json::array* row = (*rows)[i].if_array();
    if (row == nullptr || row->size() != names->size())
      return InvalidArgument("dataframe_split: data: row {}: expected {} values, one for each column", i,
                             names->size());
    for (size_t column = 0; column < row->size(); column++) batch->columns[column].second.push_back((*row)[column]);
  }
  return OkStatus();
}

Result<Batch> ParseObject(std::string_view body) {
  HR_ASSIGN_OR_UNEXPECTED(json::value value, ParseLenientJson(body));
  if (!value.is_object()) return std::unexpected(InvalidArgument("body: expected a JSON object"));
  json::object& object = value.as_object();
  constexpr std::array<std::string_view, 4> kForms = {"instances", "inputs", "dataframe_split", "dataframe_records"};
  if (std::ranges::count_if(kForms, [&](auto form) { return object.contains(form); }) != 1)
    return std::unexpected(InvalidArgument("body: expected exactly one of {}", fmt::join(kForms, ", ")));
  Batch batch;
  if (json::value* rows = object.if_contains("instances")) {
    HR_UNEXPECTED_IF_ERROR(TakeRows("instances", *rows, &batch));
  } else if (json::value* inputs = object.if_contains("inputs")) {
    HR_UNEXPECTED_IF_ERROR(TakeInputs(*inputs, &batch));
  } else if (const json::value* split = object.if_contains("dataframe_split")) {
    HR_UNEXPECTED_IF_ERROR(TakeSplit(*split, &batch));
  } else {
    batch.form = Batch::Form::kTable;
    HR_UNEXPECTED_IF_ERROR(SplitRecords(object.at("dataframe_records"), &batch));
  }
  return batch;
}

std::string_view TakeLine(std::string_view* text) {
  const size_t end = text->find('\n');
  std::string_view line = text->substr(0, end);
  text->remove_prefix(end == text->npos ? text->size() : end + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

Result<Batch> ParseLines(std::string_view body) {
  json::value rows = json::array();
  while (!body.empty()) {
    const std::string_view line = TakeLine(&body);
    if (line.empty()) continue;
    auto row = ParseLenientJson(line);
    if (!row) return std::unexpected(row.error().WithContext(fmt::format("row {}", rows.as_array().size())));
    rows.as_array().push_back(*std::move(row));
  }
  Batch batch;
  HR_UNEXPECTED_IF_ERROR(TakeRows("body", rows, &batch));
  return batch;
}

// Takes one record off `text`; fields may be quoted, and then hold commas, line ends and doubled quotes.
std::vector<std::string> TakeRecord(std::string_view* text) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  size_t i = 0;
  for (; i < text->size(); i++) {
    const char c = (*text)[i];
    if (quoted) {
      if (c != '"') {
        fields.back() += c;
      } else if (i + 1 < text->size() && (*text)[i + 1] == '"') {
        fields.back() += (*text)[i++];
      } else {
        quoted = false;
      }
    } else if (c == '"') {
      quoted = true;
    } else if (c == ',') {
      fields.emplace_back();
    } else if (c == '\n') {
      break;
    } else if (c != '\r') {
      fields.back() += c;
    }
  }
  text->remove_prefix(std::min(i + 1, text->size()));
  return fields;
}

json::value FieldValue(const std::string& field) {
  double number = 0;
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), number);
  if (field.empty() || error != std::errc() || end != field.data() + field.size()) return json::string(field);
  int64_t integer = 0;
  const auto whole = std::from_chars(field.data(), field.data() + field.size(), integer);
  if (whole.ec == std::errc() && whole.ptr == field.data() + field.size()) return integer;
  return number;
}

Result<Batch> ParseCsv(std::string_view body) {
  Batch batch;
  batch.form = Batch::Form::kTable;
  std::vector<json::array> rows;
  std::vector<std::string> header;
  for (size_t line = 1; !body.empty(); line++) {
    const auto fields = TakeRecord(&body);
    if (fields.size() == 1 && fields[0].empty()) continue;
    json::array row;
    for (const auto& field : fields) row.push_back(FieldValue(field));
    const size_t width = !header.empty() ? header.size() : rows.empty() ? fields.size() : rows[0].size();
    if (fields.size() != width)
      return std::unexpected(InvalidArgument("line {}: {} fields, expected {}", line, fields.size(), width));
    const bool texts = std::all_of(row.begin(), row.end(), [](const auto& value) { return value.is_string(); });
    if (line == 1 && texts)
      header = fields;
    else
      rows.push_back(std::move(row));
  }
  if (rows.empty()) return std::unexpected(InvalidArgument("body: the CSV has no row"));
  if (header.empty()) {
    auto& matrix = batch.columns.emplace_back("", json::array()).second;
    for (auto& row : rows) matrix.emplace_back(std::move(row));
    return batch;
  }
  for (size_t column = 0; column < header.size(); column++) {
    auto& values = batch.columns.emplace_back(header[column], json::array()).second;
    for (const auto& row : rows) values.push_back(row[column]);
  }
  return batch;
}

}  // namespace

Result<Batch> ParseBatch(std::string_view content_type, std::string_view body) {
  const auto format = FormatOf(content_type);
  if (!format)
    return std::unexpected(Unimplemented(
        "content type {}: expected application/json, application/jsonlines or text/csv, in UTF-8", content_type));
  switch (*format) {
    case Format::kCsv: return ParseCsv(body);
    case Format::kJsonLines: return ParseLines(body);
    default: return ParseObject(body);
  }
}

bool TakesContentType(std::string_view content_type) { return FormatOf(content_type).has_value(); }

}  // namespace headrace::scoring
