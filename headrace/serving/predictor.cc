#include "headrace/serving/predictor.h"

#include <limits>
#include <numeric>

#include "headrace/serving/warmup.h"

namespace headrace::serving {
namespace {

// Makes the count of calls under way negative, which says that none may come in.
constexpr int64_t kDraining = std::numeric_limits<int64_t>::min();

uint64_t Rows(const InferRequest& request) {
  if (request.inputs.empty() || request.inputs[0].shape().empty()) return 1;
  return static_cast<uint64_t>(request.inputs[0].shape()[0]);
}

}  // namespace

Status CheckRequest(InferRequest* request) {
  const Signature& signature = *request->signature;
  if (request->inputs.size() != signature.inputs.size())
    return InvalidArgument("signature {}: expected {} inputs, found {}", signature.name, signature.inputs.size(),
                           request->inputs.size());
  for (size_t i = 0; i < signature.inputs.size(); i++)
    HR_RETURN_IF_ERROR(signature.inputs[i].Check(request->inputs[i]));
  if (request->outputs.empty()) {
    request->outputs.resize(signature.outputs.size());
    std::iota(request->outputs.begin(), request->outputs.end(), 0u);
  }
  return OkStatus();
}

Predictor::Predictor(PredictorOptions options)
    : options_(options),
      pool_("hr-infer", options.threads != 0 ? options.threads : AvailableCores(), options.max_queued),
      batches_(&pool_, options.clock, [this](PredictCall* call, Status status) { Finish(call, std::move(status)); }) {}

Predictor::~Predictor() {
  Drain();
  pool_.Shutdown();  // while the batches' workers that it may still run have something to look at
}

bool Predictor::RunsInline(const PredictCall& call) const {
  if (call.run_inline || options_.inline_limit == Duration::max()) return true;
  const auto estimate = call.servable.get()->runtime().Estimate(InputElements(call.request));
  return estimate && *estimate < options_.inline_limit;
}

void Predictor::Predict(PredictCall* call, InferDone done) {
  call->started = options_.clock->Monotonic();
  call->done_ = std::move(done);
  if (under_way_.fetch_add(1, std::memory_order_acq_rel) < 0)
    return Finish(call, Unavailable("the server is shutting down; ask another"));
  if (Status status = CheckRequest(&call->request); !status.ok()) return Finish(call, std::move(status));
  if (BatchScheduler::Takes(*call)) return batches_.Submit(call);
  if (RunsInline(*call)) return Run(call);
  if (pool_.Submit([this, call] { Run(call); }).ok()) return;
  Finish(call, ResourceExhausted("{} requests are waiting for a thread already; slow down or add replicas",
                                 options_.max_queued));
}

void Predictor::Run(PredictCall* call) {
  const Deadline start = options_.clock->Monotonic();
  call->queued = start - call->started;
  if (start >= call->request.deadline)
    return Finish(call, DeadlineExceeded("the deadline passed while the request waited {} µs for a thread",
                                         call->queued.count() / 1000));
  // Two pointers fit into the callback without an allocation.
  call->servable.servable().Infer(call->request, &call->response, [this, call](Status status) {
    call->runtime = options_.clock->Monotonic() - call->started - call->queued;
    if (status.ok()) {
      LoadedVersion* version = call->servable.get();
      version->runtime().Record(InputElements(call->request), call->runtime);
      version->stats().RecordExecution(call->runtime, Rows(call->request));
      version->stats().queue.Add(call->queued);
    }
    Finish(call, std::move(status));
  });
}

void Predictor::Finish(PredictCall* call, Status status) {
  // The last of what this touches of the call: `done` may free it.
  InferDone done = std::move(call->done_);
  call->servable.stats().RecordRequest(status.code(), options_.clock->Monotonic() - call->started);
  done(std::move(status));
  if (under_way_.fetch_sub(1, std::memory_order_acq_rel) < 0) under_way_.notify_all();
}

void Predictor::Drain() {
  under_way_.fetch_or(kDraining, std::memory_order_acq_rel);
  for (int64_t now; (now = under_way_.load(std::memory_order_acquire)) != kDraining;)
    under_way_.wait(now, std::memory_order_acquire);
}

size_t Predictor::queued() const { return pool_.queued(); }

}  // namespace headrace::serving
