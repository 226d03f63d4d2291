// A remote URI split into the file system that it is on and the path there.
#pragma once
#include <string>
#include <string_view>

#include "headrace/base/status.h"

namespace headrace::arrow {

struct RemoteUri {
  std::string file_system;  // a URI that Arrow makes the file system from: "s3://bucket?region=eu-west-1"
  std::string path;         // "bucket/models/m/1"; without slashes at its end
  std::string query;        // "?region=eu-west-1" or empty, to be put behind the URIs of children
};

// Adds to the options what the environment says (remote_store.h) and the URI does not. kInvalidArgument for a URI
// without a bucket.
Result<RemoteUri> ParseRemoteUri(std::string_view uri);

}  // namespace headrace::arrow
