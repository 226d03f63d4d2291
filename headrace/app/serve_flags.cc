#include "headrace/app/serve_flags.h"

#include <array>
#include <charconv>
#include <filesystem>

#include "headrace/app/builtins.h"
#include "headrace/base/files.h"
#include "headrace/base/log.h"
#include "headrace/protocols/tfserving/config_files.h"

namespace headrace::app {
namespace {

// Flags of TensorFlow Serving's binary about its own insides.
constexpr std::array kIgnored = {"flush_filesystem_caches",
                                 "tensorflow_session_parallelism",
                                 "tensorflow_inter_op_parallelism",
                                 "use_alts_credentials",
                                 "platform_config_file",
                                 "per_process_gpu_memory_fraction",
                                 "saved_model_tags",
                                 "grpc_channel_arguments",
                                 "grpc_max_threads",
                                 "num_request_iterations_for_warmup",
                                 "num_unload_threads",
                                 "remove_unused_fields_from_bundle_metagraph",
                                 "prefer_tflite_model",
                                 "num_tflite_pools",
                                 "num_tflite_interpreters_per_pool",
                                 "enable_signature_method_name_check",
                                 "xla_cpu_compilation_enabled",
                                 "xla_gpu_compilation_enabled",
                                 "enable_profiler",
                                 "thread_pool_factory_config_file",
                                 "mixed_precision",
                                 "skip_initialize_tpu",
                                 "enable_grpc_healthcheck_service",
                                 "use_tfrt",
                                 "tensorflow_session_config_file",
                                 "enable_per_model_metrics",
                                 "force_allow_any_version_labels_for_unavailable_models",
                                 "should_require_all_model_versions_available",
                                 "max_num_load_retries_per_servable",
                                 "enable_cors_support"};

constexpr char kGroupModels[] = "Models";
constexpr char kGroupDoors[] = "Doors";
constexpr char kGroupLoad[] = "Loading";
constexpr char kGroupRun[] = "Running";
constexpr char kGroupIgnored[] = "TensorFlow Serving's flags without a meaning here (accepted, with a warning)";

void AddModelFlags(CLI::App* command, ServeFlags* f) {
  command->add_option("--model_name", f->model_name, "Name of the model below --model_base_path")
      ->capture_default_str()
      ->group(kGroupModels);
  command->add_option("--model_base_path", f->model_base_path, "Folder with a numbered folder for each version")
      ->group(kGroupModels);
  command->add_option("--model_config_file", f->model_config_file, "Several models: a ModelServerConfig as text proto")
      ->group(kGroupModels);
  command
      ->add_option("--model_config_file_poll_wait_seconds", f->model_config_file_poll_wait_seconds,
                   "Read that file again so often; 0: at SIGHUP alone")
      ->capture_default_str()
      ->group(kGroupModels);
  command->add_option("--models_root", f->models_root, "Serve every folder in here as a model")->group(kGroupModels);
  command
      ->add_flag("--allow_version_labels_for_unavailable_models", f->allow_version_labels_for_unavailable_models,
                 "Accept labels that point to versions that are not loaded")
      ->group(kGroupModels);
}

void AddDoorFlags(CLI::App* command, ServeFlags* f) {
  command->add_option("--port", f->port, "gRPC; 0: none, auto: any free one")
      ->capture_default_str()
      ->group(kGroupDoors);
  command->add_option("--rest_api_port", f->rest_api_port, "REST; 0: none, auto: any free one")
      ->capture_default_str()
      ->group(kGroupDoors);
  command->add_option("--address", f->address, "Address to listen on")->capture_default_str()->group(kGroupDoors);
  command->add_option("--grpc_socket_path", f->grpc_socket_path, "Unix socket for gRPC")->group(kGroupDoors);
  command->add_option("--ports_file", f->ports_file, "Write {\"grpc\":…,\"rest\":…} here once clients can connect")
      ->group(kGroupDoors);
  command->add_option("--rest_api_num_threads", f->rest_api_num_threads, "REST loops; 0: a quarter of the cores")
      ->capture_default_str()
      ->group(kGroupDoors);
  command->add_option("--rest_api_timeout_in_ms", f->rest_api_timeout_in_ms, "Answer 504 after so long; 0: no limit")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber)
      ->group(kGroupDoors);
  command
      ->add_flag("--rest_api_enable_cors_support", f->rest_api_enable_cors_support,
                 "Let web pages of any origin ask for predictions and metadata")
      ->group(kGroupDoors);
  command->add_option("--ssl_config_file", f->ssl_config_file, "TLS of both doors: an SSLConfig as text proto")
      ->group(kGroupDoors);
  command->add_option("--auth_file", f->auth_file, "Who may use which models: JSON, see docs/serving.md")
      ->group(kGroupDoors);
  command->add_option("--access_log", f->access_log, "A line of JSON for each request goes to this file; - is stderr")
      ->group(kGroupDoors);
  command
      ->add_option("--monitoring_config_file", f->monitoring_config_file,
                   "A MonitoringConfig as text proto; without it metrics are at /monitoring/prometheus/metrics")
      ->group(kGroupDoors);
  command
      ->add_flag("--enable_serialization_as_tensor_content", f->enable_serialization_as_tensor_content,
                 "gRPC answers carry tensor_content")
      ->group(kGroupDoors);
}

void AddLimitFlags(CLI::App* command, ServeFlags* f) {
  command
      ->add_option("--max_request_bytes", f->max_request_bytes,
                   "A REST body or gRPC message, inflated too; beyond: 413, RESOURCE_EXHAUSTED")
      ->check(CLI::Range(size_t{1}, size_t{4'000'000'000}))
      ->capture_default_str()
      ->group(kGroupDoors);
  command
      ->add_option("--max_string_bytes", f->max_string_bytes, "One string of an input; beyond: 400, INVALID_ARGUMENT")
      ->check(CLI::PositiveNumber)
      ->capture_default_str()
      ->group(kGroupDoors);
}

void AddScoringFlags(CLI::App* command, ServeFlags* f) {
  command->add_flag("--kserve_v1", f->scoring.kserve_v1, "GET /v1/models and /v1/models/NAME answer as KServe's v1")
      ->group(kGroupDoors);
  command
      ->add_option("--invocations_model", f->scoring.model,
                   "Whom /invocations and Vertex AI's route ask; the only model unless given")
      ->group(kGroupDoors);
}

void AddLoadFlags(CLI::App* command, ServeFlags* f) {
  command
      ->add_option("--file_system_poll_wait_seconds", f->file_system_poll_wait_seconds,
                   "Look for new versions so often; 0: once")
      ->capture_default_str()
      ->group(kGroupLoad);
  command->add_option("--num_load_threads", f->num_load_threads, "Versions loaded at a time; 0: 2")->group(kGroupLoad);
  command->add_option("--max_num_load_retries", f->max_num_load_retries, "Further tries after a failure that may pass")
      ->capture_default_str()
      ->group(kGroupLoad);
  command->add_option("--load_retry_interval_micros", f->load_retry_interval_micros, "Before the first; then doubled")
      ->capture_default_str()
      ->group(kGroupLoad);
  command
      ->add_option("--total_model_memory_limit_bytes", f->total_model_memory_limit_bytes,
                   "Refuse to load what does not fit; 0: no limit")
      ->group(kGroupLoad);
  command
      ->add_flag("--enable_model_warmup,!--no-enable_model_warmup", f->enable_model_warmup, "Run versions once first")
      ->group(kGroupLoad);
}

void AddRunFlags(CLI::App* command, ServeFlags* f) {
  command->add_flag("--enable_batching", f->enable_batching, "Compute requests that meet together")->group(kGroupRun);
  command->add_option("--batching_parameters_file", f->batching_parameters_file, "BatchingParameters as text proto")
      ->group(kGroupRun);
  command
      ->add_flag("--enable_per_model_batching_parameters", f->enable_per_model_batching_parameters,
                 "Batch the versions that have a batching_params.pbtxt, with what it says")
      ->group(kGroupRun);
  command->add_option("--optimization_level", f->optimization_level, "Of graphs: 0 none to 3 all")
      ->check(CLI::Range(0, 3))
      ->capture_default_str()
      ->group(kGroupRun);
  command
      ->add_option("--intra_op_threads,--tensorflow_intra_op_parallelism", f->intra_op_threads,
                   "Threads of one inference; 0: all cores")
      ->capture_default_str()
      ->group(kGroupRun);
  command->add_option("--inference_threads", f->inference_threads, "Threads that compute; 0: as many as cores")
      ->capture_default_str()
      ->group(kGroupRun);
  command->add_option("--max_queued_requests", f->max_queued_requests, "Beyond: RESOURCE_EXHAUSTED, 429")
      ->capture_default_str()
      ->check(CLI::PositiveNumber)
      ->group(kGroupRun);
  command
      ->add_option("--inline_limit_micros", f->inline_limit_micros,
                   "Models measured to be quicker run on the network loops; 100 unless given, 1000 on one core")
      ->check(CLI::NonNegativeNumber)
      ->group(kGroupRun);
  command
      ->add_option("--prediction_log_dir", f->prediction_log_dir, "Log predictions here, as Parquet by model and date")
      ->group(kGroupRun);
  command
      ->add_option("--prediction_log_fraction", f->prediction_log_fraction,
                   "Share that is logged of models whose configuration says none")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str()
      ->group(kGroupRun);
  command->add_option("--drain_seconds", f->drain_seconds, "How long SIGTERM lets requests finish")
      ->capture_default_str()
      ->group(kGroupRun);
}

// 0 is "none", as that server has it.
Result<int> ReadPort(std::string_view flag, const std::string& text) {
  if (text == "auto") return 0;
  int port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port < 0 || port > 65535)
    return std::unexpected(InvalidArgument("{}: \"{}\": expected 0 to 65535, or auto", flag, text));
  return port == 0 ? ModelServerOptions::kNoPort : port;
}

Duration Seconds(double seconds) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

// The content of the file that `flag` names, read by `parse`.
template <class Parse>
auto ReadFlagFile(std::string_view flag, const std::string& path, Parse parse) -> decltype(parse(std::string_view())) {
  const auto context = fmt::format("{} {}", flag, path);
  const auto text = ReadFile(path);
  if (!text) return std::unexpected(text.error().WithContext(context));
  auto parsed = parse(std::string_view(*text));
  if (!parsed) return std::unexpected(parsed.error().WithContext(context));
  return parsed;
}

Result<serving::ModelConfig> Defaults(const ServeFlags& flags) {
  serving::ModelConfig defaults;
  defaults.engine.intra_op_threads = flags.intra_op_threads;
  defaults.engine.optimization_level = flags.optimization_level;
  if (!flags.prediction_log_dir.empty()) defaults.log_fraction = flags.prediction_log_fraction;
  if (!flags.enable_batching && !flags.batching_parameters_file.empty())
    return std::unexpected(InvalidArgument("--batching_parameters_file needs --enable_batching"));
  if (!flags.enable_batching && flags.enable_per_model_batching_parameters)
    return std::unexpected(InvalidArgument("--enable_per_model_batching_parameters needs --enable_batching"));
  defaults.batching.enabled = flags.enable_batching;
  if (flags.batching_parameters_file.empty()) return defaults;
  HR_ASSIGN_OR_UNEXPECTED(defaults.batching, ReadFlagFile("--batching_parameters_file", flags.batching_parameters_file,
                                                          tfserving::ParseBatchingParameters));
  return defaults;
}

Status ReadFiles(const ServeFlags& flags, ModelServerOptions* options) {
  if (!flags.ssl_config_file.empty()) {
    HR_ASSIGN_OR_RETURN(options->tls,
                        ReadFlagFile("--ssl_config_file", flags.ssl_config_file, tfserving::ParseSslConfig));
  }
  if (!flags.auth_file.empty()) {
    HR_ASSIGN_OR_RETURN(options->auth, ReadFile(flags.auth_file));
  }
  options->access_log = flags.access_log;
  tfserving::MonitoringSettings monitoring{.prometheus = true};
  if (!flags.monitoring_config_file.empty()) {
    HR_ASSIGN_OR_RETURN(monitoring, ReadFlagFile("--monitoring_config_file", flags.monitoring_config_file,
                                                 tfserving::ParseMonitoringConfig));
  }
  if (monitoring.prometheus) options->metrics_path = monitoring.path;
  return OkStatus();
}

}  // namespace

void AddServeFlags(CLI::App* command, ServeFlags* flags) {
  command->set_version_flag("--version", "headrace " HEADRACE_VERSION);
  AddModelFlags(command, flags);
  AddDoorFlags(command, flags);
  AddLimitFlags(command, flags);
  AddScoringFlags(command, flags);
  AddLoadFlags(command, flags);
  AddRunFlags(command, flags);
  for (const char* name : kIgnored) command->add_option(std::string("--") + name)->expected(0, 1)->group(kGroupIgnored);
}

void WarnOfIgnoredFlags(const CLI::App& command) {
  for (const char* name : kIgnored)
    if (command.get_option(std::string("--") + name)->count() > 0)
      HR_LOG(warn, "--{} has no meaning here and is ignored", name);
}

Result<ModelServerOptions> ToOptions(const ServeFlags& flags) {
  ModelServerOptions options;
  options.address = flags.address;
  HR_ASSIGN_OR_UNEXPECTED(options.grpc_port, ReadPort("--port", flags.port));
  HR_ASSIGN_OR_UNEXPECTED(options.rest_port, ReadPort("--rest_api_port", flags.rest_api_port));
  options.grpc_socket = flags.grpc_socket_path;
  options.rest_threads = flags.rest_api_num_threads;
  options.rest_timeout = std::chrono::milliseconds(flags.rest_api_timeout_in_ms);
  options.pages.any_origin = flags.rest_api_enable_cors_support;
  options.max_request_bytes = flags.max_request_bytes;
  options.predictor.max_string_bytes = flags.max_string_bytes;
  options.scoring = flags.scoring;
  options.scoring.timeout = options.rest_timeout;
  options.prediction_log = flags.prediction_log_dir;
  options.tensor_content = flags.enable_serialization_as_tensor_content;
  options.startup_wait = std::chrono::minutes(5);
  options.manager.engines = BuiltinEngines();
  options.manager.store = BuiltinStore();
  options.manager.poll_interval = Seconds(flags.file_system_poll_wait_seconds);
  options.manager.load_threads = flags.num_load_threads > 0 ? static_cast<size_t>(flags.num_load_threads) : 2;
  options.manager.max_load_retries = flags.max_num_load_retries;
  options.manager.load_retry_interval = std::chrono::microseconds(flags.load_retry_interval_micros);
  options.manager.memory_limit_bytes = flags.total_model_memory_limit_bytes;
  options.manager.enable_warmup = flags.enable_model_warmup;
  if (flags.enable_per_model_batching_parameters) options.manager.version_batching = tfserving::ReadModelBatching;
  options.manager.allow_labels_for_unavailable = flags.allow_version_labels_for_unavailable_models;
  options.predictor.threads = static_cast<size_t>(std::max(flags.inference_threads, 0));
  options.predictor.max_queued = static_cast<size_t>(flags.max_queued_requests);
  if (flags.inline_limit_micros) options.predictor.inline_limit = std::chrono::microseconds(*flags.inline_limit_micros);
  HR_ASSIGN_OR_UNEXPECTED(options.model_defaults, Defaults(flags));
  HR_UNEXPECTED_IF_ERROR(ReadFiles(flags, &options));
  return options;
}

Result<serving::ServerConfig> ReadModels(const ServeFlags& flags) {
  HR_ASSIGN_OR_UNEXPECTED(const auto defaults, Defaults(flags));
  serving::ServerConfig config;
  if (!flags.model_config_file.empty()) {
    const auto parse = [&](std::string_view text) { return tfserving::ParseModelConfig(text, defaults); };
    HR_ASSIGN_OR_UNEXPECTED(config, ReadFlagFile("--model_config_file", flags.model_config_file, parse));
  } else if (!flags.model_base_path.empty()) {
    auto& model = config.models.emplace_back(defaults);
    model.name = flags.model_name;
    model.base_path = flags.model_base_path;
  }
  config.models_root = flags.models_root;
  config.root_defaults = defaults;
  if (flags.model_config_file.empty() && flags.model_base_path.empty() && flags.models_root.empty())
    return std::unexpected(InvalidArgument(
        "nothing to serve; name a model with --model_base_path (and --model_name), several with --model_config_file, "
        "or a folder of models with --models_root"));
  return config;
}

}  // namespace headrace::app
