#include "headrace/data/source.h"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>

namespace headrace::data {
namespace fs = std::filesystem;
namespace {

bool HasParquet(const fs::path& folder) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (entry.path().extension() == ".parquet") return true;
  return false;
}

FeatureType TypeOf(std::string_view sql_type) {
  static constexpr std::string_view kInts[] = {"TINYINT",   "SMALLINT", "INTEGER", "BIGINT",  "HUGEINT", "UTINYINT",
                                               "USMALLINT", "UINTEGER", "UBIGINT", "BOOLEAN", "DATE"};
  if (std::ranges::find(kInts, sql_type) != std::end(kInts) || sql_type.starts_with("TIMESTAMP"))
    return FeatureType::kInt;
  if (sql_type == "FLOAT" || sql_type == "DOUBLE" || sql_type.starts_with("DECIMAL")) return FeatureType::kFloat;
  return FeatureType::kString;
}

}  // namespace

std::string_view FeatureTypeName(FeatureType type) {
  switch (type) {
    case FeatureType::kInt: return "INT";
    case FeatureType::kFloat: return "FLOAT";
    case FeatureType::kString: return "STRING";
  }
  return "";
}

std::string ParquetSource::Relation() const {
  return "read_parquet(" + QuoteString((folder_ / "*.parquet").string()) + ")";
}

Result<std::vector<SourceColumn>> ParquetSource::Columns(QueryEngine& engine) const {
  if (!HasParquet(folder_)) return std::unexpected(NotFound("no Parquet files in {}", folder_.string()));
  std::vector<SourceColumn> columns;
  const std::string sql = "SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM " + Relation() + ")";
  HR_UNEXPECTED_IF_ERROR(ForEachRow(engine, sql, [&columns](const RecordBatch& batch, int64_t row) {
    const std::string sql_type(batch.column(1).String(row));
    columns.push_back({std::string(batch.column(0).String(row)), sql_type, TypeOf(sql_type)});
    return OkStatus();
  }));
  return columns;
}

Result<std::vector<std::string>> ListSplits(const fs::path& examples) {
  std::vector<std::string> splits;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(examples, error))
    if (entry.is_directory() && HasParquet(entry.path())) splits.push_back(entry.path().filename().string());
  if (error) return std::unexpected(ErrnoStatus(error.value(), "examples " + examples.string()));
  if (splits.empty())
    return std::unexpected(
        NotFound("{} holds no split: expected folders such as train/ and eval/ with Parquet files", examples.string()));
  std::ranges::sort(splits);
  return splits;
}

std::string SqlDouble(double value) { return fmt::format("CAST('{}' AS DOUBLE)", value); }

}  // namespace headrace::data
