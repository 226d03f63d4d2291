#include "headrace/protocols/oip/model_service.h"

#include <algorithm>
#include <charconv>

namespace headrace::oip {
namespace {

using serving::ServableHandle;
using serving::VersionState;
using serving::VersionStatus;

std::optional<int64_t> AsNumber(std::string_view text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || text.starts_with('-')) return std::nullopt;
  return number;
}

CountAndNanos Read(const serving::CountAndTime& counter) {
  return {counter.count.load(std::memory_order_relaxed), counter.nanos.load(std::memory_order_relaxed)};
}

VersionStatistics Read(const ServableHandle& servable) {
  const serving::VersionStats& stats = servable.stats();
  VersionStatistics out;
  out.name = servable.model();
  out.version = servable.version();
  out.last_inference_millis = static_cast<uint64_t>(stats.last_request_millis.load(std::memory_order_relaxed));
  out.inferences = stats.rows.load(std::memory_order_relaxed);
  out.executions = stats.executions.load(std::memory_order_relaxed);
  out.success = Read(stats.success);
  out.fail = Read(stats.fail);
  out.compute_infer = Read(stats.compute);
  const uint64_t computed = out.compute_infer.count;
  out.queue = {computed, stats.queue_nanos.load(std::memory_order_relaxed)};
  out.compute_input = {computed, stats.input_nanos.load(std::memory_order_relaxed)};
  out.compute_output = {computed, stats.output_nanos.load(std::memory_order_relaxed)};
  for (const auto& batch : stats.batch_sizes.Read())
    out.batches.push_back({.size = batch.rows,
                           .compute_input = {batch.executions, batch.input_nanos},
                           .compute_infer = {batch.executions, batch.runtime_nanos},
                           .compute_output = {batch.executions, batch.output_nanos}});
  out.memory_bytes = servable.servable().memory_bytes();
  return out;
}

std::string_view IndexState(VersionState state) {
  switch (state) {
    case VersionState::kStart:
    case VersionState::kLoading: return "LOADING";
    case VersionState::kAvailable: return "READY";
    case VersionState::kUnloading: return "UNLOADING";
    case VersionState::kEnd: return "UNAVAILABLE";
  }
  return "UNKNOWN";
}

std::string Reason(const VersionStatus& status) {
  if (status.state != VersionState::kEnd) return "";
  return status.error.ok() ? "unloaded" : status.error.message();
}

}  // namespace

ModelService::ModelService(ModelServiceOptions options)
    : options_(std::move(options)), repository_(options_.manager, options_.load_timeout) {}

Result<ServableHandle> ModelService::Find(std::string_view model, std::string_view version,
                                          std::string_view route_key) const {
  serving::VersionSelector selector{.model = model, .route_key = route_key};
  if (!version.empty()) {
    selector.version = AsNumber(version);
    if (!selector.version) selector.label = version;
  }
  auto found = manager().Lookup(selector);
  if (!found) return std::unexpected(Unknown(model, version, found.error()));
  return found;
}

Status ModelService::Unknown(std::string_view model, std::string_view version, const Status& lookup) const {
  if (!manager().Config(model)) return NotFound("Request for unknown model: '{}' is not found", model);
  if (lookup.code() == Code::kInvalidArgument)
    return InvalidArgument(
        "failed to get model version from specified version string '{}': it is neither a number nor "
        "a label of model '{}'",
        version, model);
  const auto statuses = manager().Statuses(model, version.empty() ? std::nullopt : AsNumber(version));
  const bool coming = statuses && std::any_of(statuses->begin(), statuses->end(), [](const auto& status) {
                        return status.state == VersionState::kStart || status.state == VersionState::kLoading;
                      });
  if (version.empty())
    return coming ? Unavailable("Request for unknown model: '{}' is not at ready state", model)
                  : NotFound("Request for unknown model: '{}' has no available versions", model);
  return coming ? Unavailable("Request for unknown model: '{}' version {} is not at ready state", model, version)
                : NotFound("Request for unknown model: '{}' version {} is not found", model, version);
}

Result<const Signature*> ModelService::FindSignature(const ServableHandle& servable, std::string_view name) {
  if (name.empty()) {
    if (const Signature* found = servable.FindSignature("serving_default")) return found;
    return &servable.signatures().front();
  }
  if (const Signature* found = servable.FindSignature(name)) return found;
  return std::unexpected(InvalidArgument("unexpected signature '{}' for model '{}'", name, servable.model()));
}

Status ModelService::Prepare(const InferCall& call, Arena* arena, Deadline deadline,
                             serving::PredictCall* predict) const {
  HR_ASSIGN_OR_RETURN(const Signature* signature, FindSignature(predict->servable, call.signature));
  const std::string& model = predict->servable.model();
  if (call.raw_input) {
    InferCall deduced = call;
    HR_ASSIGN_OR_RETURN(Tensor tensor, RawInput(*call.raw_input, model, *signature, arena));
    deduced.inputs.push_back({signature->inputs[0].name, std::move(tensor)});
    HR_RETURN_IF_ERROR(Bind(deduced, model, *signature, &predict->request));
  } else {
    HR_RETURN_IF_ERROR(Bind(call, model, *signature, &predict->request));
  }
  if (call.timeout_micros > 0 && call.timeout_micros < 86'400'000'000)
    deadline = std::min(deadline, predict->arrived + std::chrono::microseconds(call.timeout_micros));
  if (deadline == Deadline::max() && options_.request_timeout > Duration::zero())
    deadline = predict->arrived + options_.request_timeout;
  predict->request.deadline = deadline;
  predict->origin.request_id = call.id;
  predict->priority = call.priority > 0 ? static_cast<int>(std::min<uint64_t>(call.priority - 1, 1 << 20)) : 0;
  return OkStatus();
}

Status ModelService::ModelReady(std::string_view model, std::string_view version) const {
  return internal::AsStatus(Find(model, version));
}

bool ModelService::ServerReady() const { return manager().Ready(); }

Result<ModelInfo> ModelService::Info(std::string_view model, std::string_view version) const {
  HR_ASSIGN_OR_UNEXPECTED(const ServableHandle servable, Find(model, version));
  ModelInfo info;
  info.name = servable.model();
  info.signature = **FindSignature(servable, "");
  info.platform = servable.servable().platform();
  if (info.platform.empty())
    if (const auto config = manager().Config(model)) info.platform = config->platform;
  if (!version.empty()) {
    info.versions.push_back(servable.version());
    return info;
  }
  HR_ASSIGN_OR_UNEXPECTED(const auto statuses, manager().Statuses(model));
  for (const auto& status : statuses)
    if (status.state == VersionState::kAvailable) info.versions.push_back(status.version);
  std::reverse(info.versions.begin(), info.versions.end());
  return info;
}

Result<std::vector<VersionStatistics>> ModelService::Statistics(std::string_view model,
                                                                std::string_view version) const {
  std::vector<VersionStatistics> out;
  if (!version.empty()) {
    HR_ASSIGN_OR_UNEXPECTED(const ServableHandle servable, Find(model, version));
    out.push_back(Read(servable));
    return out;
  }
  if (!model.empty()) HR_UNEXPECTED_IF_ERROR(ModelReady(model, ""));
  for (const auto& servable : manager().Loaded())
    if (model.empty() || servable.model() == model) out.push_back(Read(servable));
  return out;
}

std::vector<IndexEntry> ModelService::Index(bool ready_only) const {
  std::vector<IndexEntry> entries;
  for (const auto& name : manager().Models()) {
    const auto statuses = manager().Statuses(name);
    if (!statuses) {
      if (!ready_only) entries.push_back({name, "", "", ""});
      continue;
    }
    for (auto status = statuses->rbegin(); status != statuses->rend(); ++status)
      if (!ready_only || status->state == VersionState::kAvailable)
        entries.push_back(
            {name, std::to_string(status->version), std::string(IndexState(status->state)), Reason(*status)});
  }
  if (ready_only) return entries;
  for (const auto& name : manager().config().models_root_except)
    if (!manager().Config(name)) entries.push_back({name, "", "UNAVAILABLE", "unloaded"});
  return entries;
}

std::vector<std::string> ModelService::Models() const { return manager().Models(); }

const std::vector<std::string>& Extensions() {
  static const std::vector<std::string> extensions = {"classification",      "model_repository", "schedule_policy",
                                                      "model_configuration", "parameters",       "binary_tensor_data",
                                                      "statistics",          "logging"};
  return extensions;
}

}  // namespace headrace::oip
