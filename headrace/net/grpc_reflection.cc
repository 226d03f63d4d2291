#include "headrace/net/grpc_reflection.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <set>

#include "proto/grpc/reflection.pb.h"

namespace headrace::net {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::FileDescriptor;
using grpc::reflection::v1::ServerReflectionRequest;
using grpc::reflection::v1::ServerReflectionResponse;

void SetNotFound(std::string_view what, ServerReflectionResponse* response) {
  response->mutable_error_response()->set_error_code(static_cast<int>(Code::kNotFound));
  response->mutable_error_response()->set_error_message(fmt::format("{} is not known here", what));
}

// The file and, once each, those that it imports.
void AddFile(const FileDescriptor* file, std::set<std::string>* added, ServerReflectionResponse* response) {
  if (!added->insert(file->name()).second) return;
  google::protobuf::FileDescriptorProto proto;
  file->CopyTo(&proto);
  response->mutable_file_descriptor_response()->add_file_descriptor_proto(proto.SerializeAsString());
  for (int i = 0; i < file->dependency_count(); i++) AddFile(file->dependency(i), added, response);
}

void SetFile(const FileDescriptor* file, std::string_view asked, ServerReflectionResponse* response) {
  std::set<std::string> added;
  if (file != nullptr)
    AddFile(file, &added, response);
  else
    SetNotFound(asked, response);
}

void SetExtensions(const std::string& type, ServerReflectionResponse* response) {
  const DescriptorPool* pool = DescriptorPool::generated_pool();
  const auto* message = pool->FindMessageTypeByName(type);
  if (message == nullptr) return SetNotFound(type, response);
  std::vector<const google::protobuf::FieldDescriptor*> extensions;
  pool->FindAllExtensions(message, &extensions);
  auto* numbers = response->mutable_all_extension_numbers_response();
  numbers->set_base_type_name(type);
  for (const auto* extension : extensions) numbers->add_extension_number(extension->number());
}

ServerReflectionResponse Answer(const ServerReflectionRequest& request, const GrpcServices& services) {
  const DescriptorPool* pool = DescriptorPool::generated_pool();
  ServerReflectionResponse response;
  response.set_valid_host(request.host());
  *response.mutable_original_request() = request;
  switch (request.message_request_case()) {
    case ServerReflectionRequest::kFileByFilename:
      SetFile(pool->FindFileByName(request.file_by_filename()), request.file_by_filename(), &response);
      break;
    case ServerReflectionRequest::kFileContainingSymbol:
      SetFile(pool->FindFileContainingSymbol(request.file_containing_symbol()), request.file_containing_symbol(),
              &response);
      break;
    case ServerReflectionRequest::kFileContainingExtension: {
      const auto& asked = request.file_containing_extension();
      const auto* type = pool->FindMessageTypeByName(asked.containing_type());
      const auto* extension = type ? pool->FindExtensionByNumber(type, asked.extension_number()) : nullptr;
      SetFile(extension ? extension->file() : nullptr, asked.containing_type(), &response);
      break;
    }
    case ServerReflectionRequest::kAllExtensionNumbersOfType:
      SetExtensions(request.all_extension_numbers_of_type(), &response);
      break;
    case ServerReflectionRequest::kListServices:
      for (const auto& name : services.Names())
        response.mutable_list_services_response()->add_service()->set_name(name);
      break;
    case ServerReflectionRequest::MESSAGE_REQUEST_NOT_SET:
      response.mutable_error_response()->set_error_code(static_cast<int>(Code::kInvalidArgument));
      response.mutable_error_response()->set_error_message("message_request: expected one of its fields");
      break;
  }
  return response;
}

class Reader final : public GrpcStreamReader {
 public:
  Reader(const GrpcServices* services, GrpcWriter writer) : services_(*services), writer_(std::move(writer)) {}
  void OnMessage(std::span<char> message, const ClientName&) override {
    ServerReflectionRequest request;
    if (!request.ParseFromArray(message.data(), static_cast<int>(message.size())))
      return writer_.Finish(Internal("the request is not a ServerReflectionRequest"));
    writer_.Write(Answer(request, services_).SerializeAsString());
  }
  void OnHalfClose() override { writer_.Finish(OkStatus()); }

 private:
  const GrpcServices& services_;
  GrpcWriter writer_;
};

}  // namespace

void AddGrpcReflection(GrpcServices& services) {
  for (const char* version : {"v1", "v1alpha"})
    services.AddStream(fmt::format("/grpc.reflection.{}.ServerReflection/ServerReflectionInfo", version),
                       [&services](const GrpcOpening&, GrpcWriter writer) {
                         return std::make_unique<Reader>(&services, std::move(writer));
                       });
}

}  // namespace headrace::net
