// From the protobuf messages of the format to the plain values of ir.h; inside this room only.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "headrace/pipeline/ir.h"

namespace ml_pipelines {
class ComponentSpec;
class PipelineDeploymentConfig_ExecutorSpec;
class PipelineTaskSpec;
}  // namespace ml_pipelines

namespace headrace::pipeline {

using ExecutorSpecs = std::map<std::string, std::variant<Container, Importer>>;

// kUnimplemented names what Headrace does not have. Limits that local processes do not enforce go to `warnings`.
Result<std::variant<Container, Importer>> ConvertExecutor(
    const ml_pipelines::PipelineDeploymentConfig_ExecutorSpec& spec, const std::string& label,
    std::vector<std::string>* warnings);
// Everything but the tasks of its DAG, which are empty. `executors` by label.
Result<Component> ConvertComponent(const ml_pipelines::ComponentSpec& spec, const ExecutorSpecs& executors);
Result<Task> ConvertTask(const std::string& key, const ml_pipelines::PipelineTaskSpec& spec);

// Applies the platform spec ({"platforms": …}) to the executors: what local processes can do is done, what may be left
// out on one machine becomes a warning, the rest is kUnimplemented.
Status ApplyPlatformSpec(const json::value& platform_spec, ExecutorSpecs* executors,
                         std::vector<std::string>* warnings);

// Checks that everything that is named exists, is of the right type, and that nothing waits for itself.
Status ValidatePipeline(const Pipeline& pipeline);

}  // namespace headrace::pipeline
