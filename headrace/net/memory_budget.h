// Bytes that requests may make a server hold although they have not sent so many themselves.
#pragma once
#include <atomic>
#include <cstddef>
#include <utility>

namespace headrace::net {

// Thread-safe.
class MemoryBudget {
 public:
  explicit MemoryBudget(size_t limit) : left_(limit) {}
  // False, and nothing is taken, when there is not so much left.
  bool Take(size_t bytes) {
    size_t left = left_.load(std::memory_order_relaxed);
    while (left >= bytes)
      if (left_.compare_exchange_weak(left, left - bytes, std::memory_order_relaxed)) return true;
    return false;
  }
  void Give(size_t bytes) { left_.fetch_add(bytes, std::memory_order_relaxed); }

 private:
  std::atomic<size_t> left_;
};

// What one holder has taken of a budget, given back when it ends. Without a budget there is always enough.
class MemoryLease {
 public:
  explicit MemoryLease(MemoryBudget* budget) : budget_(budget) {}
  ~MemoryLease() { Release(); }
  MemoryLease(const MemoryLease&) = delete;
  MemoryLease& operator=(const MemoryLease&) = delete;

  // Takes what is missing to `bytes`.
  bool Cover(size_t bytes) {
    if (budget_ == nullptr || bytes <= taken_) return true;
    if (!budget_->Take(bytes - taken_)) return false;
    taken_ = bytes;
    return true;
  }
  void Release() {
    if (budget_ != nullptr) budget_->Give(std::exchange(taken_, 0));
  }

 private:
  MemoryBudget* const budget_;
  size_t taken_ = 0;
};

}  // namespace headrace::net
