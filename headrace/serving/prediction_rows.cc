#include "headrace/serving/prediction_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "headrace/base/base64.h"
#include "headrace/base/files.h"
#include "headrace/base/utf8.h"
#include "headrace/core/float16.h"
#include "headrace/core/query_engine.h"

namespace headrace::serving {
namespace {

// The rows of a prediction: the first dimension that all its inputs share, else 1.
int64_t RowsOf(const LoggedPrediction& prediction) {
  std::optional<int64_t> rows;
  for (const auto& input : prediction.inputs) {
    if (input.shape().empty() || (rows && *rows != input.shape()[0])) return 1;
    rows = input.shape()[0];
  }
  return rows.value_or(1);
}

// DuckDB's name; empty for types that are left out.
std::string_view SqlType(DataType type) {
  switch (type) {
    case DataType::kBool: return "BOOLEAN";
    case DataType::kInt8: return "TINYINT";
    case DataType::kInt16: return "SMALLINT";
    case DataType::kInt32: return "INTEGER";
    case DataType::kInt64: return "BIGINT";
    case DataType::kUint8: return "UTINYINT";
    case DataType::kUint16: return "USMALLINT";
    case DataType::kUint32: return "UINTEGER";
    case DataType::kUint64: return "UBIGINT";
    case DataType::kFloat16:
    case DataType::kBfloat16:
    case DataType::kFloat32: return "FLOAT";
    case DataType::kFloat64: return "DOUBLE";
    case DataType::kString: return "VARCHAR";
    default: return "";
  }
}

// What stands in a column of text for `bytes`: PredictionTable says what.
std::string AsText(std::string_view bytes) {
  constexpr std::string_view kBase64 = R"({"b64": ")";
  if (IsUtf8(bytes) && !bytes.starts_with(kBase64) && bytes.find('\0') == bytes.npos) return std::string(bytes);
  std::string text(kBase64);
  AppendBase64(&text, bytes);
  return text + "\"}";
}

// A string in a list literal of DuckDB's, which reads it back by a cast.
void AppendQuoted(std::string_view text, std::string* out) {
  *out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') *out += '\\';
    *out += c;
  }
  *out += '"';
}

void AppendElement(const Tensor& tensor, size_t index, bool quoted, std::string* out) {
  const auto print = [&](auto value) { fmt::format_to(std::back_inserter(*out), "{}", value); };
  const auto number = [&]<class T>(T) { print(tensor.values<T>()[index]); };
  switch (tensor.type()) {
    case DataType::kBool: *out += tensor.values<uint8_t>()[index] ? "true" : "false"; break;
    case DataType::kInt8: number(int8_t{}); break;
    case DataType::kInt16: number(int16_t{}); break;
    case DataType::kInt32: number(int32_t{}); break;
    case DataType::kInt64: number(int64_t{}); break;
    case DataType::kUint8: number(uint8_t{}); break;
    case DataType::kUint16: number(uint16_t{}); break;
    case DataType::kUint32: number(uint32_t{}); break;
    case DataType::kUint64: number(uint64_t{}); break;
    case DataType::kFloat16: print(Float16ToFloat(tensor.values<uint16_t>()[index])); break;
    case DataType::kBfloat16: print(Bfloat16ToFloat(tensor.values<uint16_t>()[index])); break;
    case DataType::kFloat32: number(float{}); break;
    case DataType::kFloat64: number(double{}); break;
    case DataType::kString: {
      const std::string text = AsText(tensor.strings()[index]);
      quoted ? AppendQuoted(text, out) : void(*out += text);
      break;
    }
    default: break;
  }
}

// Whether a row's part of this tensor is written as a list: more than one element, whatever the batch.
bool IsList(const TensorSpec& spec) {
  if (spec.any_rank) return true;
  for (size_t i = 1; i < spec.shape.size(); i++)
    if (spec.shape[i] != 1) return true;
  return false;
}

std::string CellText(const Tensor& tensor, int64_t row, int64_t rows, bool list) {
  const int64_t size = tensor.size();
  const bool by_row = !tensor.shape().empty() && tensor.shape()[0] == rows;
  const int64_t first = by_row && rows > 0 ? row * (size / rows) : 0;
  const int64_t count = by_row && rows > 0 ? size / rows : size;
  std::string text;
  if (list) text += '[';
  for (int64_t i = 0; i < count; i++) {
    if (i > 0) text += ", ";
    AppendElement(tensor, static_cast<size_t>(first + i), list, &text);
    if (!list) break;
  }
  if (list) text += ']';
  return text;
}

// Flat columns with the expressions that make typed ones of them.
class TableBuilder {
 public:
  void Text(const std::string& name, std::vector<std::string> values) {
    columns_.push_back({.name = name, .values = std::move(values)});
    Select(QuoteName(name), name);
  }
  void Integer(const std::string& name, std::vector<int64_t> values, std::string_view expression = "{}") {
    columns_.push_back({.name = name, .values = std::move(values)});
    Select(fmt::format(fmt::runtime(expression), QuoteName(name)), name);
  }
  void Number(const std::string& name, std::vector<double> values) {
    columns_.push_back({.name = name, .values = std::move(values)});
    Select(QuoteName(name), name);
  }
  // A field of the struct that Struct makes next.
  void Field(const std::string& name, std::string_view sql_type, std::vector<std::string> values,
             std::vector<bool> valid) {
    const std::string column = fmt::format("cell_{}", columns_.size());
    fields_ += fmt::format("{}{} := CAST({} AS {})", fields_.empty() ? "" : ", ", QuoteName(name), column, sql_type);
    columns_.push_back({.name = column, .values = std::move(values), .valid = std::move(valid)});
  }
  void Struct(const std::string& name) {
    Select(fields_.empty() ? "NULL" : "struct_pack(" + fields_ + ")", name);
    fields_.clear();
  }
  Result<PredictionTable> Finish() {
    HR_ASSIGN_OR_UNEXPECTED(auto batch, RecordBatch::Make(std::move(columns_)));
    return PredictionTable{std::move(batch), std::move(select_)};
  }

 private:
  void Select(std::string_view expression, std::string_view name) {
    select_ += fmt::format("{}{} AS {}", select_.empty() ? "" : ", ", expression, QuoteName(name));
  }
  std::vector<ColumnData> columns_;
  std::string select_, fields_;
};

// Calls `add(prediction, row)` for every row.
template <class Add>
void ForEachRowOf(const std::vector<const LoggedPrediction*>& predictions, Add add) {
  for (const LoggedPrediction* prediction : predictions)
    for (int64_t row = 0; row < RowsOf(*prediction); row++) add(*prediction, row);
}

void AddTensors(const std::vector<const LoggedPrediction*>& predictions, const std::vector<TensorSpec>& specs,
                std::vector<Tensor> LoggedPrediction::* tensors, TableBuilder* table) {
  for (size_t i = 0; i < specs.size(); i++) {
    const std::string_view type = SqlType(specs[i].type);
    if (type.empty()) continue;
    const bool list = IsList(specs[i]);
    std::vector<std::string> values;
    std::vector<bool> valid;
    ForEachRowOf(predictions, [&](const LoggedPrediction& prediction, int64_t row) {
      const auto& all = prediction.*tensors;
      valid.push_back(i < all.size() && all[i].size() > 0);
      values.push_back(valid.back() ? CellText(all[i], row, RowsOf(prediction), list) : std::string());
    });
    table->Field(specs[i].name, fmt::format("{}{}", type, list ? "[]" : ""), std::move(values), std::move(valid));
  }
}

}  // namespace

std::string RowSchemaKey(const LoggedPrediction& prediction) {
  std::string key = prediction.model + "\n" + prediction.signature;
  for (const auto* specs : {&prediction.input_specs, &prediction.output_specs}) {
    key += "\n";
    for (const auto& spec : *specs) key += fmt::format("{} {} {},", spec.name, DataTypeName(spec.type), IsList(spec));
  }
  return key;
}

Result<PredictionTable> MakePredictionTable(const std::vector<const LoggedPrediction*>& predictions) {
  TableBuilder table;
  const auto texts = [&](const auto& of) {
    std::vector<std::string> values;
    ForEachRowOf(predictions, [&](const auto& prediction, int64_t) { values.push_back(AsText(of(prediction))); });
    return values;
  };
  const auto integers = [&](const auto& of) {
    std::vector<int64_t> values;
    ForEachRowOf(predictions, [&](const auto& prediction, int64_t row) { values.push_back(of(prediction, row)); });
    return values;
  };
  const LoggedPrediction& first = *predictions.front();
  const std::string schema_hash = Sha256(RowSchemaKey(first)).substr(0, 16);
  table.Text("event_id", texts([](const auto& p) { return p.event_id; }));
  table.Text("request_id", texts([](const auto& p) { return p.request_id; }));
  table.Integer("row_index", integers([](const auto&, int64_t row) { return row; }));
  table.Text("trace_id", texts([](const auto& p) { return p.trace_id; }));
  table.Integer("event_time", integers([](const auto& p, int64_t) { return MicrosSinceEpoch(p.time); }),
                "make_timestamp({})");
  table.Text("endpoint", texts([](const auto& p) { return p.model; }));
  table.Text("role", texts([](const auto& p) { return RoleName(p.role); }));
  table.Text("model_name", texts([](const auto& p) { return p.model; }));
  table.Integer("model_version", integers([](const auto& p, int64_t) { return p.version; }));
  table.Text("signature", texts([](const auto& p) { return p.signature; }));
  table.Text("schema_hash", texts([&](const auto&) { return schema_hash; }));
  AddTensors(predictions, first.input_specs, &LoggedPrediction::inputs, &table);
  table.Struct("features");
  AddTensors(predictions, first.output_specs, &LoggedPrediction::outputs, &table);
  table.Struct("prediction");
  table.Text("status_code", texts([](const auto& p) { return CodeName(p.code); }));
  table.Text("error", texts([](const auto& p) { return p.error; }));
  table.Integer("latency_us", integers([](const auto& p, int64_t) { return p.latency_micros; }));
  table.Integer("queue_us", integers([](const auto& p, int64_t) { return p.queue_micros; }));
  table.Integer("batch_size", integers([](const auto& p, int64_t) { return p.batch_size; }));
  std::vector<double> sampling;
  ForEachRowOf(predictions, [&](const auto& p, int64_t) { sampling.push_back(p.sampling_fraction); });
  table.Number("sampling_prob", std::move(sampling));
  table.Text("client", texts([](const auto& p) { return p.client; }));
  return table.Finish();
}

}  // namespace headrace::serving
