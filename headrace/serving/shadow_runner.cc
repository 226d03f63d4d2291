#include "headrace/serving/shadow_runner.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "headrace/serving/batch_tensors.h"
#include "headrace/serving/predictor.h"
#include "headrace/serving/warmup.h"

namespace headrace::serving {
namespace {

template <class T>
bool Close(std::span<const T> a, std::span<const T> b) {
  for (size_t i = 0; i < a.size(); i++) {
    const double x = a[i], y = b[i];
    if (x == y || (std::isnan(x) && std::isnan(y))) continue;
    const double difference = std::abs(x - y);
    if (!(difference <= 1e-6 || difference <= 1e-5 * std::max(std::abs(x), std::abs(y)))) return false;
  }
  return true;
}

bool SameTensor(const Tensor& a, const Tensor& b) {
  if (a.type() != b.type() || a.shape() != b.shape()) return false;
  switch (a.type()) {
    case DataType::kString: return std::equal(a.strings().begin(), a.strings().end(), b.strings().begin());
    case DataType::kFloat32: return Close(a.values<float>(), b.values<float>());
    case DataType::kFloat64: return Close(a.values<double>(), b.values<double>());
    default: return a.bytes() == 0 || std::memcmp(a.data(), b.data(), a.bytes()) == 0;
  }
}

}  // namespace

struct ShadowRunner::Job {
  ServableHandle primary;
  InferRequest request;  // with inputs of its own
  InferResponse response;
  std::vector<ServableHandle> shadows;
  Deadline submitted;
  std::string trace_id, client, request_id;  // RequestOrigin's, when it is to be logged
};

std::string_view ShadowOutcomeName(ShadowOutcome outcome) {
  switch (outcome) {
    case ShadowOutcome::kSame: return "same";
    case ShadowOutcome::kDifferent: return "different";
    case ShadowOutcome::kFailed: return "failed";
    case ShadowOutcome::kDropped: return "dropped";
  }
  return "";
}

Tensor CopyTensor(const Tensor& tensor) {
  if (tensor.type() == DataType::kString)
    return Tensor::OfStrings(tensor.shape(), {tensor.strings().begin(), tensor.strings().end()});
  auto storage = std::make_shared<std::vector<uint64_t>>((tensor.bytes() + 7) / 8);
  if (tensor.bytes() != 0) std::memcpy(storage->data(), tensor.data(), tensor.bytes());
  const void* data = storage->data();
  return Tensor(tensor.type(), tensor.shape(), data, std::move(storage));
}

bool SameAnswer(const InferResponse& a, const InferResponse& b) {
  return std::equal(a.outputs.begin(), a.outputs.end(), b.outputs.begin(), b.outputs.end(), SameTensor);
}

void ShadowRunner::Submit(const PredictCall& answered, std::vector<ServableHandle> shadows) {
  std::erase_if(shadows, [&](const auto& shadow) { return shadow.get() == answered.servable.get(); });
  if (shadows.empty()) return;
  auto job = std::make_shared<Job>();
  job->primary = answered.servable;
  job->request.signature = answered.request.signature;
  job->request.outputs = answered.request.outputs;
  for (const auto& input : answered.request.inputs) job->request.inputs.push_back(CopyTensor(input));
  job->response = answered.response;
  job->shadows = std::move(shadows);
  job->submitted = clock_->Monotonic();
  if (answered.servable.wishes(ServableHandle::kLog)) {
    job->trace_id = answered.origin.trace_id;
    job->client = answered.origin.client;
    job->request_id = answered.origin.request_id;
  }
  if (pool_.Submit([this, job] { Run(*job); }).ok()) return;
  for (const auto& shadow : job->shadows) Note(*job, shadow, ShadowOutcome::kDropped);
}

void ShadowRunner::Run(const Job& job) {
  for (const auto& shadow : job.shadows) Note(job, shadow, Ask(job, shadow));
}

ShadowOutcome ShadowRunner::Ask(const Job& job, const ServableHandle& shadow) {
  auto request = TranslateRequest(job.request, shadow);
  if (!request) return ShadowOutcome::kFailed;
  PredictCall call;
  call.servable = shadow;
  call.request = *std::move(request);
  call.started = job.submitted;
  call.queued = clock_->Monotonic() - job.submitted;
  call.executed_rows = BatchRows(call.request).value_or(1);
  const Status status = InferAndWait(shadow.servable(), call.request, &call.response);
  call.runtime = clock_->Monotonic() - job.submitted - call.queued;
  if (job.primary.wishes(ServableHandle::kLog) && log_) {
    call.origin = {.trace_id = job.trace_id, .client = job.client, .request_id = job.request_id};
    log_(call, status);
  }
  if (!status.ok()) return ShadowOutcome::kFailed;
  return SameAnswer(job.response, call.response) ? ShadowOutcome::kSame : ShadowOutcome::kDifferent;
}

void ShadowRunner::Note(const Job& job, const ServableHandle& shadow, ShadowOutcome outcome) {
  MutexLock lock(mutex_);
  counts_[{job.primary.model(), job.primary.version(), shadow.version()}][static_cast<size_t>(outcome)]++;
}

std::vector<ShadowRunner::Count> ShadowRunner::Counts() const {
  MutexLock lock(mutex_);
  std::vector<Count> counts;
  counts.reserve(counts_.size());
  for (const auto& [key, by_outcome] : counts_)
    counts.push_back({std::get<0>(key), std::get<1>(key), std::get<2>(key), by_outcome});
  return counts;
}

}  // namespace headrace::serving
