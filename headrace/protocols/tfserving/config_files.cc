#include "headrace/protocols/tfserving/config_files.h"

#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>

#include <chrono>
#include <limits>

#include "headrace/base/files.h"
#include "headrace/base/log.h"
#include "headrace/protocols/common/traffic_message.h"
#include "proto/tfserving/model_server_config.pb.h"

namespace headrace::tfserving {

namespace wire = ::tensorflow::serving;

namespace {

// Keeps the first error, with its place.
class FirstError : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int line, google::protobuf::io::ColumnNumber column, const std::string& message) override {
    if (status_.ok()) status_ = InvalidArgument("line {}, column {}: {}", line + 1, column + 1, message);
  }
  const Status& status() const { return status_; }

 private:
  Status status_;
};

template <class Message>
Result<Message> ParseText(std::string_view text) {
  if (text.size() > static_cast<size_t>(std::numeric_limits<int>::max()))
    return std::unexpected(InvalidArgument("{} bytes are too long for a configuration", text.size()));
  Message message;
  FirstError errors;
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&errors);
  if (parser.ParseFromString(std::string(text), &message)) return message;
  return std::unexpected(errors.status().ok() ? InvalidArgument("not a {}", message.GetTypeName()) : errors.status());
}

serving::VersionPolicy ToPolicy(const wire::FileSystemStoragePathSourceConfig::ServableVersionPolicy& policy) {
  using Kind = serving::VersionPolicy::Kind;
  serving::VersionPolicy out;
  if (policy.has_all()) out.kind = Kind::kAll;
  // 0 is what a message without the number says: one.
  if (policy.has_latest()) out.latest = std::max(policy.latest().num_versions(), 1u);
  if (policy.has_specific()) {
    out.kind = Kind::kSpecific;
    out.versions.assign(policy.specific().versions().begin(), policy.specific().versions().end());
  }
  return out;
}

serving::BatchingConfig ToBatching(const wire::BatchingParameters& parameters) {
  serving::BatchingConfig out;
  out.enabled = true;
  if (parameters.has_max_batch_size()) out.max_batch_size = parameters.max_batch_size().value();
  // A batch is what is executed. That server also splits what is larger; here it is computed on its own, whole.
  if (parameters.enable_large_batch_splitting().value() && parameters.has_max_execution_batch_size())
    out.max_batch_size = parameters.max_execution_batch_size().value();
  else if (parameters.has_max_execution_batch_size())
    HR_LOG(warn, "max_execution_batch_size has no meaning without enable_large_batch_splitting and is ignored");
  if (parameters.has_batch_timeout_micros())
    out.timeout = std::chrono::microseconds(parameters.batch_timeout_micros().value());
  if (parameters.has_max_enqueued_batches()) out.max_enqueued_batches = parameters.max_enqueued_batches().value();
  if (parameters.has_num_batch_threads()) out.threads = static_cast<int>(parameters.num_batch_threads().value());
  out.allowed_batch_sizes.assign(parameters.allowed_batch_sizes().begin(), parameters.allowed_batch_sizes().end());
  out.pad_variable_length_inputs = parameters.pad_variable_length_inputs();
  out.signatures.assign(parameters.signatures().begin(), parameters.signatures().end());
  if (parameters.has_priorities()) out.priorities = parameters.priorities().value();
  return out;
}

void WarnOfIgnored(const std::string& model, const wire::LoggingConfig& logging) {
  const auto& sampling = logging.sampling_config();
  if (logging.has_log_collector_config() || logging.has_custom_logging_config() || sampling.attributes() != 0 ||
      sampling.per_task_sampling_configs_size() > 0)
    HR_LOG(warn, "model {}: of logging_config only sampling_config.sampling_rate has a meaning here", model);
}

Result<serving::ModelConfig> ToModelConfig(const wire::ModelConfig& config, const serving::ModelConfig& defaults) {
  serving::ModelConfig out = defaults;
  out.name = config.name();
  out.base_path = config.base_path();
  out.platform = config.model_platform();
  out.versions = ToPolicy(config.model_version_policy());
  for (const auto& [label, version] : config.version_labels()) out.labels[label] = version;
  HR_ASSIGN_OR_UNEXPECTED(out.traffic, FromProto(config.traffic()));
  if (config.has_logging_config()) {
    WarnOfIgnored(config.name(), config.logging_config());
    out.log_fraction = config.logging_config().sampling_config().sampling_rate();
  }
  if (config.has_batching_parameters()) out.batching = ToBatching(config.batching_parameters());
  if (config.has_intra_op_threads()) out.engine.intra_op_threads = config.intra_op_threads();
  if (config.has_optimization_level()) out.engine.optimization_level = config.optimization_level();
  return out;
}

}  // namespace

Result<serving::ServerConfig> ToServerConfig(const wire::ModelServerConfig& config,
                                             const serving::ModelConfig& defaults) {
  if (config.has_custom_model_config())
    return std::unexpected(Unimplemented("custom_model_config is not supported; use model_config_list"));
  if (!config.has_model_config_list())
    return std::unexpected(
        InvalidArgument("model_config_list is missing; expected model_config_list {{ config {{ … }} }}"));
  serving::ServerConfig out;
  for (const auto& model : config.model_config_list().config()) {
    auto read = ToModelConfig(model, defaults);
    if (!read) return std::unexpected(read.error().WithContext("model " + model.name()));
    out.models.push_back(std::move(*read));
  }
  HR_UNEXPECTED_IF_ERROR(serving::Validate(out));
  return out;
}

Result<serving::ServerConfig> ParseModelConfig(std::string_view text, const serving::ModelConfig& defaults) {
  HR_ASSIGN_OR_UNEXPECTED(const auto config, ParseText<wire::ModelServerConfig>(text));
  return ToServerConfig(config, defaults);
}

Result<serving::BatchingConfig> ParseBatchingParameters(std::string_view text) {
  HR_ASSIGN_OR_UNEXPECTED(const auto parameters, ParseText<wire::BatchingParameters>(text));
  return ToBatching(parameters);
}

Result<std::optional<serving::BatchingConfig>> ReadModelBatching(const std::filesystem::path& version_dir,
                                                                 const serving::BatchingConfig& shared) {
  const auto path = version_dir / "batching_params.pbtxt";
  const auto text = ReadFile(path);
  if (!text && text.error().code() == Code::kNotFound) return std::nullopt;
  if (!text) return std::unexpected(text.error());
  auto batching = ParseBatchingParameters(*text);
  if (!batching) return std::unexpected(batching.error().WithContext(path.string()));
  batching->threads = shared.threads;
  return *std::move(batching);
}

Result<MonitoringSettings> ParseMonitoringConfig(std::string_view text) {
  HR_ASSIGN_OR_UNEXPECTED(const auto config, ParseText<wire::MonitoringConfig>(text));
  MonitoringSettings out;
  out.prometheus = config.prometheus_config().enable();
  if (!config.prometheus_config().path().empty()) out.path = config.prometheus_config().path();
  return out;
}

Result<net::TlsOptions> ParseSslConfig(std::string_view text) {
  HR_ASSIGN_OR_UNEXPECTED(const auto config, ParseText<wire::SSLConfig>(text));
  if (config.server_key().empty() || config.server_cert().empty())
    return std::unexpected(InvalidArgument("server_key and server_cert are both needed, as PEM text"));
  return net::TlsOptions{.certificate_chain = config.server_cert(),
                         .private_key = config.server_key(),
                         .client_ca = config.custom_ca(),
                         .require_client_certificate = config.client_verify()};
}

}  // namespace headrace::tfserving
