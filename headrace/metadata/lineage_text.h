// A LineageGraph for people (a tree) and for tools (JSON).
#pragma once
#include <string>

#include "headrace/base/json.h"
#include "headrace/metadata/lineage_store.h"

namespace headrace::metadata {

struct TreeOptions {
  Direction direction = Direction::kUpstream;
  // UUIDs are cut to their first 8 digits ("2315e47b…") and this prefix of URIs is left out; neither when `full`.
  std::string base = {};
  bool full = false;
};

// One tree for each start; artifacts and the executions between them alternate. What several branches share is written
// out where it comes first, with its number "#7", and referred to by that number afterwards. Ends with a line that says
// so when the graph is truncated.
std::string LineageTree(const LineageGraph& graph, const TreeOptions& options);

// {"direction", "truncated", "starts": [id…], "artifacts": […], "executions": […], "events": […]}; times as RFC 3339.
json::object LineageJson(const LineageGraph& graph, Direction direction);
json::object ArtifactJson(const Artifact& artifact);
json::object ExecutionJson(const Execution& execution);

}  // namespace headrace::metadata
