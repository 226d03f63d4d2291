// The record of artifacts, executions and the edges between them, in a database, and the questions that it answers.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/base/status.h"
#include "headrace/core/database.h"
#include "headrace/core/lineage.h"

namespace headrace::metadata {

enum class Direction { kUpstream, kDownstream };

struct LineageEdge {
  int64_t execution = 0;
  int64_t artifact = 0;
  EventKind kind = EventKind::kInput;
  std::string key;
  int64_t index = 0;
};

// A part of the record: closed under its edges, so each edge's artifact and execution are in it.
struct LineageGraph {
  std::vector<int64_t> starts;        // artifacts that the walk began with
  std::vector<Artifact> artifacts;    // by distance from the starts
  std::vector<Execution> executions;  // the same
  std::vector<LineageEdge> edges;
  std::map<int64_t, std::vector<ContextRef>> contexts;  // of executions
  bool truncated = false;                               // more was there, beyond the limits
};

struct WalkOptions {
  Direction direction = Direction::kUpstream;
  int max_depth = 1'000'000;  // executions between a start and the farthest artifact
  size_t max_artifacts = 200'000;
};

// Thread-safe. Two conventions about metadata:
//   an output with metadata `sources` ([{"uri":…,"sha256":…}, …]) makes each of them an input "sources" of its
//   execution, unless the caller lists inputs of that name: the files from which a data set was made;
//   an artifact with metadata `model` and `version` is found by FindModel, unless its `pushed` is false.
class LineageStore : public LineageRecorder {
 public:
  // Makes or upgrades the tables. `database` outlives the store.
  static Result<std::unique_ptr<LineageStore>> Open(Database* database);
  // For a database that is open for reading only; kNotFound when nothing was ever recorded in it.
  static Result<std::unique_ptr<LineageStore>> OpenToRead(Database* database);

  // Of an artifact that is there already, the recorder of an output replaces type, name and metadata; the recorder of
  // an input leaves them.
  Status Record(Transaction& transaction, Execution* execution, std::vector<LineageEvent>* events,
                const std::vector<ContextRef>& contexts) override;

  // The newest artifact pushed as this version. kNotFound names the versions that are there.
  Result<Artifact> FindModel(std::string_view model, std::string_view version);
  // The newest one pushed as any version of `model`.
  Result<Artifact> FindLatestModel(std::string_view model);
  // Newest first; empty when there is none. A digest may be shortened to its first 8 or more digits.
  Result<std::vector<Artifact>> FindByUri(std::string_view uri);
  Result<std::vector<Artifact>> FindByDigest(std::string_view digest);
  // kNotFound.
  Result<Execution> FindExecution(std::string_view name);

  // Everything reached from `starts` (artifact ids), breadth first over indexed edges, in one snapshot. Upstream goes
  // from an artifact to the executions that made it, and to their inputs; an execution that only reused a cached
  // artifact is passed over when the one that made it is known. kNotFound for a start that is not recorded.
  Result<LineageGraph> Walk(const std::vector<int64_t>& starts, const WalkOptions& options = {});

 private:
  explicit LineageStore(Database* database) : database_(database) {}
  Result<std::vector<Artifact>> FindArtifacts(std::string_view condition, const std::vector<SqlValue>& parameters);

  Database* const database_;
};

}  // namespace headrace::metadata
