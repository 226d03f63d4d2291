#include "headrace/protocols/oip/grpc_codec.h"

#include <optional>

#include "headrace/base/proto_wire.h"
#include "headrace/protocols/oip/grpc_contents.h"

namespace headrace::oip {
namespace {

constexpr size_t kCopiedBytes = 4096;
constexpr size_t kMaxRank = 64;

Status Broken() { return InvalidArgument("the request is not an inference.ModelInferRequest message"); }

// InferParameter: what of it is set.
struct Parameter {
  std::string_view key, text;
  std::optional<uint64_t> number;  // an int64 that is not negative, or a uint64
  bool flag = false;
};

bool ReadValue(std::string_view bytes, Parameter* out) {
  ProtoReader reader(bytes);
  while (reader.Next()) {
    if (reader.field() == 1 && reader.is_varint()) out->flag = reader.number() != 0;
    if (reader.field() == 2 && reader.is_varint() && static_cast<int64_t>(reader.number()) >= 0)
      out->number = reader.number();
    if (reader.field() == 3 && reader.is_bytes()) out->text = reader.bytes();
    if (reader.field() == 5 && reader.is_varint()) out->number = reader.number();
  }
  return reader.ok();
}

bool ReadEntry(std::string_view bytes, Parameter* out) {
  ProtoReader reader(bytes);
  bool good = true;
  while (reader.Next()) {
    if (reader.field() == 1 && reader.is_bytes()) out->key = reader.bytes();
    if (reader.field() == 2 && reader.is_bytes()) good = ReadValue(reader.bytes(), out);
  }
  return good && reader.ok();
}

Status TakeNumber(const Parameter& parameter, uint64_t* out) {
  if (!parameter.number)
    return InvalidArgument("Unable to parse '{}': expected an integer that is not negative", parameter.key);
  *out = *parameter.number;
  return OkStatus();
}

Status ReadCallParameter(std::string_view bytes, GrpcInferCall* out) {
  Parameter parameter;
  if (!ReadEntry(bytes, &parameter)) return Broken();
  if (parameter.key == "priority") return TakeNumber(parameter, &out->call.priority);
  if (parameter.key == "timeout") return TakeNumber(parameter, &out->call.timeout_micros);
  if (parameter.key == "signature_name") out->call.signature = parameter.text;
  if (parameter.key == "triton_enable_empty_final_response") out->wants_final_flag = parameter.flag;
  return OkStatus();
}

Status CheckTensorParameter(const Parameter& parameter) {
  if (parameter.key != "shared_memory_region") return OkStatus();
  return Unimplemented("shared memory regions are not supported; send the tensors' bytes in the request");
}

Status ReadOutput(std::string_view bytes, InferCall* call) {
  RequestedOutput& output = call->outputs.emplace_back();
  ProtoReader reader(bytes);
  while (reader.Next()) {
    if (!reader.is_bytes()) continue;
    if (reader.field() == 1) output.name = reader.bytes();
    if (reader.field() != 2) continue;
    Parameter parameter;
    if (!ReadEntry(reader.bytes(), &parameter)) return Broken();
    HR_RETURN_IF_ERROR(CheckTensorParameter(parameter));
    if (parameter.key == "classification") HR_RETURN_IF_ERROR(TakeNumber(parameter, &output.classes));
  }
  return reader.ok() ? OkStatus() : Broken();
}

Status ReadShape(const ProtoReader& reader, Shape* shape) {
  const auto add = [shape](uint64_t dimension) {
    shape->push_back(static_cast<int64_t>(dimension));
    return shape->size() <= kMaxRank;
  };
  bool good = true;
  if (reader.is_varint()) good = add(reader.number());
  std::string_view packed = reader.is_bytes() ? reader.bytes() : std::string_view();
  for (uint64_t dimension = 0; good && !packed.empty();)
    good = ProtoReader::TakeVarint(&packed, &dimension) && add(dimension);
  return good ? OkStatus() : InvalidArgument("a shape is broken or has more than {} dimensions", kMaxRank);
}

Status ReadInput(std::string_view bytes, GrpcInput* input) {
  ProtoReader reader(bytes);
  while (reader.Next()) {
    if (reader.field() == 3) {
      HR_RETURN_IF_ERROR(ReadShape(reader, &input->shape));
    } else if (!reader.is_bytes()) {
      continue;
    } else if (reader.field() == 1) {
      input->name = reader.bytes();
    } else if (reader.field() == 2) {
      input->datatype = reader.bytes();
    } else if (reader.field() == 4) {
      Parameter parameter;
      if (!ReadEntry(reader.bytes(), &parameter)) return Broken();
      HR_RETURN_IF_ERROR(CheckTensorParameter(parameter));
      if (parameter.key == kContentType) input->base64 = parameter.text == kBase64;
    } else if (reader.field() == 5) {
      input->contents.push_back(reader.bytes());
    }
  }
  return reader.ok() ? OkStatus() : Broken();
}

using RawContents = boost::container::small_vector<std::string_view, 4>;

Result<Tensor> MakeTensor(GrpcInput& input, size_t index, const RawContents& raw, std::string_view model,
                          Arena* arena) {
  const DataType type = DataTypeFromName(input.datatype);
  if (type == DataType::kInvalid)
    return std::unexpected(
        InvalidArgument("invalid datatype '{}' for input '{}' for model '{}'", input.datatype, input.name, model));
  if (raw.empty()) return ReadContents(input, type, model, arena);
  if (!input.contents.empty())
    return std::unexpected(
        InvalidArgument("contents field must not be specified when using raw_input_contents for '{}' for model '{}'",
                        input.name, model));
  if (index >= raw.size())
    return std::unexpected(
        InvalidArgument("unable to find data for input tensor '{}' for model '{}' in request.", input.name, model));
  return WrapBytes(raw[index], type, std::move(input.shape), input.name, model, arena);
}

// The answer's InferOutputTensor message.
void WriteOutput(std::string_view name, const Tensor& tensor, std::string* out) {
  const std::string_view type = DataTypeName(tensor.type());
  size_t dimensions = 0;
  for (const int64_t dimension : tensor.shape())
    dimensions += ProtoWriter::VarintSize(static_cast<uint64_t>(dimension));
  const auto field_size = [](size_t bytes) { return bytes == 0 ? 0 : 1 + ProtoWriter::VarintSize(bytes) + bytes; };
  ProtoWriter writer(out);
  writer.BytesHead(5, field_size(name.size()) + field_size(type.size()) + field_size(dimensions));
  writer.String(1, name);
  writer.String(2, type);
  if (dimensions == 0) return;
  writer.BytesHead(3, dimensions);
  for (const int64_t dimension : tensor.shape()) writer.Varint(static_cast<uint64_t>(dimension));
}

// parameters["triton_final_response"] = true.
void WriteFinalFlag(ProtoWriter writer) {
  constexpr std::string_view kEntry("\x0a\x15triton_final_response\x12\x02\x08\x01", 27);
  writer.Bytes(4, kEntry);
}

}  // namespace

Status DecodeHead(std::string_view message, GrpcInferCall* out) {
  ProtoReader reader(message);
  while (reader.Next()) {
    if (reader.field() == 1 && reader.is_bytes()) out->model = reader.bytes();
    if (reader.field() == 2 && reader.is_bytes()) out->version = reader.bytes();
    if (reader.field() == 3 && reader.is_bytes()) out->call.id = reader.bytes();
  }
  return reader.ok() ? OkStatus() : Broken();
}

Status DecodeRequest(std::string_view message, Arena* arena, GrpcInferCall* out) {
  HR_RETURN_IF_ERROR(DecodeHead(message, out));
  boost::container::small_vector<GrpcInput, 4> inputs;
  RawContents raw;
  ProtoReader reader(message);
  while (reader.Next()) {
    if (!reader.is_bytes()) continue;
    switch (reader.field()) {
      case 4: HR_RETURN_IF_ERROR(ReadCallParameter(reader.bytes(), out)); break;
      case 5: HR_RETURN_IF_ERROR(ReadInput(reader.bytes(), &inputs.emplace_back())); break;
      case 6: HR_RETURN_IF_ERROR(ReadOutput(reader.bytes(), &out->call)); break;
      case 7: raw.push_back(reader.bytes()); break;
      default: break;
    }
  }
  for (size_t i = 0; i < inputs.size(); i++) {
    HR_ASSIGN_OR_RETURN(Tensor tensor, MakeTensor(inputs[i], i, raw, out->model, arena));
    if (inputs[i].base64 && tensor.type() == DataType::kString) tensor = DecodeBase64Strings(tensor, arena);
    out->call.inputs.push_back({inputs[i].name, std::move(tensor)});
  }
  if (raw.size() <= inputs.size()) return OkStatus();
  return InvalidArgument("unexpected additional input data for model '{}': {} raw_input_contents for {} inputs",
                         out->model, raw.size(), inputs.size());
}

Status EncodeResponse(const GrpcInferCall& call, const InferAnswer& answer, std::string* out, Tensor* tail) {
  const auto& wanted = call.call.outputs;
  boost::container::small_vector<Tensor, 4> tensors;
  ProtoWriter writer(out);
  writer.String(1, answer.model);
  writer.String(2, std::to_string(answer.version));
  writer.String(3, call.call.id);
  if (call.wants_final_flag) WriteFinalFlag(writer);
  for (size_t i = 0; i < answer.request->outputs.size(); i++) {
    Tensor& tensor = tensors.emplace_back(answer.response->outputs[i]);
    if (i < wanted.size() && wanted[i].classes > 0) {
      HR_ASSIGN_OR_RETURN(tensor, TopClasses(tensor, wanted[i].classes));
    }
    WriteOutput(answer.request->signature->outputs[answer.request->outputs[i]].name, tensor, out);
  }
  for (Tensor& tensor : tensors) {
    writer.BytesHead(6, RawSize(tensor));
    const bool leave =
        &tensor == &tensors.back() && tensor.type() != DataType::kString && tensor.bytes() > kCopiedBytes;
    if (leave) {
      *tail = std::move(tensor);
    } else {
      AppendRaw(tensor, out);
    }
  }
  return OkStatus();
}

}  // namespace headrace::oip
