// core/database.h on a SQLite file, through SOCI: the embedded database of one machine.
#pragma once
#include <chrono>
#include <filesystem>
#include <memory>

#include "headrace/base/status.h"
#include "headrace/core/database.h"

namespace headrace::sqlite {

struct SqliteOptions {
  bool read_only = false;  // the file must exist; Transact is refused with kFailedPrecondition
  // How long a writer waits for another process that is writing, before kUnavailable. Whole seconds.
  std::chrono::seconds busy_timeout{10};
  size_t max_group = 128;  // transactions committed together
};

// Opens `file`, made if it is missing. WAL mode, so readers and the writer do not wait for each other, also across
// processes; synchronous=FULL: a transaction is on disk when Transact returns; foreign keys are checked.
//
// Group commit: the first of the waiting threads runs the work of all of them, each inside its own savepoint, commits
// once, and wakes them. So `work` may run on another thread than its caller's, and must not call Transact itself
// (kFailedPrecondition). Reads run on a pool of connections, each in a snapshot of its own.
//
// kNotFound (read_only and no such file), kDataLoss (not a SQLite database), kPermissionDenied, kUnavailable.
Result<std::unique_ptr<Database>> OpenSqliteDatabase(const std::filesystem::path& file,
                                                     const SqliteOptions& options = {});

}  // namespace headrace::sqlite
