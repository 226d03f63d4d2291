// DuckDB's C handles as owners. Each destroys what it holds with the library's own function.
#pragma once
#include "headrace/backends/duckdb/library.h"

namespace headrace::duckdb {

// `get()` for calls that read the handle, `out()` for the call that makes it.
template <class T, auto Destroy>
class Owned {
 public:
  explicit Owned(const Library& library, T handle = T{}) : library_(&library), handle_(handle) {}
  ~Owned() { (library_->*Destroy)(&handle_); }
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  T& get() { return handle_; }
  T* out() { return &handle_; }

 private:
  const Library* library_;
  T handle_;
};

using Config = Owned<duckdb_config, &Library::destroy_config>;
using Connection = Owned<duckdb_connection, &Library::disconnect>;
using QueryResult = Owned<duckdb_result, &Library::destroy_result>;
using Prepared = Owned<duckdb_prepared_statement, &Library::destroy_prepare>;
using Chunk = Owned<duckdb_data_chunk, &Library::destroy_data_chunk>;
using LogicalType = Owned<duckdb_logical_type, &Library::destroy_logical_type>;
using ArrowOptions = Owned<duckdb_arrow_options, &Library::destroy_arrow_options>;
using ConvertedSchema = Owned<duckdb_arrow_converted_schema, &Library::destroy_arrow_converted_schema>;
using ErrorData = Owned<duckdb_error_data, &Library::destroy_error_data>;
using Appender = Owned<duckdb_appender, &Library::appender_destroy>;

// OK when `error` holds none. Takes `error` over.
Status StatusOf(const Library& library, duckdb_error_data error);
// The status of an engine's message: "Parser Error: …", or {"exception_type":"Parser","exception_message":…}.
Status Refused(const char* message);

}  // namespace headrace::duckdb
