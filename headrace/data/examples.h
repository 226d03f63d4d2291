// Examples from a query over a folder of deliveries: Parquet files, split the same way each time.
#pragma once
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/base/status.h"
#include "headrace/core/query_engine.h"

namespace headrace::data {

struct SplitShare {
  std::string name;
  int64_t share = 1;
};

struct ExamplesRequest {
  std::filesystem::path base;      // the deliveries
  std::vector<std::string> spans;  // "2013-01", …: one file each in a folder of base
  // SQL in which {base} is the folder's path, {spans} the list of spans as texts, and {NAME} the list of the spans'
  // files base/NAME/SPAN.parquet, for read_parquet. Empty: every column of flights-like data, from the only folder in
  // base.
  std::string query;
  std::vector<SplitShare> splits = {{"train", 2}, {"eval", 1}};
  // The columns whose values decide a row's split; empty: all. Rows with equal values share a split.
  std::vector<std::string> split_columns = {};
};

struct Examples {
  std::map<std::string, int64_t> counts;       // split → rows
  std::vector<std::filesystem::path> sources;  // the files that were read, sorted
};

// `query` with its placeholders replaced. kInvalidArgument for a placeholder that is neither, kNotFound naming the
// span's file that is missing.
Result<std::string> ExpandQuery(const ExamplesRequest& request);

// Writes out/SPLIT/examples.parquet. A row's split, and the order of rows, depend on nothing but the rows: MD5 of their
// text. kFailedPrecondition when the query yields no row.
Result<Examples> GenerateExamples(QueryEngine& engine, const ExamplesRequest& request,
                                  const std::filesystem::path& out);

// "train:2,eval:1", or {"train": 2, "eval": 1} in JSON.
Result<std::vector<SplitShare>> ParseSplits(std::string_view text);

}  // namespace headrace::data
