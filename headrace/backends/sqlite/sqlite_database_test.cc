#include "headrace/backends/sqlite/sqlite_database.h"

#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <latch>
#include <thread>

#include "headrace/base/files.h"
#include "tests/conformance/database_conformance.h"

namespace headrace {
namespace {

class SqlitePlace : public DatabasePlace {
 public:
  Result<std::unique_ptr<Database>> Open() override {
    return sqlite::OpenSqliteDatabase(folder_.path() / "a folder" / "head race=1.db");
  }
  SqlitePlace() { std::filesystem::create_directory(folder_.path() / "a folder"); }

 private:
  TempDir folder_;
};

INSTANTIATE_TEST_SUITE_P(Sqlite, DatabaseConformance,
                         testing::Values(DatabaseUnderTest{"sqlite", [] { return std::make_unique<SqlitePlace>(); }}),
                         DatabaseName);

TEST(SqliteDatabase, OpensOnlyDatabases) {
  TempDir folder;
  const auto file = folder.path() / "not.db";
  std::ofstream(file) << std::string(4096, 'x');
  EXPECT_EQ(sqlite::OpenSqliteDatabase(file).error().code(), Code::kDataLoss);
  EXPECT_EQ(sqlite::OpenSqliteDatabase(folder.path() / "no" / "folder.db").error().code(), Code::kPermissionDenied);
  EXPECT_EQ(sqlite::OpenSqliteDatabase(folder.path() / "missing.db", {.read_only = true}).error().code(),
            Code::kNotFound);
}

TEST(SqliteDatabase, ReadOnlyBesideAWriter) {
  TempDir folder;
  const auto file = folder.path() / "h.db";
  const auto writer = sqlite::OpenSqliteDatabase(file).value();
  ASSERT_TRUE(Migrate(*writer, "t", {{"CREATE TABLE t (id BIGINT)", "INSERT INTO t (id) VALUES (5)"}}).ok());
  const auto reader = sqlite::OpenSqliteDatabase(file, {.read_only = true}).value();
  EXPECT_EQ(reader->Query("SELECT id FROM t").value().at(0).integer(0), 5);
  const Database::Work insert = [](Transaction& transaction) {
    return internal::AsStatus(transaction.Execute("INSERT INTO t (id) VALUES (6)"));
  };
  EXPECT_EQ(reader->Transact(insert).code(), Code::kFailedPrecondition);
  ASSERT_TRUE(writer->Transact(insert).ok());
  EXPECT_EQ(reader->Query("SELECT count(*) FROM t").value().at(0).integer(0), 2);
}

TEST(SqliteDatabase, AnotherWriterIsWaitedForThenUnavailable) {
  TempDir folder;
  const auto file = folder.path() / "h.db";
  const auto first = sqlite::OpenSqliteDatabase(file).value();
  ASSERT_TRUE(Migrate(*first, "t", {{"CREATE TABLE t (id BIGINT)"}}).ok());
  const auto second = sqlite::OpenSqliteDatabase(file, {.busy_timeout = std::chrono::seconds(0)}).value();
  const Database::Work insert = [](Transaction& transaction) {
    return internal::AsStatus(transaction.Execute("INSERT INTO t (id) VALUES (1)"));
  };
  const Status outer = first->Transact([&](Transaction&) {
    std::thread other([&] { EXPECT_EQ(second->Transact(insert).code(), Code::kUnavailable); });
    other.join();
    return OkStatus();
  });
  EXPECT_TRUE(outer.ok()) << outer.ToString();
  EXPECT_TRUE(second->Transact(insert).ok());
}

TEST(SqliteDatabase, RefusesNestedTransactAndSurvivesThrowingWork) {
  TempDir folder;
  const auto database = sqlite::OpenSqliteDatabase(folder.path() / "h.db").value();
  Status inner;
  const Status outer = database->Transact([&](Transaction&) {
    inner = database->Transact([](Transaction&) { return OkStatus(); });
    return OkStatus();
  });
  EXPECT_TRUE(outer.ok());
  EXPECT_EQ(inner.code(), Code::kFailedPrecondition);
  EXPECT_EQ(database->Transact([](Transaction&) -> Status { throw std::runtime_error("oops"); }).code(),
            Code::kInternal);
  EXPECT_TRUE(database->Transact([](Transaction&) { return OkStatus(); }).ok());
}

class FaultTest : public testing::Test {
 protected:
  void Open() { database_ = sqlite::OpenSqliteDatabase(folder_.path() / "h.db").value(); }
  Status Insert(int64_t id) {
    return database_->Transact([&](Transaction& transaction) {
      return internal::AsStatus(
          transaction.Execute("INSERT INTO t (id, s) VALUES (?, ?)", {id, std::string(2000, 'x')}));
    });
  }
  Status Limit(int64_t pages) {
    return database_->Transact([&](Transaction& transaction) {
      return internal::AsStatus(transaction.Query("PRAGMA max_page_count = " + std::to_string(pages)));
    });
  }
  int64_t Count() { return database_->Query("SELECT count(*) FROM t WHERE s LIKE 'x%'").value().at(0).integer(0); }

  TempDir folder_;
  std::unique_ptr<Database> database_;
};

TEST_F(FaultTest, AFullDiskIsSaidAndWhatWasAcknowledgedStays) {
  Open();
  ASSERT_TRUE(Migrate(*database_, "t", {{"CREATE TABLE t (id BIGINT PRIMARY KEY, s TEXT)"}}).ok());
  ASSERT_TRUE(Limit(40).ok());
  int64_t acknowledged = 0;
  Status status;
  while (acknowledged < 1000 && (status = Insert(acknowledged)).ok()) acknowledged++;
  EXPECT_EQ(status.code(), Code::kResourceExhausted) << status.ToString();
  EXPECT_GT(acknowledged, 10);
  EXPECT_EQ(Count(), acknowledged);
  EXPECT_EQ(Insert(acknowledged).code(), Code::kResourceExhausted);
  ASSERT_TRUE(Limit(100'000).ok());
  EXPECT_TRUE(Insert(acknowledged).ok());
  EXPECT_EQ(Count(), acknowledged + 1);
}

TEST_F(FaultTest, DamageIsDataLoss) {
  Open();
  ASSERT_TRUE(Migrate(*database_, "t", {{"CREATE TABLE t (id BIGINT PRIMARY KEY, s TEXT)"}}).ok());
  for (int64_t id = 0; id < 50; id++) ASSERT_TRUE(Insert(id).ok());
  database_.reset();
  const auto file = folder_.path() / "h.db";
  const auto size = std::filesystem::file_size(file);
  ASSERT_GT(size, 3 * 4096u);
  std::fstream damaged(file, std::ios::in | std::ios::out | std::ios::binary);
  damaged.seekp(2 * 4096);
  damaged << std::string(size - 2 * 4096, '\xff');
  damaged.close();
  Open();
  const auto rows = database_->Query("SELECT count(*) FROM t WHERE s LIKE 'x%'");
  ASSERT_FALSE(rows);
  EXPECT_EQ(rows.error().code(), Code::kDataLoss) << rows.error().ToString();
}

// While one thread's transaction runs, the others queue up; they are committed together, so the file's change counter
// moves fewer times than there are transactions.
TEST(SqliteDatabase, CommitsWaitingTransactionsTogether) {
  TempDir folder;
  const auto database = sqlite::OpenSqliteDatabase(folder.path() / "h.db").value();
  ASSERT_TRUE(Migrate(*database, "t", {{"CREATE TABLE t (id BIGINT)"}}).ok());
  constexpr int kWaiting = 6;
  std::latch started(kWaiting);
  std::atomic<int> committed = 0;
  std::atomic<int> visible_early = 0;
  std::vector<std::thread> threads;
  const Status leader = database->Transact([&](Transaction&) {
    for (int i = 0; i < kWaiting; i++)
      threads.emplace_back([&] {
        started.count_down();
        const Status status = database->Transact([&](Transaction& transaction) -> Status {
          HR_RETURN_IF_ERROR(transaction.Execute("INSERT INTO t (id) VALUES (1)"));
          // What an earlier member of the group wrote is seen here, and nowhere else before the commit.
          HR_ASSIGN_OR_RETURN(const auto own, transaction.Query("SELECT count(*) FROM t"));
          HR_ASSIGN_OR_RETURN(const auto outside, database->Query("SELECT count(*) FROM t"));
          visible_early += outside[0].integer(0) == own[0].integer(0);
          return OkStatus();
        });
        committed += status.ok();
      });
    started.wait();
    return OkStatus();
  });
  for (auto& thread : threads) thread.join();
  EXPECT_TRUE(leader.ok());
  EXPECT_EQ(committed, kWaiting);
  EXPECT_EQ(visible_early, 0);
  EXPECT_EQ(database->Query("SELECT count(*) FROM t").value().at(0).integer(0), kWaiting);
}

}  // namespace
}  // namespace headrace
