// LineageStore::Walk: breadth first, some hundred nodes a query, whatever the graph's depth.
#include <fmt/format.h>

#include <functional>
#include <unordered_map>
#include <unordered_set>

#include "headrace/metadata/lineage_rows.h"
#include "headrace/metadata/lineage_store.h"

namespace headrace::metadata {
namespace {

constexpr size_t kIdsInQuery = 256;

// Runs "… IN (?, …)" over `ids`, a bounded number at a time. Few different lengths, so that few statements are
// prepared: a short list is filled up with its last id.
Status ForEachRow(Transaction& transaction, std::string_view before, std::string_view after,
                  const std::vector<int64_t>& ids, const std::function<Status(const SqlRow&)>& use) {
  for (size_t begin = 0; begin < ids.size(); begin += kIdsInQuery) {
    const size_t count = std::min(kIdsInQuery, ids.size() - begin);
    size_t slots = 1;
    while (slots < count) slots *= 4;
    std::string sql(before);
    std::vector<SqlValue> parameters;
    for (size_t slot = 0; slot < slots; slot++) {
      sql += slot == 0 ? "(?" : ", ?";
      parameters.emplace_back(ids[begin + std::min(slot, count - 1)]);
    }
    sql += ")";
    sql += after;
    HR_ASSIGN_OR_RETURN(const auto rows, transaction.Query(sql, parameters));
    for (const auto& row : rows) HR_RETURN_IF_ERROR(use(row));
  }
  return OkStatus();
}

class Walker {
 public:
  Walker(Transaction& transaction, const WalkOptions& options, LineageGraph* graph)
      : transaction_(transaction),
        options_(options),
        graph_(*graph),
        upstream_(options.direction == Direction::kUpstream) {}

  Status Run(const std::vector<int64_t>& starts) {
    std::vector<int64_t> frontier;
    for (const int64_t start : starts) AddArtifact(start, frontier);
    for (int depth = 0; !frontier.empty(); depth++) {
      HR_ASSIGN_OR_RETURN(const auto executions, Executions(frontier));
      if (executions.empty()) break;
      if (depth >= options_.max_depth || artifacts_.size() >= options_.max_artifacts) {
        graph_.truncated = true;
        break;
      }
      HR_ASSIGN_OR_RETURN(frontier, Artifacts(executions));
    }
    graph_.edges.reserve(near_edges_.size() + far_edges_.size());
    for (auto* edges : {&near_edges_, &far_edges_})
      for (auto& edge : *edges)
        if (entered_.contains(edge.execution)) graph_.edges.push_back(std::move(edge));
    return Load();
  }

 private:
  bool AddArtifact(int64_t id, std::vector<int64_t>& frontier) {
    if (!artifacts_.insert(id).second) return false;
    artifact_order_.push_back(id);
    frontier.push_back(id);
    return true;
  }

  EventKind near_kind() const { return upstream_ ? EventKind::kOutput : EventKind::kInput; }
  EventKind far_kind() const { return upstream_ ? EventKind::kInput : EventKind::kOutput; }

  // Executions that made (upstream) or read (downstream) the frontier's artifacts, and were not met before.
  Result<std::vector<int64_t>> Executions(const std::vector<int64_t>& frontier) {
    struct Hit {
      LineageEdge edge;
      bool cached;
    };
    std::vector<Hit> hits;
    std::unordered_set<int64_t> made_by_work;  // artifacts with a maker that did not only reuse them
    HR_UNEXPECTED_IF_ERROR(ForEachRow(
        transaction_,
        fmt::format("SELECT e.execution_id, e.artifact_id, e.key, e.position, x.state FROM events e "
                    "JOIN executions x ON x.id = e.execution_id WHERE e.kind = {} AND e.artifact_id IN ",
                    static_cast<int>(near_kind())),
        " ORDER BY e.execution_id", frontier, [&](const SqlRow& row) {
          const bool cached = row.text(4) == ExecutionStateName(ExecutionState::kCached);
          hits.push_back({{row.integer(0), row.integer(1), near_kind(), row.text(2), row.integer(3)}, cached});
          if (!cached) made_by_work.insert(row.integer(1));
          return OkStatus();
        }));
    std::vector<int64_t> found;
    for (auto& hit : hits) {
      if (upstream_ && hit.cached && made_by_work.contains(hit.edge.artifact)) continue;
      if (seen_executions_.insert(hit.edge.execution).second) found.push_back(hit.edge.execution);
      near_edges_.push_back(std::move(hit.edge));
    }
    return found;
  }

  // Artifacts on the other side of `executions`, not met before.
  Result<std::vector<int64_t>> Artifacts(const std::vector<int64_t>& executions) {
    entered_.insert(executions.begin(), executions.end());
    execution_order_.insert(execution_order_.end(), executions.begin(), executions.end());
    std::vector<int64_t> frontier;
    HR_UNEXPECTED_IF_ERROR(ForEachRow(
        transaction_,
        fmt::format("SELECT e.execution_id, e.artifact_id, e.key, e.position FROM events e WHERE e.kind = {} "
                    "AND e.execution_id IN ",
                    static_cast<int>(far_kind())),
        " ORDER BY e.execution_id, e.key, e.position", executions, [&](const SqlRow& row) {
          AddArtifact(row.integer(1), frontier);
          far_edges_.push_back({row.integer(0), row.integer(1), far_kind(), row.text(2), row.integer(3)});
          return OkStatus();
        }));
    return frontier;
  }

  Status Load() {
    HR_RETURN_IF_ERROR(ForEachRow(transaction_,
                                  fmt::format("SELECT {} FROM artifacts a WHERE a.id IN ", kArtifactColumns), "",
                                  artifact_order_, [&](const SqlRow& row) -> Status {
                                    HR_ASSIGN_OR_RETURN(graph_.artifacts.emplace_back(), ArtifactOf(row));
                                    return OkStatus();
                                  }));
    HR_RETURN_IF_ERROR(ForEachRow(transaction_,
                                  fmt::format("SELECT {} FROM executions x WHERE x.id IN ", kExecutionColumns), "",
                                  execution_order_, [&](const SqlRow& row) -> Status {
                                    HR_ASSIGN_OR_RETURN(graph_.executions.emplace_back(), ExecutionOf(row));
                                    return OkStatus();
                                  }));
    SortBy(artifact_order_, graph_.artifacts);
    SortBy(execution_order_, graph_.executions);
    return ForEachRow(transaction_,
                      "SELECT ce.execution_id, c.type, c.name FROM context_executions ce JOIN contexts c "
                      "ON c.id = ce.context_id WHERE ce.execution_id IN ",
                      " ORDER BY c.type, c.name", execution_order_, [&](const SqlRow& row) {
                        graph_.contexts[row.integer(0)].push_back({row.text(1), row.text(2)});
                        return OkStatus();
                      });
  }

  template <class T>
  static void SortBy(const std::vector<int64_t>& order, std::vector<T>& nodes) {
    std::unordered_map<int64_t, size_t> position;
    for (size_t i = 0; i < order.size(); i++) position[order[i]] = i;
    std::sort(nodes.begin(), nodes.end(), [&](const T& a, const T& b) { return position[a.id] < position[b.id]; });
  }

  Transaction& transaction_;
  const WalkOptions& options_;
  LineageGraph& graph_;
  const bool upstream_;
  std::unordered_set<int64_t> artifacts_, seen_executions_, entered_;
  std::vector<int64_t> artifact_order_, execution_order_;
  std::vector<LineageEdge> near_edges_, far_edges_;
};

}  // namespace

Result<LineageGraph> LineageStore::Walk(const std::vector<int64_t>& starts, const WalkOptions& options) {
  LineageGraph graph;
  HR_UNEXPECTED_IF_ERROR(database_->Read([&](Transaction& transaction) {
    graph = {};
    graph.starts = starts;
    return Walker(transaction, options, &graph).Run(starts);
  }));
  std::unordered_set<int64_t> found;
  for (const auto& artifact : graph.artifacts) found.insert(artifact.id);
  for (const int64_t start : starts)
    if (!found.contains(start)) return std::unexpected(NotFound("no artifact {} is recorded", start));
  return graph;
}

}  // namespace headrace::metadata
