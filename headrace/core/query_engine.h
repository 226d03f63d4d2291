// SQL over tables and files, answered as Arrow: DuckDB in the process, Spark behind the same interface.
#pragma once
#include <functional>
#include <string>
#include <string_view>

#include "headrace/base/status.h"
#include "headrace/core/record_batch.h"

namespace headrace {

// Thread-safe; statements of one engine see the same tables. SQL is the part that DuckDB and Spark share where a room
// means it to run on both; Parquet files are read by name: SELECT … FROM 'file.parquet' in DuckDB's spelling.
class QueryEngine {
 public:
  virtual ~QueryEngine() = default;
  // Statements without rows (CREATE, COPY, …), one or several. kInvalidArgument with the engine's message when one is
  // refused; kUnavailable, with how to get it, when the engine's library is missing.
  virtual Status Execute(std::string_view sql) = 0;
  // Hands the rows to `consume` batch by batch, streaming: the result is never whole in memory. A batch is a value that
  // may be kept. Rows come in the order of ORDER BY, or of the rows in the file. The first error that `consume` returns
  // ends the query and is returned. `consume` runs on the calling thread and may use the engine itself.
  virtual Status Query(std::string_view sql, const std::function<Status(const RecordBatch&)>& consume) = 0;
  // Appends rows to `table`, which is created from the batch's columns when missing. kInvalidArgument when its columns
  // are not the batch's.
  virtual Status Append(std::string_view table, const RecordBatch& batch) = 0;
};

// SQL literals: 'it''s' and "a ""column""".
std::string QuoteString(std::string_view text);
std::string QuoteName(std::string_view name);

// The rows of a query that yields few, in one piece: calls `row(batch, index)` for each.
Status ForEachRow(QueryEngine& engine, std::string_view sql,
                  const std::function<Status(const RecordBatch& batch, int64_t row)>& row);

}  // namespace headrace
