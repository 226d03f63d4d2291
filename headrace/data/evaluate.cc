#include "headrace/data/evaluate.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>

#include "headrace/data/inference.h"
#include "headrace/data/source.h"

namespace headrace::data {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kTable = "hr_predictions";

// Labels and slice values of every row; predictions are collected in the same order.
struct Table {
  std::vector<uint8_t> labels;
  std::vector<float> candidate;
  std::vector<float> baseline;
  std::vector<std::vector<std::string>> slices;  // by slice column, then by row
};

Status AddPredictions(const RecordBatch& batch, std::span<const Tensor> outputs, std::vector<float>& out) {
  const Tensor& tensor = outputs[0];
  if (tensor.size() != batch.rows() || (tensor.type() != DataType::kFloat32 && tensor.type() != DataType::kFloat64))
    return InvalidArgument("the model's first output has shape {} of {} for {} rows; expected a probability for each",
                           ShapeToString(tensor.shape()), DataTypeName(tensor.type()), batch.rows());
  const auto before = static_cast<long>(out.size());
  if (tensor.type() == DataType::kFloat32)
    for (const float value : tensor.values<float>()) out.push_back(value);
  else
    for (const double value : tensor.values<double>()) out.push_back(static_cast<float>(value));
  const auto outside = std::find_if_not(out.begin() + before, out.end(), [](float p) { return p >= 0 && p <= 1; });
  if (outside == out.end()) return OkStatus();
  return InvalidArgument("row {}: the prediction {} is no probability", outside - out.begin(), *outside);
}

Status AddLabels(const RecordBatch& batch, int64_t first_extra, const std::string& name, Table& table) {
  const Column labels = batch.column(first_extra);
  for (int64_t row = 0; row < batch.rows(); row++) {
    const double label = labels.Double(row);
    if (label != 0 && label != 1) return InvalidArgument("label \"{}\": expected 0 or 1, found {}", name, label);
    table.labels.push_back(label == 1 ? 1 : 0);
  }
  for (size_t i = 0; i < table.slices.size(); i++) {
    const Column values = batch.column(first_extra + 1 + static_cast<int64_t>(i));
    for (int64_t row = 0; row < batch.rows(); row++) table.slices[i].emplace_back(values.String(row));
  }
  return OkStatus();
}

// The model's inputs of one row as JSON; nullopt when one is missing.
std::optional<json::object> InstanceOf(const RecordBatch& batch, int64_t row, const Signature& signature) {
  json::object instance;
  for (size_t i = 0; i < signature.inputs.size(); i++) {
    const Column column = batch.column(static_cast<int64_t>(i));
    json::value& value = instance[signature.inputs[i].name];
    if (column.type() == ColumnType::kString) {
      if (column.String(row).empty()) return std::nullopt;
      value = column.String(row);
    } else if (column.type() == ColumnType::kBool) {
      value = column.Bool(row);
    } else if (IsInteger(column.type())) {
      value = column.Int64(row);
    } else if (std::isfinite(column.Double(row))) {
      value = column.Double(row);
    } else {
      return std::nullopt;
    }
  }
  return instance;
}

void AddSamples(const RecordBatch& batch, const Signature& signature, size_t first_row, const Table& table,
                size_t wanted, std::vector<Sample>& samples) {
  for (int64_t row = 0; row < batch.rows() && samples.size() < wanted; row++) {
    auto instance = InstanceOf(batch, row, signature);
    if (instance) samples.push_back({*std::move(instance), table.candidate[first_row + static_cast<size_t>(row)]});
  }
}

Status WritePredictions(QueryEngine& engine, const EvaluateRequest& request, const Table& table, const fs::path& file) {
  if (file.empty()) return OkStatus();
  std::vector<int64_t> rows(table.labels.size());
  for (size_t i = 0; i < rows.size(); i++) rows[i] = static_cast<int64_t>(i);
  std::vector<ColumnData> columns;
  columns.push_back({.name = "row", .values = std::move(rows)});
  columns.push_back({.name = "label", .values = std::vector<int32_t>(table.labels.begin(), table.labels.end())});
  columns.push_back({.name = "prediction", .values = table.candidate});
  if (!table.baseline.empty()) columns.push_back({.name = "baseline_prediction", .values = table.baseline});
  for (size_t i = 0; i < request.slices.size(); i++)
    columns.push_back({.name = request.slices[i], .values = table.slices[i]});
  HR_ASSIGN_OR_RETURN(const RecordBatch batch, RecordBatch::Make(std::move(columns)));
  HR_RETURN_IF_ERROR(engine.Append(kTable, batch));
  fs::create_directories(file.parent_path());
  HR_RETURN_IF_ERROR(engine.Execute(
      fmt::format("COPY {} TO {} (FORMAT PARQUET, COMPRESSION ZSTD)", kTable, QuoteString(file.string()))));
  return engine.Execute(fmt::format("DROP TABLE {}", kTable));
}

SliceResult Measure(const Table& table, const std::vector<size_t>* rows, double threshold) {
  SliceResult out;
  std::vector<uint8_t> labels;
  std::vector<float> candidate;
  std::vector<float> baseline;
  if (rows != nullptr) {
    for (const size_t row : *rows) {
      labels.push_back(table.labels[row]);
      candidate.push_back(table.candidate[row]);
      if (!table.baseline.empty()) baseline.push_back(table.baseline[row]);
    }
  }
  const Table& all = table;
  const std::span<const uint8_t> y = rows == nullptr ? std::span(all.labels) : std::span<const uint8_t>(labels);
  const std::span<const float> p = rows == nullptr ? std::span(all.candidate) : std::span<const float>(candidate);
  const std::span<const float> q = rows == nullptr ? std::span(all.baseline) : std::span<const float>(baseline);
  out.metrics = ComputeMetrics(y, p, threshold);
  if (all.baseline.empty()) return out;
  out.baseline = ComputeMetrics(y, q, threshold);
  out.change = ComputeChanges(y, p, q, threshold);
  return out;
}

void MeasureSlices(const EvaluateRequest& request, const Table& table, Evaluation& out) {
  for (size_t i = 0; i < request.slices.size(); i++) {
    std::map<std::string, std::vector<size_t>> rows_of;
    for (size_t row = 0; row < table.labels.size(); row++) rows_of[table.slices[i][row]].push_back(row);
    for (const auto& [value, rows] : rows_of) {
      SliceResult slice = Measure(table, &rows, request.threshold);
      slice.column = request.slices[i];
      slice.value = value;
      out.slices.push_back(std::move(slice));
    }
  }
}

InferenceRequest InferenceOf(const EvaluateRequest& request) {
  InferenceRequest out;
  out.relation = fmt::format("(SELECT * FROM {} WHERE {} IS NOT NULL)", ParquetSource(request.examples).Relation(),
                             QuoteName(request.label));
  out.extras.push_back("CAST(" + QuoteName(request.label) + " AS DOUBLE)");
  for (const auto& slice : request.slices)
    out.extras.push_back("coalesce(CAST(" + QuoteName(slice) + " AS VARCHAR), '')");
  return out;
}

Status CheckColumns(QueryEngine& engine, const EvaluateRequest& request) {
  HR_ASSIGN_OR_RETURN(const auto columns, ParquetSource(request.examples).Columns(engine));
  const auto has = [&columns](const std::string& name) {
    return std::ranges::find(columns, name, &SourceColumn::name) != columns.end();
  };
  if (!has(request.label)) return InvalidArgument("label \"{}\": the examples have no such column", request.label);
  for (const auto& slice : request.slices)
    if (!has(slice)) return InvalidArgument("slice \"{}\": the examples have no such column", slice);
  return OkStatus();
}

}  // namespace

Result<Evaluation> Evaluate(QueryEngine& engine, Servable& model, Servable* baseline, const EvaluateRequest& request,
                            const fs::path& predictions) {
  HR_UNEXPECTED_IF_ERROR(CheckColumns(engine, request));
  const Signature& signature = model.signatures().front();
  const InferenceRequest inference = InferenceOf(request);
  Evaluation out;
  Table table;
  table.slices.resize(request.slices.size());
  const auto collect = [&](const RecordBatch& batch, int64_t first_extra, std::span<const Tensor> outputs) -> Status {
    const size_t first_row = table.candidate.size();
    HR_RETURN_IF_ERROR(AddPredictions(batch, outputs, table.candidate));
    AddSamples(batch, signature, first_row, table, request.samples, out.samples);
    return AddLabels(batch, first_extra, request.label, table);
  };
  HR_UNEXPECTED_IF_ERROR(RunModel(engine, model, inference, collect));
  if (table.labels.empty())
    return std::unexpected(FailedPrecondition("{}: no row has a label", request.examples.string()));
  if (baseline != nullptr) {
    const auto compare = [&table](const RecordBatch& batch, int64_t, std::span<const Tensor> outputs) {
      return AddPredictions(batch, outputs, table.baseline);
    };
    const Status status = RunModel(engine, *baseline, inference, compare);
    HR_UNEXPECTED_IF_ERROR(status.WithContext("the baseline model"));
  }
  out.overall = Measure(table, nullptr, request.threshold);
  MeasureSlices(request, table, out);
  HR_UNEXPECTED_IF_ERROR(WritePredictions(engine, request, table, predictions));
  return out;
}

std::optional<fs::path> FindBaseline(const std::vector<Engine*>& engines, const fs::path& base) {
  const auto recognised = [&engines](const fs::path& folder) {
    return std::ranges::any_of(engines, [&](const Engine* engine) { return engine->Recognizes(folder); });
  };
  if (base.empty()) return std::nullopt;
  int64_t best = -1;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(base, error)) {
    const std::string name = entry.path().filename().string();
    int64_t version = -1;
    const auto [end, failed] = std::from_chars(name.data(), name.data() + name.size(), version);
    if (failed == std::errc() && end == name.data() + name.size() && recognised(entry.path()))
      best = std::max(best, version);
  }
  if (best >= 0) return base / std::to_string(best);
  return !error && recognised(base) ? std::optional(base) : std::nullopt;
}

}  // namespace headrace::data
