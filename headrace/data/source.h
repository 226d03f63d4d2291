// Examples on disk: a folder of Parquet files for each split.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/base/status.h"
#include "headrace/core/query_engine.h"

namespace headrace::data {

// As TFDV sees columns. Booleans are integers 0 and 1; dates and times are integers, seconds since 1970-01-01 UTC; what
// is none of these is text, as SQL casts it.
enum class FeatureType { kInt, kFloat, kString };
std::string_view FeatureTypeName(FeatureType type);  // "INT", "FLOAT", "STRING"

struct SourceColumn {
  std::string name;
  std::string sql_type;  // the engine's word: "INTEGER", "VARCHAR", …
  FeatureType type = FeatureType::kString;
};

// The Parquet files directly in `folder`, in the order of their names.
class ParquetSource {
 public:
  explicit ParquetSource(std::filesystem::path folder) : folder_(std::move(folder)) {}

  const std::filesystem::path& folder() const { return folder_; }
  // What SQL reads after FROM. Rows come in the order of file names and rows.
  std::string Relation() const;
  // kNotFound when there is no Parquet file.
  Result<std::vector<SourceColumn>> Columns(QueryEngine& engine) const;

 private:
  std::filesystem::path folder_;
};

// The splits of an examples folder: its sub-folders that hold Parquet files, sorted by name. kNotFound when there is
// none.
Result<std::vector<std::string>> ListSplits(const std::filesystem::path& examples);

// CAST('0.1' AS DOUBLE): the value to the last bit, which a decimal literal is not.
std::string SqlDouble(double value);

}  // namespace headrace::data
