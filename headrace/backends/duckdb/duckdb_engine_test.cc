#include "headrace/backends/duckdb/duckdb_engine.h"

#include <gtest/gtest.h>

#include "tests/conformance/query_engine_conformance.h"

namespace headrace {
namespace {

INSTANTIATE_TEST_SUITE_P(DuckDb, QueryEngineSuite,
                         testing::Values(MakeQueryEngineForTest([] { return duckdb::MakeQueryEngine(); })));

TEST(DuckDbTest, SaysWhatToDoWhenTheLibraryIsMissing) {
  const auto engine = duckdb::MakeQueryEngine({.library = "libno-such-duckdb.so"});
  const Status status = engine->Execute("SELECT 1");
  EXPECT_EQ(status.code(), Code::kUnavailable);
  EXPECT_NE(status.message().find("libno-such-duckdb.so"), std::string::npos) << status.message();
  EXPECT_NE(status.message().find("./dev setup"), std::string::npos) << status.message();
}

TEST(DuckDbTest, KeepsAFileDatabase) {
  const TempDir dir;
  const duckdb::Options options{.database = dir.path() / "x.duckdb", .threads = 1};
  ASSERT_TRUE(duckdb::MakeQueryEngine(options)->Execute("CREATE TABLE t AS SELECT 42 AS x").ok());
  const auto engine = duckdb::MakeQueryEngine(options);
  int64_t x = 0;
  const Status status = ForEachRow(*engine, "SELECT x FROM t", [&](const RecordBatch& batch, int64_t row) {
    x = batch.column(0).Int64(row);
    return OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status.ToString();
  EXPECT_EQ(x, 42);
}

TEST(DuckDbTest, HoldsTheMemoryLimit) {
  const TempDir dir;
  const auto engine =
      duckdb::MakeQueryEngine({.threads = 1, .memory_limit_bytes = 20 << 20, .temp_directory = dir.path() / "spill"});
  ASSERT_TRUE(engine->Execute("SET max_temp_directory_size = '1MB'").ok());
  const Status status = engine->Execute("CREATE TABLE t AS SELECT hash(range) AS x FROM range(20000000)");
  EXPECT_EQ(status.code(), Code::kResourceExhausted) << status.ToString();
}

TEST(DuckDbTest, ReadsSumsOfIntegers) {
  const auto engine = duckdb::MakeQueryEngine();
  const Status status = engine->Query("SELECT sum(range) AS s, [1.5::DOUBLE, 2.5] AS l FROM range(10)",
                                      [](const RecordBatch& batch) -> Status {
                                        EXPECT_EQ(batch.column(0).Double(0), 45);
                                        EXPECT_EQ(batch.column(0).Int64(0), 45);
                                        const Column list = batch.column(1);
                                        const auto [begin, end] = list.ListRange(0);
                                        EXPECT_EQ(end - begin, 2);
                                        EXPECT_EQ(list.child().Double(begin), 1.5);
                                        return OkStatus();
                                      });
  EXPECT_TRUE(status.ok()) << status.ToString();
}

}  // namespace
}  // namespace headrace
