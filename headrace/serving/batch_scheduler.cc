#include "headrace/serving/batch_scheduler.h"

#include <algorithm>

#include "headrace/serving/batch_tensors.h"
#include "headrace/serving/predictor.h"
#include "headrace/serving/warmup.h"

namespace headrace::serving {

BatchScheduler::~BatchScheduler() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  wake_.NotifyAll();
  if (timer_.joinable()) timer_.join();
}

bool BatchScheduler::Takes(const PredictCall& call) {
  const BatchQueue* queue = call.servable.get()->batch_queue();
  if (queue == nullptr) return false;
  const auto& signatures = queue->config().signatures;
  const Signature& signature = *call.request.signature;
  if (!signatures.empty() && std::find(signatures.begin(), signatures.end(), signature.name) == signatures.end())
    return false;
  const auto rows = BatchRows(call.request);
  return rows && *rows >= 1 && *rows <= queue->config().max_batch_size && IsBatchable(signature);
}

void BatchScheduler::Submit(PredictCall* call) {
  ServableHandle version = call->servable;
  BatchQueue& queue = *version.get()->batch_queue();
  const auto added = queue.Add(call, *BatchRows(call->request), call->started);
  if (!added) return finish_(call, added.error());
  if (added->next == BatchQueue::Next::kStartNow) Start(std::move(version));
  if (added->next == BatchQueue::Next::kStartAt) StartAt(std::move(version), added->at);
}

void BatchScheduler::Start(ServableHandle version) {
  // A full pool: the turn waits for a place like everything else, a moment later.
  if (!pool_->Submit([this, version]() mutable { Turn(std::move(version)); }).ok())
    StartAt(std::move(version), clock_->Monotonic() + std::chrono::milliseconds(1));
}

void BatchScheduler::StartAt(ServableHandle version, Deadline at) {
  {
    MutexLock lock(mutex_);
    timers_.emplace(at, std::move(version));
    if (!timer_.joinable()) timer_ = std::thread([this] { TimerLoop(); });
  }
  wake_.NotifyAll();
}

void BatchScheduler::TimerLoop() {
  MutexLock lock(mutex_);
  while (!stopping_) {
    if (timers_.empty()) {
      wake_.Wait(mutex_);
      continue;
    }
    if (const Deadline at = timers_.begin()->first; at > clock_->Monotonic()) {
      wake_.WaitUntil(mutex_, at);
      continue;
    }
    ServableHandle version = std::move(timers_.begin()->second);
    timers_.erase(timers_.begin());
    if (!pool_->Submit([this, version]() mutable { Turn(std::move(version)); }).ok())
      timers_.emplace(clock_->Monotonic() + std::chrono::milliseconds(1), std::move(version));
  }
}

void BatchScheduler::Turn(ServableHandle version) {
  BatchQueue& queue = *version.get()->batch_queue();
  auto taken = queue.Take(clock_->Monotonic());
  for (PredictCall* call : taken.expired)
    finish_(call, DeadlineExceeded("the deadline passed while the request waited for its batch"));
  if (taken.calls.size() == 1 && queue.PaddedRows(taken.rows) == taken.rows)
    ExecuteAlone(version, taken.calls[0]);
  else if (!taken.calls.empty())
    Execute(version, std::move(taken.calls), taken.rows);
  if (taken.next == BatchQueue::Next::kStartNow) Start(std::move(version));
  if (taken.next == BatchQueue::Next::kStartAt) StartAt(std::move(version), taken.at);
}

void BatchScheduler::ExecuteAlone(const ServableHandle& version, PredictCall* call) {
  const Deadline start = clock_->Monotonic();
  call->queued = start - call->started;
  const Status status = InferAndWait(version.servable(), call->request, &call->response);
  call->runtime = clock_->Monotonic() - start;
  version.stats().queue.Add(call->queued);
  if (status.ok()) version.stats().RecordExecution(call->runtime, static_cast<uint64_t>(*BatchRows(call->request)));
  finish_(call, status);
}

void BatchScheduler::Execute(const ServableHandle& version, std::vector<PredictCall*> calls, int64_t rows) {
  const Deadline start = clock_->Monotonic();
  const int64_t padded = version.get()->batch_queue()->PaddedRows(rows);
  const InferRequest& first = calls[0]->request;
  InferRequest request;
  request.signature = first.signature;
  request.outputs = first.outputs;
  std::vector<const Tensor*> parts;
  for (size_t input = 0; input < first.inputs.size(); input++) {
    parts.clear();
    for (const PredictCall* call : calls) parts.push_back(&call->request.inputs[input]);
    request.inputs.push_back(JoinRows(parts, padded));
  }
  InferResponse response;
  const Status status = InferAndWait(version.servable(), request, &response);
  const Duration runtime = clock_->Monotonic() - start;
  if (status.ok()) version.stats().RecordExecution(runtime, static_cast<uint64_t>(rows));
  for (PredictCall* call : calls) {
    call->queued = start - call->started;
    call->runtime = runtime;
    version.stats().queue.Add(call->queued);
  }
  // One request's bad value must not fail its neighbours.
  if (!status.ok() && calls.size() > 1) {
    for (PredictCall* call : calls) ExecuteAlone(version, call);
    return;
  }
  Split(version, calls, response, padded, status);
}

void BatchScheduler::Split(const ServableHandle& version, const std::vector<PredictCall*>& calls,
                           const InferResponse& response, int64_t padded, Status status) {
  for (size_t i = 0; status.ok() && i < response.outputs.size(); i++) {
    const auto& shape = response.outputs[i].shape();
    if (!shape.empty() && shape[0] == padded) continue;
    const auto& name = calls[0]->request.signature->outputs[calls[0]->request.outputs[i]].name;
    status = Internal("output \"{}\" of model {} has shape {} for a batch of {} rows; turn batching off for this model",
                      name, version.model(), ShapeToString(shape), padded);
  }
  int64_t row = 0;
  for (PredictCall* call : calls) {
    const int64_t rows = *BatchRows(call->request);
    call->response.outputs.clear();
    for (size_t i = 0; status.ok() && i < response.outputs.size(); i++)
      call->response.outputs.push_back(SliceRows(response.outputs[i], row, rows));
    row += rows;
    finish_(call, status);
  }
}

}  // namespace headrace::serving
