// Runs, tasks and the cache in the database. Thread-safe; functions with a Transaction are part of one.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "headrace/core/database.h"
#include "headrace/core/listing.h"
#include "headrace/pipeline/run.h"

namespace headrace::pipeline {

struct ListedRuns {
  std::vector<Run> runs;
  int64_t total = 0;
  std::string next_page_token;
};

// The outputs of an earlier success.
struct CacheEntry {
  int64_t key = 0;
  TaskOutputs outputs;
  std::string run_id;
};

class RunStore {
 public:
  // Makes or upgrades the tables. `database` outlives the store.
  static Result<std::unique_ptr<RunStore>> Open(Database* database);

  // Stores the run with its specification (what ReadPipelineFile gave) and sets its key.
  Status Insert(Transaction& transaction, Run* run, const json::value& spec);
  // State, error, finish time and history.
  Status UpdateState(Transaction& transaction, const Run& run);
  Result<Run> Get(const std::string& id);  // kNotFound
  Result<json::value> GetSpec(const std::string& id);
  // Fields: run_id, display_name, name, created_at, scheduled_at, finished_at, state, storage_state, experiment_id,
  // pipeline. `experiment_id` empty: all.
  Result<ListedRuns> List(const ListRequest& request, const std::string& experiment_id = "");
  // Runs that are not final, oldest first.
  Result<std::vector<Run>> Unfinished();
  Status SetArchived(const std::string& id, bool archived);  // kNotFound
  Status Delete(const std::string& id);                      // kNotFound

  // Inserts or replaces the task of that run and path, but for its id, and sets key and id.
  Status SaveTask(Transaction& transaction, const Run& run, TaskRecord* task);
  // By path.
  Result<std::map<std::string, TaskRecord>> Tasks(const Run& run);
  // Forgets every task that did not succeed, and the DAGs and loops, so that a retry runs them again.
  Status ForgetUnsuccessful(Transaction& transaction, const Run& run);

  Status AddToCache(Transaction& transaction, const std::string& pipeline, const std::string& cache_key,
                    const TaskRecord& task);
  // Newest first.
  Result<std::vector<CacheEntry>> FindInCache(const std::string& pipeline, const std::string& cache_key);

  Database& database() { return *database_; }

 private:
  explicit RunStore(Database* database) : database_(database) {}

  Database* const database_;
};

}  // namespace headrace::pipeline
