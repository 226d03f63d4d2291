// What every QueryEngine must do. A backend's test file instantiates the suite with a maker of fresh engines:
//   INSTANTIATE_TEST_SUITE_P(DuckDb, QueryEngineSuite, testing::Values(MakeFresh));
#pragma once
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "headrace/base/files.h"
#include "headrace/core/query_engine.h"

namespace headrace {

using MakeQueryEngineForTest = std::function<std::unique_ptr<QueryEngine>()>;

class QueryEngineSuite : public testing::TestWithParam<MakeQueryEngineForTest> {
 protected:
  int64_t Count(std::string_view sql) {
    int64_t out = -1;
    const Status status = ForEachRow(*engine_, sql, [&](const RecordBatch& batch, int64_t row) {
      out = batch.column(0).Int64(row);
      return OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status.ToString();
    return out;
  }

  std::unique_ptr<QueryEngine> engine_ = GetParam()();
};

TEST_P(QueryEngineSuite, AnswersTypedColumnsWithNulls) {
  int rows = 0;
  const Status status = engine_->Query(
      "SELECT * FROM (VALUES (1, CAST(2.5 AS DOUBLE), 'a', true, CAST('2013-01-01 10:00:00.000001' AS TIMESTAMP), "
      "CAST('2013-01-02' AS DATE), CAST(1.5 AS FLOAT)), (NULL, NULL, NULL, NULL, NULL, NULL, NULL)) "
      "AS t(i, d, s, b, ts, day, f)",
      [&](const RecordBatch& batch) -> Status {
        EXPECT_EQ(batch.columns(), 7);
        EXPECT_EQ(batch.column(0).type(), ColumnType::kInt32);
        EXPECT_EQ(batch.column(1).type(), ColumnType::kFloat64);
        EXPECT_EQ(batch.column(2).type(), ColumnType::kString);
        EXPECT_EQ(batch.column(3).type(), ColumnType::kBool);
        EXPECT_EQ(batch.column(4).type(), ColumnType::kTimestamp);
        EXPECT_EQ(batch.column(5).type(), ColumnType::kDate);
        EXPECT_EQ(batch.column(6).type(), ColumnType::kFloat32);
        for (int64_t row = 0; row < batch.rows(); row++, rows++)
          for (int64_t i = 0; i < 7; i++) EXPECT_EQ(batch.column(i).IsNull(row), rows == 1) << i;
        if (rows > 2) return OkStatus();
        EXPECT_EQ(batch.column(0).Int64(0), 1);
        EXPECT_EQ(batch.column(1).Double(0), 2.5);
        EXPECT_EQ(batch.column(2).String(0), "a");
        EXPECT_TRUE(batch.column(3).Bool(0));
        EXPECT_EQ(batch.column(4).Micros(0), 1357034400000001);
        EXPECT_EQ(batch.column(5).Micros(0), int64_t{1357084800} * 1000000);
        EXPECT_EQ(batch.column(6).values<float>()[0], 1.5F);
        return OkStatus();
      });
  EXPECT_TRUE(status.ok()) << status.ToString();
  EXPECT_EQ(rows, 2);
}

TEST_P(QueryEngineSuite, FindsColumnsByName) {
  const Status status = engine_->Query("SELECT 1 AS one, 2 AS two", [&](const RecordBatch& batch) -> Status {
    HR_ASSIGN_OR_RETURN(const Column two, batch.Find("two"));
    EXPECT_EQ(two.Int64(0), 2);
    const auto three = batch.Find("three");
    EXPECT_EQ(three.error().message(), "no column \"three\"; there are: one, two");
    return OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status.ToString();
}

TEST_P(QueryEngineSuite, StreamsInOrderAndBatchesMayBeKept) {
  std::vector<RecordBatch> kept;
  const Status status = engine_->Query("SELECT range AS x, 'row ' || range AS s FROM range(100000) ORDER BY range",
                                       [&](const RecordBatch& batch) {
                                         kept.push_back(batch);
                                         return OkStatus();
                                       });
  ASSERT_TRUE(status.ok()) << status.ToString();
  EXPECT_GT(kept.size(), 1U);
  engine_.reset();
  int64_t next = 0;
  for (const auto& batch : kept) {
    for (int64_t row = 0; row < batch.rows(); row++, next++) {
      ASSERT_EQ(batch.column(0).Int64(row), next);
      ASSERT_EQ(batch.column(1).String(row), "row " + std::to_string(next));
    }
  }
  EXPECT_EQ(next, 100000);
}

TEST_P(QueryEngineSuite, AnErrorOfTheConsumerEndsTheQuery) {
  int calls = 0;
  const Status status = engine_->Query("SELECT range FROM range(1000000)", [&](const RecordBatch&) {
    calls++;
    return Aborted("enough");
  });
  EXPECT_EQ(status, Aborted("enough"));
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(Count("SELECT 7"), 7);
}

TEST_P(QueryEngineSuite, RefusesBadSqlWithItsReason) {
  const auto nothing = [](const RecordBatch&) { return OkStatus(); };
  const Status missing = engine_->Query("SELECT nope FROM (SELECT 1 AS x) AS t", nothing);
  EXPECT_EQ(missing.code(), Code::kInvalidArgument);
  EXPECT_NE(missing.message().find("nope"), std::string::npos) << missing.message();
  EXPECT_EQ(engine_->Execute("CREATE TABEL t (x INTEGER)").code(), Code::kInvalidArgument);
  // One that shows only while rows are computed.
  const Status late = engine_->Query(
      "SELECT CAST(CASE WHEN range = 90000 THEN 'x' ELSE '1' END AS INTEGER) FROM range(100000)", nothing);
  EXPECT_EQ(late.code(), Code::kInvalidArgument);
}

TEST_P(QueryEngineSuite, StatementsSeeTheSameTables) {
  ASSERT_TRUE(engine_->Execute("CREATE TABLE t (x INTEGER); INSERT INTO t VALUES (1), (2)").ok());
  EXPECT_EQ(Count("SELECT count(*) FROM t"), 2);
  const Status status = engine_->Query("SELECT x FROM t ORDER BY x", [&](const RecordBatch&) {
    return engine_->Execute("CREATE TABLE IF NOT EXISTS inner_use (x INTEGER)");
  });
  EXPECT_TRUE(status.ok()) << status.ToString();
}

TEST_P(QueryEngineSuite, AppendsWhatItWasGiven) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const auto batch = RecordBatch::Make(
      {{.name = "a b", .values = std::vector<int64_t>{1, 2, 3}},
       {.name = "f", .values = std::vector<float>{0.1F, nan, -0.0F}},
       {.name = "s", .values = std::vector<std::string>{"x", "", "déjà"}, .valid = {true, false, true}}});
  ASSERT_TRUE(batch.has_value());
  for (int i = 0; i < 2; i++) {
    const Status status = engine_->Append("rows", *batch);
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  int64_t row_number = 0;
  const Status status = ForEachRow(*engine_, "SELECT * FROM rows", [&](const RecordBatch& read, int64_t row) {
    const int64_t expected = row_number++ % 3;
    EXPECT_EQ(read.column(0).name(), "a b");
    EXPECT_EQ(read.column(0).Int64(row), expected + 1);
    const auto f = static_cast<float>(read.column(1).Double(row));
    if (expected == 0) {
      EXPECT_EQ(f, 0.1F);
    }
    if (expected == 1) {
      EXPECT_TRUE(std::isnan(f));
    }
    if (expected == 2) {
      EXPECT_TRUE(f == 0 && std::signbit(f));
    }
    EXPECT_EQ(read.column(2).IsNull(row), expected == 1);
    if (expected == 2) {
      EXPECT_EQ(read.column(2).String(row), "déjà");
    }
    return OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status.ToString();
  EXPECT_EQ(row_number, 6);
  const auto other = RecordBatch::Make({{.name = "a b", .values = std::vector<int64_t>{1}}});
  EXPECT_EQ(engine_->Append("rows", *other).code(), Code::kInvalidArgument);
}

TEST_P(QueryEngineSuite, AppendsLargeBatches) {
  std::vector<int64_t> values(100000);
  for (size_t i = 0; i < values.size(); i++) values[i] = static_cast<int64_t>(i);
  const auto batch = RecordBatch::Make({{.name = "x", .values = values}});
  const Status status = engine_->Append("large", *batch);
  ASSERT_TRUE(status.ok()) << status.ToString();
  EXPECT_EQ(Count("SELECT sum(x) FROM large"), int64_t{100000} * 99999 / 2);
}

TEST_P(QueryEngineSuite, WritesAndReadsParquet) {
  const TempDir dir;
  const std::string file = QuoteString((dir.path() / "it's.parquet").string());
  ASSERT_TRUE(
      engine_->Execute("COPY (SELECT range AS x, range * 0.1 AS y FROM range(5000)) TO " + file + " (FORMAT PARQUET)")
          .ok());
  EXPECT_EQ(Count("SELECT count(*) FROM " + file + " WHERE x * 0.1 = y"), 5000);
}

TEST_P(QueryEngineSuite, ServesSeveralThreads) {
  ASSERT_TRUE(engine_->Execute("CREATE TABLE t AS SELECT range AS x FROM range(10000)").ok());
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; i++) {
    threads.emplace_back([this] {
      for (int n = 0; n < 20; n++) EXPECT_EQ(Count("SELECT count(*) FROM t WHERE x % 2 = 0"), 5000);
    });
  }
  for (auto& thread : threads) thread.join();
}

TEST_P(QueryEngineSuite, QuotedNamesAndTextsComeThrough) {
  const std::string sql = "SELECT " + QuoteString("it's") + " AS " + QuoteName("a \"b\"");
  const Status status = engine_->Query(sql, [](const RecordBatch& batch) -> Status {
    EXPECT_EQ(batch.column(0).name(), "a \"b\"");
    EXPECT_EQ(batch.column(0).String(0), "it's");
    return OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status.ToString();
}

}  // namespace headrace
