#include "headrace/protocols/tfserving/predict_wire.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "headrace/base/proto_wire.h"
#include "headrace/protocols/tfserving/model_server.h"
#include "headrace/protocols/tfserving/tensor_wire.h"

namespace headrace::tfserving {
namespace {

bool ReadSpec(std::string_view message, ModelSpecView* spec) {
  spec->present = true;
  ProtoReader reader(message);
  while (reader.Next()) {
    if (!reader.is_bytes()) continue;
    if (reader.field() == 1) spec->name = reader.bytes();
    if (reader.field() == 3) spec->signature = reader.bytes();
    if (reader.field() == 4) {
      spec->label = reader.bytes();
      spec->version.reset();
    }
    if (reader.field() != 2) continue;
    spec->label = {};
    spec->version = 0;
    ProtoReader wrapper(reader.bytes());
    while (wrapper.Next())
      if (wrapper.field() == 1 && wrapper.is_varint()) spec->version = static_cast<int64_t>(wrapper.number());
    if (!wrapper.ok()) return false;
  }
  return reader.ok();
}

bool ReadInput(std::string_view entry, PredictView* view) {
  PredictView::Input input;
  ProtoReader reader(entry);
  while (reader.Next()) {
    if (reader.field() == 1 && reader.is_bytes()) input.name = reader.bytes();
    if (reader.field() == 2 && reader.is_bytes()) input.tensor = reader.bytes();
  }
  const auto same = std::ranges::find(view->inputs, input.name, &PredictView::Input::name);
  if (same != view->inputs.end()) {
    *same = input;
  } else {
    view->inputs.push_back(input);
  }
  return reader.ok();
}

using Names = std::set<std::string_view>;

std::string Joined(const Names& names) { return fmt::format("{}", fmt::join(names, ",")); }

Names Without(const Names& from, const Names& other) {
  Names left;
  std::ranges::set_difference(from, other, std::inserter(left, left.end()));
  return left;
}

Status WrongInputs(const PredictView& view, const Signature& signature) {
  Names sent, wanted;
  for (const auto& input : view.inputs) sent.insert(input.name);
  for (const auto& input : signature.inputs) wanted.insert(input.name);
  return InvalidArgument(
      "input size does not match signature: {}!={} len({{{}}}) != len({{{}}}). Sending extra: {{{}}}. Missing but "
      "required: {{{}}}.",
      sent.size(), wanted.size(), Joined(sent), Joined(wanted), Joined(Without(sent, wanted)),
      Joined(Without(wanted, sent)));
}

Status UnknownInput(std::string_view name, const Signature& signature) {
  Names wanted;
  for (const auto& input : signature.inputs) wanted.insert(input.name);
  return InvalidArgument("input tensor alias not found in signature: {}. Inputs expected to be in the set {{{}}}.",
                         name, Joined(wanted));
}

Status SelectOutputs(const PredictView& view, InferRequest* request) {
  const Signature& signature = *request->signature;
  for (const std::string_view name : view.output_filter) {
    const int index = signature.OutputIndex(name);
    if (index < 0) {
      Names known;
      for (const auto& output : signature.outputs) known.insert(output.name);
      return InvalidArgument("output tensor alias not found in signature: {} Outputs expected to be in the set {{{}}}.",
                             name, Joined(known));
    }
    if (std::ranges::find(request->outputs, static_cast<uint32_t>(index)) != request->outputs.end())
      return InvalidArgument("duplicate output tensor alias: {}", name);
    request->outputs.push_back(static_cast<uint32_t>(index));
  }
  return OkStatus();
}

size_t EntrySize(std::string_view name, size_t tensor) {
  return ProtoWriter::BytesSize(name.size()) + ProtoWriter::BytesSize(tensor);
}

void AppendSpec(std::string_view model, int64_t version, std::string_view signature, ProtoWriter writer) {
  const size_t wrapper = version == 0 ? 0 : 1 + ProtoWriter::VarintSize(static_cast<uint64_t>(version));
  writer.BytesHead(2, ProtoWriter::BytesSize(model.size()) + ProtoWriter::BytesSize(wrapper) +
                          ProtoWriter::BytesSize(signature.size()));
  writer.Bytes(1, model);
  writer.BytesHead(2, wrapper);
  if (version != 0) writer.Number(1, static_cast<uint64_t>(version));
  writer.Bytes(3, signature);
}

}  // namespace

Result<PredictView> ParsePredictRequest(std::string_view message) {
  PredictView view;
  ProtoReader reader(message);
  bool good = true;
  while (good && reader.Next()) {
    if (!reader.is_bytes()) continue;
    if (reader.field() == 1) good = ReadSpec(reader.bytes(), &view.spec);
    if (reader.field() == 2) good = ReadInput(reader.bytes(), &view);
    if (reader.field() == 3) view.output_filter.push_back(reader.bytes());
  }
  if (!good || !reader.ok()) return std::unexpected(InvalidArgument("the request is not a PredictRequest"));
  return view;
}

Status BindPredict(const PredictView& view, Arena* arena, InferRequest* request) {
  const Signature& signature = *request->signature;
  if (view.inputs.size() != signature.inputs.size()) return WrongInputs(view, signature);
  request->inputs.resize(signature.inputs.size());
  for (const auto& input : view.inputs) {
    const int index = signature.InputIndex(input.name);
    if (index < 0) return UnknownInput(input.name, signature);
    HR_ASSIGN_OR_RETURN(request->inputs[static_cast<size_t>(index)], ParseTensor(input.tensor, input.name, arena));
  }
  return SelectOutputs(view, request);
}

void AppendPredictResponse(std::string_view model, int64_t version, const InferRequest& request,
                           const InferResponse& response, bool tensor_content, std::string* out) {
  ProtoWriter writer(out);
  for (size_t i = 0; i < response.outputs.size(); i++) {
    const std::string& name = request.signature->outputs[request.outputs[i]].name;
    const size_t size = TensorMessageSize(response.outputs[i], tensor_content);
    writer.BytesHead(1, EntrySize(name, size));
    writer.Bytes(1, name);
    writer.BytesHead(2, size);
    AppendTensorMessage(response.outputs[i], tensor_content, out);
  }
  AppendSpec(model, version, request.signature->name, writer);
}

}  // namespace headrace::tfserving
