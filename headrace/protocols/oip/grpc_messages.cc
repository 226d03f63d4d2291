#include "headrace/protocols/oip/grpc_messages.h"

#include "headrace/protocols/oip/rest_json.h"
#include "proto/inference/grpc_service.pb.h"

namespace headrace::oip {
namespace {

void WriteTensor(const TensorSpec& spec, inference::ModelMetadataResponse::TensorMetadata* out) {
  out->set_name(spec.name);
  out->set_datatype(std::string(DataTypeName(spec.type)));
  out->mutable_shape()->Add(spec.shape.begin(), spec.shape.end());
}

inference::DataType ConfigType(DataType type) {
  switch (type) {
    case DataType::kBool: return inference::TYPE_BOOL;
    case DataType::kInt8: return inference::TYPE_INT8;
    case DataType::kInt16: return inference::TYPE_INT16;
    case DataType::kInt32: return inference::TYPE_INT32;
    case DataType::kInt64: return inference::TYPE_INT64;
    case DataType::kUint8: return inference::TYPE_UINT8;
    case DataType::kUint16: return inference::TYPE_UINT16;
    case DataType::kUint32: return inference::TYPE_UINT32;
    case DataType::kUint64: return inference::TYPE_UINT64;
    case DataType::kFloat16: return inference::TYPE_FP16;
    case DataType::kBfloat16: return inference::TYPE_BF16;
    case DataType::kFloat32: return inference::TYPE_FP32;
    case DataType::kFloat64: return inference::TYPE_FP64;
    case DataType::kString: return inference::TYPE_STRING;
    default: return inference::TYPE_INVALID;
  }
}

template <class Message>
void WriteConfigTensor(const TensorSpec& spec, Message* out) {
  out->set_name(spec.name);
  out->set_data_type(ConfigType(spec.type));
  out->mutable_dims()->Add(spec.shape.begin(), spec.shape.end());
}

void WriteCount(const CountAndNanos& counter, inference::StatisticDuration* out) {
  out->set_count(counter.count);
  out->set_ns(counter.nanos);
}

void WriteCounts(const VersionStatistics& version, inference::InferStatistics* out) {
  WriteCount(version.success, out->mutable_success());
  WriteCount(version.fail, out->mutable_fail());
  WriteCount(version.queue, out->mutable_queue());
  WriteCount(version.compute_input, out->mutable_compute_input());
  WriteCount(version.compute_infer, out->mutable_compute_infer());
  WriteCount(version.compute_output, out->mutable_compute_output());
  WriteCount(version.cache_hit, out->mutable_cache_hit());
  WriteCount(version.cache_miss, out->mutable_cache_miss());
}

void WriteBatch(const BatchStatistics& batch, inference::InferBatchStatistics* out) {
  out->set_batch_size(batch.size);
  WriteCount(batch.compute_input, out->mutable_compute_input());
  WriteCount(batch.compute_infer, out->mutable_compute_infer());
  WriteCount(batch.compute_output, out->mutable_compute_output());
}

using Setting = inference::LogSettingsRequest::SettingValue;

Status ReadFlag(const Setting& value, std::string_view key, std::optional<bool>* out) {
  if (value.parameter_choice_case() == Setting::PARAMETER_CHOICE_NOT_SET) return OkStatus();
  if (!value.has_bool_param()) return InvalidArgument("expect value for '{}' to be a bool", key);
  *out = value.bool_param();
  return OkStatus();
}

Status ReadLevel(const Setting& value, std::optional<uint32_t>* out) {
  if (value.parameter_choice_case() == Setting::PARAMETER_CHOICE_NOT_SET) return OkStatus();
  if (!value.has_uint32_param()) return InvalidArgument("expect value for 'log_verbose_level' to be a uint32");
  *out = value.uint32_param();
  return OkStatus();
}

}  // namespace

void WriteMetadata(const ModelInfo& info, inference::ModelMetadataResponse* out) {
  out->set_name(info.name);
  out->set_platform(info.platform);
  for (const int64_t version : info.versions) out->add_versions(std::to_string(version));
  for (const auto& spec : info.signature.inputs) WriteTensor(spec, out->add_inputs());
  for (const auto& spec : info.signature.outputs) WriteTensor(spec, out->add_outputs());
}

void WriteConfig(const ModelInfo& info, inference::ModelConfig* out) {
  out->set_name(info.name);
  out->set_platform(info.platform);
  out->set_backend(std::string(BackendOf(info.platform)));
  for (const auto& spec : info.signature.inputs) WriteConfigTensor(spec, out->add_input());
  for (const auto& spec : info.signature.outputs) WriteConfigTensor(spec, out->add_output());
}

void WriteStatistics(const std::vector<VersionStatistics>& statistics, inference::ModelStatisticsResponse* out) {
  for (const auto& version : statistics) {
    auto* row = out->add_model_stats();
    row->set_name(version.name);
    row->set_version(std::to_string(version.version));
    row->set_last_inference(version.last_inference_millis);
    row->set_inference_count(version.inferences);
    row->set_execution_count(version.executions);
    WriteCounts(version, row->mutable_inference_stats());
    for (const auto& batch : version.batches) WriteBatch(batch, row->add_batch_stats());
    auto* memory = row->add_memory_usage();
    memory->set_type("CPU");
    memory->set_byte_size(version.memory_bytes);
  }
}

void WriteIndex(const std::vector<IndexEntry>& entries, inference::RepositoryIndexResponse* out) {
  for (const auto& entry : entries) {
    auto* row = out->add_models();
    row->set_name(entry.name);
    row->set_version(entry.version);
    row->set_state(entry.state);
    row->set_reason(entry.reason);
  }
}

Result<LogSettingsChange> ReadLogSettings(const inference::LogSettingsRequest& request) {
  LogSettingsChange change;
  for (const auto& [key, value] : request.settings()) {
    if (key == "log_info") {
      HR_UNEXPECTED_IF_ERROR(ReadFlag(value, key, &change.info));
    } else if (key == "log_warning") {
      HR_UNEXPECTED_IF_ERROR(ReadFlag(value, key, &change.warning));
    } else if (key == "log_error") {
      HR_UNEXPECTED_IF_ERROR(ReadFlag(value, key, &change.error));
    } else if (key == "log_verbose_level") {
      HR_UNEXPECTED_IF_ERROR(ReadLevel(value, &change.verbose_level));
    } else if (value.parameter_choice_case() != Setting::PARAMETER_CHOICE_NOT_SET &&
               !(key == "log_format" && value.string_param() == "default")) {
      return std::unexpected(Unimplemented("'{}' can not be updated through network protocol", key));
    }
  }
  return change;
}

void WriteLogSettings(const LogSettings& settings, inference::LogSettingsResponse* out) {
  auto& map = *out->mutable_settings();
  map["log_file"].set_string_param("");
  map["log_info"].set_bool_param(settings.info);
  map["log_warning"].set_bool_param(settings.warning);
  map["log_error"].set_bool_param(settings.error);
  map["log_verbose_level"].set_uint32_param(settings.verbose_level);
  map["log_format"].set_string_param("default");
}

}  // namespace headrace::oip
