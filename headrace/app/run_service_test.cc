// The pipeline engine with its real parts: SQLite, the lineage, processes.
#include "headrace/pipeline/run_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <set>
#include <thread>

#include "headrace/backends/process/process_executor.h"
#include "headrace/backends/sqlite/sqlite_database.h"
#include "headrace/base/files.h"
#include "headrace/metadata/lineage_store.h"
#include "headrace/pipeline/pipeline_test_util.h"

namespace headrace::pipeline {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

struct Parts {
  std::unique_ptr<Database> database;
  std::unique_ptr<metadata::LineageStore> lineage;
  std::unique_ptr<Executor> executor;
  std::unique_ptr<RunService> service;
};

Parts Open(const fs::path& folder, std::function<void(const RunEvent&)> listener = {}) {
  Parts parts;
  parts.database = *sqlite::OpenSqliteDatabase(folder / "headrace.db");
  parts.lineage = *metadata::LineageStore::Open(parts.database.get());
  process::ProcessExecutorOptions process;
  process.environments = folder / "environments";
  process.environment = {{"COUNT", folder / "count"}};
  process.max_parallel = 4;
  process.grace = std::chrono::milliseconds(500);
  parts.executor = std::make_unique<process::ProcessExecutor>(process);
  RunServiceOptions options;
  options.database = parts.database.get();
  options.lineage = parts.lineage.get();
  options.executor = parts.executor.get();
  options.artifacts = folder / "artifacts";
  options.logs = folder / "logs";
  options.listener = std::move(listener);
  parts.service = *RunService::Open(options);
  return parts;
}

// One line for each time that a task ran.
constexpr char kCount[] = "echo $0 >> $COUNT; ";

constexpr char kMakes[] = R"({
  "inputDefinitions": {"parameters": {"text": {"parameterType": "STRING"}}},
  "outputDefinitions": {"artifacts": {"out": {"artifactType": {"schemaTitle": "system.Dataset", "schemaVersion": "0.0.1"}}},
                        "parameters": {"size": {"parameterType": "NUMBER_INTEGER"}}}})";
constexpr char kTakes[] = R"({
  "inputDefinitions": {"artifacts": {"in": {"artifactType": {"schemaTitle": "system.Dataset", "schemaVersion": "0.0.1"}}},
                       "parameters": {"size": {"parameterType": "NUMBER_INTEGER"}}},
  "outputDefinitions": {"artifacts": {"model": {"artifactType": {"schemaTitle": "system.Model", "schemaVersion": "0.0.1"}}}}})";

// make → take, cached.
SpecBuilder MakeAndTake() {
  SpecBuilder spec("make-and-take");
  spec.Container("comp-make", std::string(kCount) + "printf %s \"$1\" > \"$2\"; printf %s \"${#1}\" > \"$3\"", kMakes,
                 {"make", "{{$.inputs.parameters['text']}}", "{{$.outputs.artifacts['out'].path}}",
                  "{{$.outputs.parameters['size'].output_file}}"});
  spec.Container("comp-take", std::string(kCount) + "mkdir \"$2\" && cp \"$1\" \"$2/copy\" && echo $3 > \"$2/size\"",
                 kTakes,
                 {"take", "{{$.inputs.artifacts['in'].path}}", "{{$.outputs.artifacts['model'].path}}",
                  "{{$.inputs.parameters['size']}}"});
  spec.Root("inputDefinitions", R"({"parameters": {"text": {"parameterType": "STRING", "defaultValue": "hello"}}})");
  spec.Task("make", "comp-make", R"({"cachingOptions": {"enableCache": true},
      "inputs": {"parameters": {"text": {"componentInputParameter": "text"}}}})");
  spec.Task("take", "comp-take", R"({"cachingOptions": {"enableCache": true}, "inputs": {
      "artifacts": {"in": {"taskOutputArtifact": {"producerTask": "make", "outputArtifactKey": "out"}}},
      "parameters": {"size": {"taskOutputParameter": {"producerTask": "make", "outputParameterKey": "size"}}}}})");
  return spec;
}

class RunServiceTest : public testing::Test {
 protected:
  pipeline::Run Finish(RunService& service, const json::value& spec, const json::object& parameters = {}) {
    CreateRunRequest request;
    request.spec = spec;
    request.parameters = parameters;
    const auto run = service.Create(std::move(request));
    EXPECT_TRUE(run) << run.error().ToString();
    return *service.Wait(run->id);
  }

  static std::map<std::string, TaskRecord> TasksOf(RunService& service, const std::string& id) {
    std::map<std::string, TaskRecord> out;
    const auto tasks = service.Tasks(id);
    for (const auto& task : *tasks) out.emplace(task.path, task);
    return out;
  }

  // How often each task ran.
  std::map<std::string, int> Count() {
    std::map<std::string, int> out;
    std::string name;
    for (const char c : ReadFile(folder_.path() / "count").value_or("")) {
      if (c == '\n')
        out[std::exchange(name, "")]++;
      else
        name += c;
    }
    return out;
  }

  static void Await(const std::function<bool()>& condition, const std::string& what) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!condition() && std::chrono::steady_clock::now() < deadline)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    ASSERT_TRUE(condition()) << "waited for " << what;
  }
  void AwaitCount(const std::string& name) {
    Await([&] { return Count().contains(name); }, name + " to start");
  }

  TempDir folder_;
};

TEST_F(RunServiceTest, OutputsArePublishedRecordedAndCached) {
  auto parts = Open(folder_.path());
  const pipeline::Run first = Finish(*parts.service, MakeAndTake().Spec());
  ASSERT_EQ(first.state, RunState::kSucceeded) << first.error;
  auto tasks = TasksOf(*parts.service, first.id);
  const ArtifactValue data = tasks.at("make").outputs.artifacts.at("out")[0];
  const ArtifactValue model = tasks.at("take").outputs.artifacts.at("model")[0];
  EXPECT_EQ(*ReadFile(data.uri), "hello");
  EXPECT_EQ(data.digest, Sha256("hello"));
  EXPECT_EQ(*ReadFile(fs::path(model.uri) / "size"), "5\n");
  EXPECT_EQ(tasks.at("").state, TaskState::kSucceeded);
  EXPECT_THAT(model.uri, HasSubstr("/artifacts/make-and-take/" + first.id + "/take/"));

  const auto graph = parts.lineage->Walk({model.id});
  ASSERT_TRUE(graph) << graph.error().ToString();
  ASSERT_EQ(graph->executions.size(), 2U);
  EXPECT_EQ(graph->executions[0].name, first.id + "/take/1");
  EXPECT_EQ(graph->executions[0].state, ExecutionState::kComplete);
  EXPECT_EQ(graph->executions[1].type, "make");
  EXPECT_EQ(ToJson(graph->executions[1].parameters), R"({"text":"hello"})");

  const pipeline::Run second = Finish(*parts.service, MakeAndTake().Spec());
  tasks = TasksOf(*parts.service, second.id);
  EXPECT_EQ(tasks.at("make").state, TaskState::kCached);
  EXPECT_EQ(tasks.at("take").state, TaskState::kCached);
  EXPECT_EQ(tasks.at("take").outputs.artifacts.at("model")[0].id, model.id);
  EXPECT_THAT(Count(), ElementsAre(testing::Pair("make", 1), testing::Pair("take", 1)));

  const pipeline::Run other = Finish(*parts.service, MakeAndTake().Spec(), {{"text", "other"}});
  EXPECT_EQ(other.state, RunState::kSucceeded);
  EXPECT_THAT(Count(), ElementsAre(testing::Pair("make", 2), testing::Pair("take", 2)));
}

// `count` tasks that do the same for a while, then end with `exit_code`.
SpecBuilder Same(int count, int seconds, int exit_code = 0) {
  SpecBuilder spec("same");
  spec.Container(
      "comp-slow",
      std::string(kCount) + "echo x > \"$1\"; sleep " + std::to_string(seconds) + "; exit " + std::to_string(exit_code),
      R"({"outputDefinitions": {"artifacts": {"out": {"artifactType": {"schemaTitle": "system.Dataset"}}}}})",
      {"slow", "{{$.outputs.artifacts['out'].path}}"});
  for (int i = 0; i < count; i++)
    spec.Task("slow-" + std::to_string(i), "comp-slow", R"({"cachingOptions": {"enableCache": true}})");
  return spec;
}

TEST_F(RunServiceTest, TheSameWorkIsDoneOnceAtATime) {
  auto parts = Open(folder_.path());
  CreateRunRequest request;
  request.spec = Same(3, 1).Spec();
  const auto other = parts.service->Create(request);
  ASSERT_TRUE(other);
  const pipeline::Run run = Finish(*parts.service, Same(3, 1).Spec());
  EXPECT_EQ(parts.service->Wait(other->id)->state, RunState::kSucceeded);
  EXPECT_EQ(run.state, RunState::kSucceeded);
  EXPECT_EQ(Count()["slow"], 1);
  std::multiset<TaskState> states;
  std::set<int64_t> artifacts;
  for (const auto& id : {run.id, other->id})
    for (const auto& [path, task] : TasksOf(*parts.service, id))
      if (!path.empty()) {
        states.insert(task.state);
        artifacts.insert(task.outputs.artifacts.at("out")[0].id);
      }
  EXPECT_EQ(states.count(TaskState::kSucceeded), 1u);
  EXPECT_EQ(states.count(TaskState::kCached), 5u);
  EXPECT_EQ(artifacts.size(), 1u);
}

TEST_F(RunServiceTest, WhoWaitsForTheSameWorkTriesItselfWhenThatFails) {
  std::atomic<bool> waited{false};
  auto parts = Open(folder_.path(), [&](const RunEvent& event) {
    if (event.line.starts_with("the same work is under way")) waited = true;
  });
  EXPECT_EQ(Finish(*parts.service, Same(2, 3, 3).Spec()).state, RunState::kFailed);
  EXPECT_TRUE(waited);
  EXPECT_EQ(Count()["slow"], 2);
}

TEST_F(RunServiceTest, WhoWaitsForTheSameWorkCanBeCancelled) {
  std::atomic<bool> waits{false};
  auto parts = Open(folder_.path(), [&](const RunEvent& event) {
    if (event.line.starts_with("the same work is under way")) waits = true;
  });
  CreateRunRequest request;
  request.spec = Same(1, 60).Spec();
  const auto first = parts.service->Create(request);
  AwaitCount("slow");
  const auto second = parts.service->Create(request);
  ASSERT_TRUE(first && second);
  Await([&] { return waits.load(); }, "the second run's task to wait");
  EXPECT_EQ(TasksOf(*parts.service, second->id).at("slow-0").state, TaskState::kRunning);
  ASSERT_EQ(parts.service->Terminate(second->id), OkStatus());
  EXPECT_EQ(parts.service->Wait(second->id)->state, RunState::kCanceled);
  EXPECT_EQ(parts.service->Get(first->id)->state, RunState::kRunning);
  ASSERT_EQ(parts.service->Terminate(first->id), OkStatus());
  EXPECT_EQ(parts.service->Wait(first->id)->state, RunState::kCanceled);
  EXPECT_EQ(Count()["slow"], 1);
}

TEST_F(RunServiceTest, ACachedArtifactThatIsGoneIsMadeAgain) {
  auto parts = Open(folder_.path());
  const pipeline::Run first = Finish(*parts.service, MakeAndTake().Spec());
  fs::remove(TasksOf(*parts.service, first.id).at("make").outputs.artifacts.at("out")[0].uri);
  const pipeline::Run second = Finish(*parts.service, MakeAndTake().Spec());
  EXPECT_EQ(second.state, RunState::kSucceeded);
  const auto tasks = TasksOf(*parts.service, second.id);
  EXPECT_EQ(tasks.at("make").state, TaskState::kSucceeded);
  EXPECT_EQ(tasks.at("take").state, TaskState::kCached);  // its input has the same content
}

TEST_F(RunServiceTest, AChangedSourceIsNoCacheHitAndIsInTheLineage) {
  auto parts = Open(folder_.path());
  const fs::path source = folder_.path() / "source.csv";
  SpecBuilder spec("sources");
  spec.Container(
      "comp-read",
      std::string(kCount) +
          "sum=$(sha256sum < \"$1\" | cut -d' ' -f1); cp \"$1\" \"$2\"; "
          "printf '{\"artifacts\": {\"out\": {\"artifacts\": [{\"metadata\": {\"sources\": "
          "[{\"uri\": \"%s\", \"sha256\": \"%s\"}]}}]}}}' \"$1\" $sum > \"$3\"",
      R"({"outputDefinitions": {"artifacts": {"out": {"artifactType": {"schemaTitle": "system.Dataset"}}}}})",
      {"read", source, "{{$.outputs.artifacts['out'].path}}", "{{$.outputs.output_file}}"});
  spec.Task("read", "comp-read", R"({"cachingOptions": {"enableCache": true}})");
  ASSERT_TRUE(WriteFileAtomically(source, "1,2\n").ok());
  const pipeline::Run first = Finish(*parts.service, spec.Spec());
  ASSERT_EQ(first.state, RunState::kSucceeded) << first.error;
  Finish(*parts.service, spec.Spec());
  EXPECT_EQ(Count()["read"], 1);
  const auto graph =
      parts.lineage->Walk({TasksOf(*parts.service, first.id).at("read").outputs.artifacts.at("out")[0].id});
  ASSERT_EQ(graph->artifacts.size(), 2U);
  EXPECT_EQ(graph->artifacts[1].uri, source.string());
  EXPECT_EQ(graph->artifacts[1].digest, Sha256("1,2\n"));
  ASSERT_TRUE(WriteFileAtomically(source, "3,4\n").ok());
  Finish(*parts.service, spec.Spec());
  EXPECT_EQ(Count()["read"], 2);
}

TEST_F(RunServiceTest, AFailureIsRecordedWithItsReasonAndWhatItLeft) {
  auto parts = Open(folder_.path());
  SpecBuilder spec("gate");
  spec.Container(
      "comp-gate", "echo report > \"$1\"; echo 'column dep_delay: 3 values are negative' >&2; exit 1",
      R"({"outputDefinitions": {"artifacts": {"anomalies": {"artifactType": {"schemaTitle": "system.Artifact"}}}}})",
      {"gate", "{{$.outputs.artifacts['anomalies'].path}}"});
  spec.Task("gate", "comp-gate");
  const pipeline::Run run = Finish(*parts.service, spec.Spec());
  EXPECT_EQ(run.state, RunState::kFailed);
  EXPECT_EQ(run.error, "task gate: exit code 1: column dep_delay: 3 values are negative");
  const auto task = TasksOf(*parts.service, run.id).at("gate");
  EXPECT_EQ(*ReadFile(task.outputs.artifacts.at("anomalies")[0].uri), "report\n");
  EXPECT_THAT(*ReadFile(task.log_file), HasSubstr("3 values are negative"));
  const auto execution = parts.lineage->FindExecution(run.id + "/gate/1");
  ASSERT_TRUE(execution);
  EXPECT_EQ(execution->state, ExecutionState::kFailed);
}

TEST_F(RunServiceTest, RetriesHaveTheirIndexAndRunRetryRepeatsOnlyWhatFailed) {
  auto parts = Open(folder_.path());
  SpecBuilder spec("retry");
  spec.Container("comp-ok", std::string(kCount), "{}", {"ok"});
  spec.Container("comp-flaky", std::string(kCount) + "[ $KFP_RETRY_INDEX = 2 ]", "{}", {"flaky"});
  spec.Container("comp-needs", std::string(kCount) + "[ -e \"$COUNT.fixed\" ]", "{}", {"needs"});
  spec.Task("ok", "comp-ok");
  spec.Task("flaky", "comp-flaky", R"({"retryPolicy": {"maxRetryCount": 3, "backoffDuration": "0.01s"}})");
  spec.Task("needs", "comp-needs", R"({"dependentTasks": ["ok", "flaky"]})");
  const pipeline::Run run = Finish(*parts.service, spec.Spec());
  EXPECT_EQ(run.state, RunState::kFailed);
  EXPECT_THAT(Count(), ElementsAre(testing::Pair("flaky", 3), testing::Pair("needs", 1), testing::Pair("ok", 1)));
  EXPECT_EQ(TasksOf(*parts.service, run.id).at("flaky").tries, 3);
  ASSERT_TRUE(WriteFileAtomically(folder_.path() / "count.fixed", "").ok());
  ASSERT_TRUE(parts.service->Retry(run.id).ok());
  const pipeline::Run again = *parts.service->Wait(run.id);
  EXPECT_EQ(again.state, RunState::kSucceeded) << again.error;
  EXPECT_THAT(Count(), ElementsAre(testing::Pair("flaky", 3), testing::Pair("needs", 2), testing::Pair("ok", 1)));
  EXPECT_EQ(parts.service->Retry(run.id).code(), Code::kFailedPrecondition);
}

TEST_F(RunServiceTest, TerminateStopsWhatRunsAndStartsNothing) {
  auto parts = Open(folder_.path());
  SpecBuilder spec("long");
  spec.Container("comp-long", std::string(kCount) + "sleep 300", "{}", {"long"});
  spec.Container("comp-next", kCount, "{}", {"next"});
  spec.Container("comp-again", std::string(kCount) + "exit 1", "{}", {"again"});
  spec.Task("long", "comp-long");
  spec.Task("again", "comp-again", R"({"retryPolicy": {"maxRetryCount": 9, "backoffDuration": "600s"}})");
  spec.Task("next", "comp-next",
            R"({"dependentTasks": ["long"], "triggerPolicy": {"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"}})");
  CreateRunRequest request;
  request.spec = spec.Spec();
  const auto run = parts.service->Create(std::move(request));
  ASSERT_TRUE(run) << run.error().ToString();
  AwaitCount("long");
  ASSERT_TRUE(parts.service->Terminate(run->id).ok());
  const pipeline::Run ended = *parts.service->Wait(run->id);
  EXPECT_EQ(ended.state, RunState::kCanceled);
  EXPECT_FALSE(Count().contains("next"));
  EXPECT_EQ(TasksOf(*parts.service, run->id).at("long").state, TaskState::kCancelled);
  EXPECT_EQ(parts.service->Terminate(run->id).code(), Code::kOk);
  EXPECT_EQ(parts.service->Terminate("nobody").code(), Code::kNotFound);
}

TEST_F(RunServiceTest, WhatCannotRunIsRefusedBeforeItIsStored) {
  auto parts = Open(folder_.path());
  SpecBuilder spec("refused");
  spec.Executor("exec-x", R"({"container": {"image": "tensorflow/tensorflow:2", "command": ["python3"]}})");
  spec.Component("comp-x", R"({"executorLabel": "exec-x"})").Task("x", "comp-x");
  CreateRunRequest request;
  request.spec = spec.Spec();
  const auto refused = parts.service->Create(request);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::kUnimplemented);
  EXPECT_THAT(refused.error().message(), HasSubstr("component comp-x: image tensorflow/tensorflow:2"));
  EXPECT_EQ(parts.service->List({})->total, 0);
}

TEST_F(RunServiceTest, ImportersTakeFilesIn) {
  auto parts = Open(folder_.path());
  ASSERT_TRUE(WriteFileAtomically(folder_.path() / "in.csv", "data").ok());
  SpecBuilder spec("import");
  spec.Executor("exec-i", R"({"importer": {"artifactUri": {"runtimeParameter": "uri"}, "metadata":
      {"where": "from {{$.inputs.parameters['uri']}}"}, "typeSchema": {"schemaTitle": "system.Dataset"}}})");
  spec.Component(
      "comp-i", R"({"executorLabel": "exec-i", "inputDefinitions": {"parameters": {"uri": {"parameterType": "STRING"}}},
      "outputDefinitions": {"artifacts": {"artifact": {"artifactType": {"schemaTitle": "system.Dataset"}}}}})");
  spec.Task("i", "comp-i",
            fmt::format(R"({{"inputs": {{"parameters": {{"uri": {{"runtimeValue": {{"constant": "{}"}}}}}}}}}})",
                        (folder_.path() / "in.csv").string()));
  const pipeline::Run run = Finish(*parts.service, spec.Spec());
  ASSERT_EQ(run.state, RunState::kSucceeded) << run.error;
  const auto artifact = TasksOf(*parts.service, run.id).at("i").outputs.artifacts.at("artifact")[0];
  EXPECT_EQ(artifact.digest, Sha256("data"));
  EXPECT_EQ(artifact.metadata.at("where").as_string(), "from " + (folder_.path() / "in.csv").string());
}

TEST_F(RunServiceTest, RunsAreListedArchivedAndDeleted) {
  auto parts = Open(folder_.path());
  CreateRunRequest request;
  request.spec = MakeAndTake().Spec();
  request.display_name = "one";
  request.experiment_id = "e1";
  request.in_transaction = [](Transaction&, const pipeline::Run&) { return NotFound("no such experiment"); };
  EXPECT_EQ(parts.service->Create(request).error().code(), Code::kNotFound);
  request.in_transaction = {};
  const auto one = parts.service->Create(request);
  ASSERT_TRUE(one);
  request.display_name = "two";
  request.experiment_id = "e2";
  const auto two = parts.service->Create(request);
  ASSERT_TRUE(two);
  ASSERT_TRUE(parts.service->Wait(one->id));
  ASSERT_TRUE(parts.service->Wait(two->id));
  EXPECT_EQ(parts.service->List({})->total, 2);
  EXPECT_EQ(parts.service->List({}, "e1")->runs[0].display_name, "one");
  ASSERT_TRUE(parts.service->SetArchived(one->id, true).ok());
  ListRequest archived;
  archived.predicates = {{ListOperation::kEquals, "storage_state", {std::string("ARCHIVED")}}};
  EXPECT_EQ(parts.service->List(archived)->runs.at(0).id, one->id);
  ASSERT_TRUE(parts.service->Delete(one->id).ok());
  EXPECT_EQ(parts.service->Get(one->id).error().code(), Code::kNotFound);
  EXPECT_EQ(parts.service->Delete(one->id).code(), Code::kNotFound);
}

// first → slow → last; slow waits for a file.
json::value Interruptible() {
  SpecBuilder spec("interruptible");
  spec.Container("comp-make", std::string(kCount) + "printf %s \"$1\" > \"$2\"; printf %s \"${#1}\" > \"$3\"", kMakes,
                 {"make", "{{$.inputs.parameters['text']}}", "{{$.outputs.artifacts['out'].path}}",
                  "{{$.outputs.parameters['size'].output_file}}"});
  spec.Container("comp-slow",
                 std::string(kCount) +
                     "mkdir \"$2\"; echo half > \"$2/half\"; while [ ! -e \"$COUNT.go\" ]; do sleep 0.02; done; "
                     "cp \"$1\" \"$2/copy\"; echo $3 > \"$2/size\"",
                 kTakes,
                 {"slow", "{{$.inputs.artifacts['in'].path}}", "{{$.outputs.artifacts['model'].path}}",
                  "{{$.inputs.parameters['size']}}"});
  spec.Container("comp-last", kCount, "{}", {"last"});
  spec.Task("make", "comp-make", R"({"inputs": {"parameters": {"text": {"runtimeValue": {"constant": "abc"}}}}})");
  spec.Task("slow", "comp-slow", R"({"inputs": {
      "artifacts": {"in": {"taskOutputArtifact": {"producerTask": "make", "outputArtifactKey": "out"}}},
      "parameters": {"size": {"taskOutputParameter": {"producerTask": "make", "outputParameterKey": "size"}}}}})");
  spec.Task("last", "comp-last", R"({"dependentTasks": ["slow"]})");
  return spec.Spec();
}

TEST_F(RunServiceTest, ARunGoesOnAfterKillNine) {
  const pid_t program = ::fork();
  if (program == 0) {
    auto parts = Open(folder_.path());
    CreateRunRequest request;
    request.spec = Interruptible();
    if (!parts.service->Create(std::move(request))) ::_exit(1);
    ::pause();
    ::_exit(0);
  }
  AwaitCount("slow");
  ::kill(program, SIGKILL);
  ASSERT_EQ(::waitpid(program, nullptr, 0), program);
  ASSERT_TRUE(WriteFileAtomically(folder_.path() / "count.go", "").ok());

  auto parts = Open(folder_.path());
  EXPECT_EQ(*parts.service->Resume(), 1U);
  const std::string id = parts.service->List({})->runs.at(0).id;
  const pipeline::Run run = *parts.service->Wait(id);
  ASSERT_EQ(run.state, RunState::kSucceeded) << run.error;
  EXPECT_THAT(Count(), ElementsAre(testing::Pair("last", 1), testing::Pair("make", 1), testing::Pair("slow", 2)));
  const auto tasks = TasksOf(*parts.service, id);
  EXPECT_EQ(tasks.at("slow").tries, 1);
  const auto model = tasks.at("slow").outputs.artifacts.at("model")[0];
  EXPECT_EQ(*ReadFile(fs::path(model.uri) / "copy"), "abc");
  const auto rows = parts.database->Query("SELECT count(*) FROM artifacts WHERE name = 'model'");
  EXPECT_EQ((*rows)[0].integer(0), 1);
  EXPECT_EQ(*parts.service->Resume(), 0U);
}

TEST_F(RunServiceTest, ClosingTheServiceSuspendsItsRuns) {
  std::string id;
  {
    auto parts = Open(folder_.path());
    CreateRunRequest request;
    request.spec = Interruptible();
    id = parts.service->Create(std::move(request))->id;
    AwaitCount("slow");
  }
  ASSERT_TRUE(WriteFileAtomically(folder_.path() / "count.go", "").ok());
  auto parts = Open(folder_.path());
  EXPECT_EQ(parts.service->Get(id)->state, RunState::kRunning);
  EXPECT_EQ(*parts.service->Resume(), 1U);
  EXPECT_EQ(parts.service->Wait(id)->state, RunState::kSucceeded);
  EXPECT_EQ(Count()["make"], 1);
}

TEST_F(RunServiceTest, ManyTasksAllEndAndAreAllSeen) {
  std::mutex mutex;
  std::set<std::string> done;
  auto parts = Open(folder_.path(), [&](const RunEvent& event) {
    const std::lock_guard lock(mutex);
    if (event.task != nullptr && event.task->state == TaskState::kSucceeded) done.insert(event.task->path);
  });
  SpecBuilder spec("many");
  spec.Container("comp-n", "true",
                 R"({"inputDefinitions": {"parameters": {"i": {"parameterType": "NUMBER_INTEGER"}}}})");
  spec.Component("comp-loop", R"({"dag": {"tasks": {"n": {"componentRef": {"name": "comp-n"},
      "inputs": {"parameters": {"i": {"componentInputParameter": "item"}}}}}},
      "inputDefinitions": {"parameters": {"item": {"parameterType": "NUMBER_INTEGER"}}}})");
  json::array items;
  for (int i = 0; i < 60; i++) items.emplace_back(i);
  spec.Task("loop", "comp-loop",
            ToJson(json::object{{"parameterIterator", {{"items", {{"raw", ToJson(items)}}}, {"itemInput", "item"}}}}));
  const pipeline::Run run = Finish(*parts.service, spec.Spec());
  EXPECT_EQ(run.state, RunState::kSucceeded) << run.error;
  const std::lock_guard lock(mutex);
  EXPECT_EQ(done.size(), 60U + 60U + 2U);
}

}  // namespace
}  // namespace headrace::pipeline
