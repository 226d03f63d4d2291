// SQL with transactions, behind one interface for the embedded and the shared database.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "headrace/base/status.h"

namespace headrace {

using SqlValue = std::variant<std::monostate, int64_t, double, std::string>;  // monostate is NULL

class SqlRow {
 public:
  explicit SqlRow(std::vector<SqlValue> values) : values_(std::move(values)) {}
  size_t size() const { return values_.size(); }
  bool is_null(size_t column) const { return std::holds_alternative<std::monostate>(values_[column]); }
  // Converted where that loses nothing (an integer reads as a double); NULL reads as 0, 0.0 and "".
  int64_t integer(size_t column) const;
  double real(size_t column) const;
  const std::string& text(size_t column) const;

 private:
  std::vector<SqlValue> values_;
};

// Statements written for both SQLite and PostgreSQL, with `?` for each parameter, in order. Not thread-safe; valid only
// inside the function that Database hands it to. Statements of equal text are prepared once a connection. After an
// error that function returns: PostgreSQL runs nothing more in that transaction. To try an insert, write ON CONFLICT DO
// NOTHING.
class Transaction {
 public:
  virtual ~Transaction() = default;
  virtual Result<std::vector<SqlRow>> Query(std::string_view sql, const std::vector<SqlValue>& parameters = {}) = 0;
  // The number of rows changed. kAlreadyExists when a uniqueness constraint refused it.
  virtual Result<int64_t> Execute(std::string_view sql, const std::vector<SqlValue>& parameters = {}) = 0;
  // INSERT … RETURNING id: the new row's first column.
  Result<int64_t> Insert(std::string_view sql, const std::vector<SqlValue>& parameters);
};

// Thread-safe.
class Database {
 public:
  using Work = std::function<Status(Transaction&)>;
  virtual ~Database() = default;
  // Runs `work` in a read-write transaction: committed when it returns OK and durable (fsync) when Transact returns,
  // else rolled back with nothing changed. `work` may run more than once (a serialisation conflict), so it has no other
  // effects. Transactions of several threads may be committed as a group, by one of these threads: `work` takes no lock
  // that a caller of Transact holds.
  virtual Status Transact(const Work& work) = 0;
  // Runs `work` on a consistent snapshot; writes in it are refused.
  virtual Status Read(const Work& work) = 0;
  // One query in its own snapshot.
  Result<std::vector<SqlRow>> Query(std::string_view sql, const std::vector<SqlValue>& parameters = {});

  // "sqlite", "postgres"; for the rare statement that differs.
  virtual std::string_view dialect() const = 0;
};

// Brings `component`'s tables to the last of `migrations` (each a list of statements, numbered from 1 by position), all
// in one transaction, and notes the version in the table headrace_migrations. kFailedPrecondition when the database is
// newer than this program.
Status Migrate(Database& database, std::string_view component, const std::vector<std::vector<std::string>>& migrations);

}  // namespace headrace
