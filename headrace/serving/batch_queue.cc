#include "headrace/serving/batch_queue.h"

#include <algorithm>

#include "headrace/base/thread_pool.h"
#include "headrace/serving/batch_tensors.h"
#include "headrace/serving/predictor.h"

namespace headrace::serving {
namespace {

BatchingConfig WithDefaults(BatchingConfig config) {
  if (config.threads == 0) config.threads = static_cast<int>(AvailableCores());
  return config;
}

}  // namespace

BatchQueue::BatchQueue(BatchingConfig config)
    : config_(WithDefaults(std::move(config))), levels_(static_cast<size_t>(config_.priorities)) {}

Result<BatchQueue::Added> BatchQueue::Add(PredictCall* call, int64_t rows, Deadline now) {
  Waiting waiting{call, rows, now, BatchKey(call->request, config_.pad_variable_length_inputs)};
  MutexLock lock(mutex_);
  if (rows_ + rows > config_.max_enqueued_batches * config_.max_batch_size)
    return std::unexpected(ResourceExhausted("The batch scheduling queue to which this task was submitted is full"));
  const int level = std::clamp(call->priority, 0, config_.priorities - 1);
  levels_[static_cast<size_t>(level)].push_back(std::move(waiting));
  rows_ += rows;
  Added added;
  const bool full = rows_ >= config_.max_batch_size;
  const bool waits = config_.timeout > Duration::zero();
  if (workers_ >= config_.threads || (waits && workers_ > 0 && !full)) return added;
  workers_++;
  added.next = waits && !full ? Next::kStartAt : Next::kStartNow;
  added.at = now + config_.timeout;
  return added;
}

const BatchQueue::Waiting* BatchQueue::Oldest() const {
  const Waiting* oldest = nullptr;
  for (const auto& level : levels_)
    if (!level.empty() && (oldest == nullptr || level.front().since < oldest->since)) oldest = &level.front();
  return oldest;
}

void BatchQueue::DropExpired(Deadline now, std::vector<PredictCall*>* expired) {
  for (auto& level : levels_)
    std::erase_if(level, [&](const Waiting& waiting) {
      if (waiting.call->request.deadline > now && !IsCancelled(waiting.call->request)) return false;
      expired->push_back(waiting.call);
      rows_ -= waiting.rows;
      return true;
    });
}

void BatchQueue::Collect(Taken* taken) {
  std::string key;
  for (auto& level : levels_)
    std::erase_if(level, [&](const Waiting& waiting) {
      if (taken->calls.empty()) key = waiting.key;
      if (waiting.key != key || taken->rows + waiting.rows > config_.max_batch_size) return false;
      taken->calls.push_back(waiting.call);
      taken->rows += waiting.rows;
      rows_ -= waiting.rows;
      return true;
    });
}

BatchQueue::Taken BatchQueue::Take(Deadline now) {
  Taken taken;
  MutexLock lock(mutex_);
  DropExpired(now, &taken.expired);
  const Waiting* oldest = Oldest();
  if (oldest == nullptr) {
    workers_--;
    return taken;
  }
  if (const Deadline due = oldest->since + config_.timeout; now < due && rows_ < config_.max_batch_size) {
    taken.next = Next::kStartAt;
    taken.at = due;
    return taken;
  }
  Collect(&taken);
  taken.next = Next::kStartNow;
  return taken;
}

int64_t BatchQueue::PaddedRows(int64_t rows) const {
  const auto& sizes = config_.allowed_batch_sizes;
  const auto size = std::lower_bound(sizes.begin(), sizes.end(), rows);
  return size == sizes.end() ? rows : *size;
}

BatchQueue::Waiters BatchQueue::waiting() const {
  MutexLock lock(mutex_);
  Waiters waiters{.rows = rows_};
  for (const auto& level : levels_) waiters.requests += static_cast<int64_t>(level.size());
  return waiters;
}

}  // namespace headrace::serving
