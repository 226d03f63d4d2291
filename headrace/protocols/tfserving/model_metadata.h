// Signatures and version states as TensorFlow Serving's messages, and those as its REST API's JSON.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "headrace/base/status.h"
#include "headrace/core/engine.h"
#include "headrace/serving/model_manager.h"
#include "headrace/serving/servable_handle.h"

namespace tensorflow {
class SignatureDef;
class StatusProto;
namespace serving {
class GetModelStatusResponse;
class SignatureDefMap;
}  // namespace serving
}  // namespace tensorflow

namespace headrace::tfserving {

void ToProto(const Signature& signature, ::tensorflow::SignatureDef* proto);
void ToProto(const std::vector<Signature>& signatures, ::tensorflow::serving::SignatureDefMap* proto);
void ToProto(const std::vector<serving::VersionStatus>& versions, ::tensorflow::serving::GetModelStatusResponse* proto);
void ToProto(const Status& status, ::tensorflow::StatusProto* proto);

// {"model_spec":{…},"metadata":{"signature_def":{"signature_def":{…}}}}
Result<std::string> MetadataJson(const serving::ServableHandle& servable);
// {"model_version_status":[{"version":"1","state":"AVAILABLE","status":{"error_code":"OK","error_message":""}}]}
Result<std::string> StatusJson(const std::vector<serving::VersionStatus>& versions);

// Which version a model spec without a version, or with a label, means right now, or the one it names: for what needs
// no loaded model. The label's error is kInvalidArgument.
Result<std::optional<int64_t>> ResolveVersion(const serving::ModelManager& manager, std::string_view model,
                                              std::optional<int64_t> version, std::string_view label);

}  // namespace headrace::tfserving
