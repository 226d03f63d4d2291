#include <gmock/gmock.h>

#include "headrace/components/test_task.h"

namespace headrace::components {
namespace {

using testing::HasSubstr;

constexpr char kQuery[] =
    "SELECT f.*, p.seats FROM read_parquet({flights}) f LEFT JOIN '{base}/planes.parquet' p USING (tailnum) -- "
    "joined\n;";

class DataGateTest : public TaskTest {
 protected:
  void SetUp() override {
    base_ = dir_.path() / "base";
    std::filesystem::create_directories(base_ / "flights");
    Deliver("2013-01", "'c' || range % 3", "range + 1");
    Deliver("2013-02", "'c' || range % 3", "range + 1");
    Execute("COPY (SELECT 't' || range AS tailnum, range AS seats FROM range(5)) TO " +
            QuoteString((base_ / "planes.parquet").string()) + " (FORMAT PARQUET)");
  }
  void Deliver(const std::string& span, const std::string& carrier, const std::string& distance) {
    Execute("COPY (SELECT " + carrier + " AS carrier, CAST(" + distance +
            " AS INTEGER) AS distance, 't' || range % 7 AS tailnum FROM range(1000)) TO " +
            QuoteString((base_ / "flights" / (span + ".parquet")).string()) + " (FORMAT PARQUET)");
  }
  Answer Generate(const json::array& spans) {
    return Run("ExampleGen", {{"base", base_.string()}, {"spans", spans}, {"query", kQuery}}, {}, {"examples"});
  }
  int64_t Count(const std::string& split) {
    int64_t count = -1;
    const std::string files = QuoteString((PathOf("examples") / split / "*.parquet").string());
    ForEachRow(*query_, "SELECT count(*) FROM " + files, [&](const RecordBatch& batch, int64_t row) {
      count = batch.column(0).Int64(row);
      return OkStatus();
    }).IgnoreError();
    return count;
  }

  std::filesystem::path base_;
};

TEST_F(DataGateTest, ExampleGenSplitsAndNamesItsSources) {
  const Answer answer = Generate({"2013-01", "2013-02"});
  ASSERT_TRUE(answer.status.ok()) << answer.status.ToString();
  const int64_t train = Count("train");
  EXPECT_EQ(train + Count("eval"), 2000);
  EXPECT_NEAR(static_cast<double>(train), 1333, 100);
  const json::object metadata = answer.metadata("examples");
  EXPECT_EQ(metadata.at("rows").at("train").to_number<int64_t>(), train);
  const json::array& sources = metadata.at("sources").as_array();
  ASSERT_EQ(sources.size(), 3U);
  const auto file = base_ / "flights" / "2013-01.parquet";
  EXPECT_EQ(sources[0].at("uri").as_string(), std::filesystem::weakly_canonical(file).string());
  EXPECT_EQ(sources[0].at("sha256").as_string(), *Sha256OfTree(file));
}

TEST_F(DataGateTest, ExampleGenWritesTheSameBytesAgain) {
  ASSERT_TRUE(Generate({"2013-01", "2013-02"}).status.ok());
  const std::string first = *Sha256OfTree(PathOf("examples"));
  for (const int threads : {1, 4}) {
    query_ = duckdb::MakeQueryEngine({.threads = threads});
    ASSERT_TRUE(Generate({"2013-01", "2013-02"}).status.ok());
    EXPECT_EQ(*Sha256OfTree(PathOf("examples")), first) << threads;
  }
}

TEST_F(DataGateTest, ExampleGenSaysWhatIsMissing) {
  EXPECT_THAT(Generate({"2013-07"}).status.message(), HasSubstr("2013-07.parquet"));
  const Answer answer = Run("ExampleGen", {{"base", base_.string()}, {"query", "SELECT {nope}"}}, {}, {"examples"});
  EXPECT_THAT(answer.status.message(), HasSubstr("{nope}"));
  EXPECT_THAT(Run("ExampleGen", {}, {}, {"examples"}).status.message(), HasSubstr("parameter \"base\": missing"));
}

TEST_F(DataGateTest, CleanDataPassesTheSchemaInferredBefore) {
  ASSERT_TRUE(Generate({"2013-01"}).status.ok());
  ASSERT_TRUE(Run("StatisticsGen", {}, {"examples"}, {"statistics"}).status.ok());
  const Answer schema = Run("SchemaGen", {}, {"statistics"}, {"schema"});
  ASSERT_TRUE(schema.status.ok()) << schema.status.ToString();
  EXPECT_THAT(schema.printed, HasSubstr("4 features, inferred from train"));
  const Answer gate = Run("ExampleValidator", {}, {"statistics", "schema"}, {"anomalies"});
  ASSERT_TRUE(gate.status.ok()) << gate.status.ToString();
  EXPECT_EQ(gate.refusal, "");
  EXPECT_EQ(gate.printed, "no anomalies\n");
}

TEST_F(DataGateTest, BrokenDataIsStoppedWithItsValues) {
  Deliver("2013-03", "CASE WHEN range % 10 = 0 THEN 'ZZ' ELSE 'c1' END",
          "CASE WHEN range % 2 = 0 THEN -range ELSE 5 END");
  ASSERT_TRUE(Generate({"2013-03"}).status.ok());
  ASSERT_TRUE(Run("StatisticsGen", {}, {"examples"}, {"statistics"}).status.ok());
  const std::string curated =
      "features:\n  - {name: carrier, type: STRING, string_domain: [c0, c1, c2]}\n"
      "  - {name: distance, type: INT, int_domain: {min: 0}}\n  - {name: tailnum, type: STRING}\n"
      "  - {name: seats, type: INT}\n";
  ASSERT_TRUE(Run("SchemaGen", {{"curated", curated}}, {"statistics"}, {"schema"}).status.ok());
  const Answer gate = Run("ExampleValidator", {}, {"statistics", "schema"}, {"anomalies"});
  ASSERT_TRUE(gate.status.ok()) << gate.status.ToString();
  EXPECT_EQ(gate.refusal, "the data does not fit its schema: 4 anomalies in carrier, distance");
  EXPECT_THAT(gate.printed, HasSubstr("\"ZZ\" × "));
  EXPECT_THAT(gate.printed, HasSubstr("expected: at least 0"));
  const auto report = ParseJson(*ReadFile(PathOf("anomalies") / "anomalies.json"));
  EXPECT_EQ(report->at("num_anomalies").to_number<int>(), 4);
  EXPECT_EQ(report->at("anomalies").at(1).at("type").as_string(), "INT_TYPE_SMALL_INT");
  EXPECT_GT(report->at("anomalies").at(1).at("count").to_number<int>(), 100);
  EXPECT_EQ(Run("ExampleValidator", {{"fail_on_anomalies", false}}, {"statistics", "schema"}, {"anomalies"}).refusal,
            "");
}

TEST_F(DataGateTest, TheSchemaOfAFileNamesItsSource) {
  ASSERT_TRUE(Generate({"2013-01"}).status.ok());
  ASSERT_TRUE(Run("StatisticsGen", {}, {"examples"}, {"statistics"}).status.ok());
  const auto file = dir_.path() / "kept.yaml";
  const json::object parameters = {{"schema_path", file.string()}};
  EXPECT_THAT(Run("SchemaGen", parameters, {"statistics"}, {"schema"}).printed, HasSubstr("inferred from train"));
  ASSERT_TRUE(WriteFileAtomically(file, "features:\n  - {name: carrier, type: STRING}\n").ok());
  const Answer answer = Run("SchemaGen", parameters, {"statistics"}, {"schema"});
  EXPECT_THAT(answer.printed, HasSubstr("1 features, " + file.string()));
  EXPECT_EQ(answer.metadata("schema").at("sources").at(0).at("sha256").as_string(), *Sha256OfTree(file));
}

TEST_F(DataGateTest, DriftNeedsNoArtifactButAPath) {
  ASSERT_TRUE(Generate({"2013-01"}).status.ok());
  ASSERT_TRUE(Run("StatisticsGen", {}, {"examples"}, {"statistics"}).status.ok());
  const auto before = dir_.path() / "before";
  std::filesystem::copy(PathOf("statistics"), before);
  Deliver("2013-03", "'c1'", "range / 60");
  ASSERT_TRUE(Generate({"2013-03"}).status.ok());
  ASSERT_TRUE(Run("StatisticsGen", {}, {"examples"}, {"statistics"}).status.ok());
  const std::string curated =
      "features:\n  - {name: carrier, type: STRING, drift_comparator: {infinity_norm: 0.2}}\n"
      "  - {name: distance, type: INT, drift_comparator: {jensen_shannon_divergence: 0.2}}\n"
      "  - {name: tailnum, type: STRING}\n  - {name: seats, type: INT}\n";
  ASSERT_TRUE(Run("SchemaGen", {{"curated", curated}}, {"statistics"}, {"schema"}).status.ok());
  const Answer gate =
      Run("ExampleValidator", {{"baseline_statistics", before.string()}}, {"statistics", "schema"}, {"anomalies"});
  EXPECT_THAT(gate.printed, HasSubstr("carrier  COMPARATOR_L_INFTY_HIGH"));
  EXPECT_THAT(gate.printed, HasSubstr("distance  COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH"));
}

TEST(ComponentsTest, EachExplainsItself) {
  for (const Component* component : AllComponents()) {
    EXPECT_EQ(FindComponent(component->name()), component);
    EXPECT_THAT(HelpText(*component), HasSubstr("Output artifacts"));
  }
  EXPECT_EQ(FindComponent("Nope"), nullptr);
}

TEST(ExecutorInputTest, TakesParametersAsKfpAndPeopleWriteThem) {
  const auto input = ExecutorInput::Parse(
      R"({"inputs":{"parameterValues":{"list":["a",1],"json":"[\"b\"]","words":"c,d","flag":"true","number":"2.5",
      "object":"{\"x\":1}","empty":""}},"outputs":{"outputFile":"/o"}})");
  ASSERT_TRUE(input.has_value());
  EXPECT_EQ(*input->StringList("list"), (std::vector<std::string>{"a", "1"}));
  EXPECT_EQ(*input->StringList("json"), (std::vector<std::string>{"b"}));
  EXPECT_EQ(*input->StringList("words"), (std::vector<std::string>{"c", "d"}));
  EXPECT_EQ(*input->OptionalBool("flag"), true);
  EXPECT_EQ(*input->OptionalNumber("number"), 2.5);
  EXPECT_EQ(input->Object("object")->at("x").as_int64(), 1);
  EXPECT_EQ(*input->OptionalString("empty"), std::nullopt);
  EXPECT_EQ(input->output_file(), "/o");
  EXPECT_FALSE(input->Object("list").has_value());
  EXPECT_FALSE(ExecutorInput::Parse("[]").has_value());
  EXPECT_FALSE(ExecutorInput::Parse("{\"inputs\":{\"artifacts\":{\"x\":1}}}").has_value());
}

}  // namespace
}  // namespace headrace::components
