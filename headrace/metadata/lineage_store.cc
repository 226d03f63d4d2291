#include "headrace/metadata/lineage_store.h"

#include <fmt/format.h>

#include <algorithm>

#include "headrace/metadata/lineage_rows.h"

namespace headrace::metadata {
namespace {

constexpr size_t kShortestDigest = 8;

std::string LastSegment(std::string_view uri) {
  while (uri.size() > 1 && uri.back() == '/') uri.remove_suffix(1);
  return std::string(uri.substr(uri.find_last_of('/') + 1));
}

struct ModelName {
  SqlValue model, version;
};

// What FindModel looks for; NULL for other artifacts. Versions come as numbers or as text.
ModelName ModelNameOf(const json::object& metadata) {
  const auto* model = metadata.if_contains("model");
  const auto* version = metadata.if_contains("version");
  if (const auto* pushed = metadata.if_contains("pushed"); pushed && *pushed == false) return {};
  if (!model || !version || !model->is_string()) return {};
  if (version->is_string()) return {std::string(model->get_string()), std::string(version->get_string())};
  boost::system::error_code not_integer;
  const auto number = version->to_number<int64_t>(not_integer);
  if (not_integer) return {};
  return {std::string(model->get_string()), std::to_string(number)};
}

Result<int64_t> Upsert(Transaction& transaction, const Execution& execution) {
  std::vector<SqlValue> values = {execution.type,
                                  execution.name,
                                  std::string(ExecutionStateName(execution.state)),
                                  CanonicalJson(execution.parameters),
                                  CanonicalJson(execution.code),
                                  execution.log_uri,
                                  execution.error,
                                  MicrosSinceEpoch(execution.started),
                                  {}};
  if (execution.finished) values.back() = MicrosSinceEpoch(*execution.finished);
  return transaction.Insert(
      "INSERT INTO executions (type, name, state, parameters, code, log_uri, error, started_us, finished_us) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET type = excluded.type, "
      "state = excluded.state, parameters = excluded.parameters, code = excluded.code, log_uri = excluded.log_uri, "
      "error = excluded.error, started_us = excluded.started_us, finished_us = excluded.finished_us RETURNING id",
      values);
}

Status RecordArtifact(Transaction& transaction, Artifact& artifact, EventKind kind) {
  if (artifact.id != 0) return OkStatus();
  const std::string metadata = CanonicalJson(artifact.metadata);
  ModelName model = ModelNameOf(artifact.metadata);
  HR_ASSIGN_OR_RETURN(const auto rows, transaction.Query("SELECT id FROM artifacts WHERE uri = ? AND digest = ?",
                                                         {artifact.uri, artifact.digest}));
  if (rows.empty()) {
    HR_ASSIGN_OR_RETURN(
        artifact.id,
        transaction.Insert("INSERT INTO artifacts (type, name, uri, digest, metadata, model, version, created_us) "
                           "VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
                           {artifact.type, artifact.name, artifact.uri, artifact.digest, metadata,
                            std::move(model.model), std::move(model.version), MicrosSinceEpoch(artifact.created)}));
    return OkStatus();
  }
  artifact.id = rows[0].integer(0);
  if (kind == EventKind::kInput) return OkStatus();
  return internal::AsStatus(transaction.Execute(
      "UPDATE artifacts SET type = ?, name = ?, metadata = ?, model = ?, version = ? WHERE id = ?",
      {artifact.type, artifact.name, metadata, std::move(model.model), std::move(model.version), artifact.id}));
}

// The inputs that the outputs' `sources` imply.
std::vector<LineageEvent> SourcesOf(const std::vector<LineageEvent>& events) {
  std::vector<LineageEvent> sources;
  for (const auto& event : events) {
    if (event.kind == EventKind::kInput && event.key == "sources") return {};
    const auto* list = event.artifact.metadata.if_contains("sources");
    if (event.kind != EventKind::kOutput || !list || !list->is_array()) continue;
    for (const auto& source : list->get_array()) {
      if (!source.is_object()) continue;
      const auto uri = OptionalString(source.get_object(), "uri");
      if (!uri || !*uri) continue;
      const auto digest = OptionalString(source.get_object(), "sha256");
      LineageEvent input{EventKind::kInput, "sources", static_cast<int64_t>(sources.size()), {}};
      input.artifact.type = "system.Artifact";
      input.artifact.name = LastSegment(**uri);
      input.artifact.uri = **uri;
      input.artifact.digest = digest && *digest ? **digest : "";
      input.artifact.created = event.artifact.created;
      sources.push_back(std::move(input));
    }
  }
  return sources;
}

Status RecordEvent(Transaction& transaction, int64_t execution, LineageEvent& event) {
  HR_RETURN_IF_ERROR(RecordArtifact(transaction, event.artifact, event.kind));
  return internal::AsStatus(transaction.Execute(
      "INSERT INTO events (execution_id, kind, key, position, artifact_id) VALUES (?, ?, ?, ?, ?) "
      "ON CONFLICT (execution_id, kind, key, position) DO UPDATE SET artifact_id = excluded.artifact_id",
      {execution, static_cast<int64_t>(event.kind), event.key, event.index, event.artifact.id}));
}

Status RecordContext(Transaction& transaction, int64_t execution, const ContextRef& context) {
  HR_ASSIGN_OR_RETURN(const auto rows, transaction.Query("SELECT id FROM contexts WHERE type = ? AND name = ?",
                                                         {context.type, context.name}));
  int64_t id = rows.empty() ? 0 : rows[0].integer(0);
  if (rows.empty()) {
    HR_ASSIGN_OR_RETURN(id,
                        transaction.Insert("INSERT INTO contexts (type, name) VALUES (?, ?) "
                                           "ON CONFLICT (type, name) DO UPDATE SET name = excluded.name RETURNING id",
                                           {context.type, context.name}));
  }
  return internal::AsStatus(transaction.Execute(
      "INSERT INTO context_executions (context_id, execution_id) VALUES (?, ?) ON CONFLICT DO NOTHING",
      {id, execution}));
}

}  // namespace

Result<std::unique_ptr<LineageStore>> LineageStore::Open(Database* database) {
  HR_UNEXPECTED_IF_ERROR(Migrate(*database, "lineage", LineageMigrations(database->dialect())));
  return std::unique_ptr<LineageStore>(new LineageStore(database));
}

Result<std::unique_ptr<LineageStore>> LineageStore::OpenToRead(Database* database) {
  const auto version = database->Query("SELECT version FROM headrace_migrations WHERE component = 'lineage'");
  if (!version || version->empty()) return std::unexpected(NotFound("nothing has been recorded yet"));
  const auto known = static_cast<int64_t>(LineageMigrations(database->dialect()).size());
  if (const int64_t have = version->at(0).integer(0); have != known)
    return std::unexpected(FailedPrecondition(
        "the record has version {}, this program reads {}; use the headrace that writes it", have, known));
  return std::unique_ptr<LineageStore>(new LineageStore(database));
}

Status LineageStore::Record(Transaction& transaction, Execution* execution, std::vector<LineageEvent>* events,
                            const std::vector<ContextRef>& contexts) {
  HR_ASSIGN_OR_RETURN(execution->id, Upsert(transaction, *execution));
  for (auto& event : *events) HR_RETURN_IF_ERROR(RecordEvent(transaction, execution->id, event));
  for (auto& source : SourcesOf(*events)) HR_RETURN_IF_ERROR(RecordEvent(transaction, execution->id, source));
  for (const auto& context : contexts) HR_RETURN_IF_ERROR(RecordContext(transaction, execution->id, context));
  return OkStatus();
}

Result<std::vector<Artifact>> LineageStore::FindArtifacts(std::string_view condition,
                                                          const std::vector<SqlValue>& parameters) {
  HR_ASSIGN_OR_UNEXPECTED(
      const auto rows, database_->Query(fmt::format("SELECT {} FROM artifacts a WHERE {} ORDER BY a.id DESC LIMIT 100",
                                                    kArtifactColumns, condition),
                                        parameters));
  std::vector<Artifact> artifacts;
  for (const auto& row : rows) {
    HR_ASSIGN_OR_UNEXPECTED(artifacts.emplace_back(), ArtifactOf(row));
  }
  return artifacts;
}

Result<Artifact> LineageStore::FindModel(std::string_view model, std::string_view version) {
  HR_ASSIGN_OR_UNEXPECTED(auto found,
                          FindArtifacts("a.model = ? AND a.version = ?", {std::string(model), std::string(version)}));
  if (!found.empty()) return std::move(found.front());
  HR_ASSIGN_OR_UNEXPECTED(
      const auto rows,
      database_->Query("SELECT version FROM artifacts WHERE model = ? GROUP BY version ORDER BY max(id) DESC LIMIT 20",
                       {std::string(model)}));
  if (rows.empty()) return std::unexpected(NotFound("no version of model \"{}\" was pushed by a recorded run", model));
  std::string versions;
  for (const auto& row : rows) versions += (versions.empty() ? "" : ", ") + row.text(0);
  return std::unexpected(
      NotFound("version {} of model \"{}\" was not pushed by a recorded run; recorded: {}", version, model, versions));
}

Result<Artifact> LineageStore::FindLatestModel(std::string_view model) {
  HR_ASSIGN_OR_UNEXPECTED(auto found, FindArtifacts("a.model = ?", {std::string(model)}));
  if (found.empty()) return std::unexpected(NotFound("no version of model \"{}\" was pushed by a recorded run", model));
  return std::move(found.front());
}

Result<std::vector<Artifact>> LineageStore::FindByUri(std::string_view uri) {
  return FindArtifacts("a.uri = ?", {std::string(uri)});
}

Result<std::vector<Artifact>> LineageStore::FindByDigest(std::string_view digest) {
  if (digest.size() < kShortestDigest || digest.find_first_not_of("0123456789abcdef") != digest.npos)
    return std::unexpected(
        InvalidArgument("digest \"{}\": expected {} or more lower-case hexadecimal digits", digest, kShortestDigest));
  // '~' sorts behind every hexadecimal digit.
  return FindArtifacts("a.digest >= ? AND a.digest < ?", {std::string(digest), std::string(digest) + "~"});
}

Result<Execution> LineageStore::FindExecution(std::string_view name) {
  HR_ASSIGN_OR_UNEXPECTED(
      const auto rows, database_->Query(fmt::format("SELECT {} FROM executions x WHERE x.name = ?", kExecutionColumns),
                                        {std::string(name)}));
  if (rows.empty()) return std::unexpected(NotFound("no execution \"{}\" is recorded", name));
  return ExecutionOf(rows[0]);
}

}  // namespace headrace::metadata
