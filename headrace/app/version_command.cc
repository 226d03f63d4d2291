#include <fmt/core.h>

#include <memory>

#include "headrace/app/builtins.h"
#include "headrace/app/commands.h"
#include "headrace/base/json.h"

namespace headrace::app {
namespace {

json::object Describe() {
  json::array engines;
  for (const Engine* engine : BuiltinEngines()) engines.push_back(json::string(engine->name()));
  return {{"version", HEADRACE_VERSION}, {"compiler", __VERSION__}, {"engines", std::move(engines)}};
}

void PrintText(const json::object& description) {
  fmt::print("headrace {}\n", std::string_view(description.at("version").get_string()));
  fmt::print("engines:");
  for (const auto& engine : description.at("engines").get_array())
    fmt::print(" {}", std::string_view(engine.get_string()));
  fmt::print("\n");
}

}  // namespace

void AddVersionCommand(CLI::App& program, int* exit_code) {
  auto* command = program.add_subcommand("version", "Print the version and what is built in");
  auto as_json = std::make_shared<bool>(false);
  command->add_flag("--json", *as_json, "Print one JSON object");
  command->callback([as_json, exit_code] {
    const json::object description = Describe();
    if (*as_json)
      fmt::print("{}\n", ToJson(description));
    else
      PrintText(description);
    *exit_code = kSuccess;
  });
}

}  // namespace headrace::app
