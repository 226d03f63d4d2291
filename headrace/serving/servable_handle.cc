#include "headrace/serving/servable_handle.h"

#include "headrace/serving/batch_queue.h"

namespace headrace::serving {

LoadedVersion::LoadedVersion(std::string model, int64_t version, std::unique_ptr<Servable> servable,
                             std::unique_ptr<BatchQueue> batch_queue, Drained drained)
    : model_(std::move(model)),
      version_(version),
      servable_(std::move(servable)),
      batch_queue_(std::move(batch_queue)),
      drained_(std::move(drained)) {}

LoadedVersion::~LoadedVersion() = default;

bool LoadedVersion::TryAcquire() {
  uint64_t state = state_.load(std::memory_order_relaxed);
  while (!(state & kClosed))
    if (state_.compare_exchange_weak(state, state + 1, std::memory_order_acquire, std::memory_order_relaxed))
      return true;
  return false;
}

void LoadedVersion::AddReference() { state_.fetch_add(1, std::memory_order_relaxed); }

void LoadedVersion::Release() {
  if (state_.fetch_sub(1, std::memory_order_acq_rel) != (kClosed | 1)) return;
  Drained drained = std::move(drained_);  // what it hands this version to may free it at once
  drained();
}

void LoadedVersion::Close() {
  if (state_.fetch_or(kClosed, std::memory_order_acq_rel) != 0) return;
  Drained drained = std::move(drained_);
  drained();
}

void LoadedVersion::DestroyServable() { servable_.reset(); }

std::string_view RoleName(Role role) {
  switch (role) {
    case Role::kPrimary: return "primary";
    case Role::kCanary: return "canary";
    case Role::kShadow: return "shadow";
  }
  return "";
}

ServableHandle::ServableHandle(const ServableHandle& other)
    : version_(other.version_), role_(other.role_), wishes_(other.wishes_), log_fraction_(other.log_fraction_) {
  // Closed versions, too: `other` keeps it loaded.
  if (version_ != nullptr) version_->AddReference();
}

}  // namespace headrace::serving
