#include "headrace/data/examples.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <numeric>
#include <set>

#include "headrace/base/json.h"
#include "headrace/data/source.h"

namespace headrace::data {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kTable = "hr_examples";

// "['a', 'b']"
std::string SqlList(const std::vector<std::string>& items) {
  std::string out = "[";
  for (size_t i = 0; i < items.size(); i++) out += (i == 0 ? "" : ", ") + QuoteString(items[i]);
  return out + "]";
}

bool IsName(std::string_view text) {
  return !text.empty() &&
         std::ranges::all_of(text, [](unsigned char c) { return std::isalnum(c) || c == '_' || c == '-'; });
}

// The only folder below base that holds the first span's file.
Result<std::string> DefaultQuery(const ExamplesRequest& request) {
  std::vector<std::string> folders;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(request.base, error))
    if (entry.is_directory() && !request.spans.empty() && fs::exists(entry.path() / (request.spans[0] + ".parquet")))
      folders.push_back(entry.path().filename().string());
  if (folders.size() == 1) return "SELECT * FROM read_parquet({" + folders[0] + "})";
  return std::unexpected(
      InvalidArgument("parameter \"query\": missing, and {} has {} folders with a file {}.parquet, not one",
                      request.base.string(), folders.size(), request.spans.empty() ? "SPAN" : request.spans[0]));
}

Result<std::string> SpanFiles(const ExamplesRequest& request, const std::string& folder) {
  std::vector<std::string> files;
  for (const auto& span : request.spans) {
    const fs::path file = request.base / folder / (span + ".parquet");
    if (!fs::exists(file)) return std::unexpected(NotFound("span \"{}\": there is no {}", span, file.string()));
    files.push_back(file.string());
  }
  if (files.empty())
    return std::unexpected(InvalidArgument("parameter \"spans\": empty, but the query uses {{{}}}", folder));
  return SqlList(files);
}

Result<std::string> Placeholder(const ExamplesRequest& request, const std::string& name) {
  if (name == "base") return request.base.string();
  if (name == "spans") return SqlList(request.spans);
  if (fs::is_directory(request.base / name)) return SpanFiles(request, name);
  return std::unexpected(InvalidArgument("query: {{{}}}: expected {{base}}, {{spans}} or the name of a folder in {}",
                                         name, request.base.string()));
}

// The files among the texts of `sql` ('…') that lie in the deliveries, patterns expanded.
std::vector<fs::path> SourcesOf(QueryEngine& engine, const std::string& sql, const fs::path& base) {
  std::set<fs::path> sources;
  for (size_t at = sql.find('\''); at != std::string::npos;) {
    const size_t end = sql.find('\'', at + 1);
    if (end == std::string::npos) break;
    const std::string text = sql.substr(at + 1, end - at - 1);
    at = sql.find('\'', end + 1);
    if (!text.starts_with(base.string())) continue;
    const auto add = [&sources](const RecordBatch& batch, int64_t row) {
      const fs::path file(batch.column(0).String(row));
      if (fs::is_regular_file(file)) sources.insert(fs::weakly_canonical(file));
      return OkStatus();
    };
    ForEachRow(engine, "SELECT file FROM glob(" + QuoteString(text) + ")", add).IgnoreError();
  }
  return {sources.begin(), sources.end()};
}

std::string SplitOf(const std::vector<SplitShare>& splits) {
  int64_t total = 0;
  for (const auto& split : splits) total += split.share;
  std::string sql = "CASE";
  int64_t below = 0;
  for (const auto& split : splits) {
    below += split.share;
    sql += fmt::format(" WHEN hr_hash % {} < {} THEN {}", total, below, QuoteString(split.name));
  }
  return sql + " END";
}

std::string KeyOf(const ExamplesRequest& request) {
  if (request.split_columns.empty()) return "CAST(hr_row AS VARCHAR)";
  std::string out = "CAST(row(";
  for (size_t i = 0; i < request.split_columns.size(); i++)
    out += (i == 0 ? "" : ", ") + QuoteName(request.split_columns[i]);
  return out + ") AS VARCHAR)";
}

Status WriteSplit(QueryEngine& engine, const SplitShare& split, const fs::path& out) {
  const fs::path folder = out / split.name;
  fs::create_directories(folder);
  return engine.Execute(fmt::format(
      "COPY (SELECT * EXCLUDE (hr_hash, hr_order, hr_split) FROM {} WHERE hr_split = {} ORDER BY hr_order) TO {} "
      "(FORMAT PARQUET, COMPRESSION ZSTD)",
      kTable, QuoteString(split.name), QuoteString((folder / "examples.parquet").string())));
}

Status CountSplits(QueryEngine& engine, std::map<std::string, int64_t>& counts) {
  return ForEachRow(engine, fmt::format("SELECT hr_split, count(*) FROM {} GROUP BY hr_split", kTable),
                    [&counts](const RecordBatch& batch, int64_t row) {
                      counts[std::string(batch.column(0).String(row))] = batch.column(1).Int64(row);
                      return OkStatus();
                    });
}

Status CheckSplits(const std::vector<SplitShare>& splits) {
  std::set<std::string> names;
  for (const auto& split : splits)
    if (split.share < 1 || !IsName(split.name) || !names.insert(split.name).second)
      return InvalidArgument("split \"{}\": expected names, each once, with shares of 1 or more", split.name);
  return splits.empty() ? InvalidArgument("split: expected at least one, as train:2,eval:1") : OkStatus();
}

}  // namespace

Result<std::string> ExpandQuery(const ExamplesRequest& request) {
  std::string query = request.query;
  if (query.empty()) {
    HR_ASSIGN_OR_UNEXPECTED(query, DefaultQuery(request));
  }
  std::string out;
  size_t at = 0;
  for (size_t open = query.find('{'); open != std::string::npos; open = query.find('{', at)) {
    const size_t close = query.find('}', open);
    const std::string name = close == std::string::npos ? "" : query.substr(open + 1, close - open - 1);
    out += query.substr(at, open - at);
    at = open + 1;
    if (!IsName(name)) {  // a struct literal of SQL: {'a': 1}
      out += '{';
      continue;
    }
    HR_ASSIGN_OR_UNEXPECTED(const std::string value, Placeholder(request, name));
    out += value;
    at = close + 1;
  }
  return out + query.substr(at);
}

Result<Examples> GenerateExamples(QueryEngine& engine, const ExamplesRequest& request, const fs::path& out) {
  HR_UNEXPECTED_IF_ERROR(CheckSplits(request.splits));
  HR_ASSIGN_OR_UNEXPECTED(std::string query, ExpandQuery(request));
  while (!query.empty() && (std::isspace(static_cast<unsigned char>(query.back())) || query.back() == ';'))
    query.pop_back();
  HR_UNEXPECTED_IF_ERROR(engine.Execute(fmt::format(
      "CREATE OR REPLACE TABLE {0} AS SELECT *, {1} AS hr_split FROM (SELECT *, md5_number_lower({2}) AS hr_hash, "
      "md5_number_lower(CAST(hr_row AS VARCHAR)) AS hr_order FROM (\n{3}\n) AS hr_row)",
      kTable, SplitOf(request.splits), KeyOf(request), query)));
  Examples examples;
  HR_UNEXPECTED_IF_ERROR(CountSplits(engine, examples.counts));
  if (examples.counts.empty())
    return std::unexpected(FailedPrecondition("the query yields no row for the spans {}", SqlList(request.spans)));
  for (const auto& split : request.splits) {
    examples.counts.try_emplace(split.name, 0);
    HR_UNEXPECTED_IF_ERROR(WriteSplit(engine, split, out));
  }
  HR_UNEXPECTED_IF_ERROR(engine.Execute(fmt::format("DROP TABLE {}", kTable)));
  examples.sources = SourcesOf(engine, query, request.base);
  return examples;
}

Result<std::vector<SplitShare>> ParseSplits(std::string_view text) {
  std::vector<SplitShare> splits;
  if (text.starts_with('{')) {
    HR_ASSIGN_OR_UNEXPECTED(const auto value, ParseJson(text));
    for (const auto& [name, share] : value.as_object()) {
      if (!share.is_number())
        return std::unexpected(InvalidArgument("split \"{}\": expected a number", std::string_view(name)));
      splits.push_back({std::string(name), static_cast<int64_t>(share.to_number<double>())});
    }
    return splits;
  }
  while (!text.empty()) {
    const std::string_view item = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), item.size() + 1));
    const size_t colon = item.find(':');
    SplitShare split{std::string(item.substr(0, colon)), 0};
    if (colon != std::string_view::npos)
      std::from_chars(item.data() + colon + 1, item.data() + item.size(), split.share);
    splits.push_back(std::move(split));
  }
  HR_UNEXPECTED_IF_ERROR(CheckSplits(splits));
  return splits;
}

}  // namespace headrace::data
