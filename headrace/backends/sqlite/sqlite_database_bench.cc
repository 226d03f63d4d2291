// What a durable transaction, and what a query, costs. The folder is TMPDIR's: the disk decides.
#include <benchmark/benchmark.h>

#include "headrace/backends/sqlite/sqlite_database.h"
#include "headrace/base/files.h"

namespace headrace {
namespace {

struct Place {
  TempDir folder;
  std::unique_ptr<Database> database = sqlite::OpenSqliteDatabase(folder.path() / "h.db").value();
  Place() {
    Migrate(*database, "bench",
            {{"CREATE TABLE metrics (run BIGINT, key TEXT, step BIGINT, value DOUBLE PRECISION, PRIMARY KEY (run, key, "
              "step))"}})
        .IgnoreError();
  }
};

Status Insert(Transaction& transaction, int64_t run, int64_t step) {
  return internal::AsStatus(transaction.Execute("INSERT INTO metrics (run, key, step, value) VALUES (?, ?, ?, ?)",
                                                {run, "loss", step, 0.5 * static_cast<double>(step)}));
}

Place* shared_place = nullptr;

// One row a transaction, from one thread and from several: the latter share commits.
void BM_Transact(benchmark::State& state) {
  if (state.thread_index() == 0) shared_place = new Place;
  int64_t step = 0;
  for (auto _ : state) {
    const Status status = shared_place->database->Transact(
        [&](Transaction& transaction) { return Insert(transaction, state.thread_index(), step); });
    if (!status.ok()) state.SkipWithError(status.message().c_str());
    step++;
  }
  state.SetItemsProcessed(state.iterations());
  if (state.thread_index() == 0) delete shared_place;
}
BENCHMARK(BM_Transact)->ThreadRange(1, 32)->UseRealTime();

void BM_TransactThousandRows(benchmark::State& state) {
  Place place;
  int64_t step = 0;
  for (auto _ : state) {
    const Status status = place.database->Transact([&](Transaction& transaction) -> Status {
      for (int i = 0; i < 1000; i++) HR_RETURN_IF_ERROR(Insert(transaction, 1, step + i));
      return OkStatus();
    });
    if (!status.ok()) state.SkipWithError(status.message().c_str());
    step += 1000;
  }
  state.SetItemsProcessed(state.iterations() * 1000);
}
BENCHMARK(BM_TransactThousandRows)->UseRealTime();

void BM_QueryOneRow(benchmark::State& state) {
  Place place;
  for (int64_t step = 0; step < 1000; step++)
    place.database->Transact([&](Transaction& transaction) { return Insert(transaction, 1, step); }).IgnoreError();
  int64_t step = 0;
  for (auto _ : state) {
    const auto rows =
        place.database->Query("SELECT value FROM metrics WHERE run = 1 AND key = 'loss' AND step = ?", {step++ % 1000});
    if (!rows || rows->size() != 1) state.SkipWithError("the row is not there");
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_QueryOneRow);

}  // namespace
}  // namespace headrace
