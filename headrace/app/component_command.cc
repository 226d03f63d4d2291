#include <fmt/core.h>

#include <cstdlib>
#include <memory>

#include "headrace/app/builtins.h"
#include "headrace/app/commands.h"
#include "headrace/backends/duckdb/duckdb_engine.h"
#include "headrace/base/files.h"
#include "headrace/base/json.h"
#include "headrace/components/component.h"

namespace headrace::app {
namespace {

using components::Component;
using components::ExecutorInput;
using components::ExecutorOutput;

struct ComponentOptions {
  std::string name;
  std::string executor_input;
  bool list = false;
  bool describe = false;
  bool as_json = false;
};

void PrintList(bool as_json) {
  json::array names;
  for (const Component* component : components::AllComponents()) {
    names.push_back({{"name", component->name()}, {"summary", component->summary()}});
    if (!as_json) fmt::print("{:18} {}\n", component->name(), component->summary());
  }
  if (as_json) fmt::print("{}\n", ToJson(names));
}

// The JSON itself, or @FILE.
Result<ExecutorInput> ReadInput(const std::string& text) {
  if (!text.starts_with('@')) return ExecutorInput::Parse(text);
  HR_ASSIGN_OR_UNEXPECTED(const std::string content, ReadFile(text.substr(1)));
  return ExecutorInput::Parse(content);
}

components::Services MakeServices(QueryEngine* query) {
  components::Services services;
  services.query = query;
  services.engines = BuiltinEngines();
  services.environment = [](std::string_view name) -> std::optional<std::string> {
    const char* value = std::getenv(std::string(name).c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
  services.print = [](const std::string& text) {
    fmt::print("{}", text);
    std::fflush(stdout);
  };
  return services;
}

ExitCode RunComponent(const Component& component, const std::string& text) {
  const auto input = ReadInput(text);
  if (!input) return Report("component", input.error().WithContext("--executor_input"));
  const auto query = duckdb::MakeQueryEngine();
  ExecutorOutput output;
  const std::string label = "component " + std::string(component.name());
  const Status status = component.Run(*input, MakeServices(query.get()), output);
  const Status written = output.Write(*input);
  if (!status.ok()) return Report(label, status);
  if (!written.ok()) return Report(label, written);
  if (output.refusal().empty()) return kSuccess;
  fmt::print(stderr, "headrace {}: {}\n", label, output.refusal());
  return kFailed;
}

ExitCode Choose(const ComponentOptions& options) {
  if (options.list) {
    PrintList(options.as_json);
    return kSuccess;
  }
  const Component* component = components::FindComponent(options.name);
  if (component == nullptr)
    return Report("component",
                  NotFound("there is no component \"{}\"; `headrace component --list` names them", options.name));
  if (options.describe) {
    fmt::print("{}", components::HelpText(*component));
    return kSuccess;
  }
  if (options.executor_input.empty())
    return Report("component", InvalidArgument("--executor_input is missing; a pipeline gives it, see --describe"));
  return RunComponent(*component, options.executor_input);
}

constexpr char kFooter[] =
    "In a pipeline, a container component with the image `headrace`, the command [\"headrace\", \"component\", NAME] "
    "and\n"
    "the arguments [\"--executor_input\", \"{{$}}\"]. A gate that says no ends with exit code 1 and leaves its report.";

}  // namespace

void AddComponentCommand(CLI::App& program, int* exit_code) {
  auto* command = program.add_subcommand("component", "Run one built-in pipeline component, as pipelines do");
  auto options = std::make_shared<ComponentOptions>();
  command->footer(kFooter);
  auto* name = command->add_option("NAME", options->name, "The component, as --list names it");
  auto* list = command->add_flag("--list", options->list, "Print the components");
  command->add_flag("--describe", options->describe, "Print the inputs, parameters and outputs of NAME");
  command->add_option("--executor_input", options->executor_input,
                      "KFP's ExecutorInput as JSON, or @FILE that holds it");
  command->add_flag("--json", options->as_json, "With --list: print one JSON array");
  name->excludes(list);
  command->callback([options, exit_code] { *exit_code = Choose(*options); });
}

}  // namespace headrace::app
