#include "headrace/metadata/lineage_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <chrono>
#include <map>
#include <set>

#include "headrace/backends/sqlite/sqlite_database.h"
#include "headrace/base/files.h"
#include "headrace/metadata/lineage_text.h"

namespace headrace::metadata {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::UnorderedElementsAre;

class Fixture {
 public:
  Fixture()
      : database(sqlite::OpenSqliteDatabase(folder_.path() / "h.db").value()),
        store(LineageStore::Open(database.get()).value()) {}

  Status Record(Execution& execution, std::vector<LineageEvent> events, const std::vector<ContextRef>& contexts = {}) {
    return database->Transact(
        [&](Transaction& transaction) { return store->Record(transaction, &execution, &events, contexts); });
  }
  int64_t Count(const std::string& table) {
    return database->Query("SELECT count(*) FROM " + table).value().at(0).integer(0);
  }
  // Every row of the record, as text.
  std::string Dump() {
    std::string dump;
    for (const char* table : {"artifacts", "executions", "events", "contexts", "context_executions"}) {
      const auto rows = database->Query(std::string("SELECT * FROM ") + table + " ORDER BY 1, 2").value();
      for (const auto& row : rows) {
        dump += table;
        for (size_t column = 0; column < row.size(); column++)
          dump += "|" + row.text(column) + std::to_string(row.integer(column));
        dump += "\n";
      }
    }
    return dump;
  }

 private:
  // In memory: what is tested here is not whether the disk keeps it.
  TempDir folder_{std::filesystem::exists("/dev/shm") ? "/dev/shm" : ""};

 public:
  std::unique_ptr<Database> database;
  std::unique_ptr<LineageStore> store;
};

Artifact MakeArtifact(const std::string& uri, const std::string& type = "system.Dataset", json::object metadata = {}) {
  Artifact artifact;
  artifact.type = type;
  artifact.name = uri.substr(uri.rfind('/') + 1);
  artifact.uri = uri;
  artifact.digest = Sha256(uri);
  artifact.metadata = std::move(metadata);
  artifact.created = FromMicros(1'700'000'000'000'000);
  return artifact;
}

Execution MakeExecution(const std::string& type, const std::string& name,
                        ExecutionState state = ExecutionState::kComplete) {
  Execution execution;
  execution.type = type;
  execution.name = name;
  execution.state = state;
  execution.parameters = {{"rate", 0.5}, {"months", json::array{"2013-01"}}};
  execution.code = {{"image", "headrace"}, {"command_digest", Sha256("headrace component " + type)}};
  execution.started = FromMicros(1'700'000'000'000'000);
  execution.finished = FromMicros(1'700'000'001'500'000);
  return execution;
}

LineageEvent In(const std::string& key, Artifact artifact) { return {EventKind::kInput, key, 0, std::move(artifact)}; }
LineageEvent Out(const std::string& key, Artifact artifact) {
  return {EventKind::kOutput, key, 0, std::move(artifact)};
}

std::vector<std::string> Uris(const LineageGraph& graph) {
  std::vector<std::string> uris;
  uris.reserve(graph.artifacts.size());
  for (const auto& artifact : graph.artifacts) uris.push_back(artifact.uri);
  return uris;
}

// ExampleGen → Trainer → Pusher, and the statistics beside.
void RecordTraining(Fixture& fixture, const std::string& run, int version) {
  json::array sources = {json::object{{"uri", "/data/2013-01.parquet"}, {"sha256", Sha256("january")}}};
  auto gen = MakeExecution("ExampleGen", run + "/example-gen/0");
  const auto examples = MakeArtifact("/a/" + run + "/examples", "system.Dataset", {{"sources", sources}});
  ASSERT_TRUE(fixture.Record(gen, {Out("examples", examples)}, {{"run", run}, {"pipeline", "flights"}}).ok());
  auto train = MakeExecution("Trainer", run + "/trainer/0");
  const auto model = MakeArtifact("/a/" + run + "/model", "system.Model");
  ASSERT_TRUE(fixture.Record(train, {In("examples", examples), Out("model", model)}, {{"run", run}}).ok());
  auto evaluate = MakeExecution("Evaluator", run + "/evaluator/0");
  const auto blessing = MakeArtifact("/a/" + run + "/blessing", "system.Artifact", {{"blessed", 1}});
  ASSERT_TRUE(
      fixture
          .Record(evaluate, {In("examples", examples), In("model", model), Out("blessing", blessing)}, {{"run", run}})
          .ok());
  auto push = MakeExecution("Pusher", run + "/pusher/0");
  const auto pushed = MakeArtifact("/models/flights/" + std::to_string(version), "system.Model",
                                   {{"model", "flights"}, {"version", version}, {"pushed", true}});
  ASSERT_TRUE(
      fixture.Record(push, {In("model", model), In("blessing", blessing), Out("pushed_model", pushed)}, {{"run", run}})
          .ok());
}

TEST(LineageStore, RecordsAndFinds) {
  Fixture fixture;
  RecordTraining(fixture, "r1", 1);
  const auto model = fixture.store->FindModel("flights", "1");
  ASSERT_TRUE(model) << model.error().ToString();
  EXPECT_EQ(model->uri, "/models/flights/1");
  EXPECT_EQ(model->metadata.at("version"), 1);
  EXPECT_EQ(fixture.store->FindByUri("/models/flights/1")->at(0).id, model->id);
  EXPECT_EQ(fixture.store->FindByDigest(Sha256("/models/flights/1").substr(0, 10))->at(0).id, model->id);
  EXPECT_EQ(fixture.store->FindByDigest("short").error().code(), Code::kInvalidArgument);
  const auto execution = fixture.store->FindExecution("r1/trainer/0");
  ASSERT_TRUE(execution);
  EXPECT_EQ(execution->state, ExecutionState::kComplete);
  EXPECT_EQ(execution->parameters.at("rate"), 0.5);
  EXPECT_EQ(execution->finished, FromMicros(1'700'000'001'500'000));
}

TEST(LineageStore, NamesTheVersionsThatExist) {
  Fixture fixture;
  EXPECT_THAT(fixture.store->FindModel("flights", "1").error().message(), HasSubstr("no version of model \"flights\""));
  RecordTraining(fixture, "r1", 1);
  RecordTraining(fixture, "r2", 2);
  const auto missing = fixture.store->FindModel("flights", "7").error();
  EXPECT_EQ(missing.code(), Code::kNotFound);
  EXPECT_THAT(missing.message(), HasSubstr("recorded: 2, 1"));
  EXPECT_EQ(fixture.store->FindLatestModel("flights")->uri, "/models/flights/2");
}

TEST(LineageStore, AModelThatWasNotPushedIsNotAVersion) {
  Fixture fixture;
  auto push = MakeExecution("Pusher", "r/pusher/0");
  ASSERT_TRUE(
      fixture
          .Record(push, {Out("pushed_model", MakeArtifact("/x", "system.Model",
                                                          {{"model", "m"}, {"version", "3"}, {"pushed", false}}))})
          .ok());
  EXPECT_EQ(fixture.store->FindModel("m", "3").error().code(), Code::kNotFound);
}

TEST(LineageStore, RolledBackRecordsAreNotThere) {
  Fixture fixture;
  auto execution = MakeExecution("A", "r/a/0");
  std::vector<LineageEvent> events = {Out("o", MakeArtifact("/o"))};
  const Status status = fixture.database->Transact([&](Transaction& transaction) -> Status {
    HR_RETURN_IF_ERROR(fixture.store->Record(transaction, &execution, &events, {{"run", "r"}}));
    return Aborted("the caller's own part failed");
  });
  EXPECT_EQ(status.code(), Code::kAborted);
  EXPECT_EQ(fixture.Count("artifacts") + fixture.Count("executions") + fixture.Count("events"), 0);
}

TEST(LineageStore, StatesAdvanceInPlace) {
  Fixture fixture;
  auto running = MakeExecution("A", "r/a/0", ExecutionState::kRunning);
  running.finished.reset();
  ASSERT_TRUE(fixture.Record(running, {In("i", MakeArtifact("/i"))}).ok());
  EXPECT_FALSE(fixture.store->FindExecution("r/a/0")->finished);
  auto failed = MakeExecution("A", "r/a/0", ExecutionState::kFailed);
  failed.error = "exit code 1";
  ASSERT_TRUE(fixture.Record(failed, {In("i", MakeArtifact("/i")), Out("o", MakeArtifact("/o"))}).ok());
  EXPECT_EQ(failed.id, running.id);
  EXPECT_EQ(fixture.store->FindExecution("r/a/0")->error, "exit code 1");
  EXPECT_EQ(fixture.Count("events"), 2);
}

TEST(LineageStore, WalksToTheSourceFiles) {
  Fixture fixture;
  RecordTraining(fixture, "r1", 1);
  RecordTraining(fixture, "r2", 2);
  const auto start = fixture.store->FindModel("flights", "2")->id;
  const auto graph = fixture.store->Walk({start});
  ASSERT_TRUE(graph) << graph.error().ToString();
  EXPECT_THAT(Uris(*graph), ElementsAre("/models/flights/2", "/a/r2/blessing", "/a/r2/model", "/a/r2/examples",
                                        "/data/2013-01.parquet"));
  EXPECT_EQ(graph->executions.size(), 4u);
  EXPECT_FALSE(graph->truncated);
  EXPECT_EQ(graph->contexts.at(graph->executions[0].id).at(0).name, "r2");

  const auto near = fixture.store->Walk({start}, {.max_depth = 1});
  EXPECT_THAT(Uris(*near), ElementsAre("/models/flights/2", "/a/r2/blessing", "/a/r2/model"));
  EXPECT_TRUE(near->truncated);

  const auto source = fixture.store->FindByUri("/data/2013-01.parquet")->at(0).id;
  const auto reached = fixture.store->Walk({source}, {.direction = Direction::kDownstream});
  EXPECT_THAT(Uris(*reached), UnorderedElementsAre("/data/2013-01.parquet", "/a/r1/examples", "/a/r2/examples",
                                                   "/a/r1/model", "/a/r2/model", "/a/r1/blessing", "/a/r2/blessing",
                                                   "/models/flights/1", "/models/flights/2"));
  EXPECT_EQ(fixture.store->Walk({12345}).error().code(), Code::kNotFound);
}

TEST(LineageStore, ACachedExecutionIsPassedOverForTheOneThatWorked) {
  Fixture fixture;
  RecordTraining(fixture, "r1", 1);
  const auto model = fixture.store->FindByUri("/a/r1/model")->at(0);
  auto cached = MakeExecution("Trainer", "r2/trainer/0", ExecutionState::kCached);
  ASSERT_TRUE(fixture.Record(cached, {In("examples", MakeArtifact("/elsewhere")), Out("model", model)}).ok());
  const auto graph = fixture.store->Walk({model.id});
  EXPECT_THAT(Uris(*graph), ElementsAre("/a/r1/model", "/a/r1/examples", "/data/2013-01.parquet"));
  // Downstream it counts: what was made from /elsewhere.
  const auto reached =
      fixture.store->Walk({fixture.store->FindByUri("/elsewhere")->at(0).id}, {.direction = Direction::kDownstream});
  EXPECT_THAT(Uris(*reached), testing::Contains("/models/flights/1"));
}

TEST(LineageText, PrintsSharedNodesOnce) {
  Fixture fixture;
  RecordTraining(fixture, "r1", 1);
  const auto graph = *fixture.store->Walk({fixture.store->FindModel("flights", "1")->id});
  const std::string tree = LineageTree(graph, {});
  EXPECT_THAT(tree, testing::StartsWith("flights/1  Model  sha256 "));
  EXPECT_THAT(tree, HasSubstr("made by Pusher  COMPLETE  2023-11-14 22:13:20Z, 1.5 s  r1/pusher/0\n"));
  EXPECT_THAT(tree, HasSubstr("parameters: months=[\"2013-01\"]  rate=0.5"));
  EXPECT_THAT(tree, HasSubstr("code: command_digest=" + Sha256("headrace component Pusher").substr(0, 12) +
                              "  image=headrace"));
  EXPECT_THAT(tree, HasSubstr("└─ sources: 2013-01.parquet  Artifact  sha256 " + Sha256("january").substr(0, 12) +
                              "  /data/2013-01.parquet"));
  const auto first = tree.find("sources: 2013-01.parquet");
  EXPECT_EQ(tree.find("sources: 2013-01.parquet", first + 1), tree.npos) << tree;
  EXPECT_THAT(tree, HasSubstr("(shown above)"));
  EXPECT_THAT(tree, Not(HasSubstr("depth limit")));

  const auto object = LineageJson(graph, Direction::kUpstream);
  EXPECT_EQ(object.at("artifacts").as_array().size(), 5u);
  EXPECT_EQ(object.at("events").as_array().size(), graph.edges.size());
  EXPECT_EQ(object.at("executions").at(0).at("contexts").at("run"), "r1");
}

TEST(LineageText, ShortensUuidsAndPathsUnlessFull) {
  Fixture fixture;
  const std::string run = "2315e47b-27ed-40ec-9f1d-e65ef8942cd5";
  auto execution = MakeExecution("Step", run + "/step/1");
  ASSERT_TRUE(fixture.Record(execution, {Out("o", MakeArtifact("/state/artifacts/" + run + "/o"))}).ok());
  const auto graph = *fixture.store->Walk({fixture.store->FindByUri("/state/artifacts/" + run + "/o")->at(0).id});
  const std::string tree = LineageTree(graph, {.base = "/state"});
  EXPECT_THAT(tree, HasSubstr("  artifacts/2315e47b…/o  #1\n"));
  EXPECT_THAT(tree, HasSubstr("  2315e47b…/step/1\n"));
  EXPECT_THAT(LineageTree(graph, {.base = "/state", .full = true}),
              HasSubstr("  /state/artifacts/" + run + "/o  #1\n"));
}

// A random graph in layers: execution k reads artifacts made by earlier ones (or sources) and makes some.
struct RandomGraph {
  std::vector<std::vector<int>> inputs, outputs;  // of execution k
  int artifacts = 0;
};

RandomGraph MakeRandomGraph() {
  RandomGraph graph;
  graph.artifacts = *rc::gen::inRange(1, 4);
  const int executions = *rc::gen::inRange(1, 15);
  for (int k = 0; k < executions; k++) {
    std::set<int> inputs;
    for (int i = *rc::gen::inRange(0, 4); i > 0; i--) inputs.insert(*rc::gen::inRange(0, graph.artifacts));
    graph.inputs.emplace_back(inputs.begin(), inputs.end());
    graph.outputs.emplace_back();
    for (int i = *rc::gen::inRange(1, 3); i > 0; i--) graph.outputs.back().push_back(graph.artifacts++);
  }
  return graph;
}

void RecordGraph(Fixture& fixture, const RandomGraph& graph) {
  const Status status = fixture.database->Transact([&](Transaction& transaction) -> Status {
    for (size_t k = 0; k < graph.inputs.size(); k++) {
      std::vector<LineageEvent> events;
      for (const int i : graph.inputs[k])
        events.push_back(In("i" + std::to_string(i), MakeArtifact("/" + std::to_string(i))));
      for (const int o : graph.outputs[k])
        events.push_back(Out("o" + std::to_string(o), MakeArtifact("/" + std::to_string(o))));
      auto execution = MakeExecution("Step", "run/step/" + std::to_string(k));
      HR_RETURN_IF_ERROR(fixture.store->Record(transaction, &execution, &events, {{"run", "run"}}));
    }
    return OkStatus();
  });
  RC_ASSERT(status == OkStatus());
}

std::set<std::string> Ancestors(const RandomGraph& graph, int artifact) {
  std::set<int> reached = {artifact};
  for (size_t k = graph.inputs.size(); k-- > 0;)
    for (const int o : graph.outputs[k])
      if (reached.contains(o)) reached.insert(graph.inputs[k].begin(), graph.inputs[k].end());
  std::set<std::string> uris;
  for (const int i : reached) uris.insert("/" + std::to_string(i));
  return uris;
}

std::set<std::string> Descendants(const RandomGraph& graph, int artifact) {
  std::set<int> reached = {artifact};
  for (size_t k = 0; k < graph.inputs.size(); k++)
    for (const int i : graph.inputs[k])
      if (reached.contains(i)) reached.insert(graph.outputs[k].begin(), graph.outputs[k].end());
  std::set<std::string> uris;
  for (const int i : reached) uris.insert("/" + std::to_string(i));
  return uris;
}

std::set<std::string> UriSet(const LineageGraph& graph) {
  const auto uris = Uris(graph);
  return {uris.begin(), uris.end()};
}

RC_GTEST_PROP(LineageStoreProperty, WalkFindsWhatReachabilitySays, ()) {
  const RandomGraph graph = MakeRandomGraph();
  Fixture fixture;
  RecordGraph(fixture, graph);
  for (size_t k = 0; k < graph.outputs.size(); k++) {
    const int artifact = graph.outputs[k].front();
    const auto id = fixture.store->FindByUri("/" + std::to_string(artifact))->at(0).id;
    const auto up = fixture.store->Walk({id});
    const auto down = fixture.store->Walk({id}, {.direction = Direction::kDownstream});
    RC_ASSERT(UriSet(up.value()) == Ancestors(graph, artifact));
    RC_ASSERT(UriSet(down.value()) == Descendants(graph, artifact));
    std::set<int64_t> nodes, executions;
    for (const auto& node : up->artifacts) nodes.insert(node.id);
    for (const auto& node : up->executions) executions.insert(node.id);
    for (const auto& edge : up->edges) RC_ASSERT(nodes.contains(edge.artifact) && executions.contains(edge.execution));
    RC_ASSERT(!LineageTree(*up, {}).empty());
  }
}

RC_GTEST_PROP(LineageStoreProperty, RecordingTwiceChangesNothing, ()) {
  const RandomGraph graph = MakeRandomGraph();
  Fixture fixture;
  RecordGraph(fixture, graph);
  const std::string once = fixture.Dump();
  RecordGraph(fixture, graph);
  RC_ASSERT(fixture.Dump() == once);
}

// 10,000 nodes: a chain as deep as that, and a fan as wide. Generous bounds: a slow machine, but not a quadratic walk.
TEST(LineageStore, LargeGraphsAreWalkedQuickly) {
  Fixture fixture;
  constexpr int kChain = 5000;
  const Status status = fixture.database->Transact([&](Transaction& transaction) -> Status {
    for (int k = 0; k < kChain; k++) {
      auto link = MakeExecution("Link", "chain/" + std::to_string(k));
      std::vector<LineageEvent> events = {In("i", MakeArtifact("/c" + std::to_string(k))),
                                          Out("o", MakeArtifact("/c" + std::to_string(k + 1)))};
      HR_RETURN_IF_ERROR(fixture.store->Record(transaction, &link, &events, {}));
    }
    auto fan = MakeExecution("Fan", "fan");
    std::vector<LineageEvent> events = {Out("o", MakeArtifact("/fan"))};
    for (int64_t k = 0; k < 10'000; k++) {
      events.push_back(In("i", MakeArtifact("/f" + std::to_string(k))));
      events.back().index = k;
    }
    return fixture.store->Record(transaction, &fan, &events, {});
  });
  ASSERT_TRUE(status.ok()) << status.ToString();
  const auto walk = [&](const std::string& uri) {
    const auto begin = std::chrono::steady_clock::now();
    const auto graph = fixture.store->Walk({fixture.store->FindByUri(uri)->at(0).id});
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
    fmt::print("{}: {} artifacts in {:.0f} ms\n", uri, graph->artifacts.size(), took.count());
    EXPECT_LT(took.count(), 60'000);
    return graph->artifacts.size();
  };
  EXPECT_EQ(walk("/c" + std::to_string(kChain)), kChain + 1u);
  EXPECT_EQ(walk("/fan"), 10'001u);
}

}  // namespace
}  // namespace headrace::metadata
