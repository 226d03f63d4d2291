// RecurringRunService.
#include <charconv>

#include "headrace/pipeline/ir.h"
#include "headrace/protocols/kfp/list_query.h"
#include "headrace/protocols/kfp/routes.h"
#include "headrace/protocols/kfp/run_request.h"

namespace headrace::kfp {
namespace {

using net::RouteRequest;
using net::RouteResponse;
using pipeline::RecurringRun;
using pipeline::RecurringRuns;
using pipeline::Trigger;

// int64 is a string in protobuf's JSON; the SDK sends numbers too.
Result<int64_t> IntegerOr(const json::object& object, std::string_view key, int64_t fallback) {
  const auto* value = object.if_contains(key);
  if (!value || value->is_null()) return fallback;
  if (value->is_int64()) return value->get_int64();
  int64_t number = 0;
  if (value->is_string()) {
    const std::string_view text = value->get_string();
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc() && end == text.data() + text.size()) return number;
  }
  return std::unexpected(InvalidArgument("{}: expected an integer, found {}", key, ToJson(*value)));
}

Result<std::optional<TimePoint>> OptionalTime(const json::object& object, std::string_view key) {
  HR_ASSIGN_OR_UNEXPECTED(const auto text, OptionalString(object, key));
  if (!text) return std::nullopt;
  HR_ASSIGN_OR_UNEXPECTED(const int64_t micros, ParseTimestamp(*text));
  return FromMicros(micros);
}

Result<Trigger> TriggerOf(const json::object& body) {
  HR_ASSIGN_OR_UNEXPECTED(const auto* trigger, RequiredObject(body, "trigger"));
  const auto* cron = trigger->if_contains("cron_schedule");
  const auto* periodic = trigger->if_contains("periodic_schedule");
  const auto* given = cron ? cron : periodic;
  if ((cron != nullptr) == (periodic != nullptr) || !given->is_object())
    return std::unexpected(InvalidArgument("trigger: expected one of cron_schedule and periodic_schedule"));
  const json::object& schedule = given->get_object();
  Trigger read;
  HR_ASSIGN_OR_UNEXPECTED(read.start, OptionalTime(schedule, "start_time"));
  HR_ASSIGN_OR_UNEXPECTED(read.end, OptionalTime(schedule, "end_time"));
  if (cron) {
    HR_ASSIGN_OR_UNEXPECTED(read.cron, RequiredString(schedule, "cron"));
  } else {
    HR_ASSIGN_OR_UNEXPECTED(read.interval_s, IntegerOr(schedule, "interval_second", 0));
  }
  return read;
}

json::object TriggerJson(const Trigger& trigger) {
  json::object schedule;
  if (trigger.start) schedule["start_time"] = FormatTime(*trigger.start);
  if (trigger.end) schedule["end_time"] = FormatTime(*trigger.end);
  if (trigger.cron.empty()) {
    schedule["interval_second"] = std::to_string(trigger.interval_s);
    return {{"periodic_schedule", std::move(schedule)}};
  }
  schedule["cron"] = trigger.cron;
  return {{"cron_schedule", std::move(schedule)}};
}

json::object ToJsonObject(const RecurringRun& recurring) {
  json::object object = {{"recurring_run_id", recurring.id},
                         {"display_name", recurring.display_name},
                         {"experiment_id", recurring.experiment_id},
                         {"runtime_config", RuntimeConfigJson(recurring.parameters, recurring.pipeline_root)},
                         {"trigger", TriggerJson(recurring.trigger)},
                         {"max_concurrency", std::to_string(recurring.max_concurrency)},
                         {"mode", recurring.enabled ? "ENABLE" : "DISABLE"},
                         {"status", recurring.enabled ? "ENABLED" : "DISABLED"},
                         {"no_catchup", recurring.no_catchup},
                         {"created_at", FormatTime(recurring.created)},
                         {"updated_at", FormatTime(recurring.updated)}};
  SetUnlessEmpty(object, "description", recurring.description);
  SetUnlessEmpty(object, "namespace", recurring.name_space);
  SetUnlessEmpty(object, "service_account", recurring.service_account);
  if (recurring.reference.empty())
    object["pipeline_spec"] = recurring.spec;
  else
    object["pipeline_version_reference"] = recurring.reference;
  if (!recurring.error.empty())
    object["error"] = json::object{{"code", static_cast<int>(Code::kUnknown)}, {"message", recurring.error}};
  return object;
}

// A pipeline that could not be run is refused now, not at the first time that is due.
Status CheckPipeline(const KfpParts& parts, const RecurringRun& recurring) {
  if (recurring.reference.empty()) return internal::AsStatus(pipeline::ParsePipeline(recurring.spec));
  json::object reference = recurring.reference;
  return internal::AsStatus(FindSpec(*parts.pipelines, &reference));
}

Result<RouteResponse> Create(const KfpParts& parts, RouteRequest& request) {
  HR_ASSIGN_OR_UNEXPECTED(const json::object body, request.JsonBody());
  HR_ASSIGN_OR_UNEXPECTED(RunTemplate run, ReadRunTemplate(parts, request, body));
  RecurringRun recurring;
  HR_ASSIGN_OR_UNEXPECTED(recurring.trigger, TriggerOf(body));
  HR_ASSIGN_OR_UNEXPECTED(recurring.max_concurrency, IntegerOr(body, "max_concurrency", 1));
  HR_ASSIGN_OR_UNEXPECTED(const auto no_catchup, OptionalBool(body, "no_catchup"));
  HR_ASSIGN_OR_UNEXPECTED(const std::string mode, StringOr(body, "mode", "ENABLE"));
  HR_ASSIGN_OR_UNEXPECTED(recurring.name_space, StringOr(body, "namespace"));
  recurring.enabled = mode != "DISABLE";
  recurring.no_catchup = no_catchup.value_or(false);
  recurring.display_name = std::move(run.display_name);
  recurring.description = std::move(run.description);
  recurring.experiment_id = std::move(run.experiment_id);
  recurring.service_account = std::move(run.service_account);
  recurring.spec = std::move(run.spec);
  recurring.reference = std::move(run.reference);
  recurring.parameters = std::move(run.parameters);
  recurring.pipeline_root = std::move(run.pipeline_root);
  HR_UNEXPECTED_IF_ERROR(parts.experiments->Get(recurring.experiment_id));
  HR_UNEXPECTED_IF_ERROR(CheckPipeline(parts, recurring));
  HR_ASSIGN_OR_UNEXPECTED(recurring, parts.recurring->Create(std::move(recurring)));
  return net::JsonResponse(ToJsonObject(recurring));
}

Result<RouteResponse> List(RecurringRuns& recurring, RouteRequest& request) {
  HR_ASSIGN_OR_UNEXPECTED(const ListRequest list, ListRequestOf(request));
  HR_ASSIGN_OR_UNEXPECTED(const auto listed, recurring.List(list, request.Query("experiment_id").value_or("")));
  json::array items;
  for (const auto& item : listed.recurring_runs) items.push_back(ToJsonObject(item));
  return ListResponse("recurringRuns", std::move(items), listed.total, listed.next_page_token);
}

}  // namespace

void AddRecurringRunRoutes(const KfpParts& parts, net::Router* router) {
  RecurringRuns* recurring = parts.recurring;
  const std::string all = std::string(kPrefix) + "/recurringruns", one = all + "/{recurring_run_id}";
  const auto id = [](RouteRequest& r) { return r.Variable("recurring_run_id"); };
  router->Add("POST", all, [parts](RouteRequest& r) { return Create(parts, r); });
  router->Add("GET", all, [recurring](RouteRequest& r) { return List(*recurring, r); });
  router->Add("GET", one, [recurring, id](RouteRequest& r) -> Result<RouteResponse> {
    HR_ASSIGN_OR_UNEXPECTED(const RecurringRun found, recurring->Get(id(r)));
    return net::JsonResponse(ToJsonObject(found));
  });
  router->Add("DELETE", one, [recurring, id](RouteRequest& r) { return EmptyOr(recurring->Delete(id(r))); });
  router->Add("POST", one + ":enable",
              [recurring, id](RouteRequest& r) { return EmptyOr(recurring->SetEnabled(id(r), true)); });
  router->Add("POST", one + ":disable",
              [recurring, id](RouteRequest& r) { return EmptyOr(recurring->SetEnabled(id(r), false)); });
}

}  // namespace headrace::kfp
