#include "headrace/pipeline/scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <functional>
#include <random>

#include "headrace/pipeline/pipeline_test_util.h"

namespace headrace::pipeline {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Plays the part of the engine: starts what is to be started, ends it as the test says, in the order that the test
// says.
class Play {
 public:
  using Ends = std::function<LeafResult(const TaskNode& node)>;

  explicit Play(std::shared_ptr<const Pipeline> pipeline, const json::object& parameters = {}) : pipeline_(pipeline) {
    auto scheduler = Scheduler::Create(pipeline, parameters, {{"pipeline_job_name", "job"}});
    if (!scheduler) ADD_FAILURE() << scheduler.error().ToString();
    scheduler_ = *std::move(scheduler);
  }

  Play& Start() { return Take(scheduler_->Start()); }
  Play& Cancel() { return Take(scheduler_->Cancel()); }

  Play& End(const std::string& path, LeafResult result = {}) {
    const auto running = std::ranges::find_if(running_, [&](int id) { return scheduler_->node(id).path == path; });
    if (running == running_.end()) {
      ADD_FAILURE() << path << " is not running";
      return *this;
    }
    const int id = *running;
    running_.erase(running);
    return Take(scheduler_->Finished(id, std::move(result)));
  }

  // Until nothing is left to do; `seed` decides the order.
  Play& Finish(const Ends& ends, uint32_t seed = 0) {
    std::mt19937 random(seed);
    while (!running_.empty() || !retries_.empty()) {
      const size_t choice = random() % (running_.size() + retries_.size());
      if (choice >= running_.size()) {
        const auto retry = retries_.begin() + static_cast<std::ptrdiff_t>(choice - running_.size());
        const int id = *retry;
        retries_.erase(retry);
        Take(scheduler_->RetryDue(id));
        continue;
      }
      const int id = running_[choice];
      running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(choice));
      Take(scheduler_->Finished(id, ends(scheduler_->node(id))));
    }
    return *this;
  }

  std::vector<std::string> running() const {
    std::vector<std::string> out;
    for (const int id : running_) out.push_back(scheduler_->node(id).path);
    std::ranges::sort(out);
    return out;
  }

  // path=STATE of everything but the root, sorted.
  std::map<std::string, TaskState> states() const {
    std::map<std::string, TaskState> out;
    for (size_t i = 1; i < scheduler_->size(); i++) out[node(i).path] = node(i).state;
    return out;
  }

  const TaskNode& at(const std::string& path) const {
    for (size_t i = 0; i < scheduler_->size(); i++)
      if (node(i).path == path) return node(i);
    ADD_FAILURE() << "there is no " << path;
    return node(0);
  }

  const TaskNode& node(size_t id) const { return scheduler_->node(static_cast<int>(id)); }
  Scheduler& scheduler() { return *scheduler_; }
  const std::vector<Duration>& delays() const { return delays_; }
  const std::vector<std::string>& cancelled() const { return cancelled_; }
  const std::vector<std::string>& launched() const { return launched_; }
  Play& Retry() {
    const int id = retries_.front();
    retries_.erase(retries_.begin());
    return Take(scheduler_->RetryDue(id));
  }

 private:
  Play& Take(const std::vector<Action>& actions) {
    for (const auto& action : actions) {
      const std::string& path = scheduler_->node(action.node).path;
      if (action.kind == Action::Kind::kLaunch) {
        running_.push_back(action.node);
        launched_.push_back(path);
      } else if (action.kind == Action::Kind::kRetryLater) {
        retries_.push_back(action.node);
        delays_.push_back(action.delay);
      } else {
        cancelled_.push_back(path);
      }
    }
    return *this;
  }

  std::shared_ptr<const Pipeline> pipeline_;
  std::unique_ptr<Scheduler> scheduler_;
  std::vector<int> running_, retries_;
  std::vector<Duration> delays_;
  std::vector<std::string> launched_, cancelled_;
};

LeafResult Failed(const std::string& why = "broken") { return {TaskState::kFailed, {}, why}; }
LeafResult Gives(const std::string& name, json::value value) {
  LeafResult out;
  out.outputs.parameters[name] = std::move(value);
  return out;
}

constexpr char kOneToOne[] = R"({
  "inputDefinitions": {"parameters": {"x": {"parameterType": "STRING", "isOptional": true}}},
  "outputDefinitions": {"parameters": {"y": {"parameterType": "STRING"}}}})";

std::string From(const std::string& task) {
  return R"({"inputs": {"parameters": {"x": {"taskOutputParameter": {"producerTask": ")" + task +
         R"(", "outputParameterKey": "y"}}}}})";
}

TEST(SchedulerTest, TasksStartWhenWhatTheyWaitForHasSucceeded) {
  Play play(SpecBuilder()
                .Container("c", "true", kOneToOne)
                .Task("a", "c")
                .Task("b", "c", From("a"))
                .Task("c", "c", R"({"dependentTasks": ["a", "b"]})")
                .Task("d", "c")
                .Build());
  play.Start();
  EXPECT_THAT(play.running(), ElementsAre("a", "d"));
  play.End("a", Gives("y", 5));
  EXPECT_THAT(play.running(), ElementsAre("b", "d"));
  EXPECT_EQ(ToJson(play.at("b").inputs.parameters.at("x")), "\"5\"");
  play.End("b").End("d").End("c", {TaskState::kCached, {}, ""});
  EXPECT_TRUE(play.scheduler().done());
  EXPECT_EQ(play.scheduler().root().state, TaskState::kSucceeded);
}

TEST(SchedulerTest, AFailureSkipsWhatFollowsAndLetsTheRestGoOn) {
  Play play(
      SpecBuilder()
          .Container("c")
          .Task("a", "c")
          .Task("after", "c", R"({"dependentTasks": ["a"]})")
          .Task("after2", "c", R"({"dependentTasks": ["after"]})")
          .Task("exit", "c",
                R"({"dependentTasks": ["after2"], "triggerPolicy": {"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"}})")
          .Task("other", "c")
          .Task("other2", "c", R"({"dependentTasks": ["other"]})")
          .Build());
  play.Start().End("a", Failed());
  EXPECT_EQ(play.at("after").state, TaskState::kSkipped);
  EXPECT_EQ(play.at("after").message, "a did not succeed");
  EXPECT_EQ(play.at("after2").message, "after was skipped");
  EXPECT_THAT(play.running(), ElementsAre("exit", "other"));
  play.End("other").End("other2").End("exit");
  EXPECT_EQ(play.scheduler().root().state, TaskState::kFailed);
  EXPECT_EQ(play.scheduler().root().message, "task a failed");
}

TEST(SchedulerTest, AConditionDecides) {
  const auto spec = [](const std::string& condition) {
    return SpecBuilder()
        .Container("c", "true", kOneToOne)
        .Task("flip", "c")
        .Task("then", "c",
              R"({"inputs": {"parameters": {"pipelinechannel--flip-y": {"taskOutputParameter":
            {"producerTask": "flip", "outputParameterKey": "y"}}}}, "triggerPolicy": {"condition": ")" +
                  condition + "\"}}")
        .Task("last", "c", R"({"dependentTasks": ["then"]})")
        .Build();
  };
  const auto state = [&](const std::string& condition) {
    Play play(spec(condition));
    play.Start().End("flip", Gives("y", "heads")).Finish([](const TaskNode&) { return LeafResult(); });
    return fmt::format("{} {} {}", TaskStateName(play.at("then").state), TaskStateName(play.at("last").state),
                       TaskStateName(play.scheduler().root().state));
  };
  EXPECT_EQ(state("inputs.parameter_values['pipelinechannel--flip-y'] == 'heads'"), "SUCCEEDED SUCCEEDED SUCCEEDED");
  EXPECT_EQ(state("inputs.parameter_values['pipelinechannel--flip-y'] == 'tails'"), "SKIPPED SKIPPED SUCCEEDED");
  EXPECT_EQ(state("inputs.parameter_values['no'] == 'tails'"), "FAILED SKIPPED FAILED");
}

constexpr char kLoopBody[] = R"({"dag": {
    "tasks": {"work": {"componentRef": {"name": "c"}, "inputs": {"parameters": {"x": {"componentInputParameter": "item"}}}}},
    "outputs": {"parameters": {"ys": {"valueFromParameter": {"producerSubtask": "work", "outputParameterKey": "y"}}}}},
  "inputDefinitions": {"parameters": {"item": {"parameterType": "STRING"}, "items": {"parameterType": "LIST", "isOptional": true}}},
  "outputDefinitions": {"parameters": {"ys": {"parameterType": "LIST"}}}})";

TEST(SchedulerTest, LoopsKeepTheirLimitAndCollectInOrder) {
  Play play(
      SpecBuilder()
          .Container("c", "true", kOneToOne)
          .Component("body", kLoopBody)
          .Task("loop", "body",
                R"({"parameterIterator": {"items": {"raw": "[\"p\", \"q\", \"r\"]"}, "itemInput": "item"},
                                          "iteratorPolicy": {"parallelismLimit": 2}})")
          .Container("sink", "true", R"({"inputDefinitions": {"parameters": {"all": {"parameterType": "LIST"}}}})")
          .Task("sink", "sink", R"({"inputs": {"parameters": {"all": {"taskOutputParameter":
                      {"producerTask": "loop", "outputParameterKey": "ys"}}}}})")
          .Build());
  play.Start();
  EXPECT_THAT(play.running(), ElementsAre("loop/0/work", "loop/1/work"));
  play.End("loop/1/work", Gives("y", "Q"));
  EXPECT_THAT(play.running(), ElementsAre("loop/0/work", "loop/2/work"));
  play.End("loop/2/work", Gives("y", "R")).End("loop/0/work", Gives("y", "P"));
  EXPECT_EQ(ToJson(play.at("sink").inputs.parameters.at("all")), R"(["P","Q","R"])");
  play.End("sink");
  EXPECT_EQ(play.scheduler().root().state, TaskState::kSucceeded);
}

TEST(SchedulerTest, LoopItemsMayBeAParameterOrItsText) {
  const auto pipeline =
      SpecBuilder()
          .Container("c", "true", kOneToOne)
          .Component("body", kLoopBody)
          .Root("inputDefinitions",
                R"({"parameters": {"list": {"parameterType": "LIST", "defaultValue": [1, {"a": 2}]}}})")
          .Task("loop", "body", R"({"inputs": {"parameters": {"items": {"componentInputParameter": "list"}}},
              "parameterIterator": {"items": {"inputParameter": "items"}, "itemInput": "item"}})")
          .Build();
  Play play(pipeline);
  play.Start();
  EXPECT_EQ(ToJson(play.at("loop/1/work").inputs.parameters.at("x")), R"("{\"a\":2}")");
  Play empty(pipeline, {{"list", json::array()}});
  empty.Start();
  EXPECT_EQ(empty.scheduler().root().state, TaskState::kSucceeded);
  EXPECT_EQ(ToJson(empty.at("loop").outputs.parameters.at("ys")), "[]");
}

TEST(SchedulerTest, AFailedIterationEndsItsLoop) {
  Play play(SpecBuilder()
                .Container("c", "true", kOneToOne)
                .Component("body", kLoopBody)
                .Task("loop", "body", R"({"parameterIterator": {"items": {"raw": "[1, 2, 3]"}, "itemInput": "item"},
                                          "iteratorPolicy": {"parallelismLimit": 1}})")
                .Build());
  play.Start().End("loop/0/work", Failed());
  EXPECT_THAT(play.running(), IsEmpty());
  EXPECT_EQ(play.scheduler().root().state, TaskState::kFailed);
  EXPECT_EQ(play.at("loop").message, "iteration 0 failed");
}

TEST(SchedulerTest, RetriesBackOffAndThenGiveUp) {
  Play play(SpecBuilder()
                .Container("c")
                .Task("a", "c", R"({"retryPolicy": {"maxRetryCount": 3, "backoffDuration": "10s", "backoffFactor": 2,
                                                    "backoffMaxDuration": "25s"}})")
                .Build());
  play.Start().Finish([](const TaskNode&) { return Failed("again"); });
  EXPECT_THAT(play.delays(), ElementsAre(std::chrono::seconds(10), std::chrono::seconds(20), std::chrono::seconds(25)));
  EXPECT_EQ(play.at("a").tries, 4);
  EXPECT_EQ(play.at("a").state, TaskState::kFailed);
  EXPECT_EQ(play.at("a").message, "again");
}

TEST(SchedulerTest, ADagIsTriedAgainWithNewTasks) {
  Play play(SpecBuilder()
                .Container("c")
                .Component("inner", R"({"dag": {"tasks": {"x": {"componentRef": {"name": "c"}}}}})")
                .Task("d", "inner", R"({"retryPolicy": {"maxRetryCount": 1}})")
                .Build());
  play.Start().End("d/x", Failed()).Retry();
  EXPECT_THAT(play.running(), ElementsAre("d~1/x"));
  play.End("d~1/x");
  EXPECT_EQ(play.scheduler().root().state, TaskState::kSucceeded);
}

TEST(SchedulerTest, ExitTasksGetTheFinalStatus) {
  Play play(SpecBuilder()
                .Container("c")
                .Container("exit", "true",
                           R"({"inputDefinitions": {"parameters": {"s": {"parameterType": "TASK_FINAL_STATUS"}}}})")
                .Component("body", R"({"dag": {"tasks": {"x": {"componentRef": {"name": "c"}}}}})")
                .Task("exit-handler-1", "body")
                .Task("notify", "exit",
                      R"({"inputs": {"parameters": {"s": {"taskFinalStatus": {"producerTask": "exit-handler-1"}}}},
                                            "triggerPolicy": {"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"}})")
                .Build());
  play.Start().End("exit-handler-1/x", Failed());
  const auto& status = play.at("notify").inputs.parameters.at("s").as_object();
  EXPECT_EQ(status.at("state").as_string(), "FAILED");
  EXPECT_EQ(status.at("pipelineTaskName").as_string(), "exit-handler-1");
  EXPECT_EQ(status.at("error").at("message").as_string(), "task x failed");
  play.End("notify");
  EXPECT_EQ(play.scheduler().root().state, TaskState::kFailed);
}

TEST(SchedulerTest, OneOfTakesTheBranchThatRan) {
  constexpr char kBranch[] =
      R"({"dag": {"tasks": {"work": {"componentRef": {"name": "c"}}}, "outputs": {"parameters": {"out":
        {"valueFromParameter": {"producerSubtask": "work", "outputParameterKey": "y"}}}}},
        "inputDefinitions": {"parameters": {"flag": {"parameterType": "BOOLEAN"}}},
        "outputDefinitions": {"parameters": {"out": {"parameterType": "STRING"}}}})";
  const auto flag = [](const std::string& condition) {
    return R"({"componentRef": {"name": "branch"}, "inputs": {"parameters": {"flag": {"componentInputParameter": "flag"}}},
        "triggerPolicy": {"condition": ")" +
           condition + "\"}}";
  };
  SpecBuilder spec;
  spec.Container("c", "true", kOneToOne)
      .Component("branch", kBranch)
      .Component("branches", R"({"dag": {"tasks": {"yes": )" + flag("inputs.parameter_values['flag'] == true") +
                                 R"(, "no": )" + flag("!(inputs.parameter_values['flag'] == true)") +
                                 R"(}, "outputs": {"parameters": {"one": {"valueFromOneof": {"parameterSelectors": [
          {"producerSubtask": "yes", "outputParameterKey": "out"}, {"producerSubtask": "no", "outputParameterKey": "out"}]}}}}},
      "inputDefinitions": {"parameters": {"flag": {"parameterType": "BOOLEAN"}}},
      "outputDefinitions": {"parameters": {"one": {"parameterType": "STRING"}}}})");
  spec.Root("inputDefinitions", R"({"parameters": {"flag": {"parameterType": "BOOLEAN"}}})");
  spec.Task("branches", "branches", R"({"inputs": {"parameters": {"flag": {"componentInputParameter": "flag"}}}})");
  spec.Task("use", "c", R"({"inputs": {"parameters": {"x": {"taskOutputParameter": {"producerTask": "branches",
                            "outputParameterKey": "one"}}}}})");
  Play play(spec.Build(), {{"flag", false}});
  play.Start();
  EXPECT_THAT(play.running(), ElementsAre("branches/no/work"));
  play.End("branches/no/work", Gives("y", "from no"));
  EXPECT_EQ(ToJson(play.at("use").inputs.parameters.at("x")), "\"from no\"");
}

TEST(SchedulerTest, CancelStartsNothingMore) {
  Play play(SpecBuilder()
                .Container("c")
                .Task("a", "c", R"({"retryPolicy": {"maxRetryCount": 5}})")
                .Task("b", "c", R"({"dependentTasks": ["a"]})")
                .Task("exit", "c",
                      R"({"dependentTasks": ["b"], "triggerPolicy": {"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"}})")
                .Build());
  play.Start().Cancel();
  EXPECT_THAT(play.cancelled(), ElementsAre("a"));
  EXPECT_FALSE(play.scheduler().done());
  play.End("a", {TaskState::kCancelled, {}, ""});
  EXPECT_TRUE(play.scheduler().done());
  EXPECT_EQ(play.scheduler().root().state, TaskState::kCancelled);
  EXPECT_THAT(play.launched(), ElementsAre("a"));
  EXPECT_EQ(play.at("exit").state, TaskState::kCancelled);
}

TEST(SchedulerTest, ParametersAreChecked) {
  const auto pipeline =
      SpecBuilder().Root("inputDefinitions", R"({"parameters": {"n": {"parameterType": "NUMBER_INTEGER"}}})").Build();
  const auto error = [&](const json::object& parameters) {
    return Scheduler::Create(pipeline, parameters, {}).error().message();
  };
  EXPECT_THAT(error({}), HasSubstr("parameter n: the pipeline needs a value of type NUMBER_INTEGER"));
  EXPECT_THAT(error({{"n", "x"}}), HasSubstr("parameter n: expected NUMBER_INTEGER"));
  EXPECT_THAT(error({{"n", 1}, {"m", 1}}), HasSubstr("parameter m: the pipeline has no such parameter"));
  EXPECT_TRUE(Scheduler::Create(pipeline, {{"n", 1}}, {}));
}

TEST(SchedulerTest, ConstantsAndSelectorsAreResolved) {
  Play play(SpecBuilder()
                .Container("c", "true", kOneToOne)
                .Root("inputDefinitions",
                      R"({"parameters": {"p": {"parameterType": "STRUCT", "defaultValue": {"k": {"d": 3}}}}})")
                .Task("text", "c", R"({"inputs": {"parameters": {
                    "pipelinechannel--p": {"componentInputParameter": "p"},
                    "x": {"runtimeValue": {"constant": "{{$.pipeline_job_name}}: {{$.inputs.parameters['pipelinechannel--p']}}"}}}}})")
                .Task("part", "c", R"({"inputs": {"parameters": {"x": {"componentInputParameter": "p",
                    "parameterExpressionSelector": "parseJson(string_value)[\"k\"]"}}}})")
                .Build());
  play.Start();
  EXPECT_EQ(play.at("text").inputs.parameters.at("x").as_string(), R"(job: {"k":{"d":3}})");
  EXPECT_EQ(play.at("part").inputs.parameters.at("x").as_string(), R"({"d":3})");
}

// A DAG of n tasks, each waiting for some of those before it.
std::shared_ptr<const Pipeline> RandomDag(std::mt19937& random, size_t n, bool nested) {
  SpecBuilder spec;
  spec.Container("c").Component("inner", R"({"dag": {"tasks": {"x": {"componentRef": {"name": "c"}},
      "y": {"componentRef": {"name": "c"}, "dependentTasks": ["x"]}}}})");
  for (size_t i = 0; i < n; i++) {
    json::array upstream;
    for (size_t j = 0; j < i; j++)
      if (random() % 4 == 0) upstream.emplace_back("t" + std::to_string(j));
    json::object task = {{"dependentTasks", upstream}};
    if (random() % 5 == 0) task["triggerPolicy"] = {{"strategy", "ALL_UPSTREAM_TASKS_COMPLETED"}};
    const bool dag = nested && random() % 3 == 0;
    if (random() % 4 == 0) task["retryPolicy"] = {{"maxRetryCount", 1}};
    spec.Task("t" + std::to_string(i), dag ? "inner" : "c", ToJson(task));
  }
  return spec.Build();
}

// Fails for ever, or at its first try, by the path alone.
LeafResult Fate(const TaskNode& node, uint32_t seed) {
  const size_t hash = std::hash<std::string>()(node.path + std::to_string(seed));
  if (hash % 5 == 0) return Failed();
  if (hash % 5 == 1 && node.tries == 1) return Failed();
  return {};
}

TEST(SchedulerPropertyTest, TheOrderOfArrivalDoesNotMatterAndNothingStartsTwice) {
  EXPECT_TRUE(rc::check([](uint32_t seed, uint32_t order) {
    std::mt19937 random(seed);
    const auto pipeline = RandomDag(random, 2 + random() % 12, true);
    const auto ends = [&](const TaskNode& node) { return Fate(node, seed); };
    Play first(pipeline);
    first.Start().Finish(ends, order);
    Play second(pipeline);
    second.Start().Finish(ends, order + 1);
    RC_ASSERT(first.scheduler().done());
    RC_ASSERT(first.states() == second.states());
    for (size_t i = 1; i < first.scheduler().size(); i++) {
      const TaskNode& node = first.node(i);
      const auto launches = std::ranges::count(first.launched(), node.path);
      const bool leaf = node.kind == TaskKind::kContainer;
      RC_ASSERT(launches == (leaf ? node.tries : 0));
      RC_ASSERT(IsFinal(node.state));
      if (!leaf || launches == 0) continue;
      RC_ASSERT(launches <= node.task->retry.max_retries + 1);
    }
  }));
}

TEST(SchedulerPropertyTest, ARunThatIsReplayedEndsAsItWouldHave) {
  EXPECT_TRUE(rc::check([](uint32_t seed, uint32_t order, uint8_t cut) {
    std::mt19937 random(seed);
    const auto pipeline = RandomDag(random, 2 + random() % 12, true);
    const auto ends = [&](const TaskNode& node) { return Fate(node, seed); };
    Play whole(pipeline);
    whole.Start().Finish(ends, order);

    // The process dies after `cut` results; what was final is fed to a new one, which runs the rest.
    std::map<std::string, LeafResult> stored;
    std::map<std::string, int> tries;
    size_t left = cut % 16;
    Play interrupted(pipeline);
    interrupted.Start().Finish(
        [&](const TaskNode& node) {
          LeafResult result = ends(node);
          const bool last = result.state != TaskState::kFailed || node.tries > node.task->retry.max_retries;
          if (left > 0 && last) stored[node.path] = result;
          if (left > 0) tries[node.path] = node.tries;
          if (left > 0) left--;
          return result;
        },
        order);
    Play resumed(pipeline);
    resumed.Start().Finish(
        [&](const TaskNode& node) {
          if (const auto known = stored.find(node.path); known != stored.end()) {
            resumed.scheduler().SetTries(node.id, tries[node.path]);
            return known->second;
          }
          return ends(node);
        },
        order + 7);
    RC_ASSERT(resumed.states() == whole.states());
  }));
}

TEST(SchedulerPropertyTest, ACancelledRunEnds) {
  EXPECT_TRUE(rc::check([](uint32_t seed, uint8_t when) {
    std::mt19937 random(seed);
    Play play(RandomDag(random, 2 + random() % 12, true));
    int left = when % 10;
    bool cancelled = false;
    play.Start().Finish(
        [&](const TaskNode&) {
          if (left-- == 0) {
            cancelled = true;
            play.Cancel();
          }
          return cancelled ? LeafResult{TaskState::kCancelled, {}, ""} : LeafResult();
        },
        seed);
    RC_ASSERT(play.scheduler().done());
    for (const auto& [path, state] : play.states()) RC_ASSERT(IsFinal(state));
    if (cancelled) RC_ASSERT(play.scheduler().root().state == TaskState::kCancelled);
  }));
}

}  // namespace
}  // namespace headrace::pipeline
