#include "headrace/components/component.h"

#include <fmt/format.h>

#include <algorithm>

namespace headrace::components {
namespace {

void AddPorts(std::string_view title, const std::vector<Port>& ports, std::string& out) {
  if (ports.empty()) return;
  size_t name_width = 0;
  size_t type_width = 0;
  for (const auto& port : ports) {
    name_width = std::max(name_width, port.name.size());
    type_width = std::max(type_width, port.type.size());
  }
  out += fmt::format("\n{}:\n", title);
  for (const auto& port : ports)
    out += fmt::format("  {:{}}  {:{}}  {}\n", port.name, name_width, port.type, type_width, port.text);
}

}  // namespace

const std::vector<const Component*>& AllComponents() {
  static const std::vector<const Component*> components = {
      &ExampleGen(), &StatisticsGen(), &SchemaGen(), &ExampleValidator(),
      &Transform(),  &Assemble(),      &Evaluator(), &Pusher(),
  };
  return components;
}

const Component* FindComponent(std::string_view name) {
  for (const Component* component : AllComponents())
    if (component->name() == name) return component;
  return nullptr;
}

std::string HelpText(const Component& component) {
  std::string out = fmt::format("{}: {}\n", component.name(), component.summary());
  AddPorts("Input artifacts", component.inputs(), out);
  AddPorts("Parameters", component.parameters(), out);
  AddPorts("Output artifacts and parameters", component.outputs(), out);
  return out;
}

}  // namespace headrace::components
