#include "headrace/protocols/tfserving/example_call.h"

#include <utility>

#include "headrace/protocols/tfserving/examples.h"

namespace headrace::tfserving {

Status ExampleCall::Add(const Signature* signature, std::string_view method, Deadline deadline) {
  auto call = std::make_unique<serving::PredictCall>();
  call->servable = servable_;
  call->request.signature = signature;
  call->request.deadline = deadline;
  call->origin = origin_;
  call->arrived = arrived_;
  HR_RETURN_IF_ERROR(BindExamples(input_, method, &arena_, &call->request));
  calls_.push_back(std::move(call));
  return OkStatus();
}

void ExampleCall::Run(serving::Predictor* predictor, std::move_only_function<void(Status)> done) {
  done_ = std::move(done);
  // One more than there are calls: `done`, which may end this object, runs behind the loop.
  left_ = calls_.size() + 1;
  for (const auto& call : calls_)
    predictor->Predict(call.get(), [this](Status status) { Finished(std::move(status)); });
  Finished(OkStatus());
}

void ExampleCall::Finished(Status status) {
  if (!status.ok()) {
    const MutexLock lock(mutex_);
    if (first_error_.ok()) first_error_ = std::move(status);
  }
  if (left_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  Status first_error;
  {
    const MutexLock lock(mutex_);
    first_error = std::move(first_error_);
  }
  // `done` may end this object, and so the function that it is.
  auto finish = std::move(done_);
  finish(std::move(first_error));
}

Status ExampleCall::Classify(size_t task, ::tensorflow::serving::ClassificationResult* result) const {
  return ToClassifications(calls_[task]->request, calls_[task]->response, ExampleCount(input_), result);
}

Status ExampleCall::Regress(size_t task, ::tensorflow::serving::RegressionResult* result) const {
  return ToRegressions(calls_[task]->request, calls_[task]->response, ExampleCount(input_), result);
}

}  // namespace headrace::tfserving
