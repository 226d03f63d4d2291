#include "headrace/pipeline/scheduler.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "headrace/pipeline/values.h"

namespace headrace::pipeline {
namespace {

constexpr std::string_view kStateNames[] = {"PENDING", "RUNNING", "SUCCEEDED", "CACHED",
                                            "FAILED",  "SKIPPED", "CANCELLED"};
constexpr size_t kMaxNodes = 200'000;

Duration BackOff(const RetryPolicy& policy, int tries) {
  const double scale = std::pow(policy.factor, std::max(0, tries - 1));
  const double nanos = static_cast<double>(policy.backoff.count()) * scale;
  const double limit = static_cast<double>(policy.max_backoff.count());
  return Duration(static_cast<int64_t>(std::min(nanos, limit)));
}

}  // namespace

std::string_view TaskStateName(TaskState state) { return kStateNames[static_cast<size_t>(state)]; }

Result<TaskState> ParseTaskState(std::string_view name) {
  for (size_t i = 0; i < std::size(kStateNames); i++)
    if (kStateNames[i] == name) return static_cast<TaskState>(i);
  return std::unexpected(InvalidArgument("task state: found \"{}\"", name));
}

std::string_view TaskKindName(TaskKind kind) {
  switch (kind) {
    case TaskKind::kDag: return "DAG";
    case TaskKind::kLoop: return "LOOP";
    case TaskKind::kContainer: return "CONTAINER";
    case TaskKind::kImporter: return "IMPORTER";
  }
  return "UNKNOWN";
}

Result<std::unique_ptr<Scheduler>> Scheduler::Create(std::shared_ptr<const Pipeline> pipeline,
                                                     const json::object& parameters,
                                                     std::map<std::string, std::string> facts) {
  std::unique_ptr<Scheduler> out(new Scheduler(std::move(pipeline), std::move(facts)));
  const Component& root = out->pipeline_->root;
  TaskInputs inputs;
  for (const auto& [name, value] : parameters) {
    const auto spec = root.input_parameters.find(std::string(name));
    if (spec == root.input_parameters.end())
      return std::unexpected(
          InvalidArgument("parameter {}: the pipeline has no such parameter", std::string_view(name)));
    auto coerced = CoerceParameter(value, spec->second);
    if (!coerced) return std::unexpected(coerced.error().WithContext("parameter " + spec->first));
    inputs.parameters.emplace(name, *std::move(coerced));
  }
  for (const auto& [name, spec] : root.input_parameters) {
    if (inputs.parameters.contains(name)) continue;
    if (spec.default_value) {
      HR_ASSIGN_OR_UNEXPECTED(inputs.parameters[name], CoerceParameter(*spec.default_value, spec));
    } else if (!spec.optional) {
      return std::unexpected(
          InvalidArgument("parameter {}: the pipeline needs a value of type {}", name, ParameterTypeName(spec.type)));
    }
  }
  for (const auto& [name, spec] : root.input_artifacts)
    if (!spec.optional)
      return std::unexpected(Unimplemented(
          "input artifact {}: a pipeline's own input artifacts are not supported; use an importer", name));
  const int id = out->NewNode(-1, "", nullptr, &root, -1);
  out->at(id).inputs = std::move(inputs);
  return out;
}

int Scheduler::NewNode(int parent, std::string key, const Task* task, const Component* component, int iteration) {
  TaskNode node;
  node.id = static_cast<int>(nodes_.size());
  node.parent = parent;
  node.task = task;
  node.component = component;
  node.iteration = iteration;
  node.display_name = task != nullptr ? task->display_name : pipeline_->name;
  if (parent >= 0) {
    const TaskNode& above = at(parent);
    node.path = above.path.empty() ? key : above.path + "/" + key;
    // A DAG that is tried again has new tasks: "train~1".
    if (above.kind == TaskKind::kDag && above.tries > 1)
      node.path = fmt::format("{}~{}/{}", above.path, above.tries - 1, key);
  }
  node.key = std::move(key);
  if (task != nullptr && task->iterator && iteration < 0) {
    node.kind = TaskKind::kLoop;
  } else if (std::holds_alternative<Dag>(component->body)) {
    node.kind = TaskKind::kDag;
  } else {
    node.kind = std::holds_alternative<Container>(component->body) ? TaskKind::kContainer : TaskKind::kImporter;
  }
  nodes_.push_back(std::move(node));
  Touch(static_cast<int>(nodes_.size()) - 1);
  return static_cast<int>(nodes_.size()) - 1;
}

const Scheduler::Dependents& Scheduler::DependentsOf(const Dag& dag) {
  const auto [entry, made] = dependents_.try_emplace(&dag);
  if (made)
    for (const auto& [key, task] : dag.tasks)
      for (const auto& upstream : task.upstream) entry->second[upstream].push_back(key);
  return entry->second;
}

void Scheduler::Touch(int node) { changed_.push_back(node); }

void Scheduler::SetState(int node, TaskState state, std::string message) {
  at(node).state = state;
  at(node).message = std::move(message);
  Touch(node);
}

std::vector<int> Scheduler::TakeChanged() {
  std::ranges::sort(changed_);
  const auto repeated = std::ranges::unique(changed_);
  changed_.erase(repeated.begin(), repeated.end());
  return std::exchange(changed_, {});
}

std::vector<Action> Scheduler::Drain() {
  while (!to_settle_.empty()) {
    const int node = to_settle_.back();
    to_settle_.pop_back();
    Settle(node);
  }
  return std::exchange(actions_, {});
}

std::vector<Action> Scheduler::Start() {
  StartDag(0);
  return Drain();
}

std::vector<Action> Scheduler::Finished(int id, LeafResult result) {
  TaskNode& node = at(id);
  if (IsFinal(node.state)) return {};
  if (result.state == TaskState::kFailed && Retry(id)) {
    node.message = std::move(result.message);
    return std::exchange(actions_, {});
  }
  node.outputs = std::move(result.outputs);
  End(id, result.state, std::move(result.message));
  return Drain();
}

std::vector<Action> Scheduler::RetryDue(int id) {
  if (IsFinal(at(id).state)) return {};
  StartBody(id);
  return Drain();
}

std::vector<Action> Scheduler::Cancel() {
  if (cancelling_ || done()) return {};
  cancelling_ = true;
  for (int id = 0; id < static_cast<int>(nodes_.size()); id++) {
    const TaskNode& node = at(id);
    const bool leaf = node.kind == TaskKind::kContainer || node.kind == TaskKind::kImporter;
    if (leaf && node.state == TaskState::kRunning) actions_.push_back({Action::Kind::kCancel, id});
  }
  for (int id = 0; id < static_cast<int>(nodes_.size()); id++)
    if (at(id).state == TaskState::kPending) End(id, TaskState::kCancelled, "the run was cancelled");
  return Drain();
}

void Scheduler::End(int node, TaskState state, std::string message) {
  SetState(node, state, std::move(message));
  to_settle_.push_back(node);
}

bool Scheduler::Retry(int id) {
  TaskNode& node = at(id);
  if (cancelling_ || node.task == nullptr || node.iteration >= 0) return false;
  if (node.tries > node.task->retry.max_retries) return false;
  actions_.push_back({Action::Kind::kRetryLater, id, BackOff(node.task->retry, node.tries)});
  Touch(id);
  return true;
}

void Scheduler::StartDag(int id) {
  const Dag& dag = std::get<Dag>(at(id).component->body);
  at(id).tries++;
  SetState(id, TaskState::kRunning);
  at(id).children.clear();
  at(id).open = static_cast<int>(dag.tasks.size());
  std::vector<int> ready;
  for (const auto& [key, task] : dag.tasks) {
    const int child = NewNode(id, key, &task, &pipeline_->components.at(task.component), -1);
    at(child).waiting = static_cast<int>(task.upstream.size());
    at(id).children.emplace(key, child);
    if (task.upstream.empty()) ready.push_back(child);
  }
  if (dag.tasks.empty()) FinishDag(id);
  for (const int child : ready) Decide(child);
}

void Scheduler::Decide(int id) {
  TaskNode& node = at(id);
  if (cancelling_) return End(id, TaskState::kCancelled, "the run was cancelled");
  const TaskNode& dag = at(node.parent);
  if (node.task->strategy == TriggerStrategy::kAllSucceeded) {
    for (const auto& upstream : node.task->upstream) {
      const TaskNode& before = at(dag.children.at(upstream));
      if (!IsSuccess(before.state))
        return End(
            id, TaskState::kSkipped,
            fmt::format("{} {}", upstream, before.state == TaskState::kSkipped ? "was skipped" : "did not succeed"));
    }
  }
  auto resolution = ResolveInputs(node);
  if (!resolution) return End(id, TaskState::kFailed, resolution.error().message());
  if (!resolution->skip.empty()) return End(id, TaskState::kSkipped, resolution->skip);
  node.inputs = std::move(resolution->inputs);
  if (!node.task->condition.empty()) {
    const auto expression = CelExpression::Parse(node.task->condition);
    const Result<bool> holds =
        expression ? expression->EvaluateBool(CelVariables(node.inputs)) : std::unexpected(expression.error());
    if (!holds) return End(id, TaskState::kFailed, "condition: " + holds.error().message());
    if (!*holds) return End(id, TaskState::kSkipped, "its condition is false: " + node.task->condition);
  }
  StartBody(id);
}

void Scheduler::StartBody(int id) {
  if (cancelling_) return End(id, TaskState::kCancelled, "the run was cancelled");
  if (nodes_.size() > kMaxNodes)
    return End(id, TaskState::kFailed, fmt::format("the run has more than {} tasks", kMaxNodes));
  if (at(id).kind == TaskKind::kLoop) return StartLoop(id);
  if (const Status status = ApplyComponent(at(id), &at(id).inputs); !status.ok())
    return End(id, TaskState::kFailed, status.message());
  if (at(id).kind == TaskKind::kDag) return StartDag(id);
  StartLeaf(id);
}

void Scheduler::StartLeaf(int id) {
  at(id).tries++;
  SetState(id, TaskState::kRunning);
  actions_.push_back({Action::Kind::kLaunch, id});
}

void Scheduler::StartLoop(int id) {
  auto items = LoopItems(at(id));
  if (!items) return End(id, TaskState::kFailed, items.error().message());
  at(id).items = *std::move(items);
  at(id).tries++;
  SetState(id, TaskState::kRunning);
  if (at(id).items.empty()) return FinishLoop(id);
  FillLoop(id);
}

void Scheduler::FillLoop(int id) {
  const int limit = at(id).task->iterator->parallelism_limit;
  while (at(id).next_item < at(id).items.size() && (limit == 0 || at(id).open < limit)) {
    const size_t index = at(id).next_item++;
    const int child = NewNode(id, std::to_string(index), at(id).task, at(id).component, static_cast<int>(index));
    at(id).children.emplace(std::to_string(index), child);
    at(id).open++;
    at(child).inputs = at(id).inputs;
    at(child).inputs.parameters[at(id).task->iterator->item_input] = at(id).items[index];
    StartBody(child);
  }
}

void Scheduler::Settle(int id) {
  const TaskNode& node = at(id);
  if (node.parent < 0) return;
  TaskNode& parent = at(node.parent);
  parent.open--;
  if (parent.kind == TaskKind::kDag) {
    SettleInDag(parent, node);
    if (parent.open == 0 && !IsFinal(parent.state)) FinishDag(parent.id);
    return;
  }
  const bool go_on = IsSuccess(node.state) && !cancelling_;
  if (go_on) FillLoop(parent.id);
  if (!go_on) parent.next_item = parent.items.size();
  if (parent.open == 0 && parent.next_item == parent.items.size() && !IsFinal(parent.state)) FinishLoop(parent.id);
}

void Scheduler::SettleInDag(TaskNode& parent, const TaskNode& child) {
  const auto& dependents = DependentsOf(std::get<Dag>(parent.component->body));
  const auto waiting = dependents.find(child.key);
  if (waiting == dependents.end()) return;
  for (const auto& key : waiting->second) {
    TaskNode& dependent = at(parent.children.at(key));
    if (--dependent.waiting == 0 && dependent.state == TaskState::kPending) Decide(dependent.id);
  }
}

void Scheduler::FinishDag(int id) {
  std::string failed;
  bool cancelled = false;
  for (const auto& [key, child] : at(id).children) {
    if (at(child).state == TaskState::kFailed && failed.empty()) failed = key;
    cancelled |= at(child).state == TaskState::kCancelled;
  }
  at(id).outputs = DagOutputs(at(id));
  if (cancelled) return End(id, TaskState::kCancelled, "the run was cancelled");
  if (failed.empty()) return End(id, TaskState::kSucceeded, "");
  at(id).message = fmt::format("task {} failed", failed);
  if (Retry(id)) return;
  End(id, TaskState::kFailed, at(id).message);
}

void Scheduler::FinishLoop(int id) {
  std::string failed;
  bool cancelled = false;
  for (const auto& [key, child] : at(id).children) {
    if (at(child).state == TaskState::kFailed && failed.empty()) failed = key;
    cancelled |= at(child).state == TaskState::kCancelled;
  }
  at(id).outputs = LoopOutputs(at(id));
  if (cancelled || (cancelling_ && at(id).children.size() < at(id).items.size()))
    return End(id, TaskState::kCancelled, "the run was cancelled");
  if (!failed.empty()) return End(id, TaskState::kFailed, fmt::format("iteration {} failed", failed));
  End(id, TaskState::kSucceeded, "");
}

}  // namespace headrace::pipeline
