#include "headrace/backends/process/python_component.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "headrace/backends/process/environment_cache.h"
#include "headrace/base/files.h"

namespace headrace::process {
namespace {

using testing::ElementsAre;

// As kfp 2.17 writes them.
constexpr char kPipStart[] =
    "\nif ! [ -x \"$(command -v pip)\" ]; then\n    python3 -m ensurepip || python3 -m ensurepip --user || apt-get "
    "install "
    "python3-pip\nfi\n\nPIP_DISABLE_PIP_VERSION_CHECK=1 ";
constexpr char kRun[] =
    "program_path=$(mktemp -d)\n\nprintf \"%s\" \"$0\" > \"$program_path/ephemeral_component.py\"\n"
    "_KFP_RUNTIME=true python3 -m kfp.dsl.executor_main                         --component_module_path               "
    "          \"$program_path/ephemeral_component.py\"                         \"$@\"\n";

std::string Pip(const std::string& commands) { return kPipStart + commands + " && \"$0\" \"$@\"\n"; }

std::vector<std::string> Command(const std::string& pip) {
  return {"sh", "-c", pip, "sh", "-ec", kRun, "import kfp", "--executor_input", "{}", "--function_to_execute", "f"};
}

TEST(PythonComponentTest, TakesTheInstallsOut) {
  const auto component = MatchPythonComponent(Command(
      Pip("python3 -m pip install --quiet --no-warn-script-location --index-url http://x/simple --trusted-host "
          "http://x/simple 'numpy==2.4.6' \"a'b\"  &&  python3 -m pip install --quiet --no-warn-script-location "
          "'kfp==2.17.3' '--no-deps' 'typing-extensions>=3.7.4,<5; python_version<\"3.9\"'")));
  ASSERT_TRUE(component.has_value());
  EXPECT_THAT(
      component->pip_installs,
      ElementsAre(
          ElementsAre("--index-url", "http://x/simple", "--trusted-host", "http://x/simple", "numpy==2.4.6", "a'b"),
          ElementsAre("kfp==2.17.3", "--no-deps", "typing-extensions>=3.7.4,<5; python_version<\"3.9\"")));
  EXPECT_EQ(component->source, "import kfp");
  EXPECT_THAT(component->args, ElementsAre("--executor_input", "{}", "--function_to_execute", "f"));
}

TEST(PythonComponentTest, WithoutInstallsThereIsNoPip) {
  const auto component = MatchPythonComponent({"sh", "-ec", kRun, "source", "--executor_input", "{}"});
  ASSERT_TRUE(component.has_value());
  EXPECT_TRUE(component->pip_installs.empty());
}

TEST(PythonComponentTest, AnythingElseIsNotTakenApart) {
  EXPECT_FALSE(MatchPythonComponent({"sh", "-c", "echo hello"}));
  EXPECT_FALSE(MatchPythonComponent({"python3", "-m", "kfp.dsl.executor_main"}));
  EXPECT_FALSE(MatchPythonComponent(Command("apt-get install x && \"$0\" \"$@\"\n")));
  EXPECT_FALSE(MatchPythonComponent(Command(Pip("python3 -m pip install $(rm -rf x)"))));
  EXPECT_FALSE(MatchPythonComponent(Command(Pip("python3 -m pip install a; reboot"))));
  EXPECT_FALSE(MatchPythonComponent(Command(Pip("curl x && python3 -m pip install a"))));
  auto other_run = Command(Pip("python3 -m pip install a"));
  other_run[5] = std::string(kRun) + "rm -rf /";
  EXPECT_FALSE(MatchPythonComponent(other_run));
}

TEST(IndexSettingsTest, UvTrustsWhatPipOrTheSystemTrusts) {
  std::map<std::string, std::string> former;
  for (const char* name : {"SSL_CERT_FILE", "SSL_CERT_DIR", "PIP_CERT"}) {
    if (const char* value = std::getenv(name)) former[name] = value;
    unsetenv(name);
  }
  setenv("PIP_CERT", "/company.pem", 1);
  EXPECT_EQ(ReadIndexSettings().environment.at("SSL_CERT_FILE"), "/company.pem");
  setenv("SSL_CERT_FILE", "/mine.pem", 1);
  EXPECT_EQ(ReadIndexSettings().environment.at("SSL_CERT_FILE"), "/mine.pem");
  for (const char* name : {"SSL_CERT_FILE", "PIP_CERT"}) unsetenv(name);
  for (const auto& [name, value] : former) setenv(name.c_str(), value.c_str(), 1);
}

TEST(EnvironmentCacheTest, TheKeyIsTheInterpreterAndTheInstallsInTheirOrder) {
  const TempDir folder;
  const EnvironmentCache cache({.folder = folder.path(), .uv = {}});
  const Interpreter python{"/usr/bin/python3.11", 11, "cpython-311"};
  const Interpreter newer{"/usr/bin/python3.12", 12, "cpython-312"};
  const auto key = cache.KeyOf(python, {{"a", "b"}, {"c"}});
  EXPECT_EQ(key, cache.KeyOf(python, {{"a", "b"}, {"c"}}));
  EXPECT_NE(key, cache.KeyOf(newer, {{"a", "b"}, {"c"}}));
  EXPECT_NE(key, cache.KeyOf(python, {{"a"}, {"b", "c"}}));
  EXPECT_NE(key, cache.KeyOf(python, {{"c"}, {"a", "b"}}));
}

// A stand-in for uv that makes the folders uv would: what is tested is the cache, without a network.
TEST(EnvironmentCacheTest, BuildsOnceAsideAndLeavesNothingOfAFailure) {
  const TempDir folder;
  const auto uv = folder.path() / "uv";
  const auto calls = folder.path() / "calls";
  ASSERT_TRUE(
      WriteFileAtomically(uv, fmt::format("#!/bin/sh\necho \"$@\" >> {}\nfor last; do :; done\n"
                                          "[ \"$1\" = venv ] && mkdir -p \"$last/bin\"\n"
                                          "[ \"$last\" = broken ] && echo 'no such package' && exit 1\nexit 0\n",
                                          calls.string()))
          .ok());
  std::filesystem::permissions(uv, std::filesystem::perms::owner_all);
  EnvironmentCache cache({.folder = folder.path() / "environments", .uv = uv});
  const Interpreter python{"/usr/bin/python3", 11, "cpython-311"};
  const StopToken never;
  std::vector<std::string> lines;
  const auto progress = [&](std::string_view line) { lines.emplace_back(line); };
  const auto log = [](std::string_view) {};
  const auto first = cache.Get(python, {{"--index-url", "http://x", "a"}, {"b", "--no-deps"}}, never, progress, log);
  ASSERT_TRUE(first.has_value()) << first.error().ToString();
  EXPECT_TRUE(std::filesystem::exists(*first / "bin"));
  EXPECT_THAT(lines, ElementsAre(testing::HasSubstr("building the Python 3.11 environment with a, b"),
                                 testing::HasSubstr("built the environment in")));
  const std::string asked = *ReadFile(calls);
  EXPECT_THAT(asked, testing::HasSubstr("--default-index http://x a\n"));
  EXPECT_THAT(asked, testing::HasSubstr("b --no-deps\n"));
  ASSERT_TRUE(cache.Get(python, {{"--index-url", "http://x", "a"}, {"b", "--no-deps"}}, never, progress, log));
  EXPECT_EQ(*ReadFile(calls), asked);

  const auto broken = cache.Get(python, {{"broken"}}, never, progress, log);
  ASSERT_FALSE(broken.has_value());
  EXPECT_EQ(broken.error().code(), Code::kFailedPrecondition);
  EXPECT_THAT(broken.error().message(), testing::HasSubstr("no such package"));
  EXPECT_FALSE(
      std::filesystem::exists(folder.path() / "environments" / (cache.KeyOf(python, {{"broken"}}) + ".building")));
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "environments" / cache.KeyOf(python, {{"broken"}})));
}

}  // namespace
}  // namespace headrace::process
