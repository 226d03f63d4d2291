#include "headrace/serving/warmup.h"

#include <cstring>
#include <future>
#include <numeric>

#include "headrace/base/log.h"

namespace headrace::serving {
namespace {

constexpr int kRuns = 3;  // the first pays, the others are measured

Tensor ZeroTensor(const TensorSpec& spec) {
  Shape shape = spec.shape;
  if (spec.any_rank) shape.assign(1, 1);
  for (auto& dimension : shape)
    if (dimension < 0) dimension = 1;
  const auto count = static_cast<size_t>(ElementCount(shape).value_or(0));
  if (spec.type == DataType::kString) return Tensor::OfStrings(std::move(shape), std::vector<std::string>(count));
  auto owner = std::make_shared<std::vector<uint64_t>>((count * DataTypeSize(spec.type) + 7) / 8 + 1);
  const void* data = owner->data();
  return Tensor(spec.type, std::move(shape), data, std::move(owner));
}

Status WarmUp(Servable& servable, const Signature& signature, RuntimeEstimate* estimate) {
  InferRequest request;
  request.signature = &signature;
  for (const auto& input : signature.inputs) request.inputs.push_back(ZeroTensor(input));
  request.outputs.resize(signature.outputs.size());
  std::iota(request.outputs.begin(), request.outputs.end(), 0u);
  for (int run = 0; run < kRuns; run++) {
    InferResponse response;
    const Deadline start = Clock::Real()->Monotonic();
    HR_RETURN_IF_ERROR(InferAndWait(servable, request, &response));
    if (run > 0) estimate->Record(InputElements(request), Clock::Real()->Monotonic() - start);
  }
  return OkStatus();
}

}  // namespace

int64_t InputElements(const InferRequest& request) {
  int64_t elements = 0;
  for (const auto& input : request.inputs) {
    elements += input.size();
    if (input.type() != DataType::kString) continue;
    for (const std::string_view text : input.strings()) elements += static_cast<int64_t>(text.size());
  }
  return elements;
}

Status InferAndWait(Servable& servable, const InferRequest& request, InferResponse* response) {
  std::promise<Status> finished;
  servable.Infer(request, response, [&](Status status) { finished.set_value(std::move(status)); });
  return finished.get_future().get();
}

void WarmUpFromSignatures(Servable& servable, RuntimeEstimate* estimate) {
  for (const auto& signature : servable.signatures())
    if (const Status status = WarmUp(servable, signature, estimate); !status.ok())
      HR_LOG(debug, "signature {} does not run on zeros, not warmed up: {}", signature.name, status.ToString());
}

}  // namespace headrace::serving
