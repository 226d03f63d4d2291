// Runs that a clock starts: recurring runs (KFP's word), kept in the database. Each time that is due makes exactly one
// run, whatever the process goes through: the next time is noted in the transaction that stores the run.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "headrace/base/clock.h"
#include "headrace/base/json.h"
#include "headrace/base/mutex.h"
#include "headrace/base/status.h"
#include "headrace/core/database.h"
#include "headrace/core/listing.h"
#include "headrace/pipeline/trigger.h"

namespace headrace::pipeline {

struct RecurringRun {
  std::string id;  // a UUID; given by Create
  std::string display_name;
  std::string description;
  std::string name_space;
  std::string experiment_id;
  std::string service_account;
  json::value spec;        // null when `reference` names an uploaded version
  json::object reference;  // {"pipeline_id", "pipeline_version_id"}; without the latter: the newest when a run is made
  json::object parameters;
  std::string pipeline_root;
  Trigger trigger;
  int64_t max_concurrency = 1;  // unfinished runs of it at once; a time that is due waits
  bool no_catchup = false;      // of the times that passed while nothing could start, only the last makes a run
  bool enabled = true;
  std::string error;  // why the latest time due made no run
  TimePoint created;
  TimePoint updated;
  std::optional<TimePoint> next;  // nothing: never again
};

struct ListedRecurringRuns {
  std::vector<RecurringRun> recurring_runs;
  int64_t total = 0;
  std::string next_page_token;
};

// How runs are made; what RunService and the stores of others do.
struct RecurringRunsOptions {
  Database* database = nullptr;  // outlives the object
  Clock* clock = Clock::Real();
  using InTransaction = std::function<Status(Transaction& transaction, const std::string& run_id)>;
  // Makes a run that was due at `scheduled` and calls `in_transaction` in the transaction that stores it.
  std::function<Status(const RecurringRun&, TimePoint scheduled, InTransaction in_transaction)> make_run;
  // Whether the run exists and has not ended.
  std::function<bool(const std::string& run_id)> is_unfinished;
};

// Thread-safe.
class RecurringRuns {
 public:
  // Makes or upgrades the tables. Nothing is started before Start.
  static Result<std::unique_ptr<RecurringRuns>> Open(RecurringRunsOptions options);
  ~RecurringRuns();
  // Begins to make runs, on a thread of its own.
  void Start();

  Result<RecurringRun> Create(RecurringRun recurring);  // kInvalidArgument
  Result<RecurringRun> Get(const std::string& id);      // kNotFound, as below
  // Fields: recurring_run_id, display_name, name, experiment_id, namespace, created_at, updated_at, status.
  Result<ListedRecurringRuns> List(const ListRequest& request, const std::string& experiment_id = "");
  // Enabled again it goes on from now when it does not catch up, else from where it was.
  Status SetEnabled(const std::string& id, bool enabled);
  Status Delete(const std::string& id);  // its runs stay
  // The recurring run that made this run; empty when none did.
  Result<std::string> MakerOf(const std::string& run_id);

  // Makes the runs that are due at `now`; called by the thread. When the next one is due, if ever.
  std::optional<TimePoint> Tick(TimePoint now);

 private:
  explicit RecurringRuns(RecurringRunsOptions options) : options_(std::move(options)) {}
  void Loop();
  // Makes one run of `recurring` if it is due; true when it may be due again.
  bool MakeOne(RecurringRun& recurring, TimePoint now);
  Status NoteMade(Transaction& transaction, const RecurringRun& recurring, TimePoint scheduled,
                  const std::optional<TimePoint>& next, const std::string& run_id);
  Status NoteError(const RecurringRun& recurring, const std::string& error, const std::optional<TimePoint>& next);
  int64_t CountUnfinished(const std::string& id);

  const RecurringRunsOptions options_;
  Mutex mutex_;
  CondVar changed_;
  bool stopping_ HR_GUARDED_BY(mutex_) = false;
  bool look_again_ HR_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace headrace::pipeline
