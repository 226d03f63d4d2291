#include "headrace/serving/model_state.h"

#include <algorithm>

namespace headrace::serving {
namespace {

bool Loaded(const VersionRecord& version) { return version.status.state == VersionState::kAvailable; }

bool Failed(const VersionRecord& version) {
  return version.status.state == VersionState::kEnd && !version.status.error.ok();
}

std::string Identity(const ModelConfig& config, const FoundVersion& found) {
  return found.location + "\n" + LoadOptionsKey(config);
}

// Which of two records of one version number its status shows.
int Liveliness(VersionState state) {
  switch (state) {
    case VersionState::kAvailable: return 4;
    case VersionState::kLoading: return 3;
    case VersionState::kStart: return 2;
    case VersionState::kUnloading: return 1;
    case VersionState::kEnd: return 0;
  }
  return 0;
}

// Whether a wanted record of the same version number has not come to serve in `version`'s place.
bool AwaitsSuccessor(const ModelRecord& model, const VersionRecord& version) {
  bool wanted = false;
  for (const auto& other : model.versions) {
    if (!other.aspired || other.found.version != version.found.version) continue;
    if (Loaded(other)) return false;
    wanted = true;
  }
  return wanted;
}

}  // namespace

bool ModelRecord::HasAvailable(bool aspired_only) const {
  return std::any_of(versions.begin(), versions.end(),
                     [&](const auto& version) { return Loaded(version) && (version.aspired || !aspired_only); });
}

bool ModelRecord::Settled() const {
  if (!configured) return true;
  return polled && std::all_of(versions.begin(), versions.end(), [](const auto& version) {
           return !version.aspired || Loaded(version) || Failed(version);
         });
}

bool ModelRecord::Tried() const {
  return polled && std::all_of(versions.begin(), versions.end(), [](const auto& version) {
           return !version.aspired || Loaded(version) || Failed(version) || version.tries > 1 ||
                  !version.status.error.ok();
         });
}

Status ModelRecord::Failure() const {
  for (const auto& version : versions)
    if (version.aspired && !version.status.error.ok())
      return version.status.error.WithContext("version " + std::to_string(version.status.version));
  return Hopeless();
}

Status ModelRecord::Hopeless() const {
  if (!polled) return OkStatus();
  if (!poll_error.ok()) return poll_error;
  const Status* error = nullptr;
  bool wanted = false;
  for (const auto& version : versions) {
    if (!version.aspired) continue;
    wanted = true;
    if (!Failed(version)) return OkStatus();
    if (error == nullptr) error = &version.status.error;
  }
  if (wanted) return *error;
  return NotFound("no version of model {} found under base path {}; expected a folder named by a number, such as {}/1",
                  config.name, config.base_path, config.base_path);
}

void StartAgain(VersionRecord* version) {
  version->status.state = VersionState::kStart;
  version->status.error = OkStatus();
  version->status.changed = Clock::Real()->Now();
  version->tries = 0;
  version->next_try = Deadline::min();
  version->fingerprint.clear();
}

void Aspire(ModelRecord* model, const std::vector<FoundVersion>& wanted,
            const std::map<std::string, std::string>& fingerprints) {
  for (auto& version : model->versions) version.aspired = false;
  for (const auto& found : wanted) {
    std::string identity = Identity(model->config, found);
    auto record = std::find_if(model->versions.begin(), model->versions.end(),
                               [&](const auto& version) { return version.identity == identity; });
    if (record == model->versions.end()) {
      auto& added = model->versions.emplace_back();
      added.found = found;
      added.identity = std::move(identity);
      added.status.version = found.version;
      added.status.changed = Clock::Real()->Now();
      continue;
    }
    record->aspired = true;
    if (record->status.state != VersionState::kEnd) continue;
    const auto fingerprint = fingerprints.find(found.location);
    const bool changed = fingerprint != fingerprints.end() && fingerprint->second != record->fingerprint;
    if (!Failed(*record) || changed) StartAgain(&*record);
  }
}

Actions Plan(ModelRecord* model, Deadline now) {
  Actions actions;
  const bool any_aspired =
      std::any_of(model->versions.begin(), model->versions.end(), [](const auto& version) { return version.aspired; });
  const bool knows = model->polled || !model->configured;
  const bool may_unload = knows && !model->hold && (!any_aspired || model->HasAvailable(true));
  for (auto& version : model->versions) {
    const VersionState state = version.status.state;
    if (version.aspired && state == VersionState::kStart && !version.queued) {
      if (version.next_try <= now) {
        version.queued = true;
        actions.load.push_back(&version);
      } else {
        actions.next_try = std::min(actions.next_try, version.next_try);
      }
    }
    if (!version.aspired && state == VersionState::kStart && !version.queued) actions.drop.push_back(&version);
    if (!version.aspired && state == VersionState::kAvailable && may_unload && !AwaitsSuccessor(*model, version))
      actions.unload.push_back(&version);
  }
  return actions;
}

void TrimHistory(ModelRecord* model, size_t keep) {
  const auto forgettable = [](const VersionRecord& version) {
    return version.status.state == VersionState::kEnd && !version.aspired;
  };
  auto count = static_cast<size_t>(std::count_if(model->versions.begin(), model->versions.end(), forgettable));
  for (; count > keep; count--) {
    auto oldest = model->versions.end();
    for (auto it = model->versions.begin(); it != model->versions.end(); ++it)
      if (forgettable(*it) && (oldest == model->versions.end() || it->status.changed < oldest->status.changed))
        oldest = it;
    model->versions.erase(oldest);
  }
}

std::vector<VersionStatus> StatusesOf(const ModelRecord& model) {
  std::map<int64_t, const VersionStatus*, std::greater<>> liveliest;
  for (const auto& version : model.versions) {
    auto& shown = liveliest[version.status.version];
    const bool better = shown == nullptr || Liveliness(version.status.state) > Liveliness(shown->state) ||
                        (version.status.state == shown->state && version.status.changed > shown->changed);
    if (better) shown = &version.status;
  }
  std::vector<VersionStatus> statuses;
  statuses.reserve(liveliest.size());
  for (const auto& [number, status] : liveliest) statuses.push_back(*status);
  return statuses;
}

}  // namespace headrace::serving
