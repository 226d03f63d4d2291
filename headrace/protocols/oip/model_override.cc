#include "headrace/protocols/oip/model_override.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <numeric>

#include "proto/inference/model_config.pb.h"

namespace headrace::oip {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFile = "file:";
constexpr std::string_view kThreads = "intra_op_thread_count";

Result<inference::ModelConfig> Parse(std::string_view text) {
  inference::ModelConfig config;
  const auto status = google::protobuf::util::JsonStringToMessage({text.data(), text.size()}, &config);
  if (!status.ok())
    return std::unexpected(
        InvalidArgument("{}; expected Triton's ModelConfig as JSON with name, platform, backend, version_policy, "
                        "max_batch_size, input, "
                        "output, dynamic_batching, instance_group, default_model_filename and parameters",
                        std::string_view(status.message().data(), status.message().size())));
  return config;
}

serving::VersionPolicy PolicyOf(const inference::ModelVersionPolicy& policy) {
  using Kind = serving::VersionPolicy::Kind;
  switch (policy.policy_choice_case()) {
    case inference::ModelVersionPolicy::kAll: return {.kind = Kind::kAll, .versions = {}};
    case inference::ModelVersionPolicy::kSpecific:
      return {.kind = Kind::kSpecific,
              .versions = {policy.specific().versions().begin(), policy.specific().versions().end()}};
    default: return {.kind = Kind::kLatest, .latest = std::max(policy.latest().num_versions(), 1u), .versions = {}};
  }
}

Result<serving::BatchingConfig> BatchingOf(const inference::ModelConfig& config) {
  serving::BatchingConfig batching;
  if (!config.has_dynamic_batching()) return batching;
  if (config.max_batch_size() < 1)
    return std::unexpected(
        InvalidArgument("max_batch_size: {} with dynamic_batching; expected at least 1", config.max_batch_size()));
  const auto& dynamic = config.dynamic_batching();
  constexpr uint64_t kMaxDelay = 3'600'000'000, kMaxLevels = 16;
  if (dynamic.max_queue_delay_microseconds() > kMaxDelay)
    return std::unexpected(
        InvalidArgument("dynamic_batching.max_queue_delay_microseconds: {}; expected at most an hour, {}",
                        dynamic.max_queue_delay_microseconds(), kMaxDelay));
  if (dynamic.priority_levels() > kMaxLevels)
    return std::unexpected(InvalidArgument("dynamic_batching.priority_levels: {}; expected at most {}",
                                           dynamic.priority_levels(), kMaxLevels));
  batching.enabled = true;
  batching.max_batch_size = config.max_batch_size();
  batching.timeout = std::chrono::microseconds(dynamic.max_queue_delay_microseconds());
  batching.priorities = static_cast<int>(std::max<uint64_t>(dynamic.priority_levels(), 1));
  const auto& groups = config.instance_group();
  batching.threads = std::accumulate(groups.begin(), groups.end(), 0,
                                     [](int sum, const auto& group) { return sum + std::max(group.count(), 1); });
  return batching;
}

Result<int> ThreadsOf(const inference::ModelConfig& config, int threads) {
  for (const auto& [key, parameter] : config.parameters()) {
    if (key != kThreads)
      return std::unexpected(
          InvalidArgument("parameters: '{}' has no meaning here; expected {} or nothing", key, kThreads));
    const std::string& text = parameter.string_value();
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), threads);
    if (error != std::errc() || end != text.data() + text.size() || threads < 0)
      return std::unexpected(
          InvalidArgument("parameters.{}: '{}'; expected the number of threads, 0 or more", kThreads, text));
  }
  return threads;
}

Status CheckInstances(const inference::ModelConfig& config) {
  for (const auto& group : config.instance_group())
    if (group.kind() == inference::ModelInstanceGroup::KIND_GPU)
      return InvalidArgument("instance_group.kind: KIND_GPU; expected KIND_CPU or KIND_AUTO: this server has no GPU");
  return OkStatus();
}

// "onnxruntime" of the backend, or of the platform "onnxruntime_onnx".
std::string EngineOf(const inference::ModelConfig& config) {
  return config.backend().empty() ? config.platform().substr(0, config.platform().find('_')) : config.backend();
}

Status CheckPath(std::string_view path) {
  const fs::path relative(path);
  const std::string version = relative.empty() ? "" : relative.begin()->string();
  const bool numbered = !version.empty() && std::ranges::all_of(version, [](char c) { return c >= '0' && c <= '9'; });
  const bool stays = relative.is_relative() && std::ranges::none_of(relative, [](const auto& p) { return p == ".."; });
  if (numbered && stays && relative.has_filename() && std::distance(relative.begin(), relative.end()) > 1 &&
      path.find('\0') == std::string_view::npos)
    return OkStatus();
  return InvalidArgument("parameter '{}{}': expected {}<version>/<file name>, such as {}1/model.onnx", kFile, path,
                         kFile, kFile);
}

}  // namespace

Status AddLoadParameter(std::string_view name, std::string value, ModelOverride* out) {
  if (name == "config") {
    out->config = std::move(value);
    return OkStatus();
  }
  if (!name.starts_with(kFile))
    return InvalidArgument("Unrecognized load parameter '{}'; expected 'config' or '{}<version>/<file name>'", name,
                           kFile);
  name.remove_prefix(kFile.size());
  HR_RETURN_IF_ERROR(CheckPath(name));
  out->files.emplace_back(name, std::move(value));
  return OkStatus();
}

Status ApplyConfig(std::string_view json, serving::ModelConfig* model) {
  HR_ASSIGN_OR_RETURN(const inference::ModelConfig config, Parse(json));
  if (!config.name().empty() && config.name() != model->name)
    return InvalidArgument("name: '{}'; expected '{}', the model that is to be loaded", config.name(), model->name);
  HR_RETURN_IF_ERROR(CheckInstances(config));
  HR_ASSIGN_OR_RETURN(serving::BatchingConfig batching, BatchingOf(config));
  HR_ASSIGN_OR_RETURN(const int threads, ThreadsOf(config, model->engine.intra_op_threads));
  if (std::string engine = EngineOf(config); !engine.empty()) model->platform = std::move(engine);
  model->versions = PolicyOf(config.version_policy());
  model->batching = std::move(batching);
  model->engine.intra_op_threads = threads;
  return OkStatus();
}

Status WriteFiles(const ModelOverride& override, const fs::path& folder) {
  for (const auto& [name, bytes] : override.files) {
    HR_RETURN_IF_ERROR(CheckPath(name));
    const fs::path path = folder / name;
    std::error_code error;
    fs::create_directories(path.parent_path(), error);
    if (error) return ErrnoStatus(error.value(), path.parent_path().string());
    std::ofstream out(path, std::ios::binary);
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    out.close();
    if (!out) return Internal("{}: cannot be written; is the disk full?", path.string());
  }
  return OkStatus();
}

}  // namespace headrace::oip
