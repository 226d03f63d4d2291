// What goes into a task and what comes out of it: resolved values, the ExecutorInput and ExecutorOutput that a task
// reads and writes (https://github.com/kubeflow/pipelines, ExecutorInput in pipeline_spec.proto, as JSON), and the
// identity of the work for the cache.
#pragma once
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "headrace/base/json.h"
#include "headrace/base/status.h"
#include "headrace/pipeline/ir.h"

namespace headrace::pipeline {

struct ArtifactValue {
  int64_t id = 0;  // in the lineage; 0: not recorded
  std::string name;
  std::string uri;
  std::string schema_title;
  std::string schema_version;
  std::string digest;  // Sha256OfTree of what lies at the URI; empty when it is not on this machine
  json::object metadata;
};

struct TaskInputs {
  std::map<std::string, json::value> parameters;
  std::map<std::string, std::vector<ArtifactValue>> artifacts;
};

struct TaskOutputs {
  std::map<std::string, json::value> parameters;
  std::map<std::string, std::vector<ArtifactValue>> artifacts;
};

// For the database: {"parameters": {…}, "artifacts": {name: [{…}]}}.
json::value ToStored(const std::map<std::string, json::value>& parameters,
                     const std::map<std::string, std::vector<ArtifactValue>>& artifacts);
Result<TaskOutputs> FromStored(const json::value& value);
json::object ToJsonValue(const ArtifactValue& artifact);

// The local path of a URI as the SDK sees it: gs://b/x is /gcs/b/x, file:///x and /x are /x.
std::string LocalPath(std::string_view uri);

// Where one try of a task writes: `folder`/<output> for artifacts, `folder`/.parameters/<output> and
// `folder`/.executor_output.json beside them.
json::object BuildExecutorInput(const Component& component, const TaskInputs& inputs,
                                const std::filesystem::path& folder);
std::filesystem::path ExecutorOutputFile(const std::filesystem::path& folder);

// What the task left in `folder`: executor_output.json over the parameters' files. kInvalidArgument names the output
// that is missing or of the wrong type. Artifacts have no digest yet; `missing` gets the names of those without a file.
Result<TaskOutputs> ReadOutputs(const Component& component, const std::filesystem::path& folder,
                                std::vector<std::string>* missing);

// The variables of conditions and selectors: {"inputs": {"parameter_values": …, "parameters": …, "artifacts": …}}.
json::object CelVariables(const TaskInputs& inputs);

// SHA-256 over the canonical JSON of input artifacts' identities, parameter values, output specs without their URIs,
// the image and the unresolved command and arguments. Environment, resources and the task's name do not count.
std::string CacheKey(const Component& component, const TaskInputs& inputs);
// SHA-256 over image and unresolved command: "the code" of an execution in the lineage.
std::string CommandDigest(const Container& container);

}  // namespace headrace::pipeline
