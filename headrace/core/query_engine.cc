#include "headrace/core/query_engine.h"

namespace headrace {
namespace {

std::string Quote(std::string_view text, char quote) {
  std::string out(1, quote);
  for (const char c : text) {
    if (c == quote) out += quote;
    out += c;
  }
  return out + quote;
}

}  // namespace

std::string QuoteString(std::string_view text) { return Quote(text, '\''); }
std::string QuoteName(std::string_view name) { return Quote(name, '"'); }

Status ForEachRow(QueryEngine& engine, std::string_view sql,
                  const std::function<Status(const RecordBatch& batch, int64_t row)>& row) {
  return engine.Query(sql, [&row](const RecordBatch& batch) -> Status {
    for (int64_t i = 0; i < batch.rows(); i++) HR_RETURN_IF_ERROR(row(batch, i));
    return OkStatus();
  });
}

}  // namespace headrace
