#include "headrace/app/commands.h"

#include <fmt/core.h>

#include <cstdio>

namespace headrace::app {

ExitCode ExitCodeOf(const Status& status) {
  switch (status.code()) {
    case Code::kOk: return kSuccess;
    case Code::kInvalidArgument:
    case Code::kNotFound:
    case Code::kAlreadyExists:
    case Code::kFailedPrecondition:
    case Code::kOutOfRange:
    case Code::kUnimplemented: return kUsage;
    default: return kInfrastructure;
  }
}

ExitCode Report(std::string_view command, const Status& status) {
  if (!status.ok()) fmt::print(stderr, "headrace {}: {}\n", command, status.message());
  return ExitCodeOf(status);
}

}  // namespace headrace::app
