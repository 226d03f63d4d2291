// s3:// and gs:// as an ArtifactStore, over Arrow's file systems. libheadrace_arrow.so, which brings Arrow along, is
// loaded at the first use of a remote URI, since linking it would cost every start of the program its memory.
//
// S3 takes its credentials where AWS' own tools do (AWS_ACCESS_KEY_ID, profiles, instance roles), the region from
// AWS_REGION or AWS_DEFAULT_REGION, and another service's address from AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL. Google
// Cloud Storage uses the application's default credentials, and none with an emulator that STORAGE_EMULATOR_HOST names;
// a request to it is tried for 10 seconds (retry_limit_seconds). Arrow's own URI options may be given too:
// s3://bucket/key?region=eu-west-1&endpoint_override=localhost:9000&scheme=http.
#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "headrace/core/artifact_store.h"

namespace headrace::arrow {

struct RemoteStoreOptions {
  std::filesystem::path cache;  // where Localize keeps copies; made when missing
  std::vector<std::string> schemes = {"s3", "gs"};
  // The library's path. Empty: HEADRACE_ARROW_LIBRARY if set, else as the loader finds it (lib/ beside the program).
  std::string library = {};
};

// Localize keeps the copies of the two newest states of each URI; a state is known by the names, sizes and modification
// times of its files, so that what has not changed is not fetched again. Put of a tree writes its top-level files last,
// since an object store has no rename; of two processes that put one tree at once, the files may mix, while a store's
// own Puts are one at a time. Every call is kUnavailable, with what to install, when the library cannot be loaded.
std::unique_ptr<ArtifactStore> MakeRemoteStore(RemoteStoreOptions options);

// What libheadrace_arrow.so exports under this name: makes the store itself.
inline constexpr char kMakeStoreSymbol[] = "HeadraceMakeArrowStore";
using MakeStore = ArtifactStore*(const RemoteStoreOptions&);

}  // namespace headrace::arrow
