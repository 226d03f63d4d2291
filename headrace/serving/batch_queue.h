// The requests of one loaded version that wait to be computed together. A batch grows until it starts: whoever arrives
// while all workers are busy joins the next one, so that load itself makes batches and an idle server adds no delay.
#pragma once
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "headrace/base/clock.h"
#include "headrace/base/mutex.h"
#include "headrace/base/status.h"
#include "headrace/serving/model_config.h"

namespace headrace::serving {

struct PredictCall;

// Thread-safe. Holds the calls, runs nothing.
class BatchQueue {
 public:
  explicit BatchQueue(BatchingConfig config);

  const BatchingConfig& config() const { return config_; }

  enum class Next {
    kNothing,   // the workers that there are will come by
    kStartNow,  // start a further worker
    kStartAt,   // … at `at`
  };
  struct Added {
    Next next = Next::kNothing;
    Deadline at{};
  };
  // `rows` of the call, between 1 and max_batch_size. kResourceExhausted when the queue is full, in TensorFlow
  // Serving's words; its code there is UNAVAILABLE, which tells clients to try again at once.
  Result<Added> Add(PredictCall* call, int64_t rows, Deadline now);

  struct Taken {
    std::vector<PredictCall*> calls;    // to run together; empty: see `next`
    std::vector<PredictCall*> expired;  // their deadlines passed, or their clients gave up, while they waited
    int64_t rows = 0;                   // of `calls`
    Next next = Next::kNothing;         // kNothing: the worker has ended; else it goes on, now or at `at`
    Deadline at{};
  };
  // For a worker, at each of its turns.
  Taken Take(Deadline now);

  // The allowed size that `rows` are padded to.
  int64_t PaddedRows(int64_t rows) const;

  struct Waiters {
    int64_t requests = 0;
    int64_t rows = 0;  // of them
  };
  Waiters waiting() const;

 private:
  struct Waiting {
    PredictCall* call;
    int64_t rows;
    Deadline since;
    std::string key;
  };
  const Waiting* Oldest() const HR_REQUIRES(mutex_);
  void DropExpired(Deadline now, std::vector<PredictCall*>* expired) HR_REQUIRES(mutex_);
  void Collect(Taken* taken) HR_REQUIRES(mutex_);

  const BatchingConfig config_;
  mutable Mutex mutex_;
  std::vector<std::deque<Waiting>> levels_ HR_GUARDED_BY(mutex_);  // by priority, the most urgent first
  int64_t rows_ HR_GUARDED_BY(mutex_) = 0;
  int workers_ HR_GUARDED_BY(mutex_) = 0;  // started, or about to be at some time
};

}  // namespace headrace::serving
