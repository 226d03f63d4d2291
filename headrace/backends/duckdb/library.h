// The functions of DuckDB's C API that this backend calls, found at run time.
#pragma once
#include <duckdb.h>

#include <string>

#include "headrace/base/status.h"

namespace headrace::duckdb {

#define HR_DUCKDB_FUNCTIONS(X)      \
  X(create_config)                  \
  X(set_config)                     \
  X(destroy_config)                 \
  X(open_ext)                       \
  X(close)                          \
  X(connect)                        \
  X(disconnect)                     \
  X(free)                           \
  X(query)                          \
  X(result_error)                   \
  X(destroy_result)                 \
  X(prepare)                        \
  X(prepare_error)                  \
  X(destroy_prepare)                \
  X(execute_prepared_streaming)     \
  X(fetch_chunk)                    \
  X(destroy_data_chunk)             \
  X(column_count)                   \
  X(column_name)                    \
  X(column_logical_type)            \
  X(destroy_logical_type)           \
  X(result_get_arrow_options)       \
  X(destroy_arrow_options)          \
  X(to_arrow_schema)                \
  X(data_chunk_to_arrow)            \
  X(schema_from_arrow)              \
  X(data_chunk_from_arrow)          \
  X(destroy_arrow_converted_schema) \
  X(error_data_message)             \
  X(error_data_has_error)           \
  X(destroy_error_data)             \
  X(appender_create)                \
  X(append_data_chunk)              \
  X(appender_close)                 \
  X(appender_error_data)            \
  X(appender_destroy)

struct Library {
#define HR_DUCKDB_MEMBER(name) decltype(&duckdb_##name) name = nullptr;
  HR_DUCKDB_FUNCTIONS(HR_DUCKDB_MEMBER)
#undef HR_DUCKDB_MEMBER
};

// Loads the library and finds every function; it stays loaded as long as the process lives. kUnavailable when the
// library or a function is missing, with the loader's reason and what to do. Thread-safe.
Result<const Library*> LoadLibrary(const std::string& path);

}  // namespace headrace::duckdb
