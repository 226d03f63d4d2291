// Copies of requests run on shadow versions: their answers are compared with what the client got, counted and, where
// the request is sampled, logged. Never waited for: what does not fit into a short queue is counted as dropped.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "headrace/base/clock.h"
#include "headrace/base/mutex.h"
#include "headrace/base/thread_pool.h"
#include "headrace/core/engine.h"
#include "headrace/serving/servable_handle.h"

namespace headrace::serving {

struct PredictCall;

enum class ShadowOutcome { kSame, kDifferent, kFailed, kDropped };
std::string_view ShadowOutcomeName(ShadowOutcome outcome);  // "same" …

// Outputs of equal types and shapes, and elements equal (floating point ones within 1e-5 of each other relative to the
// larger, or 1e-6 absolute; NaN equals NaN).
bool SameAnswer(const InferResponse& a, const InferResponse& b);

// A tensor with elements of its own.
Tensor CopyTensor(const Tensor& tensor);

// Thread-safe.
class ShadowRunner {
 public:
  using Log = std::function<void(const PredictCall&, const Status&)>;
  // One thread: shadows get what the others leave. `log`, when there is one, is told there of the answers to calls that
  // are sampled.
  explicit ShadowRunner(Clock* clock, Log log, size_t max_queued = 256)
      : clock_(clock), log_(std::move(log)), pool_("hr-shadow", 1, max_queued) {}

  // Copies what it needs of a call that has been answered, and returns.
  void Submit(const PredictCall& answered, std::vector<ServableHandle> shadows);
  // Runs what is queued and refuses more.
  void Drain() { pool_.Shutdown(); }

  struct Count {
    std::string model;
    int64_t version = 0;         // that answered
    int64_t shadow_version = 0;  // that was compared with it
    std::array<uint64_t, 4> by_outcome{};
  };
  std::vector<Count> Counts() const;

 private:
  struct Job;
  void Run(const Job& job);
  ShadowOutcome Ask(const Job& job, const ServableHandle& shadow);
  void Note(const Job& job, const ServableHandle& shadow, ShadowOutcome outcome);

  Clock* const clock_;
  const Log log_;
  mutable Mutex mutex_;
  std::map<std::tuple<std::string, int64_t, int64_t>, std::array<uint64_t, 4>> counts_ HR_GUARDED_BY(mutex_);
  ThreadPool pool_;
};

}  // namespace headrace::serving
