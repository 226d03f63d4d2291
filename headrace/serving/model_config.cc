#include "headrace/serving/model_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace headrace::serving {
namespace {

Status ValidateName(const std::string& name) {
  if (name.empty()) return InvalidArgument("model: name is empty; give each model a name");
  const bool clean =
      std::all_of(name.begin(), name.end(), [](unsigned char c) { return c >= 0x20 && c != 0x7f && c != '/'; });
  if (name.size() > 512 || !clean)
    return InvalidArgument("model: name \"{}\": expected 1 to 512 bytes without '/' and control characters", name);
  return OkStatus();
}

Status ValidateVersions(const VersionPolicy& policy) {
  if (policy.kind == VersionPolicy::Kind::kLatest && policy.latest == 0)
    return InvalidArgument("model_version_policy: latest.num_versions is 0; expected at least 1");
  if (policy.kind != VersionPolicy::Kind::kSpecific) return OkStatus();
  if (policy.versions.empty())
    return InvalidArgument("model_version_policy: specific.versions is empty; list at least one version");
  for (const int64_t version : policy.versions)
    if (version < 0) return InvalidArgument("model_version_policy: specific.versions: {} is negative", version);
  return OkStatus();
}

Status ValidateLabels(const std::map<std::string, int64_t, std::less<>>& labels) {
  for (const auto& [label, version] : labels) {
    if (label.empty()) return InvalidArgument("version_labels: a label is empty");
    if (version < 0) return InvalidArgument("version_labels: \"{}\" points to {}, which is negative", label, version);
  }
  return OkStatus();
}

Status ValidateBatching(const BatchingConfig& batching) {
  if (!batching.enabled) return OkStatus();
  if (batching.max_batch_size < 1)
    return InvalidArgument("max_batch_size is {}; expected at least 1", batching.max_batch_size);
  if (batching.timeout < Duration::zero())
    return InvalidArgument("batch_timeout_micros is {}; expected 0 or more", batching.timeout.count() / 1000);
  if (batching.max_enqueued_batches < 1)
    return InvalidArgument("max_enqueued_batches is {}; expected at least 1", batching.max_enqueued_batches);
  if (batching.threads < 0) return InvalidArgument("num_batch_threads is {}; expected 0 or more", batching.threads);
  if (batching.priorities < 1 || batching.priorities > 16)
    return InvalidArgument("priorities is {}; expected 1 to 16", batching.priorities);
  const auto& sizes = batching.allowed_batch_sizes;
  if (sizes.empty()) return OkStatus();
  if (sizes.front() < 1 || std::adjacent_find(sizes.begin(), sizes.end(), std::greater_equal<>()) != sizes.end())
    return InvalidArgument("allowed_batch_sizes must be positive and strictly increasing");
  if (sizes.back() != batching.max_batch_size)
    return InvalidArgument("allowed_batch_sizes ends with {}; the last must equal max_batch_size, {}", sizes.back(),
                           batching.max_batch_size);
  return OkStatus();
}

Status ValidateRef(const ModelConfig& model, const VersionRef& ref, std::string_view field) {
  if (ref.label.empty() && ref.version < 0) return InvalidArgument("{}: version {} is negative", field, ref.version);
  if (!ref.label.empty() && !model.labels.contains(ref.label))
    return InvalidArgument("{}: label \"{}\" is not among the model's version_labels", field, ref.label);
  return OkStatus();
}

Status ValidateTraffic(const ModelConfig& model) {
  const TrafficPolicy& traffic = model.traffic;
  double sum = 0;
  for (const auto& [target, weight] : traffic.weights) {
    HR_RETURN_IF_ERROR(ValidateRef(model, target, "traffic.weights"));
    if (!std::isfinite(weight) || weight < 0)
      return InvalidArgument("traffic.weights: weight {} is not a number ≥ 0", weight);
    sum += weight;
  }
  if (!traffic.weights.empty() && sum <= 0) return InvalidArgument("traffic.weights: all weights are 0");
  for (const auto& shadow : traffic.shadows) HR_RETURN_IF_ERROR(ValidateRef(model, shadow, "traffic.shadows"));
  if (!(traffic.shadow_fraction >= 0 && traffic.shadow_fraction <= 1))
    return InvalidArgument("traffic.shadow_fraction is {}; expected 0 to 1", traffic.shadow_fraction);
  if (!traffic.sticky_header.empty() && !traffic.sticky_input.empty())
    return InvalidArgument("traffic: sticky_header and sticky_input exclude each other");
  return OkStatus();
}

Status ValidateRest(const ModelConfig& model) {
  if (model.base_path.empty()) return InvalidArgument("base_path is empty; name the folder that holds its versions");
  HR_RETURN_IF_ERROR(ValidateVersions(model.versions));
  HR_RETURN_IF_ERROR(ValidateLabels(model.labels));
  HR_RETURN_IF_ERROR(ValidateBatching(model.batching));
  HR_RETURN_IF_ERROR(ValidateTraffic(model));
  if (model.engine.intra_op_threads < 0)
    return InvalidArgument("intra_op_threads is {}; expected 0 or more", model.engine.intra_op_threads);
  if (model.engine.optimization_level < 0 || model.engine.optimization_level > 3)
    return InvalidArgument("optimization_level is {}; expected 0 to 3", model.engine.optimization_level);
  if (!(model.log_fraction >= 0 && model.log_fraction <= 1))
    return InvalidArgument("log_fraction is {}; expected 0 to 1", model.log_fraction);
  return OkStatus();
}

auto Fields(const ModelConfig& m) {
  return std::tie(m.name, m.base_path, m.platform, m.versions, m.labels, m.engine.intra_op_threads,
                  m.engine.optimization_level, m.engine.memory_limit_bytes, m.batching, m.traffic, m.log_fraction);
}

}  // namespace

std::string LoadOptionsKey(const ModelConfig& model) {
  const auto& [enabled, size, timeout, enqueued, allowed, pad, signatures, threads, priorities] = model.batching;
  std::string key = fmt::format("{} {} {} {}", model.platform, model.engine.intra_op_threads,
                                model.engine.optimization_level, model.engine.memory_limit_bytes);
  if (enabled)
    key += fmt::format(" {} {} {} [{}] {} [{}] {} {}", size, timeout.count(), enqueued, fmt::join(allowed, ","), pad,
                       fmt::join(signatures, ","), threads, priorities);
  return key;
}

bool operator==(const ModelConfig& a, const ModelConfig& b) { return Fields(a) == Fields(b); }

Status Validate(const ModelConfig& model) {
  HR_RETURN_IF_ERROR(ValidateName(model.name));
  return ValidateRest(model).WithContext("model \"" + model.name + "\"");
}

Status Validate(const ServerConfig& config) {
  if (!config.models_root.empty()) {
    ModelConfig found = config.root_defaults;
    found.base_path = config.models_root;
    HR_RETURN_IF_ERROR(ValidateRest(found).WithContext("models below " + config.models_root));
  }
  std::set<std::string_view> names;
  for (const auto& model : config.models) {
    HR_RETURN_IF_ERROR(Validate(model));
    if (!names.insert(model.name).second)
      return InvalidArgument("model \"{}\" is configured twice; names must be unique", model.name);
  }
  return OkStatus();
}

}  // namespace headrace::serving
