#include "headrace/backends/sqlite/sqlite_database.h"

#include <deque>
#include <vector>

#include "headrace/backends/sqlite/connection.h"
#include "headrace/base/mutex.h"

namespace headrace::sqlite {
namespace {

constexpr size_t kIdleReaders = 8;

thread_local bool in_transact = false;

Status RunWork(const Database::Work& work, Transaction& transaction) {
  try {
    return work(transaction);
  } catch (const std::exception& error) {
    return Internal("a transaction's function threw: {}", error.what());
  }
}

class SqliteDatabase : public Database {
 public:
  SqliteDatabase(std::filesystem::path file, const SqliteOptions& options, std::unique_ptr<Connection> first)
      : file_(std::move(file)), options_(options) {
    (options.read_only ? idle_readers_.emplace_back() : writer_) = std::move(first);
  }

  Status Transact(const Work& work) override;
  Status Read(const Work& work) override;
  std::string_view dialect() const override { return "sqlite"; }

 private:
  struct Request {
    const Work* work;
    Status status;
    bool done = false;
  };

  // The leader's part; without mutex_, which nobody else needs to touch writer_.
  void CommitGroup(const std::vector<Request*>& group);
  // Runs the group in one transaction. False when SQLite ended it before its time; then nothing of it is kept and the
  // statuses say nothing.
  bool TryGroup(const std::vector<Request*>& group);
  void RunInSavepoint(Request& request);
  Result<std::unique_ptr<Connection>> TakeReader();

  const std::filesystem::path file_;
  const SqliteOptions options_;
  std::unique_ptr<Connection> writer_;  // used by the thread whose request is first in the queue
  Mutex mutex_;
  CondVar committed_;
  std::deque<Request*> queue_ HR_GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<Connection>> idle_readers_ HR_GUARDED_BY(mutex_);
};

Status SqliteDatabase::Transact(const Work& work) {
  if (options_.read_only) return FailedPrecondition("{} is open for reading only", file_.string());
  if (in_transact) return FailedPrecondition("Transact called from within a transaction's function");
  Request request{&work, {}};
  MutexLock lock(mutex_);
  queue_.push_back(&request);
  while (!request.done && queue_.front() != &request) committed_.Wait(mutex_);
  if (request.done) return request.status;
  const auto size = static_cast<ptrdiff_t>(std::min(queue_.size(), options_.max_group));
  const std::vector<Request*> group(queue_.begin(), queue_.begin() + size);
  mutex_.Unlock();
  in_transact = true;
  CommitGroup(group);
  in_transact = false;
  mutex_.Lock();
  queue_.erase(queue_.begin(), queue_.begin() + size);
  for (Request* done : group) done->done = true;
  committed_.NotifyAll();
  return request.status;
}

void SqliteDatabase::CommitGroup(const std::vector<Request*>& group) {
  if (TryGroup(group)) return;
  // One member's error cost the others their transaction: each on its own.
  for (Request* request : group)
    if (!TryGroup({request}) && request->status.ok())
      request->status = Aborted("the transaction ended before it was committed");
}

bool SqliteDatabase::TryGroup(const std::vector<Request*>& group) {
  if (const auto begun = writer_->Execute("BEGIN IMMEDIATE"); !begun) {
    for (Request* request : group) request->status = begun.error();
    return true;
  }
  for (Request* request : group) {
    RunInSavepoint(*request);
    if (!writer_->in_transaction()) return false;
  }
  const auto committed = writer_->Execute("COMMIT");
  if (committed) return true;
  if (writer_->in_transaction()) internal::AsStatus(writer_->Execute("ROLLBACK")).IgnoreError();
  for (Request* request : group)
    if (request->status.ok()) request->status = committed.error();
  return true;
}

void SqliteDatabase::RunInSavepoint(Request& request) {
  request.status = internal::AsStatus(writer_->Execute("SAVEPOINT work"));
  if (!request.status.ok()) return;
  request.status = RunWork(*request.work, *writer_);
  if (!writer_->in_transaction()) return;
  if (!request.status.ok()) internal::AsStatus(writer_->Execute("ROLLBACK TO work")).IgnoreError();
  const auto released = writer_->Execute("RELEASE work");
  if (request.status.ok()) request.status = internal::AsStatus(released);
}

Result<std::unique_ptr<Connection>> SqliteDatabase::TakeReader() {
  {
    MutexLock lock(mutex_);
    if (!idle_readers_.empty()) {
      auto reader = std::move(idle_readers_.back());
      idle_readers_.pop_back();
      return reader;
    }
  }
  const auto timeout = static_cast<int>(options_.busy_timeout.count());
  HR_ASSIGN_OR_UNEXPECTED(auto reader, Connection::Open(file_, options_.read_only, timeout));
  HR_UNEXPECTED_IF_ERROR(reader->Execute("PRAGMA query_only = ON"));
  return reader;
}

Status SqliteDatabase::Read(const Work& work) {
  HR_ASSIGN_OR_RETURN(auto reader, TakeReader());
  HR_RETURN_IF_ERROR(reader->Execute("BEGIN"));
  const Status status = RunWork(work, *reader);
  // A reader whose transaction cannot be ended is not used again.
  if (reader->in_transaction() && !reader->Execute("ROLLBACK")) return status;
  MutexLock lock(mutex_);
  if (idle_readers_.size() < kIdleReaders) idle_readers_.push_back(std::move(reader));
  return status;
}

}  // namespace

Result<std::unique_ptr<Database>> OpenSqliteDatabase(const std::filesystem::path& file, const SqliteOptions& options) {
  std::error_code ignored;
  if (options.read_only && !std::filesystem::exists(file, ignored))
    return std::unexpected(NotFound("database file {} does not exist", file.string()));
  const auto timeout = static_cast<int>(options.busy_timeout.count());
  HR_ASSIGN_OR_UNEXPECTED(auto first, Connection::Open(file, options.read_only, timeout));
  if (options.read_only) HR_UNEXPECTED_IF_ERROR(first->Execute("PRAGMA query_only = ON"));
  // Reads the file's header: what is not a database is found here.
  HR_UNEXPECTED_IF_ERROR(first->Query("SELECT count(*) FROM sqlite_master"));
  return std::make_unique<SqliteDatabase>(file, options, std::move(first));
}

}  // namespace headrace::sqlite
