#include "headrace/pipeline/trigger.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <vector>

namespace headrace::pipeline {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using std::chrono::sys_days;

constexpr int kLookAheadDays = 8 * 366;

struct Field {
  std::string_view name;
  int low, high;
  std::array<std::string_view, 12> names;  // of low, low + 1, …; empty: numbers alone
};
constexpr Field kSeconds = {"seconds", 0, 59, {}}, kMinutes = {"minutes", 0, 59, {}}, kHours = {"hours", 0, 23, {}};
constexpr Field kDays = {"day of month", 1, 31, {}};
constexpr Field kMonths = {
    "month", 1, 12, {"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"}};
constexpr Field kWeekdays = {"day of week", 0, 6, {"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}};

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const size_t at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == text.npos) return parts;
    text.remove_prefix(at + 1);
  }
}

std::optional<int> ReadNumber(std::string_view text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() || number < 0) return std::nullopt;
  return number;
}

std::optional<int> ReadValue(std::string_view text, const Field& field) {
  if (const auto number = ReadNumber(text)) return number;
  std::string upper(text);
  std::ranges::transform(upper, upper.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  for (size_t i = 0; i < field.names.size(); i++)
    if (!field.names[i].empty() && field.names[i] == upper) return field.low + static_cast<int>(i);
  return std::nullopt;
}

// "*/15", "1-5", "MON", "30/10".
template <size_t N>
bool AddPart(std::string_view part, const Field& field, std::bitset<N>& bits) {
  const auto step_parts = Split(part, '/');
  const auto step = step_parts.size() == 2 ? ReadNumber(step_parts[1]) : std::optional(1);
  if (step_parts.size() > 2 || !step || *step == 0) return false;
  const auto range = Split(step_parts[0], '-');
  int low = field.low, high = field.high;
  if (range[0] != "*" && range[0] != "?") {
    const auto first = ReadValue(range[0], field);
    const auto last = range.size() == 2 ? ReadValue(range[1], field) : first;
    if (range.size() > 2 || !first || !last) return false;
    low = *first;
    high = range.size() == 1 && step_parts.size() == 2 ? field.high : *last;
  } else if (range.size() > 1) {
    return false;
  }
  if (low < field.low || high > field.high || low > high) return false;
  for (int value = low; value <= high; value += *step) bits.set(static_cast<size_t>(value));
  return true;
}

template <size_t N>
Status ReadField(std::string_view text, const Field& field, std::bitset<N>& bits) {
  for (const std::string_view part : Split(text, ','))
    if (!AddPart(part, field, bits))
      return InvalidArgument("cron: {} \"{}\": expected *, numbers from {} to {}, ranges, lists or steps", field.name,
                             text, field.low, field.high);
  return OkStatus();
}

std::string_view WithoutMacro(std::string_view text) {
  constexpr std::pair<std::string_view, std::string_view> kMacros[] = {
      {"@yearly", "0 0 0 1 1 *"}, {"@annually", "0 0 0 1 1 *"}, {"@monthly", "0 0 0 1 * *"}, {"@weekly", "0 0 0 * * 0"},
      {"@daily", "0 0 0 * * *"},  {"@midnight", "0 0 0 * * *"}, {"@hourly", "0 0 * * * *"}};
  for (const auto& [macro, meaning] : kMacros)
    if (text == macro) return meaning;
  return text;
}

bool IsAny(std::string_view text) { return text.starts_with('*') || text.starts_with('?'); }

}  // namespace

Result<CronSchedule> CronSchedule::Parse(std::string_view text) {
  std::vector<std::string_view> fields = Split(WithoutMacro(text), ' ');
  std::erase(fields, "");
  if (fields.size() == 5) fields.insert(fields.begin(), "0");
  if (fields.size() != 6)
    return std::unexpected(
        InvalidArgument("cron \"{}\": expected six fields (second minute hour day month weekday) or five", text));
  CronSchedule cron;
  HR_UNEXPECTED_IF_ERROR(ReadField(fields[0], kSeconds, cron.seconds_));
  HR_UNEXPECTED_IF_ERROR(ReadField(fields[1], kMinutes, cron.minutes_));
  HR_UNEXPECTED_IF_ERROR(ReadField(fields[2], kHours, cron.hours_));
  HR_UNEXPECTED_IF_ERROR(ReadField(fields[3], kDays, cron.days_));
  HR_UNEXPECTED_IF_ERROR(ReadField(fields[4], kMonths, cron.months_));
  HR_UNEXPECTED_IF_ERROR(ReadField(fields[5], kWeekdays, cron.weekdays_));
  cron.any_day_ = IsAny(fields[3]);
  cron.any_weekday_ = IsAny(fields[5]);
  return cron;
}

bool CronSchedule::MatchesDay(sys_days day) const {
  const std::chrono::year_month_day date(day);
  if (!months_[static_cast<unsigned>(date.month())]) return false;
  const bool by_day = days_[static_cast<unsigned>(date.day())];
  const bool by_weekday = weekdays_[std::chrono::weekday(day).c_encoding()];
  return any_day_ || any_weekday_ ? by_day && by_weekday : by_day || by_weekday;
}

std::optional<TimePoint> CronSchedule::Next(TimePoint after) const {
  const auto first = std::chrono::floor<seconds>(after) + seconds(1);
  const auto first_day = std::chrono::floor<days>(first);
  for (int ahead = 0; ahead < kLookAheadDays; ahead++) {
    const sys_days day = first_day + days(ahead);
    if (!MatchesDay(day)) continue;
    const auto earliest = ahead == 0 ? first - first_day : seconds(0);
    for (int h = 0; h < 24; h++) {
      if (!hours_[static_cast<size_t>(h)] || hours(h + 1) <= earliest) continue;
      for (int m = 0; m < 60; m++) {
        if (!minutes_[static_cast<size_t>(m)] || hours(h) + minutes(m + 1) <= earliest) continue;
        for (int s = 0; s < 60; s++) {
          const auto time = hours(h) + minutes(m) + seconds(s);
          if (seconds_[static_cast<size_t>(s)] && time >= earliest) return TimePoint(day + time);
        }
      }
    }
  }
  return std::nullopt;
}

Status Trigger::Validate() const {
  if (cron.empty() == (interval_s == 0))
    return InvalidArgument("trigger: expected one of a cron expression and an interval");
  if (interval_s < 0) return InvalidArgument("trigger: interval_second: expected 1 or more, found {}", interval_s);
  if (start && end && *end < *start) return InvalidArgument("trigger: end_time is before start_time");
  if (cron.empty()) return OkStatus();
  return internal::AsStatus(CronSchedule::Parse(cron));
}

std::optional<TimePoint> Trigger::Next(std::optional<TimePoint> last, TimePoint created) const {
  const TimePoint begin = start ? std::max(*start, TimePoint(created)) : created;
  std::optional<TimePoint> next;
  if (!cron.empty()) {
    const auto schedule = CronSchedule::Parse(cron);
    // A start that is itself a time of the schedule counts.
    if (schedule) next = schedule->Next(last ? *last : begin - seconds(start ? 1 : 0));
  } else {
    next = (last ? *last : start.value_or(created)) + seconds(interval_s);
  }
  return next && end && *next > *end ? std::nullopt : next;
}

}  // namespace headrace::pipeline
