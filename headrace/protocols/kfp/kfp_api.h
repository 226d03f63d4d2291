// Kubeflow Pipelines' v2beta1 REST API (https://github.com/kubeflow/pipelines, backend/api/v2beta1), as kfp.Client
// calls it: health, experiments, pipelines and their versions, runs with their tasks and logs, recurring runs.
//
// JSON as that server's gateway writes it: snake_case, unset fields left out, errors as google.rpc.Status. One user and
// no namespaces to speak of: a namespace is stored and filtered by, nothing more. Pipelines given by URL are answered
// with 501.
#pragma once
#include "headrace/metadata/experiment_store.h"
#include "headrace/metadata/pipeline_store.h"
#include "headrace/net/router.h"
#include "headrace/pipeline/recurring_runs.h"
#include "headrace/pipeline/run_service.h"

namespace headrace::kfp {

struct KfpParts {
  metadata::ExperimentStore* experiments = nullptr;
  metadata::PipelineStore* pipelines = nullptr;
  pipeline::RunService* runs = nullptr;
  pipeline::RecurringRuns* recurring = nullptr;
};

// Adds the API's routes, below /apis/v2beta1/, and GET /api/v1/runs/{run_id}/log/{task}: a task's log by its path.
// The parts outlive the router.
void AddKfpRoutes(const KfpParts& parts, net::Router* router);

}  // namespace headrace::kfp
