// The state machine of one run: given what has finished, what is to be done next. Pure: no I/O, no clock, no threads,
// so the same events in any order of arrival that respects causality give the same result, and a run that was
// interrupted is continued by feeding in again what had finished.
//
// A run is a tree of nodes: DAGs, loops and their iterations inside, containers and importers as leaves. A node is made
// when its enclosing DAG starts. Its path, "exit-handler-1/for-loop-2/0/train", is the same in every replay.
#pragma once
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "headrace/pipeline/cel.h"
#include "headrace/pipeline/ir.h"
#include "headrace/pipeline/task_io.h"

namespace headrace::pipeline {

enum class TaskState { kPending, kRunning, kSucceeded, kCached, kFailed, kSkipped, kCancelled };
std::string_view TaskStateName(TaskState state);  // "PENDING" …
Result<TaskState> ParseTaskState(std::string_view name);
inline bool IsFinal(TaskState state) { return state != TaskState::kPending && state != TaskState::kRunning; }
inline bool IsSuccess(TaskState state) { return state == TaskState::kSucceeded || state == TaskState::kCached; }

enum class TaskKind { kDag, kLoop, kContainer, kImporter };
std::string_view TaskKindName(TaskKind kind);  // "DAG", "LOOP", "CONTAINER", "IMPORTER"

struct TaskNode {
  int id = 0;
  int parent = -1;  // -1: the run's root
  TaskKind kind = TaskKind::kDag;
  std::string path;  // empty for the root
  std::string key;   // in its DAG; the index for an iteration
  std::string display_name;
  const Task* task = nullptr;  // null for the root; the loop's own for an iteration
  const Component* component = nullptr;
  int iteration = -1;  // position in its loop
  TaskState state = TaskState::kPending;
  std::string message;  // why it failed or was skipped
  int tries = 0;        // started so far
  TaskInputs inputs;    // from when it is no longer pending
  TaskOutputs outputs;  // from when it has finished

  // Of DAGs and loops:
  std::map<std::string, int> children;  // by key
  int open = 0;                         // children that are not final
  json::array items;                    // a loop's
  size_t next_item = 0;
  // Of the tasks of a DAG:
  int waiting = 0;  // upstream tasks that are not final
};

struct Action {
  enum class Kind { kLaunch, kRetryLater, kCancel };
  Kind kind = Kind::kLaunch;
  int node = 0;                       // a leaf, or a DAG that is tried again
  Duration delay = Duration::zero();  // kRetryLater: call RetryDue(node) after it
};

// How one try of a leaf ended.
struct LeafResult {
  TaskState state = TaskState::kSucceeded;  // kSucceeded, kCached, kFailed, kCancelled
  TaskOutputs outputs;
  std::string message;
};

class Scheduler {
 public:
  // `parameters` are coerced and checked against the root's inputs; `facts` are the run's placeholders
  // (placeholders.h). kInvalidArgument names the parameter.
  static Result<std::unique_ptr<Scheduler>> Create(std::shared_ptr<const Pipeline> pipeline,
                                                   const json::object& parameters,
                                                   std::map<std::string, std::string> facts);

  std::vector<Action> Start();
  // `node` was launched and has ended.
  std::vector<Action> Finished(int node, LeafResult result);
  std::vector<Action> RetryDue(int node);
  // Starts nothing any more; what runs is to be cancelled.
  std::vector<Action> Cancel();
  // One try more than was launched in this process (tries before a restart). Before Finished.
  void SetTries(int node, int tries) { nodes_[static_cast<size_t>(node)].tries = tries; }

  bool done() const { return IsFinal(nodes_[0].state); }
  const TaskNode& root() const { return nodes_[0]; }
  const TaskNode& node(int id) const { return nodes_[static_cast<size_t>(id)]; }
  size_t size() const { return nodes_.size(); }
  // Nodes that were made or whose state, message or tries changed since the last call, each once, in order of their
  // ids.
  std::vector<int> TakeChanged();

 private:
  Scheduler(std::shared_ptr<const Pipeline> pipeline, std::map<std::string, std::string> facts)
      : pipeline_(std::move(pipeline)), facts_(std::move(facts)) {}

  using Dependents = std::map<std::string, std::vector<std::string>>;  // task → tasks that wait for it

  TaskNode& at(int id) { return nodes_[static_cast<size_t>(id)]; }
  int NewNode(int parent, std::string key, const Task* task, const Component* component, int iteration);
  const Dependents& DependentsOf(const Dag& dag);
  void Touch(int node);
  void SetState(int node, TaskState state, std::string message = {});

  // A task of a DAG whose upstream tasks are all final.
  void Decide(int node);
  void StartBody(int node);
  void StartDag(int node);
  void StartLoop(int node);
  void FillLoop(int node);
  void StartLeaf(int node);
  // Settles what has become final, and what becomes final by that; the actions that came of it.
  std::vector<Action> Drain();
  // `node` has become final: tells its parent.
  void Settle(int node);
  void SettleInDag(TaskNode& parent, const TaskNode& child);
  void FinishDag(int node);
  void FinishLoop(int node);
  // Tries again when the policy allows. False when it does not.
  bool Retry(int node);
  void End(int node, TaskState state, std::string message);

  // scheduler_inputs.cc
  struct Resolution {
    TaskInputs inputs;
    std::string skip;  // why the task is skipped, when an upstream task gave nothing
  };
  Result<Resolution> ResolveInputs(const TaskNode& node) const;
  Result<bool> ResolveParameter(const TaskNode& node, const std::string& name, const ParameterSource& source,
                                Resolution* out) const;
  Result<bool> ResolveArtifact(const TaskNode& node, const std::string& name, const ArtifactSource& source,
                               Resolution* out) const;
  json::value FinalStatus(const TaskNode& node, const std::string& task) const;
  Status ApplyPlaceholders(const TaskNode& node, TaskInputs* inputs) const;
  Status ApplyComponent(const TaskNode& node, TaskInputs* inputs) const;
  Result<json::array> LoopItems(const TaskNode& node) const;
  TaskOutputs DagOutputs(const TaskNode& node) const;
  TaskOutputs LoopOutputs(const TaskNode& node) const;

  const std::shared_ptr<const Pipeline> pipeline_;
  const std::map<std::string, std::string> facts_;
  std::deque<TaskNode> nodes_;
  std::map<const Dag*, Dependents> dependents_;
  std::vector<Action> actions_;
  std::vector<int> to_settle_;
  std::vector<int> changed_;
  bool cancelling_ = false;
};

}  // namespace headrace::pipeline
