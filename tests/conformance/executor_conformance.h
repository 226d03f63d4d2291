// What every Executor does, whatever runs the tasks: include this in a backend's test, derive a fixture that has
//   static std::unique_ptr<Executor> Make(const std::filesystem::path& folder);  // grace period of a few seconds
//   static TaskSpec Shell(const std::string& script);                            // image and command that run it with
//   sh
// and instantiate: INSTANTIATE_TYPED_TEST_SUITE_P(Process, ExecutorConformance, ProcessFixture);
#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "headrace/base/files.h"
#include "headrace/core/executor.h"

namespace headrace {

template <class Fixture>
class ExecutorConformance : public testing::Test {
 protected:
  TaskSpec Task(const std::string& id, const std::string& script) {
    TaskSpec spec = Fixture::Shell(script);
    spec.id = id;
    spec.name = "run/" + id;
    spec.work_dir = folder_.path() / id;
    spec.log_file = folder_.path() / "logs" / (id + ".log");
    std::filesystem::create_directories(spec.work_dir);
    return spec;
  }

  std::future<TaskResult> Submit(TaskSpec spec) {
    auto promise = std::make_shared<std::promise<TaskResult>>();
    auto future = promise->get_future();
    const Status status =
        executor_->Submit(std::move(spec), [promise](TaskResult result) { promise->set_value(std::move(result)); });
    EXPECT_TRUE(status.ok()) << status.ToString();
    return future;
  }

  TaskResult Run(TaskSpec spec) { return Submit(std::move(spec)).get(); }

  std::string Log(const std::string& id) { return ReadFile(folder_.path() / "logs" / (id + ".log")).value_or(""); }

  // Waits until the task has written `file` in its work folder; its content.
  std::string Await(const std::string& id, const std::string& file) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (std::chrono::steady_clock::now() < deadline) {
      const auto text = ReadFile(folder_.path() / id / file);
      if (text && text->ends_with('\n')) return *text;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    ADD_FAILURE() << id << " did not write " << file;
    return "";
  }

  static bool Lives(pid_t pid) {
    const auto stat = ReadFile("/proc/" + std::to_string(pid) + "/stat");
    return stat && stat->find(") Z ") == std::string::npos;
  }

  TempDir folder_;
  std::unique_ptr<Executor> executor_ = Fixture::Make(folder_.path());
};

TYPED_TEST_SUITE_P(ExecutorConformance);

TYPED_TEST_P(ExecutorConformance, SuccessHasCodeZeroAndTimes) {
  const auto before = Clock::Real()->Now();
  const TaskResult result = this->Run(this->Task("ok", "exit 0"));
  EXPECT_TRUE(result.status.ok()) << result.status.ToString();
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_GE(result.started, before);
  EXPECT_GE(result.finished, result.started);
}

TYPED_TEST_P(ExecutorConformance, FailureHasItsCodeAndItsLastLine) {
  const TaskResult result = this->Run(this->Task("bad", "echo first; echo 'the reason' >&2; exit 7"));
  EXPECT_EQ(result.status.code(), Code::kUnknown);
  EXPECT_EQ(result.exit_code, 7);
  EXPECT_THAT(result.status.message(), testing::HasSubstr("exit code 7: the reason"));
}

TYPED_TEST_P(ExecutorConformance, AKilledTaskIs128PlusTheSignal) {
  const TaskResult result = this->Run(this->Task("killed", "kill -SEGV $$"));
  EXPECT_EQ(result.status.code(), Code::kUnknown);
  EXPECT_EQ(result.exit_code, 128 + SIGSEGV);
}

TYPED_TEST_P(ExecutorConformance, OutputIsLoggedLineByLineWithTimes) {
  this->Run(this->Task("logs", "echo one; echo two >&2; printf 'no end'"));
  const std::string log = this->Log("logs");
  EXPECT_THAT(log, testing::ContainsRegex("T[0-9:.]+Z one\n"));
  EXPECT_THAT(log, testing::ContainsRegex("T[0-9:.]+Z two\n"));
  EXPECT_THAT(log, testing::ContainsRegex("T[0-9:.]+Z no end\n$"));
}

TYPED_TEST_P(ExecutorConformance, TheTaskSeesItsFolderAndItsEnvironmentOnly) {
  ::setenv("HEADRACE_TEST_LEAK", "leaked", 1);
  TaskSpec spec = this->Task("env", "pwd -P; echo \"[$GIVEN]\" \"[$HEADRACE_TEST_LEAK]\"");
  spec.environment["GIVEN"] = "it's \"quoted\"";
  const auto folder = std::filesystem::canonical(spec.work_dir).string();
  this->Run(std::move(spec));
  ::unsetenv("HEADRACE_TEST_LEAK");
  EXPECT_THAT(this->Log("env"), testing::HasSubstr(" " + folder + "\n"));
  EXPECT_THAT(this->Log("env"), testing::HasSubstr("[it's \"quoted\"] []\n"));
}

TYPED_TEST_P(ExecutorConformance, TimeoutEndsTheTask) {
  TaskSpec spec = this->Task("slow", "sleep 300");
  spec.timeout = std::chrono::milliseconds(200);
  const TaskResult result = this->Run(std::move(spec));
  EXPECT_EQ(result.status.code(), Code::kDeadlineExceeded) << result.status.ToString();
  EXPECT_LT(result.finished - result.started, std::chrono::seconds(30));
}

TYPED_TEST_P(ExecutorConformance, CancelSendsSigtermFirst) {
  auto done =
      this->Submit(this->Task("polite", "trap 'echo farewell; exit 3' TERM; echo > up; while :; do sleep 0.05; done"));
  this->Await("polite", "up");
  this->executor_->Cancel("polite");
  const TaskResult result = done.get();
  EXPECT_EQ(result.status.code(), Code::kCancelled) << result.status.ToString();
  EXPECT_THAT(this->Log("polite"), testing::HasSubstr("farewell"));
}

TYPED_TEST_P(ExecutorConformance, CancelKillsDescendantsThatWillNotGo) {
  auto done = this->Submit(this->Task("stubborn",
                                      "trap '' TERM; (trap '' TERM; sleep 301) & echo $! > child; "
                                      "setsid sh -c 'trap \"\" TERM; echo $$ > grandchild; sleep 302' & wait"));
  const pid_t child = std::stoi(this->Await("stubborn", "child"));
  const pid_t grandchild = std::stoi(this->Await("stubborn", "grandchild"));
  EXPECT_TRUE(this->Lives(child));
  this->executor_->Cancel("stubborn");
  EXPECT_EQ(done.get().status.code(), Code::kCancelled);
  EXPECT_FALSE(this->Lives(child));
  EXPECT_FALSE(this->Lives(grandchild));
}

TYPED_TEST_P(ExecutorConformance, NothingOutlivesATaskThatEnds) {
  const TaskResult result = this->Run(this->Task("daemon", "setsid sleep 303 & echo $! > pid"));
  EXPECT_TRUE(result.status.ok()) << result.status.ToString();
  EXPECT_FALSE(this->Lives(std::stoi(this->Await("daemon", "pid"))));
}

TYPED_TEST_P(ExecutorConformance, TasksRunAtTheSameTimeAndManyInTurn) {
  auto first = this->Submit(this->Task("first", "while [ ! -e ../second/here ]; do sleep 0.02; done"));
  auto second = this->Submit(this->Task("second", "echo > here"));
  EXPECT_TRUE(second.get().status.ok());
  EXPECT_TRUE(first.get().status.ok());
  std::vector<std::future<TaskResult>> many;
  for (int i = 0; i < 20; i++)
    many.push_back(this->Submit(this->Task("many" + std::to_string(i), "exit " + std::to_string(i))));
  for (int i = 0; i < 20; i++) EXPECT_EQ(many[static_cast<size_t>(i)].get().exit_code, i);
}

TYPED_TEST_P(ExecutorConformance, AnIdRunsOnceAtATimeAndUnknownIdsAreIgnored) {
  auto running = this->Submit(this->Task("same", "sleep 304"));
  const Status again = this->executor_->Submit(this->Task("same", "true"), [](TaskResult) { FAIL(); });
  EXPECT_EQ(again.code(), Code::kAlreadyExists);
  this->executor_->Cancel("nobody");
  this->executor_->Cancel("same");
  EXPECT_EQ(running.get().status.code(), Code::kCancelled);
}

TYPED_TEST_P(ExecutorConformance, DestructionCancelsWhatRunsAndWaits) {
  auto running = this->Submit(this->Task("left", "echo $$ > pid; sleep 305"));
  const pid_t pid = std::stoi(this->Await("left", "pid"));
  this->executor_.reset();
  ASSERT_EQ(running.wait_for(std::chrono::seconds(0)), std::future_status::ready);
  EXPECT_EQ(running.get().status.code(), Code::kCancelled);
  EXPECT_FALSE(this->Lives(pid));
}

TYPED_TEST_P(ExecutorConformance, ProgramsThatAreNotThereAreUnavailable) {
  TaskSpec spec = this->Task("absent", "true");
  spec.command = {"/nowhere/to/be/found"};
  const TaskResult result = this->Run(std::move(spec));
  EXPECT_EQ(result.status.code(), Code::kUnavailable);
  EXPECT_THAT(result.status.message(), testing::HasSubstr("/nowhere/to/be/found"));
}

REGISTER_TYPED_TEST_SUITE_P(ExecutorConformance, SuccessHasCodeZeroAndTimes, FailureHasItsCodeAndItsLastLine,
                            AKilledTaskIs128PlusTheSignal, OutputIsLoggedLineByLineWithTimes,
                            TheTaskSeesItsFolderAndItsEnvironmentOnly, TimeoutEndsTheTask, CancelSendsSigtermFirst,
                            CancelKillsDescendantsThatWillNotGo, NothingOutlivesATaskThatEnds,
                            TasksRunAtTheSameTimeAndManyInTurn, AnIdRunsOnceAtATimeAndUnknownIdsAreIgnored,
                            DestructionCancelsWhatRunsAndWaits, ProgramsThatAreNotThereAreUnavailable);

}  // namespace headrace
