// The one program. See commands.h for the subcommands.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <string_view>

#include "headrace/app/commands.h"
#include "headrace/base/log.h"

namespace {

constexpr char kDescription[] =
    "Headrace: data to models to production, through gates that open only for what has been checked.\n\n"
    "Exit codes: 0 success, 1 the answer is no (a gate closed, a run failed), 2 wrong usage or input,\n"
    "3 the machine or a server failed.";

int Run(int argc, char** argv) {
  CLI::App program(kDescription, "headrace");
  program.require_subcommand(1);
  program.set_help_all_flag("--help-all", "Print the help of every command");

  std::string log_level = "info";
  bool log_json = false;
  program.add_option("--log-level", log_level, "trace, debug, info, warn, err, critical or off")->capture_default_str();
  program.add_flag("--log-json", log_json, "Log one JSON object a line");
  program.parse_complete_callback([&] {
    using headrace::LogFormat;
    const auto status = headrace::InitLogging(log_level, log_json ? LogFormat::kJson : LogFormat::kText);
    if (!status.ok()) throw CLI::ValidationError("--log-level", status.message());
  });

  int exit_code = headrace::app::kSuccess;
  headrace::app::AddComponentCommand(program, &exit_code);
  headrace::app::AddLineageCommand(program, &exit_code);
  headrace::app::AddRunCommand(program, &exit_code);
  headrace::app::AddServeCommand(program, &exit_code);
  headrace::app::AddUpCommand(program, &exit_code);
  headrace::app::AddVersionCommand(program, &exit_code);

  // SageMaker starts a container with the argument `serve`, which stands behind an entry point that says so already.
  if (argc > 2 && argv[1] == std::string_view("serve") && argv[2] == std::string_view("serve")) {
    std::copy(argv + 2, argv + argc, argv + 1);
    argc--;
  }
  try {
    program.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return program.exit(error) == 0 ? headrace::app::kSuccess : headrace::app::kUsage;
  }
  return exit_code;
}

}  // namespace

int main(int argc, char** argv) { return Run(argc, argv); }
