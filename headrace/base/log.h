// Logging: HR_LOG(info, "model {} version {} is AVAILABLE", name, version). Thread-safe. Lines go to standard error:
// "2026-01-31T12:00:00.000000Z INFO serving/manager.cc:42 text"; a line as JSON when SetLogFormat(kJson) was called.
#pragma once
#include <spdlog/spdlog.h>

#include <string_view>

#include "headrace/base/status.h"

#define HR_LOG(severity, ...)                                                                                        \
  ::spdlog::default_logger_raw()->log(::spdlog::source_loc{__FILE__, __LINE__, __func__}, ::spdlog::level::severity, \
                                      __VA_ARGS__)

namespace headrace {

enum class LogFormat { kText, kJson };

// Called once by main, before threads start. Levels: trace debug info warn err critical off; kInvalidArgument
// otherwise.
Status InitLogging(std::string_view level = "info", LogFormat format = LogFormat::kText);

}  // namespace headrace
