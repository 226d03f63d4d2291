// The one list of what is built in. A new engine, executor or store is a folder under backends/, its factory, and one
// line in builtins.cc.
#pragma once
#include <vector>

#include "headrace/core/artifact_store.h"
#include "headrace/core/engine.h"

namespace headrace::app {

// Every model engine, in the order in which they are asked whether they recognise a version's files. Made at the first
// call; they live as long as the process. Thread-safe.
const std::vector<Engine*>& BuiltinEngines();

// The store of remote URIs (s3://, gs://), with its copies in HEADRACE_CACHE_DIR, else below XDG_CACHE_HOME or
// ~/.cache. Lives as long as the process. Thread-safe.
ArtifactStore* BuiltinStore();

}  // namespace headrace::app
