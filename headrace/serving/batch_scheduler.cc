#include "headrace/serving/batch_scheduler.h"

#include <algorithm>

#include "headrace/serving/batch_tensors.h"
#include "headrace/serving/predictor.h"
#include "headrace/serving/warmup.h"

namespace headrace::serving {
namespace {

// The calls' inputs, one behind the other, padded to `rows`.
InferRequest Join(const std::vector<PredictCall*>& calls, int64_t rows) {
  const InferRequest& first = calls[0]->request;
  InferRequest joined;
  joined.signature = first.signature;
  joined.outputs = first.outputs;
  joined.deadline = first.deadline;
  for (const PredictCall* call : calls) joined.deadline = std::max(joined.deadline, call->request.deadline);
  std::vector<const Tensor*> parts;
  for (size_t input = 0; input < first.inputs.size(); input++) {
    parts.clear();
    for (const PredictCall* call : calls) parts.push_back(&call->request.inputs[input]);
    joined.inputs.push_back(JoinRows(parts, rows));
  }
  return joined;
}

Status CheckRows(const std::string& model, const InferRequest& request, const InferResponse& response, int64_t rows) {
  for (size_t i = 0; i < response.outputs.size(); i++) {
    const auto& shape = response.outputs[i].shape();
    if (!shape.empty() && shape[0] == rows) continue;
    return Internal("output \"{}\" of model {} has shape {} for a batch of {} rows; turn batching off for this model",
                    request.signature->outputs[request.outputs[i]].name, model, ShapeToString(shape), rows);
  }
  return OkStatus();
}

// Gives each call its rows of the answer.
void Split(const std::vector<PredictCall*>& calls, const InferResponse& response) {
  int64_t row = 0;
  for (PredictCall* call : calls) {
    const int64_t rows = *BatchRows(call->request);
    call->response.outputs.clear();
    for (const Tensor& output : response.outputs) call->response.outputs.push_back(SliceRows(output, row, rows));
    row += rows;
  }
}

}  // namespace

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
  if (added->next == BatchQueue::Next::kStartNow) return Start(std::move(version));
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
    finish_(call, IsCancelled(call->request)
                      ? Cancelled("the client gave up while the request waited for its batch")
                      : DeadlineExceeded("the deadline passed while the request waited for its batch"));
  if (taken.calls.size() == 1 && queue.PaddedRows(taken.rows) == taken.rows)
    ExecuteAlone(version, taken.calls[0]);
  else if (!taken.calls.empty())
    Execute(version, std::move(taken.calls), taken.rows);
  if (taken.next == BatchQueue::Next::kStartNow) return Start(std::move(version));
  if (taken.next == BatchQueue::Next::kStartAt) StartAt(std::move(version), taken.at);
}

void BatchScheduler::ExecuteAlone(const ServableHandle& version, PredictCall* call) {
  const Deadline start = clock_->Monotonic();
  call->queued = start - call->started;
  call->executed_rows = *BatchRows(call->request);
  const Status status = InferAndWait(version.servable(), call->request, &call->response);
  call->runtime = clock_->Monotonic() - start;
  if (status.ok())
    version.stats().RecordExecution(
        {.rows = static_cast<uint64_t>(call->executed_rows), .queued = call->queued, .runtime = call->runtime});
  finish_(call, status);
}

void BatchScheduler::Execute(const ServableHandle& version, std::vector<PredictCall*> calls, int64_t rows) {
  const Deadline start = clock_->Monotonic();
  const int64_t padded = version.get()->batch_queue()->PaddedRows(rows);
  const InferRequest request = Join(calls, padded);
  const Deadline joined = clock_->Monotonic();
  InferResponse response;
  Status status = InferAndWait(version.servable(), request, &response);
  const Deadline computed = clock_->Monotonic();
  // One request's bad value must not fail its neighbours. Once all of the deadlines have passed, nothing can.
  if (!status.ok() && status.code() != Code::kDeadlineExceeded && calls.size() > 1) {
    for (PredictCall* call : calls) ExecuteAlone(version, call);
    return;
  }
  Execution execution{.requests = calls.size(), .rows = static_cast<uint64_t>(rows)};
  execution.input = joined - start;
  execution.runtime = computed - joined;
  for (PredictCall* call : calls) {
    call->queued = start - call->started;
    call->runtime = execution.runtime;
    call->executed_rows = rows;
    execution.queued += call->queued;
  }
  if (status.ok()) status = CheckRows(version.model(), request, response, padded);
  if (status.ok()) {
    Split(calls, response);
    execution.output = clock_->Monotonic() - computed;
    version.stats().RecordExecution(execution);
  }
  for (PredictCall* call : calls) finish_(call, status);
}

}  // namespace headrace::serving
