#include "headrace/data/transform.h"

#include <fmt/format.h>

#include <algorithm>

#include "headrace/base/files.h"
#include "headrace/data/inference.h"
#include "headrace/data/transform_fit.h"
#include "headrace/data/transform_graph.h"

namespace headrace::data {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kTable = "hr_transformed";
constexpr int64_t kRowsAtOnce = 32768;

Status CheckServed(const TransformSpec& spec, const Schema* schema) {
  if (schema == nullptr) return OkStatus();
  for (const auto& feature : spec.features) {
    const FeatureSchema* column = schema->Find(feature.column);
    if (column != nullptr && !column->IsIn("SERVING"))
      return InvalidArgument(
          "feature \"{}\": the schema says that column \"{}\" is not there in the environment SERVING: no request "
          "would "
          "have it",
          feature.name, feature.column);
  }
  return OkStatus();
}

// Collects transformed rows and appends them to the table in pieces.
class Writer {
 public:
  Writer(QueryEngine& engine, const std::vector<std::string>& features, std::vector<std::string> extras)
      : engine_(engine), extras_(std::move(extras)) {
    for (const auto& feature : features) columns_.push_back({.name = feature, .values = std::vector<float>()});
  }

  Status Add(const RecordBatch& batch, int64_t first_extra, const Tensor& matrix) {
    const size_t features = columns_.size();
    if (matrix.shape().size() != 2 || matrix.shape()[0] != batch.rows() ||
        matrix.shape()[1] != static_cast<int64_t>(features))
      return Internal("the graph yields {}, expected [{},{}]", ShapeToString(matrix.shape()), batch.rows(), features);
    const auto values = matrix.values<float>();
    for (size_t column = 0; column < features; column++) {
      auto& out = std::get<std::vector<float>>(columns_[column].values);
      for (size_t row = 0; row < static_cast<size_t>(batch.rows()); row++)
        out.push_back(values[row * features + column]);
    }
    for (size_t i = 0; i < extras_.size(); i++) AddExtra(batch.column(first_extra + static_cast<int64_t>(i)), i);
    rows_ += batch.rows();
    return rows_ - flushed_ >= kRowsAtOnce ? Flush() : OkStatus();
  }

  Status Flush() {
    if (rows_ == flushed_) return OkStatus();
    flushed_ = rows_;
    std::vector<ColumnData> all;
    all.reserve(columns_.size() + extra_columns_.size());
    for (auto& column : columns_) {
      all.push_back({.name = column.name, .values = std::exchange(column.values, std::vector<float>())});
    }
    for (auto& column : extra_columns_) all.push_back(std::move(column));
    extra_columns_.clear();
    HR_ASSIGN_OR_RETURN(const RecordBatch batch, RecordBatch::Make(std::move(all)));
    return engine_.Append(kTable, batch);
  }

  int64_t rows() const { return rows_; }

 private:
  // Whole numbers stay BIGINT, other numbers DOUBLE; the rest is text.
  void AddExtra(const Column& column, size_t index) {
    if (extra_columns_.size() <= index) extra_columns_.push_back({.name = extras_[index], .values = EmptyLike(column)});
    ColumnData& data = extra_columns_[index];
    for (int64_t row = 0; row < column.size(); row++) {
      const bool null = column.IsNull(row);
      data.valid.push_back(!null);
      if (auto* whole = std::get_if<std::vector<int64_t>>(&data.values))
        whole->push_back(null ? 0 : column.Int64(row));
      else if (auto* real = std::get_if<std::vector<double>>(&data.values))
        real->push_back(null ? 0 : column.Double(row));
      else
        std::get<std::vector<std::string>>(data.values).emplace_back(null ? "" : column.String(row));
    }
  }

  static decltype(ColumnData::values) EmptyLike(const Column& column) {
    if (IsInteger(column.type()) || column.type() == ColumnType::kBool) return std::vector<int64_t>();
    if (IsNumber(column.type())) return std::vector<double>();
    return std::vector<std::string>();
  }

  QueryEngine& engine_;
  const std::vector<std::string> extras_;
  std::vector<ColumnData> columns_;
  std::vector<ColumnData> extra_columns_;
  int64_t rows_ = 0;
  int64_t flushed_ = 0;
};

// What passes through and the label, each once, as SQL and as names.
struct Extras {
  std::vector<std::string> names;
  std::vector<std::string> expressions;
};

Extras ExtrasOf(const TransformSpec& spec, const std::vector<SourceColumn>& columns,
                const std::vector<std::string>& features) {
  std::vector<std::string> names = spec.passthrough;
  std::erase(names, spec.label);
  if (!spec.label.empty()) names.push_back(spec.label);
  Extras extras;
  for (const auto& name : names) {
    const auto column = std::ranges::find(columns, name, &SourceColumn::name);
    const bool text =
        column->type == FeatureType::kString || column->sql_type.starts_with("TIME") || column->sql_type == "DATE";
    extras.expressions.push_back(text ? "CAST(" + QuoteName(name) + " AS VARCHAR)" : QuoteName(name));
    const bool taken = std::ranges::find(features, name) != features.end();
    extras.names.push_back(taken ? name + "_raw" : name);
  }
  return extras;
}

Status WriteParquet(QueryEngine& engine, const fs::path& folder) {
  fs::create_directories(folder);
  HR_RETURN_IF_ERROR(engine.Execute(fmt::format("COPY {} TO {} (FORMAT PARQUET, COMPRESSION ZSTD)", kTable,
                                                QuoteString((folder / "examples.parquet").string()))));
  return engine.Execute(fmt::format("DROP TABLE {}", kTable));
}

}  // namespace

Result<TransformResult> Transform(QueryEngine& engine, const std::vector<Engine*>& engines, const fs::path& examples,
                                  TransformSpec spec, const Schema* schema, const fs::path& graph_folder,
                                  const fs::path& out) {
  const ParquetSource train(examples / "train");
  HR_ASSIGN_OR_UNEXPECTED(const auto columns, train.Columns(engine));
  HR_UNEXPECTED_IF_ERROR(CheckSpec(columns, &spec));
  HR_UNEXPECTED_IF_ERROR(CheckServed(spec, schema));
  HR_ASSIGN_OR_UNEXPECTED(const auto fitted, FitTransform(engine, train, spec));
  HR_UNEXPECTED_IF_ERROR(WriteFileAtomically(graph_folder / "model.onnx", BuildTransformGraph(fitted)));
  HR_ASSIGN_OR_UNEXPECTED(const auto graph, LoadModel(engines, graph_folder));
  HR_ASSIGN_OR_UNEXPECTED(const auto splits, ListSplits(examples));
  TransformResult result;
  result.feature_names = FeatureNames(fitted);
  const Extras extras = ExtrasOf(spec, columns, result.feature_names);
  for (const auto& split : splits) {
    Writer writer(engine, result.feature_names, extras.names);
    const InferenceRequest request{
        ParquetSource(examples / split).Relation(), extras.expressions, {std::string(kFeaturesOutput)}};
    HR_UNEXPECTED_IF_ERROR(
        RunModel(engine, *graph, request,
                 [&writer](const RecordBatch& batch, int64_t first_extra, std::span<const Tensor> outputs) {
                   return writer.Add(batch, first_extra, outputs[0]);
                 }));
    HR_UNEXPECTED_IF_ERROR(writer.Flush());
    if (writer.rows() == 0) continue;
    result.counts[split] = writer.rows();
    HR_UNEXPECTED_IF_ERROR(WriteParquet(engine, out / split));
  }
  return result;
}

}  // namespace headrace::data
