// The platform spec: what kfp-kubernetes adds to a pipeline.
#include <algorithm>
#include <array>

#include "headrace/pipeline/ir_convert.h"

namespace headrace::pipeline {
namespace {

// Where a task is placed and how its image is fetched: without meaning for processes on this machine.
constexpr std::array<std::string_view, 8> kPlacement = {"nodeSelector",    "tolerations",        "nodeAffinity",
                                                        "podAffinity",     "podMetadata",        "imagePullSecret",
                                                        "imagePullPolicy", "enabledSharedMemory"};

Status ApplyTimeout(const json::value& seconds, Container* container) {
  int64_t number = 0;
  if (seconds.is_int64()) number = seconds.get_int64();
  if (seconds.is_double()) number = static_cast<int64_t>(seconds.get_double());
  if (seconds.is_string()) {
    HR_ASSIGN_OR_RETURN(const json::value parsed, ParseJson(seconds.get_string()));
    if (parsed.is_int64()) number = parsed.get_int64();
  }
  if (number <= 0)
    return InvalidArgument("activeDeadlineSeconds: expected a positive number, found {}", ToJson(seconds));
  container->timeout = std::chrono::seconds(number);
  return OkStatus();
}

Status ApplyToExecutor(const std::string& label, const json::object& config, ExecutorSpecs* executors,
                       std::vector<std::string>* warnings) {
  const auto executor = executors->find(label);
  if (executor == executors->end()) return InvalidArgument("deploymentSpec.executors has no \"{}\"", label);
  auto* container = std::get_if<Container>(&executor->second);
  for (const auto& [field, value] : config) {
    const std::string_view name = field;
    if (container != nullptr && (name == "activeDeadlineSeconds" || name == "timeout")) {
      HR_RETURN_IF_ERROR(ApplyTimeout(value, container));
    } else if (std::ranges::find(kPlacement, name) != kPlacement.end()) {
      warnings->push_back(fmt::format("{}: {} has no meaning for local processes", label, name));
    } else {
      return Unimplemented("{} is not supported for local processes; remove it or give the value as a parameter", name);
    }
  }
  return OkStatus();
}

}  // namespace

Status ApplyPlatformSpec(const json::value& platform_spec, ExecutorSpecs* executors,
                         std::vector<std::string>* warnings) {
  if (platform_spec.is_null()) return OkStatus();
  if (!platform_spec.is_object()) return InvalidArgument("platform spec: expected a mapping");
  const auto* platforms = platform_spec.get_object().if_contains("platforms");
  if (platforms == nullptr) return OkStatus();
  if (!platforms->is_object()) return InvalidArgument("platform spec: platforms: expected a mapping");
  for (const auto& [platform, spec] : platforms->get_object()) {
    const std::string where = fmt::format("platform spec: {}", std::string_view(platform));
    if (platform != "kubernetes") return Unimplemented("{}: only kubernetes is known", where);
    if (!spec.is_object()) return InvalidArgument("{}: expected a mapping", where);
    for (const auto& [field, value] : spec.get_object()) {
      if (field == "pipelineConfig" && value.is_object() && value.get_object().empty()) continue;
      if (field != "deploymentSpec") return Unimplemented("{}.{} is not supported for local processes", where, field);
      const auto* configs = value.is_object() ? value.get_object().if_contains("executors") : nullptr;
      if (configs == nullptr || !configs->is_object()) continue;
      for (const auto& [label, config] : configs->get_object()) {
        if (!config.is_object()) return InvalidArgument("{}.{}: expected a mapping", where, std::string_view(label));
        const Status status = ApplyToExecutor(label, config.get_object(), executors, warnings);
        HR_RETURN_IF_ERROR(status.WithContext(fmt::format("{}.{}", where, std::string_view(label))));
      }
    }
  }
  return OkStatus();
}

}  // namespace headrace::pipeline
