# DuckDB::headers: the C header from DUCKDB_ROOT, else from HEADRACE_DEPS. Nothing links the library: it is loaded at run
# time, from build/lib/, where this links it.

set(DUCKDB_ROOT "" CACHE PATH "An installed DuckDB: include/duckdb.h and lib/libduckdb.so, or both in one folder")
set(root "${DUCKDB_ROOT}")
if(NOT root)
  set(root "${HEADRACE_DEPS}/duckdb")
endif()

find_path(DuckDB_INCLUDE_DIR duckdb.h PATHS "${root}/include" "${root}" NO_DEFAULT_PATH NO_CACHE)
find_library(DuckDB_LIBRARY duckdb PATHS "${root}/lib" "${root}" NO_DEFAULT_PATH NO_CACHE)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(DuckDB
  REQUIRED_VARS DuckDB_LIBRARY DuckDB_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "run ./dev setup, or name an installed SDK with -DDUCKDB_ROOT=")

if(DuckDB_FOUND AND NOT TARGET DuckDB::headers)
  add_library(DuckDB::headers INTERFACE IMPORTED GLOBAL)
  target_include_directories(DuckDB::headers SYSTEM INTERFACE "${DuckDB_INCLUDE_DIR}")
  target_link_libraries(DuckDB::headers INTERFACE ${CMAKE_DL_LIBS})
  file(MAKE_DIRECTORY "${CMAKE_BINARY_DIR}/lib")
  file(CREATE_LINK "${DuckDB_LIBRARY}" "${CMAKE_BINARY_DIR}/lib/libduckdb.so" SYMBOLIC)
endif()
