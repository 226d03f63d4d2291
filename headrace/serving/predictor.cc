#include "headrace/serving/predictor.h"

#include <limits>
#include <numeric>
#include <utility>

#include "headrace/serving/model_manager.h"
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

Status CheckStrings(const InferRequest& request, size_t max_bytes) {
  for (size_t i = 0; i < request.inputs.size(); i++) {
    if (request.inputs[i].type() != DataType::kString) continue;
    for (const std::string_view text : request.inputs[i].strings())
      if (text.size() > max_bytes)
        return InvalidArgument("input \"{}\": a string of {} bytes; at most {} are taken (--max_string_bytes)",
                               request.signature->inputs[i].name, text.size(), max_bytes);
  }
  return OkStatus();
}

std::optional<InferRequest> TranslateRequest(const InferRequest& request, const ServableHandle& to) {
  InferRequest translated;
  translated.signature = to.FindSignature(request.signature->name);
  if (translated.signature == nullptr) return std::nullopt;
  translated.deadline = request.deadline;
  translated.cancelled = request.cancelled;
  for (const auto& input : translated.signature->inputs) {
    const int index = request.signature->InputIndex(input.name);
    if (index < 0) return std::nullopt;
    translated.inputs.push_back(request.inputs[static_cast<size_t>(index)]);
  }
  for (const uint32_t output : request.outputs) {
    const int index = translated.signature->OutputIndex(request.signature->outputs[output].name);
    if (index < 0) return std::nullopt;
    translated.outputs.push_back(static_cast<uint32_t>(index));
  }
  if (!CheckRequest(&translated).ok()) return std::nullopt;
  return translated;
}

std::string RouteKeyOf(const Tensor& tensor) {
  if (tensor.size() == 0) return {};
  if (tensor.type() == DataType::kString) return std::string(tensor.strings()[0]);
  return std::string(static_cast<const char*>(tensor.data()), DataTypeSize(tensor.type()));
}

Predictor::Predictor(PredictorOptions options)
    : options_(options),
      pool_("hr-infer", options.threads != 0 ? options.threads : AvailableCores(), options.max_queued),
      batches_(
          &pool_, options.clock,
          [this](PredictCall* call, Status status) { Finish(call, std::move(status), options_.clock->Monotonic()); }),
      shadows_(options.clock, options.log) {}

Predictor::~Predictor() {
  Drain();
  pool_.Shutdown();  // while the batches' workers that it may still run have something to look at
}

bool Predictor::IsBrief(const PredictCall& call) const {
  if (call.servable.servable().runtime_depends_on_values()) return false;
  const auto estimate = call.servable.get()->runtime().Estimate(InputElements(call.request));
  return estimate && *estimate < options_.inline_limit;
}

void Predictor::Predict(PredictCall* call, InferDone done) {
  call->started = options_.clock->Monotonic();
  if (call->arrived == Deadline{}) call->arrived = call->started;
  call->done_ = std::move(done);
  if (under_way_.fetch_add(1, std::memory_order_acq_rel) < 0)
    return Finish(call, Unavailable("the server is shutting down; ask another"), call->started);
  if (Status status = CheckRequest(&call->request); !status.ok())
    return Finish(call, std::move(status), options_.clock->Monotonic());
  if (Status status = CheckStrings(call->request, options_.max_string_bytes); !status.ok())
    return Finish(call, std::move(status), options_.clock->Monotonic());
  if (call->servable.wishes(ServableHandle::kRouteByInput)) RouteByInput(call);
  if (BatchScheduler::Takes(*call)) return batches_.Submit(call);
  call->request.brief = IsBrief(*call);
  if (call->request.brief || call->run_inline || options_.inline_limit == Duration::max())
    return Run(call, call->started);
  if (pool_.Submit([this, call] { Run(call, options_.clock->Monotonic()); }).ok()) return;
  Finish(
      call,
      ResourceExhausted("{} requests are waiting for a thread already; slow down or add replicas", options_.max_queued),
      call->started);
}

void Predictor::RouteByInput(PredictCall* call) {
  if (options_.manager == nullptr) return;
  const int index = call->request.signature->InputIndex(options_.manager->RouteInput(call->servable.model()));
  if (index < 0) return;
  const std::string key = RouteKeyOf(call->request.inputs[static_cast<size_t>(index)]);
  if (key.empty()) return;
  auto chosen = options_.manager->Lookup({.model = call->servable.model(), .route_key = key});
  if (!chosen) return;
  auto request = TranslateRequest(call->request, *chosen);
  if (!request) return;
  call->request = *std::move(request);
  call->looked_up_ = std::exchange(call->servable, *std::move(chosen));
}

void Predictor::Run(PredictCall* call, Deadline start) {
  call->queued = start - call->started;
  if (start >= call->request.deadline)
    return Finish(call,
                  DeadlineExceeded("the deadline passed while the request waited {} µs for a thread",
                                   call->queued.count() / 1000),
                  start);
  if (IsCancelled(call->request))
    return Finish(call, Cancelled("the client gave up while the request waited for a thread"), start);
  call->executed_rows = static_cast<int64_t>(Rows(call->request));
  // Two pointers fit into the callback without an allocation.
  call->servable.servable().Infer(call->request, &call->response, [this, call](Status status) {
    const Deadline end = options_.clock->Monotonic();
    call->runtime = end - call->started - call->queued;
    if (status.ok()) {
      LoadedVersion* version = call->servable.get();
      version->runtime().Record(InputElements(call->request), call->runtime);
      version->stats().RecordExecution({.rows = Rows(call->request), .queued = call->queued, .runtime = call->runtime});
    }
    Finish(call, std::move(status), end);
  });
}

void Predictor::Finish(PredictCall* call, Status status, Deadline now) {
  if (status.ok() && now >= call->request.deadline)
    status = DeadlineExceeded("the deadline passed; the model took {} µs behind {} µs of waiting",
                              call->runtime.count() / 1000, call->queued.count() / 1000);
  call->servable.stats().RecordRequest(status.code(), now - call->arrived);
  if (call->servable.wishes(ServableHandle::kShadow) && status.ok() && options_.manager != nullptr)
    shadows_.Submit(*call, options_.manager->Shadows(call->servable.model()));
  if (call->servable.wishes(ServableHandle::kLog) && options_.log) options_.log(*call, status);
  InferDone(std::move(call->done_))(std::move(status));  // which may free the call
  if (under_way_.fetch_sub(1, std::memory_order_acq_rel) < 0) under_way_.notify_all();
}

void Predictor::CountRefused(const ServableHandle& servable, std::string_view model, Code code, Deadline arrived) {
  const Duration latency = options_.clock->Monotonic() - arrived;
  if (servable)
    servable.stats().RecordRequest(code, latency);
  else if (options_.manager != nullptr)
    options_.manager->CountRefused(model, code, latency);
}

void Predictor::Drain() {
  under_way_.fetch_or(kDraining, std::memory_order_acq_rel);
  for (int64_t now; (now = under_way_.load(std::memory_order_acquire)) != kDraining;)
    under_way_.wait(now, std::memory_order_acquire);
  shadows_.Drain();
}

size_t Predictor::queued() const { return pool_.queued(); }

}  // namespace headrace::serving
