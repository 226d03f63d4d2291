// The bookkeeping of models and their versions, without threads: what is wanted, what is there, and what to do next.
// Not thread-safe; the manager guards it.
#pragma once
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "headrace/base/clock.h"
#include "headrace/serving/model_config.h"
#include "headrace/serving/model_manager.h"
#include "headrace/serving/servable_handle.h"
#include "headrace/serving/version_source.h"

namespace headrace::serving {

struct VersionRecord {
  FoundVersion found;
  std::string identity;  // location and load options: a change of either is another record of the same version; empty:
                         // its files have changed, and another record is to take its place
  VersionStatus status;
  bool aspired = true;
  bool queued = false;  // START, and a load is on its way
  int tries = 0;
  Deadline next_try = Deadline::min();    // START after a failure: not before
  std::string fingerprint;                // of the content that was loaded, or could not be
  size_t reserved_bytes = 0;              // LOADING: what it is expected to take
  std::shared_ptr<LoadedVersion> loaded;  // AVAILABLE and UNLOADING
};

struct ModelRecord {
  ModelConfig config;
  bool configured = true;  // false: dropped, its versions are leaving or remembered
  bool from_root = false;  // found in ServerConfig::models_root
  bool hold = false;       // a new configuration is being tried: nothing is unloaded meanwhile
  bool polled = false;     // `poll_error` and `versions` say what is there
  Status poll_error;
  std::list<VersionRecord> versions;  // stable addresses
  VersionStats retired;               // what versions that are gone had counted

  bool HasAvailable(bool aspired_only) const;
  // Whether its base path has been looked at and every wanted version is AVAILABLE or has failed for good.
  bool Settled() const;
  // As Settled, for who does not wait for further tries of what has failed once.
  bool Tried() const;
  // The first error of a wanted version, of the base path, or that nothing is found there.
  Status Failure() const;
  // Why no version can become AVAILABLE without something changing on disk; OK while one is, or may become so.
  Status Hopeless() const;
};

struct Actions {
  std::vector<VersionRecord*> load;    // in START, now `queued`
  std::vector<VersionRecord*> unload;  // AVAILABLE: withdraw and close
  std::vector<VersionRecord*> drop;    // START, wanted no more: END
  Deadline next_try = Deadline::max();
};

// Takes over what a look at the base path has found: marks, adds records. A failed version whose content differs from
// `fingerprint` is tried again (`fingerprints`: by location).
void Aspire(ModelRecord* model, const std::vector<FoundVersion>& wanted,
            const std::map<std::string, std::string>& fingerprints);

// Makes a version that has ended one to be loaded.
void StartAgain(VersionRecord* version);

// What to do now. A version that is wanted no more stays until a wanted one is AVAILABLE (the one of its own number, if
// that is wanted), or none is wanted at all, and until the base path of the present configuration has been looked at.
Actions Plan(ModelRecord* model, Deadline now);

// Forgets the longest ended versions beyond `keep`.
void TrimHistory(ModelRecord* model, size_t keep);

// One status a version, descending: of its liveliest record.
std::vector<VersionStatus> StatusesOf(const ModelRecord& model);

}  // namespace headrace::serving
