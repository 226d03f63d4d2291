#include "headrace/protocols/oip/json_response.h"

#include "headrace/protocols/common/json_text.h"

namespace headrace::oip {
namespace {

constexpr size_t kCopiedBytes = 4096;

struct Output {
  const TensorSpec* spec;
  Tensor tensor;
  bool binary;
};

Result<Output> Describe(const InferCall& call, const InferAnswer& answer, size_t i) {
  Output output{&answer.request->signature->outputs[answer.request->outputs[i]], answer.response->outputs[i],
                call.binary_output};
  if (i < call.outputs.size()) {
    const RequestedOutput& requested = call.outputs[i];
    output.binary = requested.binary.value_or(call.binary_output);
    if (requested.classes > 0) {
      HR_ASSIGN_OR_UNEXPECTED(output.tensor, TopClasses(output.tensor, requested.classes));
    }
  }
  return output;
}

void AppendOutput(const Output& output, std::string* out) {
  *out += "{\"name\":";
  AppendJsonString(out, output.spec->name);
  *out += ",\"datatype\":\"";
  *out += DataTypeName(output.tensor.type());
  *out += "\",\"shape\":[";
  AppendJsonList(out, output.tensor.shape());
  if (output.binary) {
    *out += "],\"parameters\":{\"binary_data_size\":";
    AppendJson(out, static_cast<uint64_t>(RawSize(output.tensor)));
    *out += "}}";
  } else {
    *out += "],\"data\":[";
    AppendJsonElements(out, output.tensor, 0, static_cast<size_t>(output.tensor.size()));
    *out += "]}";
  }
}

// A tensor of bytes with one dimension that holds `tensor` as it travels.
Tensor Travelling(const Tensor& tensor) {
  if (tensor.type() != DataType::kString) return tensor;
  auto text = std::make_shared<std::string>();
  AppendRaw(tensor, text.get());
  Shape shape{static_cast<int64_t>(text->size())};
  const char* data = text->data();
  return Tensor(DataType::kUint8, std::move(shape), data, std::move(text));
}

void AppendBinary(const Tensor& tensor, std::string* out, BinaryTail* tail) {
  if (tail->empty() && (tensor.type() == DataType::kString || tensor.bytes() <= kCopiedBytes)) {
    AppendRaw(tensor, out);
  } else if (tensor.size() > 0) {
    tail->push_back(Travelling(tensor));
  }
}

void AppendHead(const InferCall& call, const InferAnswer& answer, std::string* out) {
  *out += '{';
  if (!call.id.empty()) {
    *out += "\"id\":";
    AppendJsonString(out, call.id);
    *out += ',';
  }
  *out += "\"model_name\":";
  AppendJsonString(out, answer.model);
  *out += ",\"model_version\":\"";
  AppendJson(out, answer.version);
  *out += "\",\"outputs\":[";
}

}  // namespace

Result<size_t> WriteInferResponse(const InferCall& call, const InferAnswer& answer, std::string* out,
                                  BinaryTail* tail) {
  const size_t start = out->size();
  boost::container::small_vector<Tensor, 4> binary;
  AppendHead(call, answer, out);
  for (size_t i = 0; i < answer.request->outputs.size(); i++) {
    HR_ASSIGN_OR_UNEXPECTED(Output output, Describe(call, answer, i));
    if (i > 0) *out += ',';
    AppendOutput(output, out);
    if (output.binary) binary.push_back(std::move(output.tensor));
  }
  *out += "]}";
  const size_t json_bytes = binary.empty() ? 0 : out->size() - start;
  for (const Tensor& tensor : binary) AppendBinary(tensor, out, tail);
  return json_bytes;
}

}  // namespace headrace::oip
