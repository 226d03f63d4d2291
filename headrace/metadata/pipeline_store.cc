#include "headrace/metadata/pipeline_store.h"

#include <fmt/format.h>

#include "headrace/base/files.h"

namespace headrace::metadata {
namespace {

constexpr size_t kLongestName = 128;

const std::vector<std::vector<std::string>> kMigrations = {{
    "CREATE TABLE pipelines (id TEXT PRIMARY KEY, name TEXT NOT NULL, display_name TEXT NOT NULL, "
    "description TEXT NOT NULL, namespace TEXT NOT NULL, tags TEXT NOT NULL, created_us BIGINT NOT NULL, "
    "UNIQUE (namespace, name))",
    "CREATE INDEX pipelines_by_time ON pipelines (created_us, id)",
    "CREATE TABLE pipeline_versions (id TEXT PRIMARY KEY, pipeline_id TEXT NOT NULL REFERENCES pipelines (id), "
    "name TEXT NOT NULL, display_name TEXT NOT NULL, description TEXT NOT NULL, code_source_url TEXT NOT NULL, "
    "tags TEXT NOT NULL, spec TEXT NOT NULL, created_us BIGINT NOT NULL, UNIQUE (pipeline_id, name))",
    "CREATE INDEX pipeline_versions_by_time ON pipeline_versions (pipeline_id, created_us, id)",
}};

const ListTable kPipelines = {.name = "pipelines",
                              .columns = "id, name, display_name, description, namespace, tags, created_us",
                              .key = "id",
                              .fields = {{.name = "pipeline_id", .column = "id"},
                                         {.name = "id", .column = "id"},
                                         {.name = "name", .column = "name"},
                                         {.name = "display_name", .column = "display_name"},
                                         {.name = "description", .column = "description"},
                                         {.name = "namespace", .column = "namespace"},
                                         {.name = "created_at", .column = "created_us", .is_text = false}},
                              .default_sort = "created_at"};

const ListTable kVersions = {
    .name = "pipeline_versions",
    .columns = "id, pipeline_id, name, display_name, description, code_source_url, tags, spec, created_us",
    .key = "id",
    .fields = {{.name = "pipeline_version_id", .column = "id"},
               {.name = "id", .column = "id"},
               {.name = "pipeline_id", .column = "pipeline_id"},
               {.name = "name", .column = "name"},
               {.name = "display_name", .column = "display_name"},
               {.name = "description", .column = "description"},
               {.name = "created_at", .column = "created_us", .is_text = false}},
    .default_sort = "created_at"};

json::object TagsOf(const std::string& text) {
  auto value = ParseJson(text);
  return value && value->is_object() ? std::move(value->as_object()) : json::object();
}

StoredPipeline PipelineOf(const SqlRow& row) {
  return {
      row.text(0), row.text(1), row.text(2), row.text(3), row.text(4), TagsOf(row.text(5)), FromMicros(row.integer(6))};
}

Result<StoredPipelineVersion> VersionOf(const SqlRow& row) {
  StoredPipelineVersion version;
  version.id = row.text(0);
  version.pipeline_id = row.text(1);
  version.name = row.text(2);
  version.display_name = row.text(3);
  version.description = row.text(4);
  version.code_source_url = row.text(5);
  version.tags = TagsOf(row.text(6));
  auto spec = ParseJson(row.text(7), 500);
  if (!spec) return std::unexpected(DataLoss("pipeline version {}: {}", version.id, spec.error().message()));
  version.spec = std::move(*spec);
  version.created = FromMicros(row.integer(8));
  return version;
}

Status MissingPipeline(std::string_view id) { return NotFound("Pipeline {} not found", id); }
Status MissingVersion(std::string_view id) { return NotFound("PipelineVersion {} not found", id); }

Status CheckName(std::string_view what, const std::string& name) {
  if (name.empty() || name.size() > kLongestName)
    return InvalidArgument("{} name \"{}\": expected 1 to {} characters", what, name, kLongestName);
  return OkStatus();
}

Status InsertPipeline(Transaction& transaction, const StoredPipeline& pipeline) {
  const auto inserted = transaction.Execute(
      "INSERT INTO pipelines (id, name, display_name, description, namespace, tags, created_us) "
      "VALUES (?, ?, ?, ?, ?, ?, ?)",
      {pipeline.id, pipeline.name, pipeline.display_name, pipeline.description, pipeline.name_space,
       CanonicalJson(pipeline.tags), MicrosSinceEpoch(pipeline.created)});
  if (!inserted && inserted.error().code() == Code::kAlreadyExists)
    return AlreadyExists("Pipeline \"{}\" exists already; upload a version of it or choose another name",
                         pipeline.name);
  return internal::AsStatus(inserted);
}

Status InsertVersion(Transaction& transaction, const StoredPipelineVersion& version) {
  const auto inserted = transaction.Execute(
      "INSERT INTO pipeline_versions (id, pipeline_id, name, display_name, description, code_source_url, tags, spec, "
      "created_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
      {version.id, version.pipeline_id, version.name, version.display_name, version.description,
       version.code_source_url, CanonicalJson(version.tags), ToJson(version.spec), MicrosSinceEpoch(version.created)});
  if (inserted) return OkStatus();
  if (inserted.error().code() == Code::kAlreadyExists)
    return AlreadyExists("PipelineVersion \"{}\" exists already in pipeline {}; choose another name", version.name,
                         version.pipeline_id);
  if (inserted.error().code() == Code::kFailedPrecondition) return MissingPipeline(version.pipeline_id);
  return inserted.error();
}

}  // namespace

Result<std::unique_ptr<PipelineStore>> PipelineStore::Open(Database* database, Clock* clock) {
  HR_UNEXPECTED_IF_ERROR(Migrate(*database, "pipelines", kMigrations));
  return std::unique_ptr<PipelineStore>(new PipelineStore(database, clock));
}

Status PipelineStore::Prepare(StoredPipeline* pipeline) const {
  pipeline->id = NewUuid();
  pipeline->created = clock_->Now();
  if (pipeline->name.empty()) pipeline->name = pipeline->display_name;
  if (pipeline->display_name.empty()) pipeline->display_name = pipeline->name;
  return CheckName("pipeline", pipeline->name);
}

Status PipelineStore::Prepare(StoredPipelineVersion* version) const {
  version->id = NewUuid();
  version->created = clock_->Now();
  if (version->name.empty()) version->name = version->display_name;
  if (version->display_name.empty()) version->display_name = version->name;
  return CheckName("pipeline version", version->name);
}

Result<StoredPipeline> PipelineStore::Create(StoredPipeline pipeline) {
  HR_UNEXPECTED_IF_ERROR(Prepare(&pipeline));
  HR_UNEXPECTED_IF_ERROR(
      database_->Transact([&](Transaction& transaction) { return InsertPipeline(transaction, pipeline); }));
  return pipeline;
}

Result<StoredPipeline> PipelineStore::CreateWithVersion(StoredPipeline pipeline, StoredPipelineVersion version) {
  HR_UNEXPECTED_IF_ERROR(Prepare(&pipeline));
  version.pipeline_id = pipeline.id;
  HR_UNEXPECTED_IF_ERROR(Prepare(&version));
  const Database::Work insert_both = [&](Transaction& transaction) -> Status {
    HR_RETURN_IF_ERROR(InsertPipeline(transaction, pipeline));
    return InsertVersion(transaction, version);
  };
  HR_UNEXPECTED_IF_ERROR(database_->Transact(insert_both));
  return pipeline;
}

Result<StoredPipelineVersion> PipelineStore::CreateVersion(StoredPipelineVersion version) {
  HR_UNEXPECTED_IF_ERROR(Prepare(&version));
  HR_UNEXPECTED_IF_ERROR(
      database_->Transact([&](Transaction& transaction) { return InsertVersion(transaction, version); }));
  return version;
}

Result<StoredPipeline> PipelineStore::Get(const std::string& id) {
  HR_ASSIGN_OR_UNEXPECTED(
      const auto rows,
      database_->Query(fmt::format("SELECT {} FROM pipelines WHERE id = ?", kPipelines.columns), {id}));
  if (rows.empty()) return std::unexpected(MissingPipeline(id));
  return PipelineOf(rows[0]);
}

Result<StoredPipeline> PipelineStore::GetByName(const std::string& name_space, const std::string& name) {
  HR_ASSIGN_OR_UNEXPECTED(
      const auto rows,
      database_->Query(fmt::format("SELECT {} FROM pipelines WHERE namespace = ? AND name = ?", kPipelines.columns),
                       {name_space, name}));
  if (rows.empty()) return std::unexpected(MissingPipeline(name));
  return PipelineOf(rows[0]);
}

Result<StoredPipelineVersion> PipelineStore::GetVersion(const std::string& pipeline_id, const std::string& version_id) {
  HR_ASSIGN_OR_UNEXPECTED(
      const auto rows, database_->Query(fmt::format("SELECT {} FROM pipeline_versions WHERE id = ? AND pipeline_id = ?",
                                                    kVersions.columns),
                                        {version_id, pipeline_id}));
  if (rows.empty()) return std::unexpected(MissingVersion(version_id));
  return VersionOf(rows[0]);
}

Result<StoredPipelineVersion> PipelineStore::LatestVersion(const std::string& pipeline_id) {
  HR_ASSIGN_OR_UNEXPECTED(const auto rows,
                          database_->Query(fmt::format("SELECT {} FROM pipeline_versions WHERE pipeline_id = ? "
                                                       "ORDER BY created_us DESC, id DESC LIMIT 1",
                                                       kVersions.columns),
                                           {pipeline_id}));
  if (rows.empty()) return std::unexpected(NotFound("Pipeline {} has no version", pipeline_id));
  return VersionOf(rows[0]);
}

Result<ListedPipelines> PipelineStore::List(const ListRequest& request, const std::string& name_space) {
  std::vector<ListPredicate> scope;
  if (!name_space.empty()) scope.push_back({ListOperation::kEquals, "namespace", {name_space}});
  ListedRows listed;
  HR_UNEXPECTED_IF_ERROR(database_->Read([&](Transaction& transaction) -> Status {
    HR_ASSIGN_OR_RETURN(listed, ListRows(transaction, kPipelines, request, scope));
    return OkStatus();
  }));
  ListedPipelines result{{}, listed.total, std::move(listed.next_page_token)};
  for (const auto& row : listed.rows) result.pipelines.push_back(PipelineOf(row));
  return result;
}

Result<ListedPipelineVersions> PipelineStore::ListVersions(const std::string& pipeline_id, const ListRequest& request) {
  ListedRows listed;
  HR_UNEXPECTED_IF_ERROR(Get(pipeline_id));
  HR_UNEXPECTED_IF_ERROR(database_->Read([&](Transaction& transaction) -> Status {
    HR_ASSIGN_OR_RETURN(
        listed, ListRows(transaction, kVersions, request, {{ListOperation::kEquals, "pipeline_id", {pipeline_id}}}));
    return OkStatus();
  }));
  ListedPipelineVersions result{{}, listed.total, std::move(listed.next_page_token)};
  for (const auto& row : listed.rows) {
    HR_ASSIGN_OR_UNEXPECTED(result.versions.emplace_back(), VersionOf(row));
  }
  return result;
}

Status PipelineStore::Delete(const std::string& id, bool cascade) {
  return database_->Transact([&](Transaction& transaction) -> Status {
    if (cascade) HR_RETURN_IF_ERROR(transaction.Execute("DELETE FROM pipeline_versions WHERE pipeline_id = ?", {id}));
    HR_ASSIGN_OR_RETURN(const auto versions,
                        transaction.Query("SELECT count(*) FROM pipeline_versions WHERE pipeline_id = ?", {id}));
    if (versions[0].integer(0) > 0)
      return FailedPrecondition("Pipeline {} has {} versions; delete them first or use cascade=true", id,
                                versions[0].integer(0));
    HR_ASSIGN_OR_RETURN(const int64_t changed, transaction.Execute("DELETE FROM pipelines WHERE id = ?", {id}));
    return changed == 0 ? MissingPipeline(id) : OkStatus();
  });
}

Status PipelineStore::DeleteVersion(const std::string& pipeline_id, const std::string& version_id) {
  return database_->Transact([&](Transaction& transaction) -> Status {
    HR_ASSIGN_OR_RETURN(const int64_t changed,
                        transaction.Execute("DELETE FROM pipeline_versions WHERE id = ? AND pipeline_id = ?",
                                            {version_id, pipeline_id}));
    return changed == 0 ? MissingVersion(version_id) : OkStatus();
  });
}

}  // namespace headrace::metadata
