// The JSON documents of the REST front end, apart from inference.
#pragma once
#include "headrace/base/json.h"
#include "headrace/protocols/oip/model_service.h"

namespace headrace::oip {

json::value ServerJson(const ModelServiceOptions& options);
json::value ModelsJson(const std::vector<std::string>& models);
json::value MetadataJson(const ModelInfo& info);
json::value ConfigJson(const ModelInfo& info);
json::value StatisticsJson(const std::vector<VersionStatistics>& statistics);
json::value IndexJson(const std::vector<IndexEntry>& entries);
json::value LogSettingsJson(const LogSettings& settings);
json::value TraceJson();
// kInvalidArgument for a value of another type, kUnimplemented for a setting that cannot be changed.
Result<LogSettingsChange> ParseLogSettings(const json::object& body);

// What a model's configuration says of its format: "onnxruntime" of "onnxruntime_onnx".
std::string_view BackendOf(std::string_view platform);

}  // namespace headrace::oip
