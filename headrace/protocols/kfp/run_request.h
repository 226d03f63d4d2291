// What CreateRun and CreateRecurringRun have in common: the pipeline, its parameters, names.
#pragma once
#include <string>

#include "headrace/base/json.h"
#include "headrace/protocols/kfp/kfp_api.h"

namespace headrace::kfp {

struct RunTemplate {
  std::string display_name;
  std::string description;
  std::string experiment_id;
  std::string service_account;
  json::value spec;        // null when `reference` is given
  json::object reference;  // {"pipeline_id"} and perhaps "pipeline_version_id", as the client gave them
  json::object parameters;
  std::string pipeline_root;
};

// kInvalidArgument names the field. Without an experiment it is the default one.
Result<RunTemplate> ReadRunTemplate(const KfpParts& parts, const net::RouteRequest& request, const json::object& body);

// The specification that `reference` names: the newest version's when only the pipeline is named. Puts the version's id
// into `reference`. kNotFound.
Result<json::value> FindSpec(metadata::PipelineStore& pipelines, json::object* reference);

// {"parameters", "pipeline_root"}, what is unset left out.
json::object RuntimeConfigJson(const json::object& parameters, const std::string& pipeline_root);

}  // namespace headrace::kfp
