// The program's subcommands. Each function adds one to `program`; when the user chose it, its callback runs the command
// and stores what main returns in `*exit_code`. A command lives in <name>_command.cc.
#pragma once
#include <CLI/CLI.hpp>

#include "headrace/base/status.h"

namespace headrace::app {

// What the program's exit codes mean, for every command.
enum ExitCode : int {
  kSuccess = 0,
  kFailed = 1,          // a gate said no, a run failed: the work was done and the answer is negative
  kUsage = 2,           // the command line or a file the user wrote is wrong
  kInfrastructure = 3,  // the machine, a server or a library failed: trying again may help
};

// kUsage for the codes that mean "your input", kInfrastructure for the others, kSuccess for OK.
ExitCode ExitCodeOf(const Status& status);
// Prints "headrace COMMAND: message" to standard error and returns ExitCodeOf(status).
ExitCode Report(std::string_view command, const Status& status);

void AddComponentCommand(CLI::App& program, int* exit_code);
void AddLineageCommand(CLI::App& program, int* exit_code);
void AddRunCommand(CLI::App& program, int* exit_code);
void AddServeCommand(CLI::App& program, int* exit_code);
void AddUpCommand(CLI::App& program, int* exit_code);
void AddVersionCommand(CLI::App& program, int* exit_code);

}  // namespace headrace::app
