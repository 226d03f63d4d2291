#include "headrace/protocols/oip/rest_json.h"

#include "headrace/protocols/oip/rest_reply.h"

namespace headrace::oip {
namespace {

json::array ShapeJson(const Shape& shape) { return json::array(shape.begin(), shape.end()); }

json::array TensorsJson(const std::vector<TensorSpec>& specs) {
  json::array out;
  for (const auto& spec : specs)
    out.push_back({{"name", spec.name}, {"datatype", DataTypeName(spec.type)}, {"shape", ShapeJson(spec.shape)}});
  return out;
}

std::string ConfigType(DataType type) {
  return type == DataType::kString ? "TYPE_STRING" : "TYPE_" + std::string(DataTypeName(type));
}

json::array ConfigTensors(const std::vector<TensorSpec>& specs) {
  json::array out;
  for (const auto& spec : specs)
    out.push_back({{"name", spec.name}, {"data_type", ConfigType(spec.type)}, {"dims", ShapeJson(spec.shape)}});
  return out;
}

json::value CountJson(const CountAndNanos& counter) { return {{"count", counter.count}, {"ns", counter.nanos}}; }

json::array BatchesJson(const std::vector<BatchStatistics>& batches) {
  json::array out;
  for (const auto& batch : batches)
    out.push_back({{"batch_size", batch.size},
                   {"compute_input", CountJson(batch.compute_input)},
                   {"compute_infer", CountJson(batch.compute_infer)},
                   {"compute_output", CountJson(batch.compute_output)}});
  return out;
}

json::value VersionJson(const VersionStatistics& version) {
  return {{"name", version.name},
          {"version", std::to_string(version.version)},
          {"last_inference", version.last_inference_millis},
          {"inference_count", version.inferences},
          {"execution_count", version.executions},
          {"inference_stats",
           {{"success", CountJson(version.success)},
            {"fail", CountJson(version.fail)},
            {"queue", CountJson(version.queue)},
            {"compute_input", CountJson(version.compute_input)},
            {"compute_infer", CountJson(version.compute_infer)},
            {"compute_output", CountJson(version.compute_output)},
            {"cache_hit", CountJson(version.cache_hit)},
            {"cache_miss", CountJson(version.cache_miss)}}},
          {"response_stats", json::object()},
          {"batch_stats", BatchesJson(version.batches)},
          {"memory_usage", {{{"type", "CPU"}, {"id", 0}, {"byte_size", version.memory_bytes}}}}};
}

}  // namespace

void SendError(const Status& status, net::HttpResponder responder) {
  int http = HttpStatus(status.code());
  if (status.code() == Code::kAlreadyExists || status.code() == Code::kAborted) http = 400;
  SendJson(json::object{{"error", status.message()}}, std::move(responder), http);
}

void SendJson(const json::value& value, net::HttpResponder responder, int status) {
  responder.body() = ToJson(value);
  responder.Send(status, kJsonType);
}

json::value ServerJson(const ModelServiceOptions& options) {
  const auto& extensions = Extensions();
  return {{"name", options.server_name},
          {"version", options.server_version},
          {"extensions", json::array(extensions.begin(), extensions.end())}};
}

json::value ModelsJson(const std::vector<std::string>& models) {
  return {{"models", json::array(models.begin(), models.end())}};
}

json::value MetadataJson(const ModelInfo& info) {
  json::array versions;
  for (const int64_t version : info.versions) versions.emplace_back(std::to_string(version));
  return {{"name", info.name},
          {"versions", std::move(versions)},
          {"platform", info.platform},
          {"inputs", TensorsJson(info.signature.inputs)},
          {"outputs", TensorsJson(info.signature.outputs)}};
}

json::value ConfigJson(const ModelInfo& info) {
  return {{"name", info.name},
          {"platform", info.platform},
          {"backend", BackendOf(info.platform)},
          {"max_batch_size", 0},
          {"input", ConfigTensors(info.signature.inputs)},
          {"output", ConfigTensors(info.signature.outputs)},
          {"parameters", json::object()}};
}

json::value StatisticsJson(const std::vector<VersionStatistics>& statistics) {
  json::array versions;
  for (const auto& version : statistics) versions.push_back(VersionJson(version));
  return {{"model_stats", std::move(versions)}};
}

json::value IndexJson(const std::vector<IndexEntry>& entries) {
  json::array out;
  for (const auto& entry : entries) {
    json::object& row = out.emplace_back(json::object{{"name", entry.name}}).as_object();
    if (!entry.version.empty()) row["version"] = entry.version;
    if (!entry.state.empty()) row["state"] = entry.state;
    if (!entry.reason.empty()) row["reason"] = entry.reason;
  }
  return out;
}

json::value LogSettingsJson(const LogSettings& settings) {
  return {{"log_file", ""},
          {"log_info", settings.info},
          {"log_warning", settings.warning},
          {"log_error", settings.error},
          {"log_verbose_level", settings.verbose_level},
          {"log_format", "default"}};
}

json::value TraceJson() {
  return {{"trace_level", {"OFF"}}, {"trace_rate", "1000"}, {"trace_count", "-1"},
          {"log_frequency", "0"},   {"trace_file", ""},     {"trace_mode", "opentelemetry"}};
}

Result<LogSettingsChange> ParseLogSettings(const json::object& body) {
  LogSettingsChange change;
  HR_ASSIGN_OR_UNEXPECTED(change.info, OptionalBool(body, "log_info"));
  HR_ASSIGN_OR_UNEXPECTED(change.warning, OptionalBool(body, "log_warning"));
  HR_ASSIGN_OR_UNEXPECTED(change.error, OptionalBool(body, "log_error"));
  HR_ASSIGN_OR_UNEXPECTED(const auto verbose, OptionalInt(body, "log_verbose_level"));
  if (verbose && (*verbose < 0 || *verbose > 100))
    return std::unexpected(InvalidArgument("log_verbose_level: expected 0 to 100, found {}", *verbose));
  if (verbose) change.verbose_level = static_cast<uint32_t>(*verbose);
  HR_ASSIGN_OR_UNEXPECTED(const auto file, OptionalString(body, "log_file"));
  if (file) return std::unexpected(Unimplemented("log file location can not be updated through network protocol"));
  HR_ASSIGN_OR_UNEXPECTED(const auto format, OptionalString(body, "log_format"));
  if (format && *format != "default")
    return std::unexpected(Unimplemented("log_format: \"{}\" is not supported; expected \"default\"", *format));
  return change;
}

std::string_view BackendOf(std::string_view platform) { return platform.substr(0, platform.find('_')); }

}  // namespace headrace::oip
