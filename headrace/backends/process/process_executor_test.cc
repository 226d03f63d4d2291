#include "headrace/backends/process/process_executor.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/conformance/executor_conformance.h"

namespace headrace::process {
namespace {

namespace fs = std::filesystem;

ProcessExecutorOptions Options(const fs::path& folder) {
  ProcessExecutorOptions options;
  options.environments = folder / "environments";
  options.max_parallel = 3;
  options.grace = std::chrono::seconds(2);
  return options;
}

struct ProcessFixture {
  static std::unique_ptr<Executor> Make(const fs::path& folder) {
    return std::make_unique<ProcessExecutor>(Options(folder));
  }
  static TaskSpec Shell(const std::string& script) {
    TaskSpec spec;
    spec.image = "headrace";
    spec.command = {"sh", "-c", script};
    return spec;
  }
};

}  // namespace
}  // namespace headrace::process

namespace headrace {
INSTANTIATE_TYPED_TEST_SUITE_P(Process, ExecutorConformance, process::ProcessFixture);
}  // namespace headrace

namespace headrace::process {
namespace {

TEST(ProcessExecutorTest, OtherImagesAreRefusedByName) {
  const TempDir folder;
  const ProcessExecutor executor(Options(folder.path()));
  TaskSpec spec = ProcessFixture::Shell("true");
  EXPECT_TRUE(executor.Accepts(spec).ok());
  for (const auto* image : {"python:3.11", "python:3", "python", "docker.io/library/python:3.12-slim",
                            "registry/headrace:1", "registry.access.redhat.com/ubi9/python-311:latest"}) {
    spec.image = image;
    EXPECT_TRUE(executor.Accepts(spec).ok()) << image;
  }
  for (const auto* image :
       {"alpine", "ubuntu:22.04", "gcr.io/x/python:3.11", "python:2.7", "tensorflow/tensorflow:2.17"}) {
    spec.image = image;
    const Status status = executor.Accepts(spec);
    EXPECT_EQ(status.code(), Code::kUnimplemented) << image;
    EXPECT_THAT(status.message(), testing::HasSubstr(image));
  }
}

TEST(ProcessExecutorTest, HeadraceIsTheConfiguredProgram) {
  const TempDir folder;
  auto options = Options(folder.path());
  options.headrace = "/bin/echo";
  ProcessExecutor executor(options);
  TaskSpec spec;
  spec.id = "self";
  spec.image = "headrace";
  spec.command = {"headrace", "component", "ExampleGen"};
  spec.work_dir = folder.path();
  spec.log_file = folder.path() / "log";
  std::promise<TaskResult> done;
  ASSERT_TRUE(executor.Submit(spec, [&](TaskResult result) { done.set_value(std::move(result)); }).ok());
  EXPECT_TRUE(done.get_future().get().status.ok());
  EXPECT_THAT(*ReadFile(spec.log_file), testing::HasSubstr(" component ExampleGen\n"));
}

TEST(ProcessExecutorTest, LogsHaveALimit) {
  const TempDir folder;
  auto options = Options(folder.path());
  options.max_log_bytes = 20'000;
  ProcessExecutor executor(options);
  TaskSpec spec = ProcessFixture::Shell("i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done");
  spec.id = "long";
  spec.work_dir = folder.path();
  spec.log_file = folder.path() / "log";
  std::promise<TaskResult> done;
  ASSERT_TRUE(executor.Submit(spec, [&](TaskResult result) { done.set_value(std::move(result)); }).ok());
  EXPECT_TRUE(done.get_future().get().status.ok());
  const std::string log = *ReadFile(spec.log_file);
  EXPECT_LT(log.size(), 20'500U);
  EXPECT_THAT(log, testing::HasSubstr("the log is longer than 20000 bytes"));
}

// kill -9 of the program must not leave tasks that go on writing.
TEST(ProcessExecutorTest, TasksDieWithTheProgram) {
  const TempDir folder;
  const pid_t program = ::fork();
  if (program == 0) {
    ProcessExecutor executor(Options(folder.path()));
    TaskSpec spec =
        ProcessFixture::Shell("setsid sh -c 'echo $$ > grandchild; sleep 306' & echo $$ > child; sleep 307");
    spec.id = "orphan";
    spec.work_dir = folder.path();
    spec.log_file = folder.path() / "log";
    if (!executor.Submit(spec, [](TaskResult) {}).ok()) ::_exit(1);
    ::pause();
    ::_exit(0);
  }
  const auto await = [&](const char* file) -> pid_t {
    for (int i = 0; i < 2000; i++) {
      const auto text = ReadFile(folder.path() / file);
      if (text && text->ends_with('\n')) return std::stoi(*text);
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return 0;
  };
  const pid_t child = await("child");
  const pid_t grandchild = await("grandchild");
  ASSERT_NE(child, 0);
  ASSERT_NE(grandchild, 0);
  ::kill(program, SIGKILL);
  ASSERT_EQ(::waitpid(program, nullptr, 0), program);
  const auto lives = [](pid_t pid) {
    const auto stat = ReadFile("/proc/" + std::to_string(pid) + "/stat");
    return stat && stat->find(") Z ") == std::string::npos;
  };
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while ((lives(child) || lives(grandchild)) && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_FALSE(lives(child));
  EXPECT_FALSE(lives(grandchild));
}

}  // namespace
}  // namespace headrace::process
