// The messages of the gRPC front end, apart from inference.
#pragma once
#include "headrace/protocols/oip/model_service.h"

namespace inference {
class LogSettingsRequest;
class LogSettingsResponse;
class ModelConfig;
class ModelMetadataResponse;
class ModelStatisticsResponse;
class RepositoryIndexResponse;
}  // namespace inference

namespace headrace::oip {

void WriteMetadata(const ModelInfo& info, inference::ModelMetadataResponse* out);
void WriteConfig(const ModelInfo& info, inference::ModelConfig* out);
void WriteStatistics(const std::vector<VersionStatistics>& statistics, inference::ModelStatisticsResponse* out);
void WriteIndex(const std::vector<IndexEntry>& entries, inference::RepositoryIndexResponse* out);
// kInvalidArgument for a value of another type, kUnimplemented for a setting that cannot be changed.
Result<LogSettingsChange> ReadLogSettings(const inference::LogSettingsRequest& request);
void WriteLogSettings(const LogSettings& settings, inference::LogSettingsResponse* out);

}  // namespace headrace::oip
