// core/artifact_store.h on the local file system: URIs are absolute paths or file:// URLs of this machine.
#pragma once
#include <memory>

#include "headrace/core/artifact_store.h"

namespace headrace::filesystem {

// The path of "/a/b", "file:///a/b" (percent-escapes undone) or "file://localhost/a/b". kInvalidArgument for another
// scheme, another host, a relative path, or a path that climbs with "..".
Result<std::filesystem::path> LocalPathOf(std::string_view uri);

// Put copies: aside in the same folder, made durable, then renamed, so that readers see all of it or nothing, also
// after a crash. What a crash left aside (".headrace-put-…") is not listed, and the next Put of that URI removes it.
std::unique_ptr<ArtifactStore> MakeLocalArtifactStore();

}  // namespace headrace::filesystem
