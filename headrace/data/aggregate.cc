#include "headrace/data/aggregate.h"

#include <fmt/format.h>

#include <cmath>

namespace headrace::data {
namespace {

constexpr int kRowGroup = 122880;  // rows: DuckDB's own row group

}  // namespace

std::string WithPlace(const ParquetSource& source, const std::vector<std::string>& columns) {
  return fmt::format("(SELECT filename AS hr_file, file_row_number // {} AS hr_group{}{} FROM {})", kRowGroup,
                     columns.empty() ? "" : ", ", fmt::join(columns, ", "), source.RelationWithPosition());
}

Result<std::vector<double>> OrderedSums(QueryEngine& engine, const std::string& sub_query,
                                        const std::vector<std::string>& aggregates) {
  std::vector<double> sums(aggregates.size(), 0);
  if (aggregates.empty()) return sums;
  const std::string sql = fmt::format("SELECT {} FROM {} GROUP BY hr_file, hr_group ORDER BY hr_file, hr_group",
                                      fmt::join(aggregates, ", "), sub_query);
  HR_UNEXPECTED_IF_ERROR(ForEachRow(engine, sql, [&sums](const RecordBatch& batch, int64_t row) {
    for (size_t i = 0; i < sums.size(); i++) {
      const Column column = batch.column(static_cast<int64_t>(i));
      if (!column.IsNull(row)) sums[i] += column.Double(row);
    }
    return OkStatus();
  }));
  return sums;
}

Result<std::vector<Moments>> ComputeMoments(QueryEngine& engine, const std::string& sub_query,
                                            const std::vector<std::string>& expressions) {
  std::vector<Moments> out(expressions.size());
  std::vector<std::string> aggregates;
  for (const auto& expression : expressions) {
    aggregates.push_back(fmt::format("sum({})", expression));
    aggregates.push_back(fmt::format("count({})", expression));
  }
  HR_ASSIGN_OR_UNEXPECTED(const auto sums, OrderedSums(engine, sub_query, aggregates));
  aggregates.clear();
  for (size_t i = 0; i < out.size(); i++) {
    if (sums[2 * i + 1] > 0) out[i].mean = sums[2 * i] / sums[2 * i + 1];
    aggregates.push_back(fmt::format("sum(({0} - {1}) * ({0} - {1}))", expressions[i], SqlDouble(out[i].mean)));
  }
  HR_ASSIGN_OR_UNEXPECTED(const auto squares, OrderedSums(engine, sub_query, aggregates));
  for (size_t i = 0; i < out.size(); i++)
    if (sums[2 * i + 1] > 0) out[i].std_dev = std::sqrt(squares[i] / sums[2 * i + 1]);
  return out;
}

}  // namespace headrace::data
