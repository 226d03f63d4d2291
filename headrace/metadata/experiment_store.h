// Experiments: named groups of runs.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "headrace/base/clock.h"
#include "headrace/base/status.h"
#include "headrace/core/database.h"
#include "headrace/core/listing.h"

namespace headrace::metadata {

struct Experiment {
  std::string id;    // a UUID; given by Create
  std::string name;  // unique within its namespace
  std::string description;
  std::string name_space;
  TimePoint created;
  std::optional<TimePoint> last_run;  // when its newest run was created
  bool archived = false;
};

struct ListedExperiments {
  std::vector<Experiment> experiments;
  int64_t total = 0;
  std::string next_page_token;
};

// Thread-safe.
class ExperimentStore {
 public:
  // Makes or upgrades the table, and the experiment "Default" in an empty one. Both outlive the store.
  static Result<std::unique_ptr<ExperimentStore>> Open(Database* database, Clock* clock);

  // Sets `id` and `created`. kInvalidArgument for an empty or long name, kAlreadyExists.
  Result<Experiment> Create(Experiment experiment);
  // kNotFound.
  Result<Experiment> Get(const std::string& id);
  // The one that takes runs whose maker named none: "Default", made again if it was deleted.
  Result<Experiment> Default();
  // Fields: experiment_id, display_name, name, created_at, last_run_created_at, namespace, storage_state (AVAILABLE or
  // ARCHIVED). `name_space` empty: all.
  Result<ListedExperiments> List(const ListRequest& request, const std::string& name_space = "");
  // kNotFound.
  Status SetArchived(const std::string& id, bool archived);
  Status Delete(const std::string& id);
  // Notes that a run was created, in the transaction that creates it. kNotFound; kFailedPrecondition when archived.
  Status NoteRun(Transaction& transaction, const std::string& id, TimePoint created);

 private:
  ExperimentStore(Database* database, Clock* clock) : database_(database), clock_(clock) {}

  Database* const database_;
  Clock* const clock_;
};

}  // namespace headrace::metadata
