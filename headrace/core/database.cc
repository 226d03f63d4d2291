#include "headrace/core/database.h"

namespace headrace {
namespace {

const std::string kEmpty;

}  // namespace

int64_t SqlRow::integer(size_t column) const {
  if (const auto* number = std::get_if<int64_t>(&values_[column])) return *number;
  if (const auto* number = std::get_if<double>(&values_[column])) return static_cast<int64_t>(*number);
  return 0;
}

double SqlRow::real(size_t column) const {
  if (const auto* number = std::get_if<double>(&values_[column])) return *number;
  if (const auto* number = std::get_if<int64_t>(&values_[column])) return static_cast<double>(*number);
  return 0;
}

const std::string& SqlRow::text(size_t column) const {
  const auto* text = std::get_if<std::string>(&values_[column]);
  return text ? *text : kEmpty;
}

Result<int64_t> Transaction::Insert(std::string_view sql, const std::vector<SqlValue>& parameters) {
  HR_ASSIGN_OR_UNEXPECTED(const auto rows, Query(sql, parameters));
  if (rows.size() != 1 || rows[0].size() == 0)
    return std::unexpected(Internal("an INSERT … RETURNING gave {} rows, expected 1", rows.size()));
  return rows[0].integer(0);
}

Result<std::vector<SqlRow>> Database::Query(std::string_view sql, const std::vector<SqlValue>& parameters) {
  std::vector<SqlRow> rows;
  HR_UNEXPECTED_IF_ERROR(Read([&](Transaction& transaction) -> Status {
    HR_ASSIGN_OR_RETURN(rows, transaction.Query(sql, parameters));
    return OkStatus();
  }));
  return rows;
}

Status Migrate(Database& database, std::string_view component,
               const std::vector<std::vector<std::string>>& migrations) {
  return database.Transact([&](Transaction& transaction) -> Status {
    HR_RETURN_IF_ERROR(transaction.Execute(
        "CREATE TABLE IF NOT EXISTS headrace_migrations (component TEXT PRIMARY KEY, version BIGINT NOT NULL)"));
    const std::string name(component);
    HR_ASSIGN_OR_RETURN(const auto rows,
                        transaction.Query("SELECT version FROM headrace_migrations WHERE component = ?", {name}));
    const int64_t latest = static_cast<int64_t>(migrations.size());
    const int64_t have = rows.empty() ? 0 : rows[0].integer(0);
    if (have > latest)
      return FailedPrecondition("{}: the database has version {}, this program knows {}; use a newer headrace",
                                component, have, latest);
    for (int64_t version = have; version < latest; version++)
      for (const auto& statement : migrations[static_cast<size_t>(version)])
        HR_RETURN_IF_ERROR(transaction.Execute(statement));
    if (have == latest) return OkStatus();
    return internal::AsStatus(
        transaction.Execute("INSERT INTO headrace_migrations (component, version) VALUES (?, ?) "
                            "ON CONFLICT (component) DO UPDATE SET version = excluded.version",
                            {name, latest}));
  });
}

}  // namespace headrace
