// When a recurring run is due: cron expressions and intervals.
#pragma once
#include <bitset>
#include <optional>
#include <string>
#include <string_view>

#include "headrace/base/clock.h"
#include "headrace/base/status.h"

namespace headrace::pipeline {

// A cron expression in UTC, as KFP takes it (github.com/robfig/cron): six fields, second minute hour day month weekday,
// or five without the seconds; each *, ?, a number, a name (JAN, MON), a range, a list, with /step; or @yearly
// @annually @monthly @weekly @daily @midnight @hourly. When day and weekday are both restricted, either suffices.
// Immutable.
class CronSchedule {
 public:
  // kInvalidArgument names the field.
  static Result<CronSchedule> Parse(std::string_view text);
  // The first time after `after`, to the second; nothing within the next eight years: never.
  std::optional<TimePoint> Next(TimePoint after) const;

 private:
  bool MatchesDay(std::chrono::sys_days day) const;

  std::bitset<60> seconds_, minutes_;
  std::bitset<24> hours_;
  std::bitset<32> days_;     // 1 to 31
  std::bitset<13> months_;   // 1 to 12
  std::bitset<7> weekdays_;  // Sunday is 0
  bool any_day_ = false, any_weekday_ = false;
};

struct Trigger {
  std::string cron = {};   // or
  int64_t interval_s = 0;  // seconds, when there is no cron expression
  std::optional<TimePoint> start = {}, end = {};

  // kInvalidArgument unless it has exactly one of the two, readable, and does not end before it starts.
  Status Validate() const;
  // The first time due after `last`, when it was due before, or after `created`. Intervals count from `start`, else
  // from `created`. Nothing: never again.
  std::optional<TimePoint> Next(std::optional<TimePoint> last, TimePoint created) const;
};

}  // namespace headrace::pipeline
