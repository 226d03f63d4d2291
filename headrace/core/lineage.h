// The record of what happened: artifacts, executions, the events that join them, and the contexts they belong to (the
// model of ML Metadata, https://github.com/google/ml-metadata). Plain values, and the interface through which other
// rooms write them; the metadata room implements it and answers questions.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "headrace/base/clock.h"
#include "headrace/base/json.h"
#include "headrace/base/status.h"
#include "headrace/core/database.h"

namespace headrace {

struct Artifact {
  int64_t id = 0;    // 0: not recorded yet
  std::string type;  // a KFP schema title: "system.Dataset", "system.Model", "system.Artifact", …
  std::string name;
  std::string uri;
  std::string digest;  // lower-case hex SHA-256 of the content (Sha256OfTree); empty when unknown
  json::object metadata;
  TimePoint created;
};

enum class ExecutionState { kRunning, kComplete, kFailed, kCached, kCancelled };
std::string_view ExecutionStateName(ExecutionState state);  // "RUNNING" …

struct Execution {
  int64_t id = 0;
  std::string type;  // the component's name
  std::string name;  // unique: "<run id>/<task name>/<try>"
  ExecutionState state = ExecutionState::kRunning;
  json::object parameters;  // input parameters as the task got them
  json::object code;        // {"image":…, "command_digest":…}: what ran
  std::string log_uri;
  std::string error;  // why it failed
  TimePoint started;
  std::optional<TimePoint> finished;
};

enum class EventKind { kInput, kOutput };

struct LineageEvent {
  EventKind kind = EventKind::kInput;
  std::string key;    // the input's or output's name in the component
  int64_t index = 0;  // position in a list of artifacts
  Artifact artifact;  // id 0: found by (uri, digest) or made
};

struct ContextRef {
  std::string type;  // "pipeline", "run", "experiment"
  std::string name;  // unique within its type
};

// Thread-safe.
class LineageRecorder {
 public:
  virtual ~LineageRecorder() = default;
  // Inserts the execution, or updates the one of that name, with its artifacts, events and contexts; nothing of it is
  // visible unless `transaction` commits. Recording the same again changes nothing. Fills the ids of `execution` and of
  // the events' artifacts. An artifact with id 0 is the recorded one of equal URI and digest, if any, so that a source
  // file read by two runs is one node. An output whose metadata has `sources` ([{"uri":…, "sha256":…}, …]) makes each
  // of these files an input of the execution.
  virtual Status Record(Transaction& transaction, Execution* execution, std::vector<LineageEvent>* events,
                        const std::vector<ContextRef>& contexts) = 0;
};

}  // namespace headrace
