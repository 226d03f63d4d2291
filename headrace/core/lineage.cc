#include "headrace/core/lineage.h"

namespace headrace {

std::string_view ExecutionStateName(ExecutionState state) {
  switch (state) {
    case ExecutionState::kRunning: return "RUNNING";
    case ExecutionState::kComplete: return "COMPLETE";
    case ExecutionState::kFailed: return "FAILED";
    case ExecutionState::kCached: return "CACHED";
    case ExecutionState::kCancelled: return "CANCELLED";
  }
  return "UNKNOWN";
}

}  // namespace headrace
