#include "headrace/data/transform.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "headrace/backends/duckdb/duckdb_engine.h"
#include "headrace/backends/onnxruntime/onnx_engine.h"
#include "headrace/base/files.h"
#include "headrace/data/inference.h"

namespace headrace::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class TransformTest : public testing::Test {
 protected:
  void Write(const std::string& split, const std::string& select) {
    std::filesystem::create_directories(dir_.path() / "examples" / split);
    const std::string file = QuoteString((dir_.path() / "examples" / split / "data.parquet").string());
    const Status status = query_->Execute("COPY (" + select + ") TO " + file + " (FORMAT PARQUET)");
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  Result<TransformResult> Run(const std::string& spec, const Schema* schema = nullptr) {
    const auto parsed = ParseTransformSpec(ParseJson(spec)->as_object());
    if (!parsed) return std::unexpected(parsed.error());
    return Transform(*query_, {engine_.get()}, dir_.path() / "examples", *parsed, schema, dir_.path() / "graph",
                     dir_.path() / "out");
  }
  // One column of the transformed examples.
  std::vector<double> Column(const std::string& name, const std::string& split = "train") {
    std::vector<double> out;
    const std::string file = QuoteString((dir_.path() / "out" / split / "examples.parquet").string());
    const Status status = ForEachRow(*query_, "SELECT CAST(" + QuoteName(name) + " AS DOUBLE) FROM " + file,
                                     [&out](const RecordBatch& batch, int64_t row) {
                                       out.push_back(batch.column(0).Double(row));
                                       return OkStatus();
                                     });
    EXPECT_TRUE(status.ok()) << status.ToString();
    return out;
  }
  std::string ErrorOf(const std::string& spec) {
    const auto result = Run(spec);
    return result ? "" : result.error().message();
  }

  TempDir dir_;
  std::unique_ptr<QueryEngine> query_ = duckdb::MakeQueryEngine();
  std::unique_ptr<Engine> engine_ = onnxruntime::MakeEngine();
};

TEST_F(TransformTest, ComputesEveryStep) {
  Write("train",
        "SELECT * FROM (VALUES (1, 10.0::DOUBLE, 'b', 7, true), (2, NULL, 'a', 7, false), (3, -4.0, 'b', 8, true), "
        "(NULL, 30.0, NULL, NULL, NULL)) AS t(i, d, s, k, late)");
  const auto result = Run(R"({"label": "late", "passthrough": ["s", "i"], "features": {
    "i": [{"impute": "mean"}, "z_score"],
    "unit": {"column": "d", "steps": [{"impute": 0}, "min_max"]},
    "log": {"column": "d", "steps": ["log1p"]},
    "clipped": {"column": "d", "steps": [{"clip": {"min": 0, "max": 20}}]},
    "bucket": {"column": "d", "steps": [{"bucketize": {"boundaries": [0, 10]}}]},
    "hot": {"column": "d", "steps": [{"bucketize": {"boundaries": [10]}}, "one_hot"]},
    "s": "one_hot",
    "word": {"column": "s", "steps": [{"vocabulary": {"max_size": 1}}]},
    "filled": {"column": "s", "steps": [{"impute": "most_frequent"}, "one_hot"]},
    "named": {"column": "s", "steps": [{"impute": "a"}, "one_hot"]},
    "k": "vocabulary",
    "knum": {"column": "k", "steps": ["passthrough"]},
    "khash": {"column": "k", "steps": [{"hash": {"buckets": 1000}}]},
    "hash": {"column": "s", "steps": [{"hash": {"buckets": 8}}]}}})");
  ASSERT_TRUE(result.has_value()) << result.error().ToString();
  const float z = 1 / std::sqrt(0.5F);  // the deviation of 1, 2, 3, 2
  EXPECT_THAT(Column("i"), ElementsAre(-z, 0, z, 0));
  EXPECT_THAT(Column("unit"), ElementsAre(14.0F / 34, 4.0F / 34, 0, 1));
  EXPECT_NEAR(Column("log")[0], std::log(11.0), 1e-6);
  EXPECT_TRUE(std::isnan(Column("log")[1]));
  EXPECT_EQ(Column("log")[2], 0);
  EXPECT_THAT(Column("clipped"), ElementsAre(10, testing::IsNan(), 0, 20));
  EXPECT_THAT(Column("bucket"), ElementsAre(2, 3, 0, 2));
  EXPECT_THAT(Column("hot=0"), ElementsAre(0, 0, 1, 0));
  EXPECT_THAT(Column("hot=1"), ElementsAre(1, 0, 0, 1));
  EXPECT_THAT(Column("hot=?"), ElementsAre(0, 1, 0, 0));
  EXPECT_THAT(Column("s=b"), ElementsAre(1, 0, 1, 0));
  EXPECT_THAT(Column("s=a"), ElementsAre(0, 1, 0, 0));
  EXPECT_THAT(Column("s=?"), ElementsAre(0, 0, 0, 1));
  EXPECT_THAT(Column("word"), ElementsAre(0, 1, 0, 1));
  EXPECT_THAT(Column("filled=b"), ElementsAre(1, 0, 1, 1));
  EXPECT_THAT(Column("named=a"), ElementsAre(0, 1, 0, 1));
  EXPECT_THAT(Column("k"), ElementsAre(0, 0, 1, 2));
  EXPECT_THAT(Column("knum"), ElementsAre(7, 7, 8, testing::IsNan()));
  // mmh3.hash("b", signed=False) is 2514386435, of "a" 1009084850, of "" 0.
  EXPECT_THAT(Column("hash"), ElementsAre(2514386435 % 8, 1009084850 % 8, 2514386435 % 8, 0));
  const auto hashed = Column("khash");
  EXPECT_EQ(hashed[0], hashed[1]);
  EXPECT_NE(hashed[0], hashed[2]);
  EXPECT_EQ(result->counts.at("train"), 4);
}

TEST_F(TransformTest, FitsOnTrainAlone) {
  Write("train", "SELECT range AS x, 0 AS y FROM range(11)");
  Write("eval", "SELECT 1000 AS x, 1 AS y");
  ASSERT_TRUE(Run(R"({"label": "y", "features": {"x": "min_max"}})").has_value());
  EXPECT_THAT(Column("x", "eval"), ElementsAre(100));
  EXPECT_THAT(Column("y", "eval"), ElementsAre(1));
}

TEST_F(TransformTest, ARowAloneGivesTheSameBitsAsInItsBatch) {
  Write("train",
        "SELECT sin(range) * 1000 AS a, CASE WHEN range % 5 = 0 THEN NULL ELSE (range * 7919) % 331 END AS b, "
        "CASE WHEN range % 11 = 0 THEN NULL ELSE 'v' || range % 17 END AS c, CAST(range AS FLOAT) / 7 AS d "
        "FROM range(3000)");
  ASSERT_TRUE(Run(R"({"features": {"a": "z_score", "b": [{"impute": "median"}, "log1p", "z_score"],
    "b_hot": {"column": "b", "steps": [{"bucketize": {"buckets": 7}}, "one_hot"]}, "c": "one_hot",
    "c_hash": {"column": "c", "steps": [{"hash": {"buckets": 13}}, "one_hot"]}, "d": "min_max"}})")
                  .has_value());
  const auto graph = LoadModel({engine_.get()}, dir_.path() / "graph");
  ASSERT_TRUE(graph.has_value());
  const std::string file = QuoteString((dir_.path() / "examples" / "train" / "data.parquet").string());
  std::vector<float> batched;
  const auto collect = [](std::vector<float>& to) {
    return [&to](const RecordBatch&, int64_t, std::span<const Tensor> outputs) {
      const auto values = outputs[0].values<float>();
      to.insert(to.end(), values.begin(), values.end());
      return OkStatus();
    };
  };
  ASSERT_TRUE(RunModel(*query_, **graph, {file, {}, {}}, collect(batched)).ok());
  for (int row = 0; row < 3000; row += 97) {
    std::vector<float> alone;
    const std::string one = "(SELECT * FROM " + file + " LIMIT 1 OFFSET " + std::to_string(row) + ")";
    ASSERT_TRUE(RunModel(*query_, **graph, {one, {}, {}}, collect(alone)).ok());
    ASSERT_EQ(std::memcmp(alone.data(), batched.data() + static_cast<size_t>(row) * alone.size(),
                          alone.size() * sizeof(float)),
              0)
        << row;
  }
}

TEST_F(TransformTest, MakesTheSameBytesAgain) {
  Write("train", "SELECT sin(range) AS a, 'v' || range % 7 AS s FROM range(300000)");
  const std::string spec =
      R"({"features": {"a": "z_score", "q": {"column": "a", "steps": [{"bucketize": {"buckets": 9}}]},
    "s": "one_hot"}})";
  ASSERT_TRUE(Run(spec).has_value());
  const std::string graph = *Sha256OfTree(dir_.path() / "graph");
  const std::string out = *Sha256OfTree(dir_.path() / "out");
  for (const int threads : {1, 4}) {
    query_ = duckdb::MakeQueryEngine({.threads = threads});
    ASSERT_TRUE(Run(spec).has_value());
    EXPECT_EQ(*Sha256OfTree(dir_.path() / "graph"), graph);
    EXPECT_EQ(*Sha256OfTree(dir_.path() / "out"), out);
  }
}

TEST_F(TransformTest, RefusesWhatDoesNotFit) {
  Write("train", "SELECT 1 AS i, 'a' AS s, 0 AS y, DATE '2013-01-01' AS day, NULL::DOUBLE AS none, 1.5 AS features");
  EXPECT_THAT(
      ErrorOf(R"({"features": {"nope": "z_score"}})"),
      HasSubstr("feature \"nope\": the examples have no column \"nope\"; there are i, s, y, day, none, features"));
  EXPECT_THAT(ErrorOf(R"({"features": {"s": "z_score"}})"),
              HasSubstr("feature \"s\": step \"z_score\" does not take texts"));
  EXPECT_THAT(ErrorOf(R"({"features": {"s": {"steps": [{"impute": "x"}]}}})"), HasSubstr("ends with texts"));
  EXPECT_THAT(ErrorOf(R"({"features": {"i": "scale"}})"),
              HasSubstr("\"scale\": not a step; expected one of passthrough"));
  EXPECT_THAT(ErrorOf(R"({"features": {"i": {"hash": {}}}})"), HasSubstr("hash: \"buckets\": missing"));
  EXPECT_THAT(ErrorOf(R"({"features": {"i": [{"bucketize": {"boundaries": [2, 1]}}]}})"), HasSubstr("ascending order"));
  EXPECT_THAT(ErrorOf(R"({"label": "y", "features": {"y": "passthrough"}})"), HasSubstr("made from the label"));
  EXPECT_THAT(ErrorOf(R"({"features": {"day": "passthrough"}})"), HasSubstr("is a DATE"));
  EXPECT_THAT(ErrorOf(R"({"features": {"none": "z_score"}})"), HasSubstr("every value is missing"));
  EXPECT_THAT(ErrorOf(R"({"features": {"x": {"column": "features", "steps": ["passthrough"]}}})"),
              HasSubstr("rename it in the query"));
  EXPECT_THAT(ErrorOf(R"({"features": {}})"), HasSubstr("expected at least one"));
  EXPECT_THAT(ErrorOf(R"({"feature": {}})"), HasSubstr("\"feature\": not known here"));
}

TEST_F(TransformTest, RefusesFeaturesThatNoRequestHas) {
  Write("train", "SELECT 1 AS arr_delay, 2 AS distance");
  const auto schema = ReadSchema(
      "features:\n  - {name: arr_delay, type: INT, not_in_environment: [SERVING]}\n  - {name: distance, type: INT}\n",
      "schema.yaml");
  const auto result = Run(R"({"features": {"arr_delay": "passthrough", "distance": "passthrough"}})", &*schema);
  EXPECT_THAT(result.error().message(), HasSubstr("\"arr_delay\" is not there in the environment SERVING"));
}

}  // namespace
}  // namespace headrace::data
