#include "headrace/metadata/lineage_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <unordered_map>
#include <unordered_set>

namespace headrace::metadata {
namespace {

constexpr size_t kDigestDigits = 12;
constexpr size_t kMaxValue = 80;
constexpr size_t kUuidLength = 36;

std::string Shortened(std::string text) {
  if (text.size() <= kMaxValue) return text;
  size_t end = kMaxValue - 1;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) end--;
  return text.substr(0, end) + "…";
}

// "2026-01-31 12:00:00Z"
std::string ShortTime(TimePoint time) {
  std::string text = FormatTime(time);
  text[10] = ' ';
  return text.substr(0, 19) + "Z";
}

std::string ShortDigest(std::string_view digest) {
  return digest.empty() ? "no digest" : fmt::format("sha256 {}", digest.substr(0, kDigestDigits));
}

std::string ShortType(const std::string& type) { return type.starts_with("system.") ? type.substr(7) : type; }

// "flights/2" of a pushed model, else the artifact's own name.
std::string DisplayName(const Artifact& artifact) {
  const auto* model = artifact.metadata.if_contains("model");
  const auto* version = artifact.metadata.if_contains("version");
  if (!model || !version || !model->is_string()) return artifact.name;
  const std::string number = version->is_string() ? std::string(version->get_string()) : CanonicalJson(*version);
  return fmt::format("{}/{}", std::string_view(model->get_string()), number);
}

bool IsUuid(std::string_view text) {
  if (text.size() < kUuidLength) return false;
  for (size_t i = 0; i < kUuidLength; i++) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : std::isxdigit(static_cast<unsigned char>(text[i])) == 0) return false;
  }
  return true;
}

// What identifies a run or a folder to a reader: UUIDs by their first digits.
std::string WithShortUuids(std::string_view text) {
  std::string shown;
  for (size_t i = 0; i < text.size(); i++) {
    if (!IsUuid(text.substr(i))) {
      shown += text[i];
      continue;
    }
    shown += std::string(text.substr(i, 8)) + "…";
    i += kUuidLength - 1;
  }
  return shown;
}

std::string ArtifactText(const LineageEdge* edge, const Artifact& artifact, const std::string& uri) {
  const std::string key = edge ? edge->index > 0 ? fmt::format("{}[{}]", edge->key, edge->index) : edge->key : "";
  const std::string name = DisplayName(artifact);
  const bool named = !name.empty() && name != key;
  return fmt::format("{}{}{}  {}  {}  {}  #{}", key, named && !key.empty() ? ": " : "", named ? name : "",
                     ShortType(artifact.type), ShortDigest(artifact.digest), uri, artifact.id);
}

std::string DurationText(const Execution& execution) {
  if (!execution.finished) return "";
  const std::chrono::duration<double> seconds = *execution.finished - execution.started;
  return fmt::format(", {:.1f} s", seconds.count());
}

std::string MembersText(const json::object& members) {
  std::string text;
  for (const auto& member : members) {
    const json::value& value = member.value();
    const std::string shown = value.is_string() ? std::string(value.get_string()) : CanonicalJson(value);
    text += fmt::format("{}{}={}", text.empty() ? "" : "  ", std::string_view(member.key()), Shortened(shown));
  }
  return text;
}

// What hangs under a node, and what is written below its own line.
struct Branch {
  enum Kind { kArtifact, kExecution } kind;
  const LineageEdge* edge;  // that led here; null for a start
  int64_t id;
};

class TreeWriter {
 public:
  TreeWriter(const LineageGraph& graph, const TreeOptions& options)
      : graph_(graph), options_(options), upstream_(options.direction == Direction::kUpstream) {
    for (const auto& artifact : graph.artifacts) artifacts_[artifact.id] = &artifact;
    for (const auto& execution : graph.executions) executions_[execution.id] = &execution;
    for (const auto& edge : graph.edges) {
      const bool made = edge.kind == EventKind::kOutput;
      (made == upstream_ ? of_artifact_[edge.artifact] : of_execution_[edge.execution]).push_back(&edge);
    }
  }

  std::string Write() {
    for (const int64_t start : graph_.starts) {
      stack_.push_back({{Branch::kArtifact, nullptr, start}, "", ""});
      while (!stack_.empty()) {
        const Pending next = std::move(stack_.back());
        stack_.pop_back();
        next.branch.kind == Branch::kArtifact ? WriteArtifact(next) : WriteExecution(next);
      }
    }
    if (graph_.truncated) text_ += "… more beyond the depth limit\n";
    return std::move(text_);
  }

 private:
  struct Pending {
    Branch branch;
    std::string before;  // in front of the node's own line
    std::string below;   // in front of everything under it
  };

  std::string UriText(std::string_view uri) const {
    if (options_.full) return std::string(uri);
    if (!options_.base.empty() && uri.starts_with(options_.base + "/")) uri.remove_prefix(options_.base.size() + 1);
    return WithShortUuids(uri);
  }
  std::string NameText(const Execution& execution) const {
    return options_.full ? execution.name : WithShortUuids(execution.name);
  }

  void Line(const std::string& before, const std::string& text) { text_ += before + text + "\n"; }

  // The children, so that the first is on top of the stack.
  void Push(const Pending& parent, const std::vector<Branch>& children) {
    for (size_t i = children.size(); i-- > 0;) {
      const bool last = i + 1 == children.size();
      stack_.push_back({children[i], parent.below + (last ? "└─ " : "├─ "), parent.below + (last ? "   " : "│  ")});
    }
  }

  void WriteArtifact(const Pending& node) {
    const Artifact& artifact = *artifacts_.at(node.branch.id);
    std::vector<Branch> children;
    if (const auto found = of_artifact_.find(artifact.id); found != of_artifact_.end())
      for (const auto* edge : found->second) children.push_back({Branch::kExecution, edge, edge->execution});
    const bool again = !shown_.insert(artifact.id).second;
    Line(node.before, ArtifactText(node.branch.edge, artifact, UriText(artifact.uri)) +
                          (again && !children.empty() ? "  (shown above)" : ""));
    if (!again) Push(node, children);
  }

  void WriteExecution(const Pending& node) {
    const Execution& execution = *executions_.at(node.branch.id);
    const std::string verb = upstream_ ? "made by" : "used by";
    if (!shown_executions_.insert(execution.id).second) {
      Line(node.before, fmt::format("{} {} {}  (shown above)", verb, execution.type, NameText(execution)));
      return;
    }
    std::vector<Branch> children;
    for (const auto* edge : of_execution_[execution.id]) children.push_back({Branch::kArtifact, edge, edge->artifact});
    Line(node.before, fmt::format("{} {}  {}  {}{}  {}", verb, execution.type, ExecutionStateName(execution.state),
                                  ShortTime(execution.started), DurationText(execution), NameText(execution)));
    const std::string below = node.below + (children.empty() ? "   " : "│  ");
    if (!execution.error.empty()) Line(below, "error: " + Shortened(execution.error));
    if (!execution.code.empty()) Line(below, "code: " + CodeText(execution.code));
    if (!execution.parameters.empty()) Line(below, "parameters: " + MembersText(execution.parameters));
    Push(node, children);
  }

  static std::string CodeText(const json::object& code) {
    json::object shown;
    for (const auto& member : code) {
      const bool digest = member.key().ends_with("digest") && member.value().is_string();
      if (digest)
        shown[member.key()] = std::string_view(member.value().get_string()).substr(0, kDigestDigits);
      else
        shown[member.key()] = member.value();
    }
    return MembersText(shown);
  }

  const LineageGraph& graph_;
  const TreeOptions& options_;
  const bool upstream_;
  std::unordered_map<int64_t, const Artifact*> artifacts_;
  std::unordered_map<int64_t, const Execution*> executions_;
  std::unordered_map<int64_t, std::vector<const LineageEdge*>> of_artifact_, of_execution_;
  std::unordered_set<int64_t> shown_, shown_executions_;
  std::vector<Pending> stack_;
  std::string text_;
};

}  // namespace

std::string LineageTree(const LineageGraph& graph, const TreeOptions& options) {
  return TreeWriter(graph, options).Write();
}

json::object ArtifactJson(const Artifact& artifact) {
  return {{"id", artifact.id},
          {"type", artifact.type},
          {"name", artifact.name},
          {"uri", artifact.uri},
          {"digest", artifact.digest},
          {"metadata", artifact.metadata},
          {"created", FormatTime(artifact.created)}};
}

json::object ExecutionJson(const Execution& execution) {
  json::object object = {{"id", execution.id},
                         {"type", execution.type},
                         {"name", execution.name},
                         {"state", ExecutionStateName(execution.state)},
                         {"parameters", execution.parameters},
                         {"code", execution.code},
                         {"log_uri", execution.log_uri},
                         {"started", FormatTime(execution.started)}};
  if (!execution.error.empty()) object["error"] = execution.error;
  if (execution.finished) object["finished"] = FormatTime(*execution.finished);
  return object;
}

json::object LineageJson(const LineageGraph& graph, Direction direction) {
  json::array starts(graph.starts.begin(), graph.starts.end());
  json::array artifacts, executions, events;
  for (const auto& artifact : graph.artifacts) artifacts.push_back(ArtifactJson(artifact));
  for (const auto& execution : graph.executions) {
    json::object object = ExecutionJson(execution);
    json::object contexts;
    if (const auto found = graph.contexts.find(execution.id); found != graph.contexts.end())
      for (const auto& context : found->second) contexts[context.type] = context.name;
    object["contexts"] = std::move(contexts);
    executions.push_back(std::move(object));
  }
  for (const auto& edge : graph.edges)
    events.push_back(json::object{{"execution", edge.execution},
                                  {"artifact", edge.artifact},
                                  {"kind", edge.kind == EventKind::kInput ? "INPUT" : "OUTPUT"},
                                  {"key", edge.key},
                                  {"index", edge.index}});
  return {{"direction", direction == Direction::kUpstream ? "upstream" : "downstream"},
          {"truncated", graph.truncated},
          {"starts", std::move(starts)},
          {"artifacts", std::move(artifacts)},
          {"executions", std::move(executions)},
          {"events", std::move(events)}};
}

}  // namespace headrace::metadata
