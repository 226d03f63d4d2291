#include "headrace/backends/sqlite/connection.h"

#include <fmt/format.h>

#include <deque>

namespace headrace::sqlite {
namespace {

namespace api = sqlite_api;

constexpr size_t kMaxStatements = 256;
constexpr size_t kSqlInMessage = 200;

// One letter a type; part of a statement's key, because SOCI binds a variable of one type to each placeholder.
char TypeLetter(const SqlValue& value) { return "tidt"[value.index()]; }

Code CodeOf(int result, int extended) {
  switch (result) {
    case SQLITE_CONSTRAINT:
      switch (extended) {
        case SQLITE_CONSTRAINT_UNIQUE:
        case SQLITE_CONSTRAINT_PRIMARYKEY:
        case SQLITE_CONSTRAINT_ROWID: return Code::kAlreadyExists;
        case SQLITE_CONSTRAINT_FOREIGNKEY: return Code::kFailedPrecondition;
        default: return Code::kInvalidArgument;
      }
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return Code::kUnavailable;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return Code::kDataLoss;
    case SQLITE_FULL:
    case SQLITE_NOMEM: return Code::kResourceExhausted;
    case SQLITE_READONLY: return Code::kFailedPrecondition;
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_CANTOPEN: return Code::kPermissionDenied;
    case SQLITE_INTERRUPT: return Code::kCancelled;
    case SQLITE_TOOBIG: return Code::kInvalidArgument;
    default: return Code::kInternal;
  }
}

SqlValue ColumnValue(api::sqlite3_stmt* row, int column) {
  switch (api::sqlite3_column_type(row, column)) {
    case SQLITE_INTEGER: return int64_t{api::sqlite3_column_int64(row, column)};
    case SQLITE_FLOAT: return api::sqlite3_column_double(row, column);
    case SQLITE_NULL: return std::monostate();
    default: {
      const auto* text = reinterpret_cast<const char*>(api::sqlite3_column_text(row, column));
      return std::string(text ? text : "", static_cast<size_t>(api::sqlite3_column_bytes(row, column)));
    }
  }
}

}  // namespace

// A prepared statement with a variable for each placeholder, of the type that the key names.
class Statement {
 public:
  Statement(soci::session& session, std::string_view sql, const std::vector<SqlValue>& parameters)
      : statement_(session) {
    for (const auto& parameter : parameters) {
      Slot& slot = slots_.emplace_back();
      switch (TypeLetter(parameter)) {
        case 'i': statement_.exchange(soci::use(slot.integer, slot.indicator)); break;
        case 'd': statement_.exchange(soci::use(slot.real, slot.indicator)); break;
        default: statement_.exchange(soci::use(slot.text, slot.indicator));
      }
    }
    statement_.alloc();
    statement_.prepare(std::string(sql));
    CheckShape(sql, parameters.size());
    statement_.define_and_bind();
  }

  // Steps once; whether there is a row.
  bool Start(const std::vector<SqlValue>& parameters) {
    for (size_t i = 0; i < parameters.size(); i++) {
      Slot& slot = slots_[i];
      slot.indicator = parameters[i].index() == 0 ? soci::i_null : soci::i_ok;
      if (const auto* integer = std::get_if<int64_t>(&parameters[i])) slot.integer = *integer;
      if (const auto* real = std::get_if<double>(&parameters[i])) slot.real = *real;
      if (const auto* text = std::get_if<std::string>(&parameters[i])) slot.text = *text;
    }
    return statement_.execute(true);
  }
  bool Next() { return backend()->fetch(1) == soci::details::statement_backend::ef_success; }
  // Ends the statement's read lock, also after an error.
  void Finish() { api::sqlite3_reset(row()); }
  api::sqlite3_stmt* row() { return backend()->stmt_; }

 private:
  struct Slot {
    soci::indicator indicator = soci::i_ok;
    long long integer = 0;
    double real = 0;
    std::string text;
  };

  soci::sqlite3_statement_backend* backend() {
    return static_cast<soci::sqlite3_statement_backend*>(statement_.get_backend());
  }

  void CheckShape(std::string_view sql, size_t given) {
    if (row() == nullptr) throw soci::soci_error("the statement is empty");
    const std::string_view rest = sql.substr(std::string_view(api::sqlite3_sql(row())).size());
    if (rest.find_first_not_of(" \t\r\n;") != rest.npos) throw soci::soci_error("more than one statement");
    const auto wanted = static_cast<size_t>(api::sqlite3_bind_parameter_count(row()));
    if (wanted != given) throw soci::soci_error(fmt::format("{} placeholders, {} parameters", wanted, given));
  }

  std::deque<Slot> slots_;  // never move: SOCI points into them
  soci::statement statement_;
};

Result<std::unique_ptr<Connection>> Connection::Open(const std::filesystem::path& file, bool read_only, int timeout_s) {
  const std::string name = file.string();
  if (name.find('"') != std::string::npos)
    return std::unexpected(InvalidArgument("database file {}: a name with a double quote cannot be opened", name));
  std::unique_ptr<Connection> connection;
  try {
    connection.reset(
        new Connection(fmt::format("db=\"{}\" timeout={}{}", name, timeout_s, read_only ? " readonly=true" : "")));
  } catch (const soci::sqlite3_soci_error& error) {
    return std::unexpected(
        Status(CodeOf(error.result(), error.result()), fmt::format("database file {}: {}", name, error.what())));
  } catch (const std::exception& error) {
    return std::unexpected(Internal("database file {}: {}", name, error.what()));
  }
  // SOCI takes synchronous= too, but leaks the handle if the file turns out not to be a database.
  HR_UNEXPECTED_IF_ERROR(connection->Execute("PRAGMA synchronous = FULL"));
  HR_UNEXPECTED_IF_ERROR(connection->Execute("PRAGMA foreign_keys = ON"));
  if (!read_only) {
    HR_ASSIGN_OR_UNEXPECTED(const auto mode, connection->Query("PRAGMA journal_mode = WAL"));
    if (mode.size() != 1 || mode[0].text(0) != "wal")
      return std::unexpected(FailedPrecondition("database file {}: its file system cannot do WAL mode", name));
  }
  return connection;
}

Connection::Connection(const std::string& connect_string) : session_(soci::sqlite3, connect_string) {}

Connection::~Connection() {
  statements_.clear();  // before the session closes
}

sqlite_api::sqlite3* Connection::handle() const {
  auto* backend = const_cast<soci::session&>(session_).get_backend();
  return static_cast<soci::sqlite3_session_backend*>(backend)->conn_;
}

bool Connection::in_transaction() const { return api::sqlite3_get_autocommit(handle()) == 0; }

Statement& Connection::Prepare(std::string_view sql, const std::vector<SqlValue>& parameters) {
  std::string key(sql);
  key += '\0';
  for (const auto& parameter : parameters) key += TypeLetter(parameter);
  const auto found = statements_.find(key);
  if (found != statements_.end()) return *found->second;
  if (statements_.size() >= kMaxStatements) statements_.clear();
  auto statement = std::make_unique<Statement>(session_, sql, parameters);
  return *statements_.emplace(std::move(key), std::move(statement)).first->second;
}

Status Connection::CurrentError(std::string_view sql) const {
  const auto message = [&](std::string_view text) {
    return fmt::format("{} in: {}", text, sql.substr(0, kSqlInMessage));
  };
  try {
    throw;
  } catch (const soci::sqlite3_soci_error& error) {
    const int result = error.result() & 0xff;
    const int extended = api::sqlite3_extended_errcode(handle());
    return Status(CodeOf(result, extended), message(api::sqlite3_errmsg(handle())));
  } catch (const soci::soci_error& error) {
    return Internal("{}", message(error.get_error_message()));
  } catch (const std::bad_alloc&) {
    return ResourceExhausted("{}", message("out of memory"));
  } catch (const std::exception& error) {
    return Internal("{}", message(error.what()));
  }
}

template <class Use>
auto Connection::Run(std::string_view sql, const std::vector<SqlValue>& parameters, Use use)
    -> decltype(use(std::declval<Statement&>())) {
  Statement* statement = nullptr;
  try {
    statement = &Prepare(sql, parameters);
    auto result = use(*statement);
    statement->Finish();
    return result;
  } catch (...) {
    auto status = CurrentError(sql);
    if (statement) statement->Finish();
    return std::unexpected(std::move(status));
  }
}

Result<std::vector<SqlRow>> Connection::Query(std::string_view sql, const std::vector<SqlValue>& parameters) {
  return Run(sql, parameters, [&](Statement& statement) -> Result<std::vector<SqlRow>> {
    std::vector<SqlRow> rows;
    for (bool more = statement.Start(parameters); more; more = statement.Next()) {
      const int columns = api::sqlite3_column_count(statement.row());
      std::vector<SqlValue> values;
      values.reserve(static_cast<size_t>(columns));
      for (int column = 0; column < columns; column++) values.push_back(ColumnValue(statement.row(), column));
      rows.emplace_back(std::move(values));
    }
    return rows;
  });
}

Result<int64_t> Connection::Execute(std::string_view sql, const std::vector<SqlValue>& parameters) {
  return Run(sql, parameters, [&](Statement& statement) -> Result<int64_t> {
    const auto before = api::sqlite3_total_changes64(handle());
    for (bool more = statement.Start(parameters); more; more = statement.Next()) {
    }
    // A statement that changes nothing (DDL) leaves the count of the one before it.
    if (api::sqlite3_total_changes64(handle()) == before) return int64_t{0};
    return int64_t{api::sqlite3_changes64(handle())};
  });
}

}  // namespace headrace::sqlite
