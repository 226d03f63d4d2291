#include "headrace/metadata/experiment_store.h"

#include <fmt/format.h>

#include "headrace/base/files.h"

namespace headrace::metadata {
namespace {

constexpr size_t kLongestName = 128;
constexpr char kDefaultName[] = "Default";
constexpr char kDefaultDescription[] = "All runs created without specifying an experiment will be grouped here.";

const std::vector<std::vector<std::string>> kMigrations = {{
    "CREATE TABLE experiments (id TEXT PRIMARY KEY, name TEXT NOT NULL, description TEXT NOT NULL, "
    "namespace TEXT NOT NULL, created_us BIGINT NOT NULL, last_run_us BIGINT, storage_state TEXT NOT NULL, "
    "UNIQUE (namespace, name))",
    "CREATE INDEX experiments_by_time ON experiments (created_us, id)",
}};

const ListTable kTable = {
    .name = "experiments",
    .columns = "id, name, description, namespace, created_us, last_run_us, storage_state",
    .key = "id",
    .fields = {{.name = "experiment_id", .column = "id"},
               {.name = "id", .column = "id"},
               {.name = "display_name", .column = "name"},
               {.name = "name", .column = "name"},
               {.name = "namespace", .column = "namespace"},
               {.name = "created_at", .column = "created_us", .is_text = false},
               {.name = "last_run_created_at", .column = "last_run_us", .is_text = false, .nullable = true},
               {.name = "storage_state", .column = "storage_state"}},
    .default_sort = "created_at"};

const char* StorageState(bool archived) { return archived ? "ARCHIVED" : "AVAILABLE"; }

Experiment ExperimentOf(const SqlRow& row) {
  Experiment experiment;
  experiment.id = row.text(0);
  experiment.name = row.text(1);
  experiment.description = row.text(2);
  experiment.name_space = row.text(3);
  experiment.created = FromMicros(row.integer(4));
  if (!row.is_null(5)) experiment.last_run = FromMicros(row.integer(5));
  experiment.archived = row.text(6) == StorageState(true);
  return experiment;
}

Status Missing(const std::string& id) { return NotFound("Experiment {} not found", id); }

}  // namespace

Result<std::unique_ptr<ExperimentStore>> ExperimentStore::Open(Database* database, Clock* clock) {
  HR_UNEXPECTED_IF_ERROR(Migrate(*database, "experiments", kMigrations));
  std::unique_ptr<ExperimentStore> store(new ExperimentStore(database, clock));
  HR_ASSIGN_OR_UNEXPECTED(const auto any, database->Query("SELECT count(*) FROM experiments"));
  if (any[0].integer(0) == 0) HR_UNEXPECTED_IF_ERROR(store->Default());
  return store;
}

Result<Experiment> ExperimentStore::Create(Experiment experiment) {
  if (experiment.name.empty() || experiment.name.size() > kLongestName)
    return std::unexpected(
        InvalidArgument("display_name \"{}\": expected 1 to {} characters", experiment.name, kLongestName));
  experiment.id = NewUuid();
  experiment.created = clock_->Now();
  experiment.archived = false;
  const Status status = database_->Transact([&](Transaction& transaction) {
    return internal::AsStatus(
        transaction.Execute("INSERT INTO experiments (id, name, description, namespace, created_us, storage_state) "
                            "VALUES (?, ?, ?, ?, ?, ?)",
                            {experiment.id, experiment.name, experiment.description, experiment.name_space,
                             MicrosSinceEpoch(experiment.created), StorageState(false)}));
  });
  if (status.code() == Code::kAlreadyExists)
    return std::unexpected(
        AlreadyExists("Experiment \"{}\" exists already; use it or choose another name", experiment.name));
  if (!status.ok()) return std::unexpected(status);
  return experiment;
}

Result<Experiment> ExperimentStore::Get(const std::string& id) {
  HR_ASSIGN_OR_UNEXPECTED(
      const auto rows, database_->Query(fmt::format("SELECT {} FROM experiments WHERE id = ?", kTable.columns), {id}));
  if (rows.empty()) return std::unexpected(Missing(id));
  return ExperimentOf(rows[0]);
}

Result<Experiment> ExperimentStore::Default() {
  HR_ASSIGN_OR_UNEXPECTED(
      const auto rows,
      database_->Query(fmt::format("SELECT {} FROM experiments WHERE namespace = '' AND name = ?", kTable.columns),
                       {kDefaultName}));
  if (!rows.empty()) return ExperimentOf(rows[0]);
  Experiment experiment;
  experiment.name = kDefaultName;
  experiment.description = kDefaultDescription;
  return Create(std::move(experiment));
}

Result<ListedExperiments> ExperimentStore::List(const ListRequest& request, const std::string& name_space) {
  std::vector<ListPredicate> scope;
  if (!name_space.empty()) scope.push_back({ListOperation::kEquals, "namespace", {name_space}});
  ListedRows listed;
  HR_UNEXPECTED_IF_ERROR(database_->Read([&](Transaction& transaction) -> Status {
    HR_ASSIGN_OR_RETURN(listed, ListRows(transaction, kTable, request, scope));
    return OkStatus();
  }));
  ListedExperiments result{{}, listed.total, std::move(listed.next_page_token)};
  for (const auto& row : listed.rows) result.experiments.push_back(ExperimentOf(row));
  return result;
}

Status ExperimentStore::SetArchived(const std::string& id, bool archived) {
  return database_->Transact([&](Transaction& transaction) -> Status {
    HR_ASSIGN_OR_RETURN(
        const int64_t changed,
        transaction.Execute("UPDATE experiments SET storage_state = ? WHERE id = ?", {StorageState(archived), id}));
    return changed == 0 ? Missing(id) : OkStatus();
  });
}

Status ExperimentStore::Delete(const std::string& id) {
  return database_->Transact([&](Transaction& transaction) -> Status {
    HR_ASSIGN_OR_RETURN(const int64_t changed, transaction.Execute("DELETE FROM experiments WHERE id = ?", {id}));
    return changed == 0 ? Missing(id) : OkStatus();
  });
}

Status ExperimentStore::NoteRun(Transaction& transaction, const std::string& id, TimePoint created) {
  HR_ASSIGN_OR_RETURN(const auto rows, transaction.Query("SELECT storage_state FROM experiments WHERE id = ?", {id}));
  if (rows.empty()) return Missing(id);
  if (rows[0].text(0) == StorageState(true))
    return FailedPrecondition("Experiment {} is archived; unarchive it to run in it", id);
  return internal::AsStatus(
      transaction.Execute("UPDATE experiments SET last_run_us = ? WHERE id = ?", {MicrosSinceEpoch(created), id}));
}

}  // namespace headrace::metadata
