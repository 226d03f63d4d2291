#include "headrace/pipeline/run_store.h"

#include "headrace/base/files.h"
#include "headrace/pipeline/run_rows.h"

namespace headrace::pipeline {
namespace {

const ListTable& RunTable() {
  static const ListTable table = {
      .name = "runs",
      .columns = kRunColumns,
      .key = "id",
      .fields = {{"run_id", "id"},
                 {"id", "id"},
                 {"display_name", "display_name"},
                 {"name", "display_name"},
                 {"created_at", "created_us", false},
                 {"scheduled_at", "scheduled_us", false},
                 {"finished_at", "finished_us", false, true},
                 {"state", "state"},
                 {"storage_state", "CASE archived WHEN 0 THEN 'AVAILABLE' ELSE 'ARCHIVED' END"},
                 {"experiment_id", "experiment_id"},
                 {"pipeline", "pipeline"}},
      .default_sort = "created_at",
  };
  return table;
}

Status ExpectOne(Result<int64_t> changed, const std::string& id) {
  if (!changed) return changed.error();
  return *changed == 1 ? OkStatus() : NotFound("run {} does not exist", id);
}

}  // namespace

Result<std::unique_ptr<RunStore>> RunStore::Open(Database* database) {
  HR_UNEXPECTED_IF_ERROR(Migrate(*database, "runs", RunMigrations(database->dialect())));
  return std::unique_ptr<RunStore>(new RunStore(database));
}

Status RunStore::Insert(Transaction& transaction, Run* run, const json::value& spec) {
  const std::string text = CanonicalJson(spec);
  const std::string digest = Sha256(text);
  HR_RETURN_IF_ERROR(transaction.Execute(
      "INSERT INTO run_specs (digest, spec) VALUES (?, ?) ON CONFLICT (digest) DO NOTHING", {digest, text}));
  HR_ASSIGN_OR_RETURN(
      run->key,
      transaction.Insert(
          "INSERT INTO runs (id, pipeline, display_name, description, experiment_id, service_account, "
          "reference, parameters, pipeline_root, use_cache, archived, state, error, created_us, "
          "scheduled_us, finished_us, history, spec_digest) "
          "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING key",
          {run->id, run->pipeline, run->display_name, run->description, run->experiment_id, run->service_account,
           ToJson(run->reference), ToJson(run->parameters), run->pipeline_root, int64_t{run->use_cache},
           int64_t{run->archived}, std::string(RunStateName(run->state)), run->error, MicrosSinceEpoch(run->created),
           MicrosSinceEpoch(run->scheduled), OptionalTime(run->finished), HistoryText(run->history), digest}));
  return OkStatus();
}

Status RunStore::UpdateState(Transaction& transaction, const Run& run) {
  return ExpectOne(
      transaction.Execute("UPDATE runs SET state = ?, error = ?, finished_us = ?, history = ? WHERE id = ?",
                          {std::string(RunStateName(run.state)), run.error, OptionalTime(run.finished),
                           HistoryText(run.history), run.id}),
      run.id);
}

Result<Run> RunStore::Get(const std::string& id) {
  HR_ASSIGN_OR_UNEXPECTED(const auto rows,
                          database_->Query(fmt::format("SELECT {} FROM runs WHERE id = ?", kRunColumns), {id}));
  if (rows.empty()) return std::unexpected(NotFound("run {} does not exist", id));
  return RunFromRow(rows[0]);
}

Result<json::value> RunStore::GetSpec(const std::string& id) {
  HR_ASSIGN_OR_UNEXPECTED(
      const auto rows,
      database_->Query("SELECT s.spec FROM runs r JOIN run_specs s ON s.digest = r.spec_digest WHERE r.id = ?", {id}));
  if (rows.empty()) return std::unexpected(NotFound("run {} does not exist", id));
  return ParseJson(rows[0].text(0));
}

Result<ListedRuns> RunStore::List(const ListRequest& request, const std::string& experiment_id) {
  ListedRuns out;
  std::vector<ListPredicate> scope;
  if (!experiment_id.empty()) scope.push_back({ListOperation::kEquals, "experiment_id", {experiment_id}});
  HR_UNEXPECTED_IF_ERROR(database_->Read([&](Transaction& transaction) -> Status {
    HR_ASSIGN_OR_RETURN(ListedRows listed, ListRows(transaction, RunTable(), request, scope));
    out = {};
    for (const auto& row : listed.rows) {
      HR_ASSIGN_OR_RETURN(Run run, RunFromRow(row));
      out.runs.push_back(std::move(run));
    }
    out.total = listed.total;
    out.next_page_token = std::move(listed.next_page_token);
    return OkStatus();
  }));
  return out;
}

Result<std::vector<Run>> RunStore::Unfinished() {
  HR_ASSIGN_OR_UNEXPECTED(
      const auto rows,
      database_->Query(fmt::format(
          "SELECT {} FROM runs WHERE state IN ('PENDING', 'RUNNING', 'CANCELING') ORDER BY key", kRunColumns)));
  std::vector<Run> out;
  for (const auto& row : rows) {
    HR_ASSIGN_OR_UNEXPECTED(Run run, RunFromRow(row));
    out.push_back(std::move(run));
  }
  return out;
}

Status RunStore::SetArchived(const std::string& id, bool archived) {
  return database_->Transact([&](Transaction& transaction) {
    return ExpectOne(transaction.Execute("UPDATE runs SET archived = ? WHERE id = ?", {int64_t{archived}, id}), id);
  });
}

Status RunStore::Delete(const std::string& id) {
  return database_->Transact([&](Transaction& transaction) -> Status {
    HR_RETURN_IF_ERROR(
        transaction.Execute("DELETE FROM run_tasks WHERE run_key IN (SELECT key FROM runs WHERE id = ?)", {id}));
    return ExpectOne(transaction.Execute("DELETE FROM runs WHERE id = ?", {id}), id);
  });
}

Status RunStore::SaveTask(Transaction& transaction, const Run& run, TaskRecord* task) {
  if (task->id.empty()) task->id = NewUuid();
  HR_ASSIGN_OR_RETURN(
      const auto rows,
      transaction.Query(
          "INSERT INTO run_tasks (id, run_key, path, parent_path, name, display_name, kind, state, message, tries, "
          "inputs, "
          "outputs, folder, log_file, execution_id, cache_key, started_us, finished_us) "
          "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (run_key, path) DO UPDATE SET "
          "state = excluded.state, message = excluded.message, tries = excluded.tries, inputs = excluded.inputs, "
          "outputs = excluded.outputs, folder = excluded.folder, log_file = excluded.log_file, "
          "execution_id = excluded.execution_id, cache_key = excluded.cache_key, started_us = excluded.started_us, "
          "finished_us = excluded.finished_us RETURNING key, id",
          {task->id, run.key, task->path, task->parent_path, task->name, task->display_name,
           std::string(TaskKindName(task->kind)), std::string(TaskStateName(task->state)), task->message,
           int64_t{task->tries}, ToJson(ToStored(task->inputs.parameters, task->inputs.artifacts)),
           ToJson(ToStored(task->outputs.parameters, task->outputs.artifacts)), task->folder, task->log_file,
           task->execution_id, task->cache_key, OptionalTime(task->started), OptionalTime(task->finished)}));
  if (rows.size() != 1) return Internal("saving task {} gave {} rows", task->path, rows.size());
  task->key = rows[0].integer(0);
  task->id = rows[0].text(1);
  return OkStatus();
}

Result<std::map<std::string, TaskRecord>> RunStore::Tasks(const Run& run) {
  HR_ASSIGN_OR_UNEXPECTED(
      const auto rows,
      database_->Query(fmt::format("SELECT {} FROM run_tasks WHERE run_key = ? ORDER BY key", kTaskColumns),
                       {run.key}));
  std::map<std::string, TaskRecord> out;
  for (const auto& row : rows) {
    HR_ASSIGN_OR_UNEXPECTED(TaskRecord task, TaskFromRow(row, run.id));
    out.emplace(task.path, std::move(task));
  }
  return out;
}

Status RunStore::ForgetUnsuccessful(Transaction& transaction, const Run& run) {
  return internal::AsStatus(transaction.Execute(
      "DELETE FROM run_tasks WHERE run_key = ? AND (state NOT IN ('SUCCEEDED', 'CACHED') OR kind IN ('DAG', 'LOOP'))",
      {run.key}));
}

Status RunStore::AddToCache(Transaction& transaction, const std::string& pipeline, const std::string& cache_key,
                            const TaskRecord& task) {
  return internal::AsStatus(transaction.Execute(
      "INSERT INTO task_cache (pipeline, cache_key, outputs, run_id) VALUES (?, ?, ?, ?)",
      {pipeline, cache_key, ToJson(ToStored(task.outputs.parameters, task.outputs.artifacts)), task.run_id}));
}

Result<std::vector<CacheEntry>> RunStore::FindInCache(const std::string& pipeline, const std::string& cache_key) {
  HR_ASSIGN_OR_UNEXPECTED(
      const auto rows,
      database_->Query("SELECT key, outputs, run_id FROM task_cache WHERE pipeline = ? AND cache_key = ? "
                       "ORDER BY key DESC LIMIT 10",
                       {pipeline, cache_key}));
  std::vector<CacheEntry> out;
  for (const auto& row : rows) {
    CacheEntry entry;
    entry.key = row.integer(0);
    HR_ASSIGN_OR_UNEXPECTED(const json::value stored, ParseJson(row.text(1)));
    HR_ASSIGN_OR_UNEXPECTED(entry.outputs, FromStored(stored));
    entry.run_id = row.text(2);
    out.push_back(std::move(entry));
  }
  return out;
}

}  // namespace headrace::pipeline
