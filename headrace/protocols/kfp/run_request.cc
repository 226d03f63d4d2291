#include "headrace/protocols/kfp/run_request.h"

#include "headrace/protocols/kfp/routes.h"

namespace headrace::kfp {
namespace {

Status ReadSource(const json::object& body, RunTemplate* run) {
  const auto* spec = body.if_contains("pipeline_spec");
  const auto* reference = body.if_contains("pipeline_version_reference");
  if ((spec != nullptr) == (reference != nullptr))
    return InvalidArgument("a run needs one of pipeline_spec and pipeline_version_reference, found {}",
                           spec ? "both" : "neither");
  if (spec) {
    run->spec = *spec;
    return OkStatus();
  }
  if (!reference->is_object()) return InvalidArgument("pipeline_version_reference: expected an object");
  HR_ASSIGN_OR_RETURN(const std::string pipeline_id, RequiredString(reference->get_object(), "pipeline_id"));
  HR_ASSIGN_OR_RETURN(const std::string version_id, StringOr(reference->get_object(), "pipeline_version_id"));
  run->reference["pipeline_id"] = pipeline_id;
  SetUnlessEmpty(run->reference, "pipeline_version_id", version_id);
  return OkStatus();
}

Status ReadRuntimeConfig(const json::object& body, RunTemplate* run) {
  const auto* config = body.if_contains("runtime_config");
  if (!config || config->is_null()) return OkStatus();
  if (!config->is_object()) return InvalidArgument("runtime_config: expected an object");
  HR_ASSIGN_OR_RETURN(run->pipeline_root, StringOr(config->get_object(), "pipeline_root"));
  const auto* parameters = config->get_object().if_contains("parameters");
  if (!parameters || parameters->is_null()) return OkStatus();
  if (!parameters->is_object()) return InvalidArgument("runtime_config.parameters: expected an object");
  run->parameters = parameters->get_object();
  return OkStatus();
}

}  // namespace

Result<RunTemplate> ReadRunTemplate(const KfpParts& parts, const net::RouteRequest& request, const json::object& body) {
  RunTemplate run;
  HR_UNEXPECTED_IF_ERROR(ReadSource(body, &run));
  HR_UNEXPECTED_IF_ERROR(ReadRuntimeConfig(body, &run));
  HR_ASSIGN_OR_UNEXPECTED(run.display_name, RequiredString(body, "display_name"));
  HR_ASSIGN_OR_UNEXPECTED(run.description, StringOr(body, "description"));
  HR_ASSIGN_OR_UNEXPECTED(run.service_account, StringOr(body, "service_account"));
  HR_ASSIGN_OR_UNEXPECTED(run.experiment_id,
                          StringOr(body, "experiment_id", request.Query("experiment_id").value_or("")));
  if (run.experiment_id.empty()) {
    HR_ASSIGN_OR_UNEXPECTED(const auto experiment, parts.experiments->Default());
    run.experiment_id = experiment.id;
  }
  return run;
}

Result<json::value> FindSpec(metadata::PipelineStore& pipelines, json::object* reference) {
  HR_ASSIGN_OR_UNEXPECTED(const std::string pipeline_id, RequiredString(*reference, "pipeline_id"));
  HR_ASSIGN_OR_UNEXPECTED(const std::string version_id, StringOr(*reference, "pipeline_version_id"));
  auto version =
      version_id.empty() ? pipelines.LatestVersion(pipeline_id) : pipelines.GetVersion(pipeline_id, version_id);
  if (!version) return std::unexpected(version.error());
  (*reference)["pipeline_version_id"] = version->id;
  return std::move(version->spec);
}

json::object RuntimeConfigJson(const json::object& parameters, const std::string& pipeline_root) {
  json::object config;
  if (!parameters.empty()) config["parameters"] = parameters;
  SetUnlessEmpty(config, "pipeline_root", pipeline_root);
  return config;
}

}  // namespace headrace::kfp
