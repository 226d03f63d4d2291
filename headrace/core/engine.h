// What runs models: an Engine loads a version's files into a Servable, which answers inferences.
#pragma once
#include <atomic>
#include <boost/container/small_vector.hpp>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "headrace/base/clock.h"
#include "headrace/base/status.h"
#include "headrace/core/tensor.h"

namespace headrace {

// What a client may call, as in a TensorFlow SavedModel's SignatureDef. An ONNX model has one, "serving_default".
struct Signature {
  std::string name = "serving_default";
  std::string method = "tensorflow/serving/predict";
  std::vector<TensorSpec> inputs;
  std::vector<TensorSpec> outputs;

  // Position of an input or output; -1 when there is none of that name.
  int InputIndex(std::string_view input) const;
  int OutputIndex(std::string_view output) const;
};

// One inference. The caller keeps request and response alive until `done` has run.
struct InferRequest {
  const Signature* signature = nullptr;              // one of the servable's own
  boost::container::small_vector<Tensor, 4> inputs;  // in the signature's order, all of them, types and shapes checked
  boost::container::small_vector<uint32_t, 8> outputs;  // positions in the signature; each at most once, at least one
  // When the answer is worth nothing any more: the engine stops a run that goes on beyond it.
  Deadline deadline = Deadline::max();
  const std::atomic<bool>* cancelled = nullptr;  // not owned; set while it runs: the same. Null: never
  // The run is expected to end long before anything could stop it: the engine need not watch it.
  bool brief = false;
};

inline bool IsCancelled(const InferRequest& request) {
  return request.cancelled != nullptr && request.cancelled->load(std::memory_order_relaxed);
}

struct InferResponse {
  boost::container::small_vector<Tensor, 4> outputs;  // in the order of InferRequest::outputs
};

using InferDone = std::move_only_function<void(Status)>;

// A loaded version. Thread-safe; inferences run concurrently. Must outlive its calls, and its responses' tensors may
// outlive it.
class Servable {
 public:
  virtual ~Servable() = default;
  // "serving_default" first when there is one; constant over the servable's life.
  virtual const std::vector<Signature>& signatures() const = 0;
  // Calls `done` exactly once, on any thread, perhaps before returning. A synchronous engine computes on the calling
  // thread. kInvalidArgument for what the model itself refuses, kInternal for what broke in the engine,
  // kDeadlineExceeded or kCancelled for a run that was stopped; the servable goes on.
  virtual void Infer(const InferRequest& request, InferResponse* response, InferDone done) = 0;
  // The format, as the Open Inference Protocol's metadata names it ("onnxruntime_onnx"); empty: nobody named it.
  virtual std::string_view platform() const { return {}; }
  // Whether runs on inputs of equal shapes may take quite different times, as with a loop whose rounds an input
  // decides.
  virtual bool runtime_depends_on_values() const { return false; }
  // Resident bytes that unloading is expected to free.
  virtual size_t memory_bytes() const = 0;

  const Signature* FindSignature(std::string_view name) const;
};

struct EngineOptions {
  int intra_op_threads = 1;       // 1: the calling thread alone, which makes results independent of the batch's size
  int optimization_level = 3;     // 0 none, 1 basic, 2 extended, 3 all
  size_t memory_limit_bytes = 0;  // 0: none
};

// Thread-safe; lives as long as the process.
class Engine {
 public:
  virtual ~Engine() = default;
  // "onnxruntime", "tensorflow": the word of configurations and of the model's metadata.
  virtual std::string_view name() const = 0;
  // Whether `version_dir` holds a model of this engine, judged by its file names alone.
  virtual bool Recognizes(const std::filesystem::path& version_dir) const = 0;
  // Bytes that loading is expected to take, from file sizes, before anything is loaded.
  virtual Result<size_t> EstimateMemory(const std::filesystem::path& version_dir) const = 0;
  // Blocks while it loads. kInvalidArgument or kDataLoss for a broken model, with the file's name; kUnavailable when
  // the engine's library is missing, with how to get it.
  virtual Result<std::unique_ptr<Servable>> Load(const std::filesystem::path& version_dir,
                                                 const EngineOptions& options) = 0;
};

}  // namespace headrace
