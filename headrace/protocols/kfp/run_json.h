// Runs and tasks as KFP's Run and PipelineTaskDetail messages.
#pragma once
#include <vector>

#include "headrace/base/json.h"
#include "headrace/pipeline/run.h"

namespace headrace::kfp {

// Without pipeline_spec and run_details, which only a single run shows.
json::object RunJson(const pipeline::Run& run);

// task_details: every task, DAGs and loops included. A task whose result came from the cache is SKIPPED, as KFP says
// it, with a member "cached": true of our own; the root, which nobody named, has no display_name.
json::array TaskDetailsJson(const std::vector<pipeline::TaskRecord>& tasks);

}  // namespace headrace::kfp
