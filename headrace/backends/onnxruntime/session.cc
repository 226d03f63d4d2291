#include "headrace/backends/onnxruntime/session.h"

#include <malloc.h>

#include <algorithm>

#include "headrace/backends/onnxruntime/values.h"

namespace headrace::onnxruntime {
namespace {

using Values = boost::container::small_vector<Owned<OrtValue>, 4>;
using Names = boost::container::small_vector<const char*, 8>;
using RawValues = boost::container::small_vector<OrtValue*, 8>;

Result<TensorSpec> ReadSpec(std::string name, const OrtTensorTypeAndShapeInfo& info) {
  TensorSpec spec;
  ONNXTensorElementDataType type;
  HR_UNEXPECTED_IF_ORT(Api()->GetTensorElementType(&info, &type));
  spec.type = TypeFromOrt(type);
  if (spec.type == DataType::kInvalid)
    return std::unexpected(
        Unimplemented("\"{}\": element type {} of ONNX is not supported", name, static_cast<int>(type)));
  spec.name = std::move(name);
  spec.any_rank = !Api()->TensorTypeAndShape_HasShape(&info);
  if (spec.any_rank) return spec;
  size_t rank = 0;
  HR_UNEXPECTED_IF_ORT(Api()->GetDimensionsCount(&info, &rank));
  spec.shape.resize(rank);
  HR_UNEXPECTED_IF_ORT(Api()->GetDimensions(&info, spec.shape.data(), rank));
  for (auto& dimension : spec.shape) dimension = std::max<int64_t>(dimension, -1);
  return spec;
}

Result<TensorSpec> ReadSpec(std::string name, const OrtTypeInfo& type) {
  const OrtTensorTypeAndShapeInfo* info = nullptr;
  HR_UNEXPECTED_IF_ORT(Api()->CastTypeInfoToTensorInfo(&type, &info));
  return ReadSpec(std::move(name), *info);
}

Result<ONNXType> KindOf(const OrtTypeInfo& type) {
  ONNXType kind;
  HR_UNEXPECTED_IF_ORT(Api()->GetOnnxTypeFromTypeInfo(&type, &kind));
  return kind;
}

using NameGetter = OrtStatusPtr(ORT_API_CALL*)(const OrtSession*, size_t, OrtAllocator*, char**) NO_EXCEPTION;
using TypeGetter = OrtStatusPtr(ORT_API_CALL*)(const OrtSession*, size_t, OrtTypeInfo**) NO_EXCEPTION;

Result<std::string> ReadName(const OrtSession* session, size_t index, NameGetter getter) {
  OrtAllocator* allocator = nullptr;
  HR_UNEXPECTED_IF_ORT(Api()->GetAllocatorWithDefaultOptions(&allocator));
  char* raw = nullptr;
  HR_UNEXPECTED_IF_ORT(getter(session, index, allocator, &raw));
  std::string name = raw;
  HR_UNEXPECTED_IF_ORT(Api()->AllocatorFree(allocator, raw));
  return name;
}

Result<Owned<OrtTypeInfo>> ReadType(const OrtSession* session, size_t index, TypeGetter getter) {
  OrtTypeInfo* raw = nullptr;
  HR_UNEXPECTED_IF_ORT(getter(session, index, &raw));
  return Owned<OrtTypeInfo>(raw);
}

}  // namespace

Result<std::unique_ptr<Servable>> SessionServable::Make(Owned<OrtSession> session, const Facts& facts,
                                                        std::shared_ptr<RunWatchdog> watchdog) {
  std::unique_ptr<SessionServable> servable(new SessionServable(std::move(session), facts, std::move(watchdog)));
  HR_UNEXPECTED_IF_ERROR(servable->ReadInterface());
  return servable;
}

SessionServable::~SessionServable() {
  session_.reset();
  malloc_trim(0);  // what the session freed goes back to the system now, not when the heap's top happens to shrink
}

const char* SessionServable::Keep(std::string name) {
  return names_.emplace_back(std::make_unique<const std::string>(std::move(name)))->c_str();
}

Status SessionServable::ReadInterface() {
  OrtMemoryInfo* memory = nullptr;
  HR_RETURN_IF_ORT(Api()->CreateCpuMemoryInfo(OrtDeviceAllocator, OrtMemTypeDefault, &memory));
  memory_.reset(memory);
  signatures_.resize(1);
  size_t inputs = 0, outputs = 0;
  HR_RETURN_IF_ORT(Api()->SessionGetInputCount(session_.get(), &inputs));
  HR_RETURN_IF_ORT(Api()->SessionGetOutputCount(session_.get(), &outputs));
  for (size_t i = 0; i < inputs; i++) {
    HR_ASSIGN_OR_RETURN(std::string name, ReadName(session_.get(), i, Api()->SessionGetInputName));
    HR_ASSIGN_OR_RETURN(const auto type, ReadType(session_.get(), i, Api()->SessionGetInputTypeInfo));
    HR_ASSIGN_OR_RETURN(const ONNXType kind, KindOf(*type));
    if (kind != ONNX_TYPE_TENSOR)
      return Unimplemented("input \"{}\" is no tensor (ONNX type {}); export the model with tensor inputs", name,
                           static_cast<int>(kind));
    HR_ASSIGN_OR_RETURN(auto spec, ReadSpec(name, *type));
    input_names_.push_back(Keep(std::move(name)));
    signatures_[0].inputs.push_back(std::move(spec));
  }
  for (size_t i = 0; i < outputs; i++) {
    HR_ASSIGN_OR_RETURN(std::string name, ReadName(session_.get(), i, Api()->SessionGetOutputName));
    HR_ASSIGN_OR_RETURN(const auto type, ReadType(session_.get(), i, Api()->SessionGetOutputTypeInfo));
    HR_RETURN_IF_ERROR(ReadOutput(std::move(name), *type));
  }
  return OkStatus();
}

Status SessionServable::ReadOutput(std::string name, const OrtTypeInfo& type) {
  HR_ASSIGN_OR_RETURN(const ONNXType kind, KindOf(type));
  if (kind == ONNX_TYPE_TENSOR) {
    HR_ASSIGN_OR_RETURN(auto spec, ReadSpec(name, type));
    signatures_[0].outputs.push_back(std::move(spec));
    outputs_.push_back({Keep(std::move(name)), Kind::kTensor});
    return OkStatus();
  }
  all_tensors_ = false;
  if (kind == ONNX_TYPE_MAP) return AddMap(name, type);
  if (kind != ONNX_TYPE_SEQUENCE)
    return Unimplemented("output \"{}\" is no tensor, sequence or map (ONNX type {})", name, static_cast<int>(kind));
  const OrtSequenceTypeInfo* sequence = nullptr;
  HR_RETURN_IF_ORT(Api()->CastTypeInfoToSequenceTypeInfo(&type, &sequence));
  OrtTypeInfo* raw = nullptr;
  HR_RETURN_IF_ORT(Api()->GetSequenceElementType(sequence, &raw));
  const Owned<OrtTypeInfo> element(raw);
  HR_ASSIGN_OR_RETURN(const ONNXType element_kind, KindOf(*element));
  if (element_kind == ONNX_TYPE_MAP) return AddMap(name, *element);
  if (element_kind != ONNX_TYPE_TENSOR)
    return Unimplemented("output \"{}\" is a sequence of neither tensors nor maps", name);
  HR_ASSIGN_OR_RETURN(auto spec, ReadSpec(name, *element));
  if (!spec.any_rank) spec.shape.insert(spec.shape.begin(), -1);
  signatures_[0].outputs.push_back(std::move(spec));
  outputs_.push_back({Keep(std::move(name)), Kind::kSequence});
  return OkStatus();
}

Status SessionServable::AddMap(const std::string& name, const OrtTypeInfo& type) {
  const OrtMapTypeInfo* map = nullptr;
  HR_RETURN_IF_ORT(Api()->CastTypeInfoToMapTypeInfo(&type, &map));
  ONNXTensorElementDataType key_type;
  HR_RETURN_IF_ORT(Api()->GetMapKeyType(map, &key_type));
  OrtTypeInfo* raw = nullptr;
  HR_RETURN_IF_ORT(Api()->GetMapValueType(map, &raw));
  const Owned<OrtTypeInfo> value_type(raw);
  HR_ASSIGN_OR_RETURN(const auto value_spec, ReadSpec(name, *value_type));
  const char* ort_name = Keep(name);
  signatures_[0].outputs.push_back({name, value_spec.type, Shape{-1, -1}, false});
  outputs_.push_back({ort_name, Kind::kMapValues});
  signatures_[0].outputs.push_back({name + "_keys", TypeFromOrt(key_type), Shape{-1, -1}, false});
  outputs_.push_back({ort_name, Kind::kMapKeys});
  return OkStatus();
}

void SessionServable::Infer(const InferRequest& request, InferResponse* response, InferDone done) {
  done(Run(request, response));
}

Status SessionServable::Run(const InferRequest& request, InferResponse* response) {
  Values inputs;
  boost::container::small_vector<const OrtValue*, 4> raw;
  for (const auto& tensor : request.inputs) {
    HR_ASSIGN_OR_RETURN(auto value, ToValue(tensor, memory_.get()));
    raw.push_back(value.get());
    inputs.push_back(std::move(value));
  }
  return all_tensors_ ? RunTensors(request, raw.data(), response) : RunOthers(request, raw.data(), response);
}

Status SessionServable::RunSession(const InferRequest& request, const OrtValue* const* inputs,
                                   std::span<const char* const> names, OrtValue** outputs) {
  WatchedRun watched(watchdog_.get(), request);
  HR_RETURN_IF_ERROR(watched.Start());
  return watched.End(FromOrt(Api()->Run(session_.get(), watched.options(), input_names_.data(), inputs,
                                        request.inputs.size(), names.data(), names.size(), outputs),
                             true));
}

Status SessionServable::RunTensors(const InferRequest& request, const OrtValue* const* inputs,
                                   InferResponse* response) {
  Names names;
  for (const uint32_t output : request.outputs) names.push_back(outputs_[output].name);
  RawValues raw(names.size(), nullptr);
  HR_RETURN_IF_ERROR(RunSession(request, inputs, names, raw.data()));
  Values values;
  for (OrtValue* value : raw) values.emplace_back(value);
  response->outputs.clear();
  for (auto& value : values) {
    HR_ASSIGN_OR_RETURN(auto tensor, ToTensor(std::move(value)));
    response->outputs.push_back(std::move(tensor));
  }
  return OkStatus();
}

Status SessionServable::RunOthers(const InferRequest& request, const OrtValue* const* inputs, InferResponse* response) {
  Names names;  // each once, although a map's values and keys are two outputs of ours
  for (const uint32_t output : request.outputs)
    if (std::find(names.begin(), names.end(), outputs_[output].name) == names.end())
      names.push_back(outputs_[output].name);
  RawValues raw(names.size(), nullptr);
  HR_RETURN_IF_ERROR(RunSession(request, inputs, names, raw.data()));
  Values values;
  for (OrtValue* value : raw) values.emplace_back(value);
  response->outputs.clear();
  for (const uint32_t position : request.outputs) {
    const Output& output = outputs_[position];
    auto& value = values[static_cast<size_t>(std::find(names.begin(), names.end(), output.name) - names.begin())];
    if (output.kind == Kind::kTensor) {
      HR_ASSIGN_OR_RETURN(auto tensor, ToTensor(std::move(value)));
      response->outputs.push_back(std::move(tensor));
    } else if (output.kind == Kind::kSequence) {
      HR_ASSIGN_OR_RETURN(auto tensor, StackSequence(*value));
      response->outputs.push_back(std::move(tensor));
    } else {
      HR_ASSIGN_OR_RETURN(auto map, FlattenMaps(*value));
      response->outputs.push_back(output.kind == Kind::kMapValues ? std::move(map.values) : std::move(map.keys));
    }
  }
  return OkStatus();
}

}  // namespace headrace::onnxruntime
