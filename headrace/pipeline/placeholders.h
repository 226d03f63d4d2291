// Placeholders in commands, arguments and environment variables: {{$}}, {{$.inputs.parameters['x']}} and their kin, and
// arguments that are structures ({"IfPresent": …}, {"Concat": …}). Every placeholder is replaced once, from left to
// right; what is put in is not looked at again.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "headrace/base/json.h"
#include "headrace/base/status.h"
#include "headrace/pipeline/ir.h"

namespace headrace::pipeline {

struct PlaceholderValues {
  json::object executor_input;               // what {{$}} stands for, and where inputs and outputs are looked up
  std::map<std::string, std::string> facts;  // "pipeline_job_name" …, see kFacts in the source
};

// The placeholder pipeline_task_uuid of the task at `path` in the run that `facts` describe: the same in each try and
// after a restart.
std::string TaskUuid(const std::map<std::string, std::string>& facts, std::string_view path);

// kInvalidArgument for an input that has no value.
Result<std::string> ResolveText(std::string_view text, const PlaceholderValues& values);
// One argument as none, one or several.
Result<std::vector<std::string>> ResolveArgument(const std::string& argument, const PlaceholderValues& values);
Result<std::vector<std::string>> ResolveArguments(const std::vector<std::string>& arguments,
                                                  const PlaceholderValues& values);

// Checks that `text` names only what `component` has. kUnimplemented for a placeholder that Headrace does not know.
Status CheckPlaceholders(std::string_view text, const Component& component);

}  // namespace headrace::pipeline
