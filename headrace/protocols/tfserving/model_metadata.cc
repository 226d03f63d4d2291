#include "headrace/protocols/tfserving/model_metadata.h"

#include <google/protobuf/util/json_util.h>

#include "headrace/protocols/common/json_text.h"
#include "headrace/protocols/tfserving/data_type.h"
#include "proto/tfserving/model_service.pb.h"
#include "proto/tfserving/prediction_service.pb.h"

namespace headrace::tfserving {
namespace {

void ToProto(const TensorSpec& spec, ::tensorflow::TensorInfo* proto) {
  proto->set_name(spec.name);
  proto->set_dtype(static_cast<::tensorflow::DataType>(TensorFlowType(spec.type)));
  auto* shape = proto->mutable_tensor_shape();
  shape->set_unknown_rank(spec.any_rank);
  for (const int64_t size : spec.shape) shape->add_dim()->set_size(size);
}

Result<std::string> PrintJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.always_print_primitive_fields = true;
  options.preserve_proto_field_names = true;
  std::string text;
  const auto status = google::protobuf::util::MessageToJsonString(message, &text, options);
  if (!status.ok())
    return std::unexpected(Internal("cannot write {} as JSON: {}", message.GetTypeName(), status.ToString()));
  return text;
}

}  // namespace

void ToProto(const Signature& signature, ::tensorflow::SignatureDef* proto) {
  for (const TensorSpec& input : signature.inputs) ToProto(input, &(*proto->mutable_inputs())[input.name]);
  for (const TensorSpec& output : signature.outputs) ToProto(output, &(*proto->mutable_outputs())[output.name]);
  proto->set_method_name(signature.method);
}

void ToProto(const std::vector<Signature>& signatures, ::tensorflow::serving::SignatureDefMap* proto) {
  for (const Signature& signature : signatures) ToProto(signature, &(*proto->mutable_signature_def())[signature.name]);
}

void ToProto(const Status& status, ::tensorflow::StatusProto* proto) {
  proto->set_error_code(static_cast<::tensorflow::StatusCode>(status.code()));
  proto->set_error_message(status.message());
}

void ToProto(const std::vector<serving::VersionStatus>& versions,
             ::tensorflow::serving::GetModelStatusResponse* proto) {
  for (const serving::VersionStatus& version : versions) {
    auto* status = proto->add_model_version_status();
    status->set_version(version.version);
    status->set_state(static_cast<::tensorflow::serving::ModelVersionStatus::State>(version.state));
    ToProto(version.error, status->mutable_status());
  }
}

Result<std::string> MetadataJson(const serving::ServableHandle& servable) {
  ::tensorflow::serving::SignatureDefMap map;
  ToProto(servable.signatures(), &map);
  HR_ASSIGN_OR_UNEXPECTED(const std::string signatures, PrintJson(map));
  std::string json = "{\n\"model_spec\":{\n \"name\": ";
  AppendJsonString(&json, servable.model());
  json += fmt::format(",\n \"signature_name\": \"\",\n \"version\": \"{}\"\n}}\n,\n\"metadata\": {{\"signature_def\": ",
                      servable.version());
  json += signatures;
  json += "}\n}\n";
  return json;
}

Result<std::string> StatusJson(const std::vector<serving::VersionStatus>& versions) {
  ::tensorflow::serving::GetModelStatusResponse response;
  ToProto(versions, &response);
  return PrintJson(response);
}

Result<std::optional<int64_t>> ResolveVersion(const serving::ModelManager& manager, std::string_view model,
                                              std::optional<int64_t> version, std::string_view label) {
  if (label.empty()) return version;
  const auto config = manager.Config(model);
  if (config) {
    const auto found = config->labels.find(label);
    if (found != config->labels.end()) return found->second;
  }
  return std::unexpected(InvalidArgument("Unrecognized servable version label: {}", label));
}

}  // namespace headrace::tfserving
