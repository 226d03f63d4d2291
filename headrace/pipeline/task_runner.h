// The I/O of one leaf task: folders, placeholders, the cache, outputs and their digests, and the transactions that make
// what happened true (task row, execution, artifacts, events, cache entry: all or nothing).
#pragma once
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "headrace/base/clock.h"
#include "headrace/core/executor.h"
#include "headrace/core/lineage.h"
#include "headrace/pipeline/run_store.h"
#include "headrace/pipeline/single_flight.h"

namespace headrace::pipeline {

// A leaf that is being tried: what is known of it before it ends.
struct LeafTry {
  const Pipeline* pipeline = nullptr;
  const Run* run = nullptr;
  const Component* component = nullptr;
  const Task* task = nullptr;
  std::map<std::string, std::string> facts;  // the run's placeholders
  TaskRecord record;                         // inputs, tries, path …; updated as the try goes on
  SingleFlight::Turn turn;                   // of a task that may be cached, while it is looked for and run
};

// Stateless but for its options; functions may run at the same time for different tries.
class TaskRunner {
 public:
  TaskRunner(RunStore* store, LineageRecorder* lineage, std::filesystem::path artifacts, std::filesystem::path logs,
             const Clock* clock);

  // Fills the record's cache_key.
  static void SetCacheKey(LeafTry* leaf);
  // Finishes the try from the cache when there is a hit under its cache_key: recorded as CACHED with the same
  // artifacts. A hit whose files are gone, or whose declared sources have changed, is none.
  Result<bool> FinishFromCache(LeafTry* leaf) const;
  // Imports an artifact: finishes the try.
  Status Import(LeafTry* leaf) const;
  // Makes the try's folder and records the try as RUNNING. The specification for the executor; its id is the folder's
  // name.
  Result<TaskSpec> Begin(LeafTry* leaf) const;
  // Reads what the task left, digests it, makes it durable and records it. An error is a reason to call the try failed.
  // `warn` gets what is odd but no failure.
  Status Publish(LeafTry* leaf, const std::function<void(std::string_view)>& warn) const;
  // Records the try as FAILED or CANCELLED, with the artifacts that the task left all the same.
  Status RecordFailure(LeafTry* leaf, TaskState state, const std::string& message) const;

 private:
  Status Record(LeafTry* leaf, TaskState state) const;
  Result<std::vector<std::string>> Digest(LeafTry* leaf) const;
  bool IsUsable(const TaskOutputs& outputs) const;

  RunStore* const store_;
  LineageRecorder* const lineage_;
  const std::filesystem::path artifacts_;
  const std::filesystem::path logs_;
  const Clock* const clock_;
};

// A path of the run as one file name: "exit-handler-1/train" is "exit-handler-1.train".
std::string FlatName(std::string_view path);

}  // namespace headrace::pipeline
