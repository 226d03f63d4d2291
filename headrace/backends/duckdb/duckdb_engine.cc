#include "headrace/backends/duckdb/duckdb_engine.h"

#include <cstdlib>
#include <utility>
#include <vector>

#include "headrace/backends/duckdb/handles.h"
#include "headrace/backends/duckdb/library.h"
#include "headrace/base/mutex.h"
#include "headrace/base/thread_pool.h"

namespace headrace::duckdb {
namespace {

// ArrowSchema of a result's columns.
Result<std::shared_ptr<const ArrowSchema>> SchemaOf(const Library& library, QueryResult& result,
                                                    ArrowOptions& options) {
  const idx_t count = library.column_count(result.out());
  std::vector<std::unique_ptr<LogicalType>> owned;
  std::vector<duckdb_logical_type> types;
  std::vector<const char*> names;
  for (idx_t i = 0; i < count; i++) {
    owned.push_back(std::make_unique<LogicalType>(library, library.column_logical_type(result.out(), i)));
    types.push_back(owned.back()->get());
    names.push_back(library.column_name(result.out(), i));
  }
  ArrowSchema schema = {};
  HR_UNEXPECTED_IF_ERROR(
      StatusOf(library, library.to_arrow_schema(options.get(), types.data(), names.data(), count, &schema)));
  return RecordBatch::Own(schema);
}

class DuckDbEngine : public QueryEngine {
 public:
  explicit DuckDbEngine(Options options) : options_(std::move(options)) {}
  ~DuckDbEngine() override {
    if (database_ != nullptr) library_->close(&database_);
  }

  Status Execute(std::string_view sql) override {
    HR_RETURN_IF_ERROR(Open());
    Connection connection(*library_);
    HR_RETURN_IF_ERROR(Connect(connection));
    return Run(connection, sql);
  }

  Status Query(std::string_view sql, const std::function<Status(const RecordBatch&)>& consume) override {
    HR_RETURN_IF_ERROR(Open());
    Connection connection(*library_);
    HR_RETURN_IF_ERROR(Connect(connection));
    Prepared prepared(*library_);
    if (library_->prepare(connection.get(), std::string(sql).c_str(), prepared.out()) != DuckDBSuccess)
      return Refused(library_->prepare_error(prepared.get()));
    QueryResult result(*library_);
    if (library_->execute_prepared_streaming(prepared.get(), result.out()) != DuckDBSuccess)
      return Refused(library_->result_error(result.out()));
    return Stream(result, consume);
  }

  Status Append(std::string_view table, const RecordBatch& batch) override {
    HR_RETURN_IF_ERROR(Open());
    Connection connection(*library_);
    HR_RETURN_IF_ERROR(Connect(connection));
    HR_RETURN_IF_ERROR(Run(connection, CreateTableSql(table, batch)));
    HR_RETURN_IF_ERROR(CheckColumns(connection, table, batch));
    ConvertedSchema converted(*library_);
    // The schema is copied by the call, which takes it as mutable all the same.
    auto* schema = const_cast<ArrowSchema*>(batch.schema());  // NOLINT
    HR_RETURN_IF_ERROR(StatusOf(*library_, library_->schema_from_arrow(connection.get(), schema, converted.out())));
    ArrowArray array = batch.Export();
    Chunk chunk(*library_);
    Status status =
        StatusOf(*library_, library_->data_chunk_from_arrow(connection.get(), &array, converted.get(), chunk.out()));
    if (array.release != nullptr) array.release(&array);
    HR_RETURN_IF_ERROR(status);
    return AppendChunk(connection, table, chunk);
  }

 private:
  // Loads the library and opens the database if that has not been done.
  Status Open() {
    const MutexLock lock(mutex_);
    if (database_ != nullptr) return OkStatus();
    std::string path = options_.library;
    if (const char* named = std::getenv("HEADRACE_DUCKDB_LIBRARY"); path.empty() && named != nullptr) path = named;
    if (path.empty()) path = "libduckdb.so";
    HR_ASSIGN_OR_RETURN(library_, LoadLibrary(path));
    Config config(*library_);
    library_->create_config(config.out());
    const size_t threads = options_.threads > 0 ? static_cast<size_t>(options_.threads) : AvailableCores();
    HR_RETURN_IF_ERROR(Set(config, "threads", std::to_string(threads)));
    HR_RETURN_IF_ERROR(Set(config, "autoinstall_known_extensions", "false"));
    HR_RETURN_IF_ERROR(Set(config, "autoload_known_extensions", "false"));
    if (options_.memory_limit_bytes > 0)
      HR_RETURN_IF_ERROR(Set(config, "memory_limit", std::to_string(options_.memory_limit_bytes) + "B"));
    if (!options_.temp_directory.empty())
      HR_RETURN_IF_ERROR(Set(config, "temp_directory", options_.temp_directory.string()));
    char* error = nullptr;
    const std::string name = options_.database.string();
    const char* database = name.empty() ? nullptr : name.c_str();
    if (library_->open_ext(database, &database_, config.get(), &error) == DuckDBSuccess) return OkStatus();
    Status status = Unavailable("database \"{}\" could not be opened: {}", name, error == nullptr ? "" : error);
    library_->free(error);
    database_ = nullptr;
    return status;
  }

  Status Set(Config& config, const char* option, const std::string& value) {
    if (library_->set_config(config.get(), option, value.c_str()) == DuckDBSuccess) return OkStatus();
    return InvalidArgument("DuckDB's setting {}: \"{}\" was refused", option, value);
  }

  Status Connect(Connection& connection) {
    if (library_->connect(database_, connection.out()) == DuckDBSuccess) return OkStatus();
    return Internal("DuckDB refused a connection");
  }

  Status Run(Connection& connection, std::string_view sql) {
    QueryResult result(*library_);
    if (library_->query(connection.get(), std::string(sql).c_str(), result.out()) == DuckDBSuccess) return OkStatus();
    return Refused(library_->result_error(result.out()));
  }

  Status Stream(QueryResult& result, const std::function<Status(const RecordBatch&)>& consume) {
    ArrowOptions options(*library_, library_->result_get_arrow_options(result.out()));
    HR_ASSIGN_OR_RETURN(auto schema, SchemaOf(*library_, result, options));
    for (;;) {
      Chunk chunk(*library_, library_->fetch_chunk(result.get()));
      if (chunk.get() == nullptr) break;
      ArrowArray array = {};
      HR_RETURN_IF_ERROR(StatusOf(*library_, library_->data_chunk_to_arrow(options.get(), chunk.get(), &array)));
      const RecordBatch batch(schema, array);
      if (batch.rows() > 0) HR_RETURN_IF_ERROR(consume(batch));
    }
    // A fault in a later chunk ends the stream like its end does, and leaves its message behind.
    const char* error = library_->result_error(result.out());
    return error == nullptr || *error == '\0' ? OkStatus() : Refused(error);
  }

  static std::string_view SqlType(ColumnType type) {
    switch (type) {
      case ColumnType::kBool: return "BOOLEAN";
      case ColumnType::kInt8: return "TINYINT";
      case ColumnType::kInt16: return "SMALLINT";
      case ColumnType::kInt32: return "INTEGER";
      case ColumnType::kInt64: return "BIGINT";
      case ColumnType::kUint8: return "UTINYINT";
      case ColumnType::kUint16: return "USMALLINT";
      case ColumnType::kUint32: return "UINTEGER";
      case ColumnType::kUint64: return "UBIGINT";
      case ColumnType::kFloat32: return "FLOAT";
      case ColumnType::kFloat64: return "DOUBLE";
      case ColumnType::kBinary: return "BLOB";
      case ColumnType::kDate: return "DATE";
      case ColumnType::kTimestamp: return "TIMESTAMP";
      default: return "VARCHAR";
    }
  }

  static std::string CreateTableSql(std::string_view table, const RecordBatch& batch) {
    std::string sql = "CREATE TABLE IF NOT EXISTS " + QuoteName(table) + " (";
    for (int64_t i = 0; i < batch.columns(); i++) {
      const Column column = batch.column(i);
      sql += (i == 0 ? "" : ", ") + QuoteName(column.name()) + " " + std::string(SqlType(column.type()));
    }
    return sql + ")";
  }

  // The appender fits columns by position: a batch of another table's columns must not slip through.
  Status CheckColumns(Connection& connection, std::string_view table, const RecordBatch& batch) {
    QueryResult result(*library_);
    const std::string sql = "SELECT * FROM " + QuoteName(table) + " LIMIT 0";
    if (library_->query(connection.get(), sql.c_str(), result.out()) != DuckDBSuccess)
      return Refused(library_->result_error(result.out()));
    const auto count = static_cast<int64_t>(library_->column_count(result.out()));
    bool same = count == batch.columns();
    for (int64_t i = 0; same && i < count; i++)
      same = batch.column(i).name() == library_->column_name(result.out(), static_cast<idx_t>(i));
    if (same) return OkStatus();
    return InvalidArgument("table \"{}\": its {} columns are not the batch's {} columns", table, count,
                           batch.columns());
  }

  Status AppendChunk(Connection& connection, std::string_view table, Chunk& chunk) {
    Appender appender(*library_);
    if (library_->appender_create(connection.get(), nullptr, std::string(table).c_str(), appender.out()) ==
            DuckDBSuccess &&
        library_->append_data_chunk(appender.get(), chunk.get()) == DuckDBSuccess &&
        library_->appender_close(appender.get()) == DuckDBSuccess)
      return OkStatus();
    Status status = StatusOf(*library_, library_->appender_error_data(appender.get()));
    if (status.ok()) status = Internal("DuckDB refused the rows");
    return status.WithContext("table \"" + std::string(table) + "\"");
  }

  const Options options_;
  Mutex mutex_;
  const Library* library_ = nullptr;    // set once, by the first successful Open
  duckdb_database database_ = nullptr;  // likewise
};

}  // namespace

std::unique_ptr<QueryEngine> MakeQueryEngine(Options options) {
  return std::make_unique<DuckDbEngine>(std::move(options));
}

}  // namespace headrace::duckdb
