#include "headrace/pipeline/task_runner.h"

#include <algorithm>

#include "headrace/base/files.h"
#include "headrace/pipeline/placeholders.h"
#include "headrace/pipeline/values.h"

namespace headrace::pipeline {
namespace fs = std::filesystem;
namespace {

constexpr size_t kMaxName = 150;

bool IsLocal(std::string_view uri) { return uri.starts_with('/') || uri.starts_with("file://"); }

ExecutionState ExecutionStateOf(TaskState state) {
  switch (state) {
    case TaskState::kSucceeded: return ExecutionState::kComplete;
    case TaskState::kCached: return ExecutionState::kCached;
    case TaskState::kFailed: return ExecutionState::kFailed;
    case TaskState::kCancelled: return ExecutionState::kCancelled;
    default: return ExecutionState::kRunning;
  }
}

// "comp-train-2" is the component "train".
std::string ComponentName(const std::string& key) { return key.starts_with("comp-") ? key.substr(5) : key; }

void AddEvents(const std::map<std::string, std::vector<ArtifactValue>>& artifacts, EventKind kind, TimePoint now,
               std::vector<LineageEvent>* events) {
  for (const auto& [name, values] : artifacts) {
    for (size_t i = 0; i < values.size(); i++) {
      const ArtifactValue& value = values[i];
      LineageEvent event;
      event.kind = kind;
      event.key = name;
      event.index = static_cast<int64_t>(i);
      event.artifact = {value.id, value.schema_title, value.name, value.uri, value.digest, value.metadata, now};
      events->push_back(std::move(event));
    }
  }
}

Execution ExecutionOf(const LeafTry& leaf, TaskState state) {
  const TaskRecord& record = leaf.record;
  Execution out;
  out.type = ComponentName(leaf.task->component);
  out.name = fmt::format("{}/{}/{}", leaf.run->id, record.path, record.tries);
  out.state = ExecutionStateOf(state);
  for (const auto& [name, value] : record.inputs.parameters)
    if (leaf.component->input_parameters.contains(name)) out.parameters.emplace(name, value);
  if (const auto* container = std::get_if<Container>(&leaf.component->body))
    out.code = {{"image", container->image}, {"command_digest", CommandDigest(*container)}};
  out.log_uri = record.log_file;
  out.error = record.message;
  out.started = record.started.value_or(TimePoint());
  out.finished = record.finished;
  return out;
}

std::vector<ContextRef> ContextsOf(const LeafTry& leaf) {
  std::vector<ContextRef> out = {{"pipeline", leaf.run->pipeline}, {"run", leaf.run->id}};
  if (!leaf.run->experiment_id.empty()) out.push_back({"experiment", leaf.run->experiment_id});
  return out;
}

// The files that an artifact says it was made from are still what they were.
bool SourcesUnchanged(const ArtifactValue& artifact) {
  const auto* sources = artifact.metadata.if_contains("sources");
  if (sources == nullptr || !sources->is_array()) return true;
  for (const auto& source : sources->get_array()) {
    if (!source.is_object()) continue;
    const auto uri = OptionalString(source.get_object(), "uri");
    const auto digest = OptionalString(source.get_object(), "sha256");
    if (!uri || !*uri || !digest || !*digest || !IsLocal(**uri)) continue;
    const auto now = Sha256OfTree(LocalPath(**uri));
    if (!now || *now != **digest) return false;
  }
  return true;
}

Result<json::value> ResolveMetadata(const json::value& value, const PlaceholderValues& values) {
  if (value.is_string()) {
    HR_ASSIGN_OR_UNEXPECTED(const std::string text, ResolveText(value.get_string(), values));
    return json::value(text);
  }
  if (value.is_array()) {
    json::array out;
    for (const auto& item : value.get_array()) {
      HR_ASSIGN_OR_UNEXPECTED(json::value resolved, ResolveMetadata(item, values));
      out.push_back(std::move(resolved));
    }
    return json::value(std::move(out));
  }
  if (!value.is_object()) return value;
  json::object out;
  for (const auto& [key, member] : value.get_object()) {
    HR_ASSIGN_OR_UNEXPECTED(const std::string name, ResolveText(key, values));
    HR_ASSIGN_OR_UNEXPECTED(json::value resolved, ResolveMetadata(member, values));
    out.emplace(name, std::move(resolved));
  }
  return json::value(std::move(out));
}

}  // namespace

std::string FlatName(std::string_view path) {
  std::string out(path);
  std::ranges::replace(out, '/', '.');
  if (out.size() <= kMaxName) return out;
  return out.substr(0, kMaxName - 17) + "-" + Sha256(path).substr(0, 16);
}

TaskRunner::TaskRunner(RunStore* store, LineageRecorder* lineage, fs::path artifacts, fs::path logs, const Clock* clock)
    : store_(store), lineage_(lineage), artifacts_(fs::absolute(artifacts)), logs_(fs::absolute(logs)), clock_(clock) {}

bool TaskRunner::IsUsable(const TaskOutputs& outputs) const {
  std::error_code error;
  for (const auto& [name, values] : outputs.artifacts) {
    for (const auto& value : values) {
      if (IsLocal(value.uri) && !value.digest.empty() && !fs::exists(LocalPath(value.uri), error)) return false;
      if (!SourcesUnchanged(value)) return false;
    }
  }
  return true;
}

void TaskRunner::SetCacheKey(LeafTry* leaf) {
  TaskRecord& record = leaf->record;
  if (record.cache_key.empty())
    record.cache_key =
        leaf->task->cache_key.empty() ? CacheKey(*leaf->component, record.inputs) : leaf->task->cache_key;
}

Result<bool> TaskRunner::FinishFromCache(LeafTry* leaf) const {
  TaskRecord& record = leaf->record;
  HR_ASSIGN_OR_UNEXPECTED(const auto entries, store_->FindInCache(leaf->run->pipeline, record.cache_key));
  for (const auto& entry : entries) {
    if (!IsUsable(entry.outputs)) continue;
    record.outputs = entry.outputs;
    record.message = entry.run_id == leaf->run->id ? "" : "from run " + entry.run_id;
    record.started = record.finished = clock_->Now();
    HR_UNEXPECTED_IF_ERROR(Record(leaf, TaskState::kCached));
    return true;
  }
  return false;
}

Status TaskRunner::Import(LeafTry* leaf) const {
  TaskRecord& record = leaf->record;
  const Importer& importer = std::get<Importer>(leaf->component->body);
  record.started = clock_->Now();
  PlaceholderValues values;
  values.executor_input = BuildExecutorInput(*leaf->component, record.inputs, "");
  values.facts = leaf->facts;
  std::string uri;
  if (const auto* input = std::get_if<FromComponentInput>(&importer.uri)) {
    const auto found = record.inputs.parameters.find(input->name);
    if (found == record.inputs.parameters.end()) return InvalidArgument("the input {} has no value", input->name);
    uri = ParameterText(found->second);
  } else {
    uri = std::get<FromConstant>(importer.uri).value.get_string();
  }
  HR_ASSIGN_OR_RETURN(uri, ResolveText(uri, values));
  if (uri.empty()) return InvalidArgument("the artifact's URI is empty");
  HR_ASSIGN_OR_RETURN(json::value metadata, ResolveMetadata(importer.metadata, values));
  const std::string& name = leaf->component->output_artifacts.begin()->first;
  ArtifactValue artifact{0, name, uri, importer.schema_title, importer.schema_version, "", metadata.get_object()};
  std::error_code error;
  if (IsLocal(uri) && fs::exists(LocalPath(uri), error)) {
    HR_ASSIGN_OR_RETURN(artifact.digest, Sha256OfTree(LocalPath(uri)));
  }
  record.outputs.artifacts[name] = {std::move(artifact)};
  record.finished = clock_->Now();
  return Record(leaf, TaskState::kSucceeded);
}

Result<TaskSpec> TaskRunner::Begin(LeafTry* leaf) const {
  TaskRecord& record = leaf->record;
  const Container& container = std::get<Container>(leaf->component->body);
  const std::string name = FlatName(record.path);
  const std::string attempt = NewUuid();
  const fs::path folder = artifacts_ / leaf->run->pipeline / leaf->run->id / name / attempt;
  const fs::path work = folder / ".work";
  std::error_code error;
  fs::create_directories(folder / ".parameters", error);
  fs::create_directories(work, error);
  if (error) return std::unexpected(ErrnoStatus(error.value(), work.string()));

  PlaceholderValues values;
  values.executor_input = BuildExecutorInput(*leaf->component, record.inputs, folder);
  values.facts = leaf->facts;
  values.facts["pipeline_task_name"] = leaf->task->display_name;
  values.facts["pipeline_task_uuid"] = TaskUuid(leaf->facts, record.path);
  TaskSpec spec;
  spec.id = attempt;
  spec.name = leaf->run->id + "/" + record.path;
  HR_ASSIGN_OR_UNEXPECTED(spec.image, ResolveText(container.image, values));
  HR_ASSIGN_OR_UNEXPECTED(spec.command, ResolveArguments(container.command, values));
  HR_ASSIGN_OR_UNEXPECTED(const auto arguments, ResolveArguments(container.args, values));
  spec.command.insert(spec.command.end(), arguments.begin(), arguments.end());
  for (const auto& [variable, text] : container.env) {
    HR_ASSIGN_OR_UNEXPECTED(spec.environment[variable], ResolveText(text, values));
  }
  spec.environment["KFP_RETRY_INDEX"] = std::to_string(record.tries - 1);
  spec.work_dir = work;
  spec.log_file = logs_ / leaf->run->id / (name + ".log");
  spec.timeout = container.timeout;

  record.folder = folder;
  record.log_file = spec.log_file;
  record.started = clock_->Now();
  record.finished.reset();
  record.message.clear();
  HR_UNEXPECTED_IF_ERROR(Record(leaf, TaskState::kRunning));
  return spec;
}

// The names of outputs without a file.
Result<std::vector<std::string>> TaskRunner::Digest(LeafTry* leaf) const {
  std::vector<std::string> missing;
  HR_ASSIGN_OR_UNEXPECTED(leaf->record.outputs, ReadOutputs(*leaf->component, leaf->record.folder, &missing));
  for (auto& [name, values] : leaf->record.outputs.artifacts) {
    for (auto& value : values) {
      if (!IsLocal(value.uri) || std::ranges::find(missing, name) != missing.end()) continue;
      const fs::path path = LocalPath(value.uri);
      HR_UNEXPECTED_IF_ERROR(SyncTree(path));
      HR_ASSIGN_OR_UNEXPECTED(value.digest, Sha256OfTree(path));
    }
  }
  return missing;
}

Status TaskRunner::Publish(LeafTry* leaf, const std::function<void(std::string_view)>& warn) const {
  HR_ASSIGN_OR_RETURN(const auto missing, Digest(leaf));
  for (const auto& name : missing) {
    // What KFP's metrics say is their metadata; they have no file.
    const auto& values = leaf->record.outputs.artifacts[name];
    if (std::ranges::any_of(values, [](const auto& value) { return !value.metadata.empty(); })) continue;
    warn(fmt::format("warning: the task did not write its output {}", name));
  }
  std::error_code error;
  fs::remove_all(fs::path(leaf->record.folder) / ".work", error);
  leaf->record.finished = clock_->Now();
  return Record(leaf, TaskState::kSucceeded);
}

Status TaskRunner::RecordFailure(LeafTry* leaf, TaskState state, const std::string& message) const {
  TaskRecord& record = leaf->record;
  record.outputs = {};
  if (!record.folder.empty() && state == TaskState::kFailed && Digest(leaf)) {
    std::erase_if(record.outputs.artifacts, [](const auto& output) { return output.second.front().digest.empty(); });
  } else if (!record.folder.empty() && state == TaskState::kFailed) {
    record.outputs = {};
  }
  record.message = message;
  record.finished = clock_->Now();
  if (!record.started) record.started = record.finished;
  return Record(leaf, state);
}

Status TaskRunner::Record(LeafTry* leaf, TaskState state) const {
  TaskRecord& record = leaf->record;
  record.state = state;
  // The transaction may run more than once: it changes copies, which are taken over when it is done.
  TaskRecord saved;
  const Status status = store_->database().Transact([&](Transaction& transaction) -> Status {
    saved = record;
    Execution execution = ExecutionOf(*leaf, state);
    std::vector<LineageEvent> events;
    AddEvents(saved.inputs.artifacts, EventKind::kInput, clock_->Now(), &events);
    const size_t inputs = events.size();
    AddEvents(saved.outputs.artifacts, EventKind::kOutput, clock_->Now(), &events);
    HR_RETURN_IF_ERROR(lineage_->Record(transaction, &execution, &events, ContextsOf(*leaf)));
    saved.execution_id = execution.id;
    size_t next = inputs;
    for (auto& [name, values] : saved.outputs.artifacts)
      for (auto& value : values) value.id = events[next++].artifact.id;
    HR_RETURN_IF_ERROR(store_->SaveTask(transaction, *leaf->run, &saved));
    if (state == TaskState::kSucceeded && !saved.cache_key.empty())
      HR_RETURN_IF_ERROR(store_->AddToCache(transaction, leaf->run->pipeline, saved.cache_key, saved));
    return OkStatus();
  });
  if (status.ok()) record = std::move(saved);
  return status;
}

}  // namespace headrace::pipeline
