// A version that is loaded, and the counted reference that keeps it loaded.
#pragma once
#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "headrace/core/engine.h"
#include "headrace/serving/runtime_estimate.h"
#include "headrace/serving/version_stats.h"

namespace headrace::serving {

class BatchQueue;

// A servable with the count of its users. Once closed it takes no new users; when the last one has left, `drained`
// runs, once, on the thread that released it (or closed it), and must only hand the version on. Thread-safe.
class LoadedVersion {
 public:
  using Drained = std::move_only_function<void()>;
  LoadedVersion(std::string model, int64_t version, std::unique_ptr<Servable> servable,
                std::unique_ptr<BatchQueue> batch_queue, Drained drained);
  ~LoadedVersion();
  LoadedVersion(const LoadedVersion&) = delete;
  LoadedVersion& operator=(const LoadedVersion&) = delete;

  bool TryAcquire();    // false once closed
  void AddReference();  // for one who holds a reference already, closed or not
  void Release();
  void Close();  // once
  bool closed() const { return state_.load(std::memory_order_acquire) & kClosed; }

  const std::string& model() const { return model_; }
  int64_t version() const { return version_; }
  // Null after DestroyServable.
  Servable* servable() const { return servable_.get(); }
  // Frees the model's memory; only after `drained` has run.
  void DestroyServable();
  // Null when the model is not batched.
  BatchQueue* batch_queue() const { return batch_queue_.get(); }
  VersionStats& stats() { return stats_; }
  RuntimeEstimate& runtime() { return runtime_; }

 private:
  static constexpr uint64_t kClosed = uint64_t{1} << 63;
  const std::string model_;
  const int64_t version_;
  std::unique_ptr<Servable> servable_;
  const std::unique_ptr<BatchQueue> batch_queue_;
  Drained drained_;
  VersionStats stats_;
  RuntimeEstimate runtime_;
  alignas(64) std::atomic<uint64_t> state_{0};  // users, and kClosed
};

// What a version is to its model's traffic policy.
enum class Role : uint8_t {
  kPrimary,  // the policy's version with the greatest weight, of equal ones the first; without weights the latest; and
             // those that get no part of the traffic, which a client named itself
  kCanary,   // another that the policy gives a part of the requests
  kShadow,   // got a copy of a request that another answered
};
std::string_view RoleName(Role role);  // "primary" …

// Keeps a version loaded for as long as it lives; cheap to copy and move (an atomic increment, no allocation). Empty
// when default-made. A value: not shared between threads without care. Must not outlive the ModelManager.
class ServableHandle {
 public:
  // What the traffic policy wants of the request that this handle was looked up for.
  enum Wish : uint8_t {
    kRouteByInput = 1,  // the request named no version, and an input's value decides
    kShadow = 2,        // its copy goes to the shadow versions
    kLog = 4,           // it is sampled for the prediction log
  };

  ServableHandle() = default;
  // Takes over one acquired reference.
  explicit ServableHandle(LoadedVersion* acquired, Role role = Role::kPrimary, uint8_t wishes = 0,
                          float log_fraction = 0)
      : version_(acquired), role_(role), wishes_(wishes), log_fraction_(log_fraction) {}
  ServableHandle(ServableHandle&& other) noexcept
      : version_(std::exchange(other.version_, nullptr)),
        role_(other.role_),
        wishes_(other.wishes_),
        log_fraction_(other.log_fraction_) {}
  ServableHandle(const ServableHandle& other);
  ServableHandle& operator=(ServableHandle other) noexcept {
    std::swap(version_, other.version_);
    std::swap(role_, other.role_);
    std::swap(wishes_, other.wishes_);
    std::swap(log_fraction_, other.log_fraction_);
    return *this;
  }
  ~ServableHandle() {
    if (version_ != nullptr) version_->Release();
  }

  explicit operator bool() const { return version_ != nullptr; }
  const std::string& model() const { return version_->model(); }
  int64_t version() const { return version_->version(); }
  Servable& servable() const { return *version_->servable(); }
  const std::vector<Signature>& signatures() const { return version_->servable()->signatures(); }
  const Signature* FindSignature(std::string_view name) const { return version_->servable()->FindSignature(name); }
  VersionStats& stats() const { return version_->stats(); }
  LoadedVersion* get() const { return version_; }
  Role role() const { return role_; }
  bool wishes(Wish wish) const { return wishes_ & wish; }
  // With kLog: the share of predictions that is sampled.
  float log_fraction() const { return log_fraction_; }

 private:
  LoadedVersion* version_ = nullptr;
  Role role_ = Role::kPrimary;
  uint8_t wishes_ = 0;
  float log_fraction_ = 0;
};

}  // namespace headrace::serving
