#include "headrace/protocols/oip/infer_call.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "headrace/protocols/common/base64.h"

namespace headrace::oip {
namespace {

std::string Quoted(const std::vector<std::string>& names) {
  std::string out;
  for (const auto& name : names) out += (out.empty() ? "'" : ",'") + name + "'";
  return "[" + out + "]";
}

Status MissingInputs(const InferCall& call, std::string_view model, const Signature& signature) {
  std::vector<std::string> given, missing;
  for (const auto& input : call.inputs) given.emplace_back(input.name);
  for (const auto& spec : signature.inputs)
    if (std::find(given.begin(), given.end(), spec.name) == given.end()) missing.push_back(spec.name);
  return InvalidArgument(
      "expected {} inputs but got {} inputs for model '{}'. Got input(s) {}, but missing required input(s) {}. Please "
      "provide all required input(s).",
      signature.inputs.size(), call.inputs.size(), model, Quoted(given), Quoted(missing));
}

bool Fits(const Tensor& tensor, const TensorSpec& spec) {
  if (spec.any_rank) return true;
  return std::ranges::equal(spec.shape, tensor.shape(),
                            [](int64_t want, int64_t got) { return want < 0 || want == got; });
}

// Checks an input and stores it, a column as the vector that the model wants.
Status TakeInput(const Tensor& tensor, const TensorSpec& spec, std::string_view model, Tensor* out) {
  if (tensor.type() != spec.type)
    return InvalidArgument("inference input '{}' data-type is '{}', but model '{}' expects '{}'", spec.name,
                           DataTypeName(tensor.type()), model, DataTypeName(spec.type));
  *out = tensor;
  if (!spec.any_rank && spec.shape.size() == 1 && tensor.shape().size() == 2 && tensor.shape()[1] == 1)
    *out = Tensor(tensor.type(), {tensor.shape()[0]}, tensor.data(), tensor.owner());
  if (Fits(*out, spec)) return OkStatus();
  return InvalidArgument("unexpected shape for input '{}' for model '{}'. Expected {}, got {}", spec.name, model,
                         ShapeToString(spec.shape), ShapeToString(tensor.shape()));
}

Status BindOutputs(const InferCall& call, std::string_view model, const Signature& signature, InferRequest* request) {
  if (call.outputs.empty()) {
    for (uint32_t i = 0; i < signature.outputs.size(); i++) request->outputs.push_back(i);
    return OkStatus();
  }
  for (const auto& output : call.outputs) {
    const int index = signature.OutputIndex(output.name);
    if (index < 0) return InvalidArgument("unexpected inference output '{}' for model '{}'", output.name, model);
    const auto position = static_cast<uint32_t>(index);
    if (std::find(request->outputs.begin(), request->outputs.end(), position) != request->outputs.end())
      return InvalidArgument("output '{}' already exists in request for model '{}'", output.name, model);
    request->outputs.push_back(position);
  }
  return OkStatus();
}

Result<Tensor> WrapStrings(std::string_view bytes, Shape shape, size_t count, std::string_view input,
                           std::string_view model, Arena* arena) {
  const auto expected_more = [&](size_t found) {
    return std::unexpected(InvalidArgument(
        "expected {} string elements for inference input '{}' for model '{}', got {}", count, input, model, found));
  };
  if (count > bytes.size() / 4) return expected_more(bytes.size() / 4);
  const auto views = arena->AllocateArray<std::string_view>(count);
  for (size_t i = 0; i < count; i++) {
    uint32_t length = 0;
    if (bytes.empty()) return expected_more(i);
    if (bytes.size() < sizeof(length))
      return std::unexpected(InvalidArgument(
          "incomplete string length indicator for inference input '{}' for model '{}', expecting 4 bytes but only {} "
          "bytes available",
          input, model, bytes.size()));
    std::memcpy(&length, bytes.data(), sizeof(length));
    bytes.remove_prefix(sizeof(length));
    if (length > bytes.size())
      return std::unexpected(
          InvalidArgument("incomplete string data for inference input '{}' for model '{}', expecting string of length "
                          "{} but only {} bytes available",
                          input, model, length, bytes.size()));
    views[i] = bytes.substr(0, length);
    bytes.remove_prefix(length);
  }
  if (!bytes.empty())
    return std::unexpected(
        InvalidArgument("unexpected number of string elements {} for inference input '{}' for model '{}', expecting {}",
                        count + 1, input, model, count));
  return Tensor(std::move(shape), views.data(), nullptr);
}

}  // namespace

Status Bind(const InferCall& call, std::string_view model, const Signature& signature, InferRequest* request) {
  request->signature = &signature;
  request->inputs.clear();
  request->outputs.clear();
  request->inputs.resize(signature.inputs.size());
  for (const auto& input : call.inputs) {
    const int index = signature.InputIndex(input.name);
    if (index < 0) return InvalidArgument("unexpected inference input '{}' for model '{}'", input.name, model);
    Tensor& slot = request->inputs[static_cast<size_t>(index)];
    if (slot.type() != DataType::kInvalid)
      return InvalidArgument("input '{}' already exists in request for model '{}'", input.name, model);
    HR_RETURN_IF_ERROR(TakeInput(input.tensor, signature.inputs[static_cast<size_t>(index)], model, &slot));
  }
  if (call.inputs.size() != signature.inputs.size()) return MissingInputs(call, model, signature);
  return BindOutputs(call, model, signature, request);
}

Result<Tensor> RawInput(std::string_view raw, std::string_view model, const Signature& signature, Arena* arena) {
  if (signature.inputs.size() != 1)
    return std::unexpected(InvalidArgument(
        "Raw request must only have 1 input to be deduced but got {} inputs in '{}' model configuration",
        signature.inputs.size(), model));
  const TensorSpec& spec = signature.inputs[0];
  Shape shape = spec.shape;
  if (!shape.empty() && shape[0] < 0) shape[0] = 1;
  if (spec.type == DataType::kString) {
    if (ElementCount(shape) != 1)
      return std::unexpected(
          InvalidArgument("For BYTE datatype raw input '{}', the model must have input shape [1]", spec.name));
    const auto view = arena->AllocateArray<std::string_view>(1);
    view[0] = raw;
    return Tensor(std::move(shape), view.data(), nullptr);
  }
  int64_t* open = nullptr;
  int64_t known = 1;
  for (int64_t& dimension : shape) {
    if (dimension >= 0) {
      if (__builtin_mul_overflow(known, dimension, &known)) known = 0;
    } else if (std::exchange(open, &dimension) != nullptr) {
      return std::unexpected(InvalidArgument(
          "The shape of the raw input '{}' can not be deduced because there are more than one variable-sized dimension",
          spec.name));
    }
  }
  const int64_t step = known * static_cast<int64_t>(DataTypeSize(spec.type));
  if (open != nullptr) *open = step == 0 ? 0 : static_cast<int64_t>(raw.size()) / step;
  return WrapBytes(raw, spec.type, std::move(shape), spec.name, model, arena);
}

Result<Tensor> WrapBytes(std::string_view bytes, DataType type, Shape shape, std::string_view input,
                         std::string_view model, Arena* arena) {
  const auto elements = ElementCount(shape);
  if (!elements)
    return std::unexpected(InvalidArgument(
        "invalid shape for input '{}': shape {} contains one or more invalid dimensions", input, ShapeToString(shape)));
  const auto count = static_cast<size_t>(*elements);
  if (type == DataType::kString) return WrapStrings(bytes, std::move(shape), count, input, model, arena);
  const size_t element_size = DataTypeSize(type);
  if (element_size == 0)
    return std::unexpected(InvalidArgument("invalid datatype for input '{}' for model '{}'", input, model));
  if (bytes.size() % element_size != 0 || bytes.size() / element_size != count)
    return std::unexpected(
        InvalidArgument("input byte size mismatch for input '{}' for model '{}'. Expected {}, got {}", input, model,
                        count * element_size, bytes.size()));
  const void* data = bytes.data();
  if (reinterpret_cast<uintptr_t>(data) % std::min<size_t>(element_size, 8) != 0) {
    char* aligned = arena->Allocate(bytes.size(), 64);
    std::memcpy(aligned, bytes.data(), bytes.size());
    data = aligned;
  }
  return Tensor(type, std::move(shape), data, nullptr);
}

Tensor DecodeBase64Strings(const Tensor& strings, Arena* arena) {
  const auto views = arena->AllocateArray<std::string_view>(strings.strings().size());
  for (size_t i = 0; i < views.size(); i++) {
    const std::string_view text = views[i] = strings.strings()[i];
    if (text.size() % 4 != 0 || text.find_first_of("-_") != text.npos) continue;
    if (const auto bytes = DecodeBase64(text, arena)) views[i] = *bytes;
  }
  return Tensor(strings.shape(), views.data(), nullptr);
}

size_t RawSize(const Tensor& tensor) {
  if (tensor.type() != DataType::kString) return tensor.bytes();
  size_t bytes = 0;
  for (const auto text : tensor.strings()) bytes += 4 + text.size();
  return bytes;
}

void AppendRaw(const Tensor& tensor, std::string* out) {
  if (tensor.type() != DataType::kString) {
    out->append(static_cast<const char*>(tensor.data()), tensor.bytes());
    return;
  }
  out->reserve(out->size() + RawSize(tensor));
  for (const auto text : tensor.strings()) {
    const auto length = static_cast<uint32_t>(text.size());
    out->append(reinterpret_cast<const char*>(&length), sizeof(length));
    out->append(text);
  }
}

}  // namespace headrace::oip
