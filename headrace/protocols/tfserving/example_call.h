// One classify, regress or multi-inference exchange: the same examples through one or more signatures of one version.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "headrace/base/mutex.h"
#include "headrace/base/status.h"
#include "headrace/protocols/common/arena.h"
#include "headrace/protocols/tfserving/model_server.h"

namespace tensorflow::serving {
class ClassificationResult;
class Input;
class RegressionResult;
}  // namespace tensorflow::serving

namespace headrace::tfserving {

// Add each task, then Run once. The input and the origin's memory must outlive it; it must outlive `done`.
class ExampleCall {
 public:
  ExampleCall(serving::ServableHandle servable, const ::tensorflow::serving::Input& input,
              serving::RequestOrigin origin, Deadline arrived)
      : servable_(std::move(servable)), input_(input), origin_(origin), arrived_(arrived) {}

  // `method` is kClassifyMethod or kRegressMethod.
  Status Add(const Signature* signature, std::string_view method, Deadline deadline);
  // Calls `done` once, with the first error; from an inference thread perhaps.
  void Run(serving::Predictor* predictor, std::move_only_function<void(Status)> done);

  const serving::ServableHandle& servable() const { return servable_; }
  size_t tasks() const { return calls_.size(); }
  const Signature& signature(size_t task) const { return *calls_[task]->request.signature; }
  // After `done`.
  Status Classify(size_t task, ::tensorflow::serving::ClassificationResult* result) const;
  Status Regress(size_t task, ::tensorflow::serving::RegressionResult* result) const;

 private:
  void Finished(Status status);

  const serving::ServableHandle servable_;
  const ::tensorflow::serving::Input& input_;
  const serving::RequestOrigin origin_;
  const Deadline arrived_;
  Arena arena_;
  std::vector<std::unique_ptr<serving::PredictCall>> calls_;
  std::move_only_function<void(Status)> done_;
  std::atomic<size_t> left_{0};
  Mutex mutex_;
  Status first_error_ HR_GUARDED_BY(mutex_);
};

}  // namespace headrace::tfserving
