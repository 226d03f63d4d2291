// The command line of `headrace serve`: TensorFlow Serving's flags, with the same names and defaults where they mean
// something here, and a few of our own.
#pragma once
#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>

#include "headrace/app/model_server.h"
#include "headrace/base/status.h"
#include "headrace/serving/model_config.h"

namespace headrace::app {

struct ServeFlags {
  std::string address = "0.0.0.0";
  std::string port = "8500";           // a number, 0 (none) or "auto"
  std::string rest_api_port = "8501";  // the same
  std::string grpc_socket_path;
  std::string ports_file;
  int rest_api_num_threads = 0;
  int rest_api_timeout_in_ms = 30000;
  uint64_t max_request_bytes = uint64_t{1} << 30;
  uint64_t max_string_bytes = uint64_t{64} << 20;
  bool rest_api_enable_cors_support = false;
  std::string model_name = "default";
  std::string model_base_path;
  std::string model_config_file;
  bool enable_per_model_batching_parameters = false;
  int optimization_level = 3;
  int64_t model_config_file_poll_wait_seconds = 0;
  std::string models_root;
  bool enable_batching = false;
  std::string batching_parameters_file;
  std::string monitoring_config_file;
  std::string ssl_config_file;
  std::string auth_file;
  std::string access_log;
  bool allow_version_labels_for_unavailable_models = false;
  double file_system_poll_wait_seconds = 1;
  int num_load_threads = 0;
  int max_num_load_retries = 5;
  int64_t load_retry_interval_micros = 200'000;
  uint64_t total_model_memory_limit_bytes = 0;
  bool enable_model_warmup = true;
  bool enable_serialization_as_tensor_content = false;
  scoring::FrontendOptions scoring = {};
  int intra_op_threads = 1;
  int inference_threads = 0;
  int max_queued_requests = 1024;
  std::optional<int64_t> inline_limit_micros;
  double drain_seconds = 30;
  std::string prediction_log_dir;
  double prediction_log_fraction = 1;
};

// Adds the flags to `command`. Those of TensorFlow Serving that mean nothing here are accepted, with a warning when
// the command runs.
void AddServeFlags(CLI::App* command, ServeFlags* flags);

// Warns of the flags given that mean nothing here.
void WarnOfIgnoredFlags(const CLI::App& command);

// The options that the flags and the files that they name say; kInvalidArgument naming the flag.
Result<ModelServerOptions> ToOptions(const ServeFlags& flags);
// The models that the flags or the configuration file name; reads the file anew at each call.
Result<serving::ServerConfig> ReadModels(const ServeFlags& flags);

}  // namespace headrace::app
