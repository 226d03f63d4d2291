// What every Database must do. A backend's test includes this file once and instantiates the suite:
//   INSTANTIATE_TEST_SUITE_P(Sqlite, DatabaseConformance, testing::Values(DatabaseUnderTest{…}), DatabaseName);
#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "headrace/core/database.h"

namespace headrace {

// An empty database at a place of its own; removed when destroyed.
class DatabasePlace {
 public:
  virtual ~DatabasePlace() = default;
  // May be called again, also in another process, and gives the same data.
  virtual Result<std::unique_ptr<Database>> Open() = 0;
};

struct DatabaseUnderTest {
  std::string name;
  std::function<std::unique_ptr<DatabasePlace>()> make_place;
};

inline std::string DatabaseName(const testing::TestParamInfo<DatabaseUnderTest>& info) { return info.param.name; }
inline void PrintTo(const DatabaseUnderTest& under_test, std::ostream* out) { *out << under_test.name; }

class DatabaseConformance : public testing::TestWithParam<DatabaseUnderTest> {
 protected:
  void SetUp() override {
    place_ = GetParam().make_place();
    ASSERT_NE(place_, nullptr);
    Reopen();
  }
  void Reopen() {
    database_.reset();
    auto opened = place_->Open();
    ASSERT_TRUE(opened) << opened.error().ToString();
    database_ = std::move(*opened);
  }
  void Run(const std::string& sql, const std::vector<SqlValue>& parameters = {}) {
    const Status status = database_->Transact(
        [&](Transaction& transaction) { return internal::AsStatus(transaction.Execute(sql, parameters)); });
    ASSERT_TRUE(status.ok()) << sql << ": " << status.ToString();
  }
  std::vector<SqlRow> Rows(const std::string& sql, const std::vector<SqlValue>& parameters = {}) {
    auto rows = database_->Query(sql, parameters);
    EXPECT_TRUE(rows) << sql << ": " << rows.error().ToString();
    return rows ? std::move(*rows) : std::vector<SqlRow>();
  }
  int64_t Number(const std::string& sql, const std::vector<SqlValue>& parameters = {}) {
    const auto rows = Rows(sql, parameters);
    return rows.size() == 1 ? rows[0].integer(0) : -1;
  }

  std::unique_ptr<DatabasePlace> place_;
  std::unique_ptr<Database> database_;
};

TEST_P(DatabaseConformance, KeepsTypesAndValues) {
  Run("CREATE TABLE t (id BIGINT PRIMARY KEY, i BIGINT, d DOUBLE PRECISION, s TEXT)");
  const std::vector<int64_t> integers = {0, 1, -1, int64_t{1} << 31, (int64_t{1} << 53) + 1, INT64_MIN, INT64_MAX};
  const std::vector<double> reals = {0.5,    -1.5e300, std::numeric_limits<double>::denorm_min(), 0.1,
                                     1e-300, 3,        std::numeric_limits<double>::max()};
  const std::vector<std::string> texts = {"",   "a'b\"c?", "zażółć gęślą 飛行 🛩",    "line\nline\ttab",
                                          "42", "1e3",     std::string(100'000, 'x')};
  for (size_t k = 0; k < integers.size(); k++)
    Run("INSERT INTO t (id, i, d, s) VALUES (?, ?, ?, ?)", {static_cast<int64_t>(k), integers[k], reals[k], texts[k]});
  const auto rows = Rows("SELECT i, d, s FROM t ORDER BY id");
  ASSERT_EQ(rows.size(), integers.size());
  for (size_t k = 0; k < rows.size(); k++) {
    EXPECT_EQ(rows[k].integer(0), integers[k]);
    EXPECT_EQ(rows[k].real(1), reals[k]);
    EXPECT_EQ(rows[k].text(2), texts[k]);
  }
}

TEST_P(DatabaseConformance, KnowsTheTypeOfExpressions) {
  Run("CREATE TABLE t (i BIGINT, d DOUBLE PRECISION, s TEXT)");
  Run("INSERT INTO t (i, d, s) VALUES (?, ?, ?)", {int64_t{1} << 40, 0.25, "a"});
  const auto rows = Rows(
      "SELECT count(*), max(i), sum(d), s || 'b', coalesce(NULL, i), CASE WHEN 1 = 0 THEN 1 END FROM t "
      "GROUP BY i, s");
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].integer(0), 1);
  EXPECT_EQ(rows[0].integer(1), int64_t{1} << 40);
  EXPECT_EQ(rows[0].real(2), 0.25);
  EXPECT_EQ(rows[0].text(3), "ab");
  EXPECT_EQ(rows[0].integer(4), int64_t{1} << 40);
  EXPECT_TRUE(rows[0].is_null(5));
}

TEST_P(DatabaseConformance, KeepsNullApart) {
  Run("CREATE TABLE t (id BIGINT PRIMARY KEY, i BIGINT, d DOUBLE PRECISION, s TEXT)");
  Run("INSERT INTO t (id, i, d, s) VALUES (?, ?, ?, ?)", {int64_t{1}, {}, {}, {}});
  Run("INSERT INTO t (id, i, d, s) VALUES (?, ?, ?, ?)", {int64_t{2}, int64_t{0}, 0.0, ""});
  const auto rows = Rows("SELECT i, d, s FROM t ORDER BY id");
  ASSERT_EQ(rows.size(), 2u);
  for (size_t column = 0; column < 3; column++) {
    EXPECT_TRUE(rows[0].is_null(column));
    EXPECT_FALSE(rows[1].is_null(column));
  }
  EXPECT_EQ(rows[0].integer(0), 0);
  EXPECT_EQ(rows[0].text(2), "");
  // The same statement with other types of parameters than before.
  Run("INSERT INTO t (id, i, d, s) VALUES (?, ?, ?, ?)", {int64_t{3}, int64_t{7}, {}, "x"});
  EXPECT_EQ(Number("SELECT count(*) FROM t WHERE d IS NULL"), 2);
}

TEST_P(DatabaseConformance, CountsChangedRowsAndReturnsIds) {
  const bool postgres = database_->dialect() == "postgres";
  Run(std::string("CREATE TABLE t (id ") +
      (postgres ? "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY" : "INTEGER PRIMARY KEY") + ", s TEXT)");
  std::vector<int64_t> ids;
  const Status status = database_->Transact([&](Transaction& transaction) -> Status {
    ids.clear();
    for (const char* text : {"a", "b", "c"}) {
      HR_ASSIGN_OR_RETURN(const int64_t id, transaction.Insert("INSERT INTO t (s) VALUES (?) RETURNING id", {text}));
      ids.push_back(id);
    }
    HR_ASSIGN_OR_RETURN(const int64_t changed, transaction.Execute("UPDATE t SET s = ? WHERE s <> ?", {"z", "a"}));
    EXPECT_EQ(changed, 2);
    HR_ASSIGN_OR_RETURN(const int64_t created, transaction.Execute("CREATE TABLE u (id BIGINT)"));
    EXPECT_EQ(created, 0);
    HR_ASSIGN_OR_RETURN(const int64_t none, transaction.Execute("DELETE FROM t WHERE s = ?", {"nobody"}));
    EXPECT_EQ(none, 0);
    return OkStatus();
  });
  ASSERT_TRUE(status.ok()) << status.ToString();
  EXPECT_EQ(std::set<int64_t>(ids.begin(), ids.end()).size(), 3u);
  EXPECT_EQ(Rows("SELECT s FROM t WHERE id = ?", {ids[0]}).at(0).text(0), "a");
}

TEST_P(DatabaseConformance, RollsBackOnError) {
  Run("CREATE TABLE t (id BIGINT PRIMARY KEY)");
  const Status status = database_->Transact([](Transaction& transaction) -> Status {
    HR_RETURN_IF_ERROR(transaction.Execute("INSERT INTO t (id) VALUES (1)"));
    HR_RETURN_IF_ERROR(transaction.Execute("CREATE TABLE gone (id BIGINT)"));
    return OutOfRange("changed my mind");
  });
  EXPECT_EQ(status.code(), Code::kOutOfRange);
  EXPECT_EQ(status.message(), "changed my mind");
  EXPECT_EQ(Number("SELECT count(*) FROM t"), 0);
  EXPECT_FALSE(database_->Query("SELECT count(*) FROM gone"));
}

TEST_P(DatabaseConformance, NamesErrors) {
  Run("CREATE TABLE t (id BIGINT PRIMARY KEY, name TEXT NOT NULL UNIQUE)");
  Run("CREATE TABLE child (t_id BIGINT REFERENCES t (id))");
  Run("INSERT INTO t (id, name) VALUES (1, 'a')");
  const auto code = [&](const std::string& sql, const std::vector<SqlValue>& parameters = {}) {
    return database_
        ->Transact([&](Transaction& transaction) { return internal::AsStatus(transaction.Execute(sql, parameters)); })
        .code();
  };
  EXPECT_EQ(code("INSERT INTO t (id, name) VALUES (1, 'b')"), Code::kAlreadyExists);
  EXPECT_EQ(code("INSERT INTO t (id, name) VALUES (2, 'a')"), Code::kAlreadyExists);
  EXPECT_EQ(code("INSERT INTO t (id, name) VALUES (3, ?)", {SqlValue()}), Code::kInvalidArgument);
  EXPECT_EQ(code("INSERT INTO child (t_id) VALUES (9)"), Code::kFailedPrecondition);
  EXPECT_EQ(code("INSERT INTO nowhere (id) VALUES (1)"), Code::kInternal);
  EXPECT_EQ(code("this is not SQL"), Code::kInternal);
  EXPECT_EQ(code("INSERT INTO t (id, name) VALUES (?, ?)", {int64_t{4}}), Code::kInternal);
  EXPECT_EQ(code("INSERT INTO t (id, name) VALUES (4, 'd'); DELETE FROM t"), Code::kInternal);
  EXPECT_EQ(Number("SELECT count(*) FROM t"), 1);
}

TEST_P(DatabaseConformance, RefusesWritesInReads) {
  Run("CREATE TABLE t (id BIGINT)");
  EXPECT_EQ(database_
                ->Read([](Transaction& transaction) {
                  return internal::AsStatus(transaction.Execute("INSERT INTO t (id) VALUES (1)"));
                })
                .code(),
            Code::kFailedPrecondition);
  EXPECT_EQ(Number("SELECT count(*) FROM t"), 0);
}

TEST_P(DatabaseConformance, ReadsSeeOneSnapshot) {
  Run("CREATE TABLE t (id BIGINT)");
  Run("INSERT INTO t (id) VALUES (1)");
  const Status status = database_->Read([&](Transaction& transaction) -> Status {
    const auto count = [&] { return transaction.Query("SELECT count(*) FROM t").value().at(0).integer(0); };
    EXPECT_EQ(count(), 1);
    Run("INSERT INTO t (id) VALUES (2)");  // on another connection, while this snapshot is open
    EXPECT_EQ(count(), 1);
    EXPECT_EQ(Number("SELECT count(*) FROM t"), 2);
    return OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status.ToString();
  EXPECT_EQ(Number("SELECT count(*) FROM t"), 2);
}

TEST_P(DatabaseConformance, FailuresInAGroupTouchOnlyThemselves) {
  Run("CREATE TABLE t (id BIGINT PRIMARY KEY)");
  Run("INSERT INTO t (id) VALUES (-1)");
  constexpr int kThreads = 8;
  constexpr int kEach = 40;
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; thread++)
    threads.emplace_back([&, thread] {
      for (int i = 0; i < kEach; i++) {
        const int64_t id = thread * kEach + i;
        const Status status = database_->Transact([&](Transaction& transaction) -> Status {
          HR_RETURN_IF_ERROR(transaction.Execute("INSERT INTO t (id) VALUES (?)", {id}));
          if (i % 3 == 1) return Cancelled("on purpose");
          if (i % 3 == 2) HR_RETURN_IF_ERROR(transaction.Execute("INSERT INTO t (id) VALUES (-1)"));
          return OkStatus();
        });
        const Code expected[] = {Code::kOk, Code::kCancelled, Code::kAlreadyExists};
        wrong += status.code() != expected[i % 3];
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(Number("SELECT count(*) FROM t WHERE id >= 0"), kThreads * ((kEach + 2) / 3));
  for (const auto& row : Rows("SELECT id FROM t WHERE id >= 0")) EXPECT_EQ(row.integer(0) % kEach % 3, 0);
}

TEST_P(DatabaseConformance, NoUpdateIsLost) {
  Run("CREATE TABLE counter (id BIGINT PRIMARY KEY, value BIGINT)");
  Run("INSERT INTO counter (id, value) VALUES (1, 0)");
  constexpr int kThreads = 8;
  constexpr int kEach = 50;
  std::vector<std::thread> threads;
  std::atomic<int> failed = 0;
  std::atomic<int64_t> backwards = 0;
  for (int thread = 0; thread < kThreads; thread++)
    threads.emplace_back([&] {
      int64_t seen = 0;
      for (int i = 0; i < kEach; i++) {
        const Status status = database_->Transact([](Transaction& transaction) -> Status {
          HR_ASSIGN_OR_RETURN(const auto rows, transaction.Query("SELECT value FROM counter WHERE id = 1"));
          return internal::AsStatus(
              transaction.Execute("UPDATE counter SET value = ? WHERE id = 1", {rows[0].integer(0) + 1}));
        });
        failed += !status.ok();
        const auto rows = database_->Query("SELECT value FROM counter WHERE id = 1");
        if (!rows || rows->at(0).integer(0) <= seen) backwards++;
        if (rows) seen = rows->at(0).integer(0);
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(backwards, 0);  // each thread reads its own acknowledged write
  EXPECT_EQ(Number("SELECT value FROM counter WHERE id = 1"), kThreads * kEach);
}

TEST_P(DatabaseConformance, Migrates) {
  const std::vector<std::vector<std::string>> first = {{"CREATE TABLE t (id BIGINT)", "INSERT INTO t (id) VALUES (1)"}};
  auto second = first;
  second.push_back({"ALTER TABLE t ADD COLUMN name TEXT", "UPDATE t SET name = 'one'"});
  ASSERT_TRUE(Migrate(*database_, "room", first).ok());
  ASSERT_TRUE(Migrate(*database_, "room", first).ok());
  EXPECT_EQ(Number("SELECT count(*) FROM t"), 1);
  ASSERT_TRUE(Migrate(*database_, "room", second).ok());
  Reopen();
  ASSERT_TRUE(Migrate(*database_, "room", second).ok());
  EXPECT_EQ(Rows("SELECT name FROM t").at(0).text(0), "one");
  EXPECT_EQ(Migrate(*database_, "room", first).code(), Code::kFailedPrecondition);
  EXPECT_TRUE(Migrate(*database_, "other", {{"CREATE TABLE o (id BIGINT)"}}).ok());
  // All or nothing.
  auto broken = second;
  broken.push_back({"CREATE TABLE u (id BIGINT)", "not SQL"});
  EXPECT_FALSE(Migrate(*database_, "room", broken).ok());
  EXPECT_FALSE(database_->Query("SELECT count(*) FROM u"));
  EXPECT_TRUE(Migrate(*database_, "room", second).ok());
}

TEST_P(DatabaseConformance, SurvivesReopening) {
  Run("CREATE TABLE t (id BIGINT PRIMARY KEY, s TEXT)");
  Run("INSERT INTO t (id, s) VALUES (?, ?)", {int64_t{7}, "kept"});
  Reopen();
  EXPECT_EQ(Rows("SELECT s FROM t WHERE id = 7").at(0).text(0), "kept");
}

// The child's part of the next test: several threads write, and each acknowledged id is told through `pipe`.
inline void WriteUntilKilled(DatabasePlace& place, int pipe) {
  auto database = place.Open();
  if (!database) _exit(3);
  std::vector<std::thread> threads;
  for (int64_t thread = 0; thread < 4; thread++)
    threads.emplace_back([&, thread] {
      for (int64_t i = 0;; i++) {
        const int64_t id = thread * 1'000'000 + i;
        const Status status = (*database)->Transact([&](Transaction& transaction) {
          return internal::AsStatus(transaction.Execute("INSERT INTO t (id, s) VALUES (?, ?)", {id, "row"}));
        });
        if (!status.ok() || write(pipe, &id, sizeof id) != sizeof id) _exit(4);
      }
    });
  for (auto& thread : threads) thread.join();
}

TEST_P(DatabaseConformance, AcknowledgedRowsSurviveKill) {
  Run("CREATE TABLE t (id BIGINT PRIMARY KEY, s TEXT)");
  database_.reset();
  int64_t acknowledged = 0;
  for (int round = 0; round < 3; round++) {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      close(ends[0]);
      WriteUntilKilled(*place_, ends[1]);
      _exit(5);
    }
    close(ends[1]);
    std::vector<int64_t> told;
    int64_t id;
    while (told.size() < 150 && read(ends[0], &id, sizeof id) == sizeof id) told.push_back(id);
    ASSERT_EQ(kill(child, SIGKILL), 0);
    while (read(ends[0], &id, sizeof id) == sizeof id) told.push_back(id);
    close(ends[0]);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself with " << WEXITSTATUS(status);
    Reopen();
    std::set<int64_t> there;
    for (const auto& row : Rows("SELECT id FROM t WHERE s = 'row'")) there.insert(row.integer(0));
    for (const int64_t acked : told) EXPECT_TRUE(there.contains(acked)) << acked;
    acknowledged += static_cast<int64_t>(told.size());
    Run("DELETE FROM t");
    database_.reset();
  }
  EXPECT_GE(acknowledged, 450);
}

}  // namespace headrace
