// The record of what was asked and answered: a sample of the predictions, as Parquet files by model and date,
//   <folder>/<model>/<YYYY-MM-DD>/<time>-<id>.parquet
// readable with SELECT … FROM '<folder>/<model>/*/*.parquet'. The columns are in prediction_rows.h.
#pragma once
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <thread>
#include <vector>

#include "headrace/base/clock.h"
#include "headrace/base/mutex.h"
#include "headrace/base/status.h"
#include "headrace/core/query_engine.h"
#include "headrace/serving/prediction_rows.h"
#include "headrace/serving/predictor.h"

namespace headrace::serving {

struct PredictionLogOptions {
  std::filesystem::path folder;
  size_t max_queued = 4096;                       // predictions in memory; further ones are dropped and counted
  size_t max_prediction_bytes = size_t{1} << 20;  // of inputs and outputs; larger ones are dropped and counted
  Duration flush_interval = std::chrono::seconds(10);
  Clock* clock = Clock::Real();
};

// Thread-safe.
class PredictionLog {
 public:
  // `engine` must outlive this and is used by one thread of this object's.
  PredictionLog(QueryEngine* engine, PredictionLogOptions options);
  // Writes what is queued.
  ~PredictionLog();

  // PredictorOptions::log. Copies what it needs; never waits for the disk.
  void Record(const PredictCall& call, const Status& status);
  // Writes what has been recorded so far. A file that cannot be written costs its own predictions alone, which are then
  // dropped; the first error.
  Status Flush();

  uint64_t recorded() const { return recorded_.load(std::memory_order_relaxed); }
  uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

 private:
  void Run();
  Status Write(const std::vector<LoggedPrediction>& predictions);
  Status WriteFile(const std::vector<const LoggedPrediction*>& predictions);

  QueryEngine* const engine_;
  const PredictionLogOptions options_;
  std::atomic<uint64_t> recorded_{0}, dropped_{0};
  Mutex mutex_;
  CondVar wake_;
  std::vector<LoggedPrediction> queue_ HR_GUARDED_BY(mutex_);
  bool stopping_ HR_GUARDED_BY(mutex_) = false;
  Mutex writing_;  // one Write at a time; before mutex_
  std::thread writer_;
};

}  // namespace headrace::serving
