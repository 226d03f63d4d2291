#include "headrace/pipeline/recurring_runs.h"

#include <fmt/format.h>

#include <algorithm>

#include "headrace/base/files.h"
#include "headrace/base/log.h"

namespace headrace::pipeline {
namespace {

constexpr auto kLongestWait = std::chrono::seconds(30);
constexpr auto kBusyWait = std::chrono::seconds(1);  // while a time that is due waits for its predecessors
constexpr size_t kRunsRemembered = 200;              // looked at to count the unfinished ones

const std::vector<std::vector<std::string>> kMigrations = {{
    "CREATE TABLE recurring_runs (id TEXT PRIMARY KEY, display_name TEXT NOT NULL, experiment_id TEXT NOT NULL, "
    "namespace TEXT NOT NULL, status TEXT NOT NULL, error TEXT NOT NULL, body TEXT NOT NULL, "
    "created_us BIGINT NOT NULL, updated_us BIGINT NOT NULL, next_us BIGINT)",
    "CREATE INDEX recurring_runs_due ON recurring_runs (status, next_us)",
    "CREATE TABLE recurring_run_runs (run_id TEXT PRIMARY KEY, recurring_run_id TEXT NOT NULL, "
    "scheduled_us BIGINT NOT NULL)",
    "CREATE INDEX recurring_run_runs_by_maker ON recurring_run_runs (recurring_run_id, scheduled_us)",
}};

const ListTable kTable = {
    .name = "recurring_runs",
    .columns = "id, display_name, experiment_id, namespace, status, error, body, created_us, updated_us, next_us",
    .key = "id",
    .fields = {{.name = "recurring_run_id", .column = "id"},
               {.name = "id", .column = "id"},
               {.name = "display_name", .column = "display_name"},
               {.name = "name", .column = "display_name"},
               {.name = "experiment_id", .column = "experiment_id"},
               {.name = "namespace", .column = "namespace"},
               {.name = "status", .column = "status"},
               {.name = "created_at", .column = "created_us", .is_text = false},
               {.name = "updated_at", .column = "updated_us", .is_text = false}},
    .default_sort = "created_at"};

const char* StatusName(bool enabled) { return enabled ? "ENABLED" : "DISABLED"; }
// Errors that the same run may not meet again: its time stays due.
bool MayPass(Code code) {
  return code == Code::kUnavailable || code == Code::kAborted || code == Code::kResourceExhausted;
}
Status Missing(const std::string& id) { return NotFound("RecurringRun {} not found", id); }

SqlValue TimeValue(const std::optional<TimePoint>& time) {
  return time ? SqlValue(MicrosSinceEpoch(*time)) : SqlValue();
}

// What is fixed when it is made.
std::string BodyText(const RecurringRun& recurring) {
  json::object body = {{"description", recurring.description},
                       {"service_account", recurring.service_account},
                       {"spec", recurring.spec},
                       {"reference", recurring.reference},
                       {"parameters", recurring.parameters},
                       {"pipeline_root", recurring.pipeline_root},
                       {"cron", recurring.trigger.cron},
                       {"interval_s", recurring.trigger.interval_s},
                       {"max_concurrency", recurring.max_concurrency},
                       {"no_catchup", recurring.no_catchup}};
  if (recurring.trigger.start) body["start_us"] = MicrosSinceEpoch(*recurring.trigger.start);
  if (recurring.trigger.end) body["end_us"] = MicrosSinceEpoch(*recurring.trigger.end);
  return ToJson(body);
}

Status ReadBody(const std::string& text, RecurringRun* recurring) {
  HR_ASSIGN_OR_RETURN(const json::value value, ParseJson(text, 500));
  if (!value.is_object()) return DataLoss("recurring_runs.body: expected an object");
  const json::object& body = value.get_object();
  HR_ASSIGN_OR_RETURN(recurring->description, RequiredString(body, "description"));
  HR_ASSIGN_OR_RETURN(recurring->service_account, RequiredString(body, "service_account"));
  HR_ASSIGN_OR_RETURN(recurring->pipeline_root, RequiredString(body, "pipeline_root"));
  HR_ASSIGN_OR_RETURN(const auto* reference, RequiredObject(body, "reference"));
  HR_ASSIGN_OR_RETURN(const auto* parameters, RequiredObject(body, "parameters"));
  HR_ASSIGN_OR_RETURN(recurring->trigger.cron, RequiredString(body, "cron"));
  HR_ASSIGN_OR_RETURN(recurring->trigger.interval_s, RequiredInt(body, "interval_s"));
  HR_ASSIGN_OR_RETURN(recurring->max_concurrency, RequiredInt(body, "max_concurrency"));
  HR_ASSIGN_OR_RETURN(const auto no_catchup, OptionalBool(body, "no_catchup"));
  HR_ASSIGN_OR_RETURN(const auto start, OptionalInt(body, "start_us"));
  HR_ASSIGN_OR_RETURN(const auto end, OptionalInt(body, "end_us"));
  recurring->reference = *reference;
  recurring->parameters = *parameters;
  if (const auto* spec = body.if_contains("spec")) recurring->spec = *spec;
  recurring->no_catchup = no_catchup.value_or(false);
  if (start) recurring->trigger.start = FromMicros(*start);
  if (end) recurring->trigger.end = FromMicros(*end);
  return OkStatus();
}

Result<RecurringRun> RecurringRunOf(const SqlRow& row) {
  RecurringRun recurring;
  recurring.id = row.text(0);
  recurring.display_name = row.text(1);
  recurring.experiment_id = row.text(2);
  recurring.name_space = row.text(3);
  recurring.enabled = row.text(4) == StatusName(true);
  recurring.error = row.text(5);
  if (const Status status = ReadBody(row.text(6), &recurring); !status.ok())
    return std::unexpected(DataLoss("recurring run {}: {}", recurring.id, status.message()));
  recurring.created = FromMicros(row.integer(7));
  recurring.updated = FromMicros(row.integer(8));
  if (!row.is_null(9)) recurring.next = FromMicros(row.integer(9));
  return recurring;
}

}  // namespace

Result<std::unique_ptr<RecurringRuns>> RecurringRuns::Open(RecurringRunsOptions options) {
  HR_UNEXPECTED_IF_ERROR(Migrate(*options.database, "recurring_runs", kMigrations));
  return std::unique_ptr<RecurringRuns>(new RecurringRuns(std::move(options)));
}

RecurringRuns::~RecurringRuns() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.NotifyAll();
  if (thread_.joinable()) thread_.join();
}

void RecurringRuns::Start() {
  thread_ = std::thread([this] { Loop(); });
}

void RecurringRuns::Loop() {
  for (;;) {
    const TimePoint now = options_.clock->Now();
    const auto next = Tick(now);
    const Duration wait =
        next ? std::clamp<Duration>(*next - now, std::chrono::milliseconds(1), kLongestWait) : Duration(kLongestWait);
    const Deadline until = std::chrono::steady_clock::now() + wait;
    const MutexLock lock(mutex_);
    while (!stopping_ && !look_again_ && changed_.WaitUntil(mutex_, until)) {
    }
    if (stopping_) return;
    look_again_ = false;
  }
}

Result<RecurringRun> RecurringRuns::Create(RecurringRun recurring) {
  if (recurring.display_name.empty()) return std::unexpected(InvalidArgument("display_name: expected a name"));
  if (recurring.max_concurrency < 1 || recurring.max_concurrency > 10)
    return std::unexpected(InvalidArgument("max_concurrency: expected 1 to 10, found {}", recurring.max_concurrency));
  HR_UNEXPECTED_IF_ERROR(recurring.trigger.Validate());
  recurring.id = NewUuid();
  recurring.created = recurring.updated = options_.clock->Now();
  recurring.next = recurring.trigger.Next({}, recurring.created);
  HR_UNEXPECTED_IF_ERROR(options_.database->Transact([&](Transaction& transaction) {
    return internal::AsStatus(transaction.Execute(
        "INSERT INTO recurring_runs (id, display_name, experiment_id, namespace, status, error, body, created_us, "
        "updated_us, next_us) VALUES (?, ?, ?, ?, ?, '', ?, ?, ?, ?)",
        {recurring.id, recurring.display_name, recurring.experiment_id, recurring.name_space,
         StatusName(recurring.enabled), BodyText(recurring), MicrosSinceEpoch(recurring.created),
         MicrosSinceEpoch(recurring.updated), TimeValue(recurring.next)}));
  }));
  const MutexLock lock(mutex_);
  look_again_ = true;
  changed_.NotifyAll();
  return recurring;
}

Result<RecurringRun> RecurringRuns::Get(const std::string& id) {
  HR_ASSIGN_OR_UNEXPECTED(
      const auto rows,
      options_.database->Query(fmt::format("SELECT {} FROM recurring_runs WHERE id = ?", kTable.columns), {id}));
  if (rows.empty()) return std::unexpected(Missing(id));
  return RecurringRunOf(rows[0]);
}

Result<ListedRecurringRuns> RecurringRuns::List(const ListRequest& request, const std::string& experiment_id) {
  std::vector<ListPredicate> scope;
  if (!experiment_id.empty()) scope.push_back({ListOperation::kEquals, "experiment_id", {experiment_id}});
  ListedRows listed;
  HR_UNEXPECTED_IF_ERROR(options_.database->Read([&](Transaction& transaction) -> Status {
    HR_ASSIGN_OR_RETURN(listed, ListRows(transaction, kTable, request, scope));
    return OkStatus();
  }));
  ListedRecurringRuns result{{}, listed.total, std::move(listed.next_page_token)};
  for (const auto& row : listed.rows) {
    HR_ASSIGN_OR_UNEXPECTED(result.recurring_runs.emplace_back(), RecurringRunOf(row));
  }
  return result;
}

Status RecurringRuns::SetEnabled(const std::string& id, bool enabled) {
  HR_ASSIGN_OR_RETURN(const RecurringRun recurring, Get(id));
  const TimePoint now = options_.clock->Now();
  auto next = recurring.next;
  while (enabled && recurring.no_catchup && next && *next <= now)
    next = recurring.trigger.Next(next, recurring.created);
  HR_RETURN_IF_ERROR(options_.database->Transact([&](Transaction& transaction) {
    return internal::AsStatus(
        transaction.Execute("UPDATE recurring_runs SET status = ?, updated_us = ?, next_us = ? WHERE id = ?",
                            {StatusName(enabled), MicrosSinceEpoch(now), TimeValue(next), id}));
  }));
  const MutexLock lock(mutex_);
  look_again_ = true;
  changed_.NotifyAll();
  return OkStatus();
}

Status RecurringRuns::Delete(const std::string& id) {
  return options_.database->Transact([&](Transaction& transaction) -> Status {
    HR_ASSIGN_OR_RETURN(const int64_t deleted, transaction.Execute("DELETE FROM recurring_runs WHERE id = ?", {id}));
    return deleted == 0 ? Missing(id) : OkStatus();
  });
}

Result<std::string> RecurringRuns::MakerOf(const std::string& run_id) {
  HR_ASSIGN_OR_UNEXPECTED(
      const auto rows,
      options_.database->Query("SELECT recurring_run_id FROM recurring_run_runs WHERE run_id = ?", {run_id}));
  return rows.empty() ? "" : rows[0].text(0);
}

std::optional<TimePoint> RecurringRuns::Tick(TimePoint now) {
  const auto rows = options_.database->Query(
      fmt::format("SELECT {} FROM recurring_runs WHERE status = ? AND next_us <= ? ORDER BY next_us", kTable.columns),
      {StatusName(true), MicrosSinceEpoch(now)});
  if (!rows) {
    HR_LOG(err, "recurring runs: {}", rows.error().ToString());
    return now + kBusyWait;
  }
  for (const auto& row : *rows) {
    auto recurring = RecurringRunOf(row);
    if (!recurring) HR_LOG(err, "{}", recurring.error().message());
    while (recurring && MakeOne(*recurring, now)) {
    }
  }
  const auto next =
      options_.database->Query("SELECT min(next_us) FROM recurring_runs WHERE status = ?", {StatusName(true)});
  if (!next || next->at(0).is_null(0)) return std::nullopt;
  return std::max<TimePoint>(FromMicros(next->at(0).integer(0)), now + kBusyWait);
}

bool RecurringRuns::MakeOne(RecurringRun& recurring, TimePoint now) {
  if (!recurring.next || *recurring.next > now) return false;
  if (CountUnfinished(recurring.id) >= recurring.max_concurrency) return false;
  TimePoint scheduled = *recurring.next;
  auto next = recurring.trigger.Next(scheduled, recurring.created);
  while (recurring.no_catchup && next && *next <= now) {
    scheduled = *next;
    next = recurring.trigger.Next(scheduled, recurring.created);
  }
  const Status status = options_.make_run(recurring, scheduled, [&](Transaction& transaction, const std::string& run) {
    return NoteMade(transaction, recurring, scheduled, next, run);
  });
  if (!status.ok()) {
    HR_LOG(err, "recurring run {} ({}): {}", recurring.id, recurring.display_name, status.ToString());
    if (MayPass(status.code()) || !NoteError(recurring, status.message(), next).ok()) return false;
  }
  recurring.next = next;
  return true;
}

Status RecurringRuns::NoteMade(Transaction& transaction, const RecurringRun& recurring, TimePoint scheduled,
                               const std::optional<TimePoint>& next, const std::string& run_id) {
  // Only from the time that was seen to be due: a time makes one run.
  HR_ASSIGN_OR_RETURN(
      const int64_t changed,
      transaction.Execute("UPDATE recurring_runs SET next_us = ?, error = '' WHERE id = ? AND next_us = ? "
                          "AND status = ?",
                          {TimeValue(next), recurring.id, TimeValue(recurring.next), StatusName(true)}));
  if (changed == 0) return Aborted("recurring run {} was changed meanwhile", recurring.id);
  return internal::AsStatus(
      transaction.Execute("INSERT INTO recurring_run_runs (run_id, recurring_run_id, scheduled_us) VALUES (?, ?, ?)",
                          {run_id, recurring.id, MicrosSinceEpoch(scheduled)}));
}

Status RecurringRuns::NoteError(const RecurringRun& recurring, const std::string& error,
                                const std::optional<TimePoint>& next) {
  return options_.database->Transact([&](Transaction& transaction) {
    return internal::AsStatus(
        transaction.Execute("UPDATE recurring_runs SET next_us = ?, error = ? WHERE id = ? AND next_us = ?",
                            {TimeValue(next), error, recurring.id, TimeValue(recurring.next)}));
  });
}

int64_t RecurringRuns::CountUnfinished(const std::string& id) {
  const auto rows = options_.database->Query(
      "SELECT run_id FROM recurring_run_runs WHERE recurring_run_id = ? ORDER BY scheduled_us DESC LIMIT ?",
      {id, static_cast<int64_t>(kRunsRemembered)});
  if (!rows) return 0;
  return std::ranges::count_if(*rows, [&](const SqlRow& row) { return options_.is_unfinished(row.text(0)); });
}

}  // namespace headrace::pipeline
