// One SOCI session on a SQLite file, with its prepared statements.
#pragma once
#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "headrace/core/database.h"

namespace headrace::sqlite {

class Statement;

// Not thread-safe. SOCI prepares, binds and steps; the columns of a row are read from the statement that SOCI holds,
// because SOCI's dynamic row takes a column's type from its declaration (an expression is text, INTEGER is 32 bits),
// where SQLite knows it for each value.
class Connection : public Transaction {
 public:
  // Opens and sets the connection up; no exception leaves it.
  static Result<std::unique_ptr<Connection>> Open(const std::filesystem::path& file, bool read_only, int timeout_s);
  ~Connection() override;

  Result<std::vector<SqlRow>> Query(std::string_view sql, const std::vector<SqlValue>& parameters = {}) override;
  Result<int64_t> Execute(std::string_view sql, const std::vector<SqlValue>& parameters = {}) override;

  // Whether a transaction is open; SQLite ends one by itself after some errors (disk full, I/O error).
  bool in_transaction() const;

 private:
  explicit Connection(const std::string& connect_string);  // throws soci::soci_error
  template <class Use>
  auto Run(std::string_view sql, const std::vector<SqlValue>& parameters, Use use)
      -> decltype(use(std::declval<Statement&>()));
  // The cached statement for this text and these parameter types; throws soci::soci_error.
  Statement& Prepare(std::string_view sql, const std::vector<SqlValue>& parameters);
  sqlite_api::sqlite3* handle() const;
  // The Status of the exception being handled.
  Status CurrentError(std::string_view sql) const;

  soci::session session_;
  std::unordered_map<std::string, std::unique_ptr<Statement>> statements_;
};

}  // namespace headrace::sqlite
