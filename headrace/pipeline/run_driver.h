// One run that is under way: feeds its scheduler with what happens and does what the scheduler asks for.
#pragma once
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "headrace/base/mutex.h"
#include "headrace/pipeline/run_service.h"
#include "headrace/pipeline/scheduler.h"
#include "headrace/pipeline/task_runner.h"
#include "headrace/pipeline/timers.h"

namespace headrace::pipeline {

// Thread-safe. Shared with the callbacks that it waits for.
class RunDriver : public std::enable_shared_from_this<RunDriver> {
 public:
  RunDriver(RunService* service, Run run, std::shared_ptr<const Pipeline> pipeline);

  // Begins, or goes on where `stored` (by path) says the run was. An error means that nothing was started.
  Status Begin(std::map<std::string, TaskRecord> stored);
  void Terminate();
  // Starts nothing more and stops what runs, without a word in the database: the run goes on after a restart.
  void Suspend();
  // Whether tries are still under way after Suspend.
  bool busy() const;

 private:
  // A leaf between the scheduler's kLaunch and its end.
  struct Launched {
    std::string executor_id;  // once it was submitted
    bool cancelled = false;
    std::shared_ptr<SingleFlight::Waiter> waiter;  // of a leaf that waits for the same work elsewhere
  };

  void Apply(std::vector<Action> actions) HR_REQUIRES(mutex_);
  void Do(const Action& action, std::deque<Action>* more) HR_REQUIRES(mutex_);
  // What a former process knew of a leaf; true when that is its end.
  bool Replay(int node, std::deque<Action>* more) HR_REQUIRES(mutex_);
  void SaveChanged() HR_REQUIRES(mutex_);
  void CancelTasks() HR_REQUIRES(mutex_);
  void Cancel(Launched* launched) HR_REQUIRES(mutex_);
  void FinishRun() HR_REQUIRES(mutex_);
  void SetRunState(RunState state) HR_REQUIRES(mutex_);
  void SaveRun() HR_REQUIRES(mutex_);
  TaskRecord RecordOf(const TaskNode& node) const HR_REQUIRES(mutex_);
  void Notify(const TaskRecord* task, std::string_view line = {}) HR_REQUIRES(mutex_);

  // On the pool's threads, without the mutex but where it is taken.
  void Launch(int node, LeafTry leaf);
  bool EndsFromCache(int node, LeafTry* leaf);
  bool TakeTurn(int node, LeafTry* leaf);
  void SaveWaiting(int node, const SingleFlight::Waiter& waiter);
  void Submit(int node, std::shared_ptr<LeafTry> leaf);
  void Finish(int node, std::shared_ptr<LeafTry> leaf, TaskResult result);
  void Fail(int node, LeafTry* leaf, const Status& status);
  void Report(int node, LeafTry& leaf, LeafResult result);
  void TellProgress(int node, std::string_view line);

  RunService* const service_;
  const std::shared_ptr<const Pipeline> pipeline_;

  mutable Mutex mutex_;
  Run run_ HR_GUARDED_BY(mutex_);
  const Run fixed_;  // what does not change of it: for the tries
  std::map<std::string, std::string> facts_;
  std::unique_ptr<Scheduler> scheduler_ HR_GUARDED_BY(mutex_);
  std::map<std::string, TaskRecord> records_ HR_GUARDED_BY(mutex_);  // as stored, by path
  std::map<std::string, TaskRecord> replayed_ HR_GUARDED_BY(mutex_);
  std::map<int, Launched> launched_ HR_GUARDED_BY(mutex_);
  std::set<int> waiting_retry_ HR_GUARDED_BY(mutex_);
  bool suspended_ HR_GUARDED_BY(mutex_) = false;
};

}  // namespace headrace::pipeline
