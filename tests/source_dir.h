// Where the repository is, for tests that read files of it: what HEADRACE_SOURCE_DIR names (ctest sets it), else the
// folder that the test was started in. Not a macro with the path in it: compiler caches would miss in every other
// checkout.
#pragma once
#include <cstdlib>
#include <filesystem>

namespace headrace {

inline std::filesystem::path SourceDir() {
  const char* named = std::getenv("HEADRACE_SOURCE_DIR");
  return named != nullptr ? named : ".";
}

}  // namespace headrace
