// DuckDB as a QueryEngine. libduckdb.so is loaded at the first use, since linking it would cost every start of the
// model server its load time and memory.
#pragma once
#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>

#include "headrace/base/status.h"
#include "headrace/core/query_engine.h"

namespace headrace::duckdb {

struct Options {
  std::filesystem::path database = {};  // empty: in memory
  int threads = 0;                      // 0: the cores that this process may use
  size_t memory_limit_bytes = 0;        // 0: DuckDB's own limit, 80 % of the machine's memory; it spills to disk beyond
  std::filesystem::path temp_directory =
      {};  // where it spills; empty: beside the database, or the current folder's .tmp
  // The library's path. Empty: HEADRACE_DUCKDB_LIBRARY if set, else "libduckdb.so" as the loader finds it (lib/ beside
  // the program first).
  std::string library = {};
};

// Opens nothing yet: the first statement loads the library and opens the database, and its error is every later one's
// until it succeeds. Never installs or loads DuckDB's extensions from the network.
std::unique_ptr<QueryEngine> MakeQueryEngine(Options options = {});

}  // namespace headrace::duckdb
