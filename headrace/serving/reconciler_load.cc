// The part of the reconciler that runs on its pool: loading and unloading one version.
#include "headrace/serving/batch_queue.h"
#include "headrace/serving/reconciler.h"
#include "headrace/serving/warmup.h"

namespace headrace::serving {
namespace {

Duration BackOff(Duration first, int tries) {
  constexpr Duration kMost = std::chrono::seconds(30);
  return std::min<Duration>(first * (int64_t{1} << std::min(tries - 1, 20)), kMost);
}

}  // namespace

void Reconciler::Load(ModelRecord* model, VersionRecord* version) {
  ModelConfig config;
  std::string location;
  bool wanted;
  {
    MutexLock lock(mutex_);
    version->queued = false;
    wanted = version->aspired;
    if (wanted) {
      config = model->config;
      location = version->found.location;
      version->tries++;
    }
    SetState(model, version, wanted ? VersionState::kLoading : VersionState::kEnd);
  }
  Dispatch();
  if (!wanted) return;
  const Deadline start = std::chrono::steady_clock::now();
  std::string fingerprint = Fingerprint(location, options_.store);
  std::shared_ptr<LoadedVersion> loaded;
  Status status = LoadOnce(model, version, config, location, &loaded);
  if (status.ok() && Fingerprint(location, options_.store) != fingerprint)
    status = Unavailable("{}: its files changed while they were loaded; publish a version by renaming a whole folder",
                         location);
  FinishLoad(model, version, std::move(status), std::move(loaded), std::chrono::steady_clock::now() - start,
             std::move(fingerprint));
  Dispatch();
}

Status Reconciler::Reserve(VersionRecord* version, size_t bytes) {
  if (options_.memory_limit_bytes == 0) return OkStatus();
  MutexLock lock(mutex_);
  size_t used = 0;
  for (const auto& [name, model] : models_)
    for (const auto& other : model.versions)
      used += other.reserved_bytes + (other.loaded != nullptr ? other.status.memory_bytes : 0);
  if (used + bytes > options_.memory_limit_bytes)
    return ResourceExhausted("it needs about {} MiB; {} of the {} MiB allowed for models are in use", bytes >> 20,
                             used >> 20, options_.memory_limit_bytes >> 20);
  version->reserved_bytes = bytes;
  return OkStatus();
}

Result<BatchingConfig> Reconciler::BatchingOf(const ModelConfig& config, const std::filesystem::path& dir) const {
  if (!config.batching.enabled || !options_.version_batching) return config.batching;
  HR_ASSIGN_OR_UNEXPECTED(const auto own, options_.version_batching(dir, config.batching));
  ModelConfig of_version = config;
  of_version.batching = own.value_or(BatchingConfig{});
  HR_UNEXPECTED_IF_ERROR(Validate(of_version).WithContext(dir.string()));
  return of_version.batching;
}

Status Reconciler::LoadOnce(ModelRecord* model, VersionRecord* version, const ModelConfig& config,
                            const std::string& location, std::shared_ptr<LoadedVersion>* loaded) {
  HR_ASSIGN_OR_RETURN(const auto source, loader_.Prepare(config, location));
  HR_RETURN_IF_ERROR(Reserve(version, source.estimated_bytes));
  HR_ASSIGN_OR_RETURN(auto servable, loader_.Load(config, source));
  HR_ASSIGN_OR_RETURN(const BatchingConfig batching, BatchingOf(config, source.dir));
  auto batches = batching.enabled ? std::make_unique<BatchQueue>(batching) : nullptr;
  const auto drained = [=, this] {
    pool_.Submit([=, this] { Unload(model, version); }).IgnoreError();  // the queue never fills
  };
  *loaded = std::make_shared<LoadedVersion>(config.name, version->found.version, std::move(servable),
                                            std::move(batches), drained);
  if (!options_.enable_warmup) return OkStatus();
  if (options_.warmup) {
    HR_ASSIGN_OR_RETURN(const bool warm, options_.warmup(source.dir, *(*loaded)->servable()));
    if (warm) return OkStatus();
  }
  WarmUpFromSignatures(*(*loaded)->servable(), &(*loaded)->runtime());
  return OkStatus();
}

void Reconciler::FinishLoad(ModelRecord* model, VersionRecord* version, Status status,
                            std::shared_ptr<LoadedVersion> loaded, Duration time, std::string fingerprint) {
  MutexLock lock(mutex_);
  version->reserved_bytes = 0;
  version->status.load_time = time;
  version->fingerprint = std::move(fingerprint);
  if (status.ok()) {
    version->status.memory_bytes = loaded->servable()->memory_bytes();
    version->loaded = std::move(loaded);
    SetState(model, version, VersionState::kAvailable);
    Publish();
  } else if (version->aspired && VersionLoader::Retryable(status) && version->tries <= options_.max_load_retries) {
    version->next_try = std::chrono::steady_clock::now() + BackOff(options_.load_retry_interval, version->tries);
    SetState(model, version, VersionState::kStart, std::move(status));
  } else {
    SetState(model, version, VersionState::kEnd, std::move(status));
  }
  ReconcileAll();
}

void Reconciler::Unload(ModelRecord* model, VersionRecord* version) {
  version->loaded->DestroyServable();
  {
    MutexLock lock(mutex_);
    model->retired.Merge(version->loaded->stats());
    version->loaded.reset();
    version->status.memory_bytes = 0;
    SetState(model, version, VersionState::kEnd);
    if (version->aspired) StartAgain(version);  // it came to be wanted again meanwhile
    ReconcileAll();
  }
  Dispatch();
}

}  // namespace headrace::serving
