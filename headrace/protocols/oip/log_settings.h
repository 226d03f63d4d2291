// The logging extension: which severities are written, changed while the server runs.
#pragma once
#include <cstdint>
#include <optional>

#include "headrace/base/mutex.h"

namespace headrace::oip {

struct LogSettings {
  bool info = true;
  bool warning = true;
  bool error = true;
  uint32_t verbose_level = 0;  // 1: debug, 2 and more: trace
};

struct LogSettingsChange {
  std::optional<bool> info, warning, error;
  std::optional<uint32_t> verbose_level;
};

// The process's log level seen as LogSettings. One level decides, so a severity is written when it or a lesser one is
// switched on. Thread-safe.
class LogControl {
 public:
  LogControl();
  LogSettings Get() const;
  void Apply(const LogSettingsChange& change);

 private:
  mutable Mutex mutex_;
  LogSettings settings_ HR_GUARDED_BY(mutex_);
};

}  // namespace headrace::oip
