#include "headrace/protocols/oip/log_settings.h"

#include "headrace/base/log.h"

namespace headrace::oip {
namespace {

spdlog::level::level_enum Level(const LogSettings& settings) {
  if (settings.verbose_level > 1) return spdlog::level::trace;
  if (settings.verbose_level == 1) return spdlog::level::debug;
  if (settings.info) return spdlog::level::info;
  if (settings.warning) return spdlog::level::warn;
  return settings.error ? spdlog::level::err : spdlog::level::off;
}

}  // namespace

LogControl::LogControl() {
  const auto level = spdlog::default_logger_raw()->level();
  settings_.info = level <= spdlog::level::info;
  settings_.warning = level <= spdlog::level::warn;
  settings_.error = level <= spdlog::level::critical;
  settings_.verbose_level = level == spdlog::level::trace ? 2 : level == spdlog::level::debug ? 1 : 0;
}

LogSettings LogControl::Get() const {
  MutexLock lock(mutex_);
  return settings_;
}

void LogControl::Apply(const LogSettingsChange& change) {
  MutexLock lock(mutex_);
  settings_.info = change.info.value_or(settings_.info);
  settings_.warning = change.warning.value_or(settings_.warning);
  settings_.error = change.error.value_or(settings_.error);
  settings_.verbose_level = change.verbose_level.value_or(settings_.verbose_level);
  spdlog::default_logger_raw()->set_level(Level(settings_));
}

}  // namespace headrace::oip
