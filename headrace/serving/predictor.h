// Runs requests on loaded versions: checks them, decides where they run, honours deadlines and counts.
//
// Where: a hop to another thread and back costs 10-20 µs of CPU, more than a small model's whole run. So a version
// whose measured run time is below `inline_limit` runs on the calling thread, an I/O loop; a dearer one, one not
// measured yet, or one whose runs of equal size may differ (a loop whose rounds an input decides), hops to a bounded
// pool so that it never stalls other connections. With one core a hop computes nothing earlier: there the limit is a
// millisecond, below the time slice for which the scheduler would let the run hold the core anyway.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "headrace/base/clock.h"
#include "headrace/base/status.h"
#include "headrace/base/thread_pool.h"
#include "headrace/core/engine.h"
#include "headrace/serving/batch_scheduler.h"
#include "headrace/serving/servable_handle.h"
#include "headrace/serving/shadow_runner.h"

namespace headrace::serving {

class ModelManager;

// Where a prediction comes from, for the log. Views of memory that the caller keeps like that of the inputs; empty: not
// known.
struct RequestOrigin {
  std::string_view trace_id = {};    // of the W3C trace
  std::string_view client = {};      // the authenticated client's name
  std::string_view request_id = {};  // the client's own, where the protocol has one
};

// One prediction. The caller owns it and keeps it, with the memory of the inputs, until `done` has run.
struct PredictCall {
  ServableHandle servable;
  InferRequest request;  // signature and inputs set; `outputs` empty means all of them
  InferResponse response;
  RequestOrigin origin;
  int priority = 0;                     // for batching; 0 is the most urgent
  Deadline arrived{};                   // for the latency that is counted; filled when the caller does not know
  bool run_inline = false;              // the caller may block: run on its thread whatever the model costs
  Duration queued = Duration::zero();   // filled: time spent waiting
  Duration runtime = Duration::zero();  // filled: time in the engine
  Deadline started{};                   // filled: when Predict was called
  int64_t executed_rows = 0;            // filled: rows of the engine's run, those of its batch's other requests too

 private:
  friend class Predictor;
  InferDone done_;
  ServableHandle looked_up_;  // what the caller had found before an input's value decided otherwise
};

// Below which run time a version is computed on the network's loops of a machine with so many cores.
constexpr Duration InlineLimit(size_t cores) { return std::chrono::microseconds(cores == 1 ? 1000 : 100); }

struct PredictorOptions {
  size_t threads = 0;                                     // of the pool; 0: AvailableCores()
  size_t max_queued = 1024;                               // beyond: kResourceExhausted
  Duration inline_limit = InlineLimit(AvailableCores());  // zero: always hop; Duration::max(): never
  size_t max_string_bytes = size_t{64} << 20;             // of one string of an input; beyond: kInvalidArgument
  Clock* clock = Clock::Real();
  const ModelManager* manager = nullptr;  // not owned; null: no routing by input, no shadows
  // Told of each finished call that is sampled for the log, before its `done` runs, and of its copies that shadow
  // versions answered, from a thread of theirs; must not block.
  std::function<void(const PredictCall&, const Status&)> log = {};
};

// Thread-safe.
class Predictor {
 public:
  explicit Predictor(PredictorOptions options);
  // Answers what is queued, then returns.
  ~Predictor();

  // Calls `done` exactly once: before returning when it ran inline or was refused, else on a pool thread. Errors:
  // kInvalidArgument (inputs that the signature does not allow; what the model refuses), kDeadlineExceeded (passed
  // while waiting: never computed; while running: stopped where the engine can, and never answered OK), kCancelled (the
  // same, for request.cancelled), kResourceExhausted (too many waiting), kUnavailable (shutting down), kInternal.
  // When the traffic policy decides by an input's value, the call's servable and signature become that version's.
  void Predict(PredictCall* call, InferDone done);
  // Whether what is known of the version says that this call takes less than `inline_limit`.
  bool IsBrief(const PredictCall& call) const;
  // Counts a request that ended with `code` before it came to Predict. `servable` is empty when none was found for it:
  // it is then counted for `model`, or among unknown models when there is none of that name.
  void CountRefused(const ServableHandle& servable, std::string_view model, Code code, Deadline arrived);
  // Refuses new calls with kUnavailable and waits for those under way.
  void Drain();

  size_t queued() const;
  const ShadowRunner& shadows() const { return shadows_; }

 private:
  void RouteByInput(PredictCall* call);
  void Run(PredictCall* call, Deadline start);
  void Finish(PredictCall* call, Status status, Deadline now);

  const PredictorOptions options_;
  std::atomic<int64_t> under_way_{0};  // negative while draining
  ThreadPool pool_;
  BatchScheduler batches_;
  ShadowRunner shadows_;
};

// The checks that Predict makes before anything runs: every input there, of the signature's type and shape; the outputs
// filled with all of the signature's when none are named.
Status CheckRequest(InferRequest* request);

// kInvalidArgument, naming the input, when one of its strings is longer than `max_bytes`.
Status CheckStrings(const InferRequest& request, size_t max_bytes);

// The same request for another version of the model, inputs and outputs matched by name; nullopt when that version does
// not take it.
std::optional<InferRequest> TranslateRequest(const InferRequest& request, const ServableHandle& to);

// The value of the tensor's first element that routes a request: a string itself, else the element's bytes. Empty for a
// tensor without elements.
std::string RouteKeyOf(const Tensor& tensor);

}  // namespace headrace::serving
