// TensorFlow Serving's configuration files, protobuf text format, as plain values; a few fields are Headrace's own.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "headrace/base/status.h"
#include "headrace/net/tls.h"
#include "headrace/serving/model_config.h"

namespace tensorflow::serving {
class ModelServerConfig;
}

namespace headrace::tfserving {

// The models of a configuration, each with `defaults` for what the message cannot say (batching, engine options).
// kInvalidArgument, naming the model and the field, for what cannot be served; kUnimplemented for custom_model_config.
Result<serving::ServerConfig> ToServerConfig(const tensorflow::serving::ModelServerConfig& config,
                                             const serving::ModelConfig& defaults = {});

// The readers of files: kInvalidArgument with the line and column of what does not parse. `text` is the file's content.
// --model_config_file: a ModelServerConfig.
Result<serving::ServerConfig> ParseModelConfig(std::string_view text, const serving::ModelConfig& defaults = {});
// --batching_parameters_file: BatchingParameters; `enabled` is set.
Result<serving::BatchingConfig> ParseBatchingParameters(std::string_view text);
// --enable_per_model_batching_parameters: <version_dir>/batching_params.pbtxt, with the threads of `shared`; nullopt
// without such a file, when the model is not batched.
Result<std::optional<serving::BatchingConfig>> ReadModelBatching(const std::filesystem::path& version_dir,
                                                                 const serving::BatchingConfig& shared);

// --monitoring_config_file: a MonitoringConfig.
struct MonitoringSettings {
  bool prometheus = false;
  std::string path = "/monitoring/prometheus/metrics";
};
Result<MonitoringSettings> ParseMonitoringConfig(std::string_view text);
// --ssl_config_file: an SSLConfig, certificates and key inline as PEM.
Result<net::TlsOptions> ParseSslConfig(std::string_view text);

}  // namespace headrace::tfserving
