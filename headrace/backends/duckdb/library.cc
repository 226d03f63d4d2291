#include "headrace/backends/duckdb/library.h"

#include <dlfcn.h>

#include <map>
#include <memory>

#include "headrace/base/mutex.h"

namespace headrace::duckdb {
namespace {

Status Missing(const std::string& path, std::string_view reason) {
  return Unavailable(
      "DuckDB could not be loaded from \"{}\": {}; run ./dev setup, or put libduckdb.so of DuckDB 1.4 into lib/ beside "
      "the "
      "program, or name it in HEADRACE_DUCKDB_LIBRARY",
      path, reason);
}

Status FindFunctions(void* handle, const std::string& path, Library& library) {
  void* found = nullptr;
#define HR_DUCKDB_FIND(name)                                                      \
  found = ::dlsym(handle, "duckdb_" #name);                                       \
  if (found == nullptr) return Missing(path, "it has no function duckdb_" #name); \
  library.name = reinterpret_cast<decltype(library.name)>(found);
  HR_DUCKDB_FUNCTIONS(HR_DUCKDB_FIND)
#undef HR_DUCKDB_FIND
  return OkStatus();
}

}  // namespace

Result<const Library*> LoadLibrary(const std::string& path) {
  static Mutex mutex;
  static auto* const loaded = new std::map<std::string, std::unique_ptr<const Library>>();
  const MutexLock lock(mutex);
  if (const auto known = loaded->find(path); known != loaded->end()) return known->second.get();
  void* handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return std::unexpected(Missing(path, ::dlerror()));
  auto library = std::make_unique<Library>();
  if (Status status = FindFunctions(handle, path, *library); !status.ok()) {
    ::dlclose(handle);
    return std::unexpected(std::move(status));
  }
  return loaded->emplace(path, std::move(library)).first->second.get();
}

}  // namespace headrace::duckdb
