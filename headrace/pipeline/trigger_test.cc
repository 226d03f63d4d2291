#include "headrace/pipeline/trigger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace headrace::pipeline {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::HasSubstr;

// "2013-01-31 12:00:00"
TimePoint At(const std::string& text) {
  int y, mo, d, h, mi, s;
  EXPECT_EQ(std::sscanf(text.c_str(), "%d-%d-%d %d:%d:%d", &y, &mo, &d, &h, &mi, &s), 6);
  const std::chrono::year_month_day date{std::chrono::year(y), std::chrono::month(static_cast<unsigned>(mo)),
                                         std::chrono::day(static_cast<unsigned>(d))};
  return std::chrono::sys_days(date) + std::chrono::hours(h) + minutes(mi) + seconds(s);
}

std::string Next(const std::string& cron, const std::string& after) {
  const auto parsed = CronSchedule::Parse(cron);
  if (!parsed) return parsed.error().message();
  const auto next = parsed->Next(At(after));
  return next ? FormatTime(*next).substr(0, 19) : "never";
}

TEST(CronSchedule, FindsTheNextTime) {
  EXPECT_EQ(Next("0 0 * * * *", "2013-01-31 12:00:00"), "2013-01-31T13:00:00");
  EXPECT_EQ(Next("*/15 * * * * *", "2013-01-31 12:00:07"), "2013-01-31T12:00:15");
  EXPECT_EQ(Next("30 4 * * *", "2013-01-31 04:30:00"), "2013-02-01T04:30:00");
  EXPECT_EQ(Next("0 0 9-17/4 * * MON-FRI", "2013-02-01 17:00:00"), "2013-02-04T09:00:00");
  EXPECT_EQ(Next("0 0 0 1 jan ?", "2013-01-01 00:00:00"), "2014-01-01T00:00:00");
  EXPECT_EQ(Next("0 0 0 29 2 *", "2013-03-01 00:00:00"), "2016-02-29T00:00:00");
  EXPECT_EQ(Next("59 59 23 31 12 *", "2013-12-31 23:59:58"), "2013-12-31T23:59:59");
  EXPECT_EQ(Next("0 5,10 * * * *", "2013-01-31 12:05:00"), "2013-01-31T12:10:00");
  EXPECT_EQ(Next("0 0 0 13 * FRI", "2013-09-06 00:00:00"), "2013-09-13T00:00:00");  // the 13th or a Friday
  EXPECT_EQ(Next("0 0 0 13 * FRI", "2013-09-13 00:00:00"), "2013-09-20T00:00:00");
  EXPECT_EQ(Next("@weekly", "2013-01-31 12:00:00"), "2013-02-03T00:00:00");
  EXPECT_EQ(Next("0 0 0 31 4 *", "2013-01-01 00:00:00"), "never");
}

TEST(CronSchedule, NamesTheFieldThatIsWrong) {
  EXPECT_THAT(Next("", "2013-01-01 00:00:00"), HasSubstr("six fields"));
  EXPECT_THAT(Next("* * * *", "2013-01-01 00:00:00"), HasSubstr("six fields"));
  EXPECT_THAT(Next("60 * * * * *", "2013-01-01 00:00:00"), HasSubstr("seconds \"60\""));
  EXPECT_THAT(Next("* * 24 * * *", "2013-01-01 00:00:00"), HasSubstr("hours"));
  EXPECT_THAT(Next("* * * 0 * *", "2013-01-01 00:00:00"), HasSubstr("day of month"));
  EXPECT_THAT(Next("* * * * FOO *", "2013-01-01 00:00:00"), HasSubstr("month \"FOO\""));
  EXPECT_THAT(Next("* * * * * 5-1", "2013-01-01 00:00:00"), HasSubstr("day of week"));
  for (const char* part : {"*/0", "1-2-3", "1/2/3", "*-5", "-1", "1,", "x"})
    EXPECT_THAT(Next(std::string(part) + " * * * * *", "2013-01-01 00:00:00"), HasSubstr("seconds")) << part;
}

RC_GTEST_PROP(CronScheduleProperty, NextIsTheFirstMinuteThatMatches, ()) {
  const int minute = *rc::gen::inRange(0, 60), hour = *rc::gen::inRange(0, 24), weekday = *rc::gen::inRange(0, 7);
  const auto cron = CronSchedule::Parse("0 " + std::to_string(minute) + " " + std::to_string(hour) + " * * " +
                                        std::to_string(weekday))
                        .value();
  const TimePoint after = FromMicros(*rc::gen::inRange<int64_t>(0, int64_t{4'000'000'000}) * 1'000'000);
  TimePoint expected = std::chrono::ceil<minutes>(after + seconds(1));
  for (;; expected += minutes(1)) {
    const auto day = std::chrono::floor<std::chrono::days>(expected);
    const auto in_day = std::chrono::duration_cast<minutes>(expected - day).count();
    if (in_day == hour * 60 + minute &&
        static_cast<int>(std::chrono::weekday(std::chrono::sys_days(day)).c_encoding()) == weekday)
      break;
  }
  RC_ASSERT(cron.Next(after) == expected);
}

TEST(Trigger, IntervalsCountFromTheStart) {
  const TimePoint created = At("2013-01-01 00:00:00");
  const Trigger every{.cron = "", .interval_s = 60};
  EXPECT_EQ(every.Next({}, created), created + minutes(1));
  EXPECT_EQ(every.Next(created + minutes(1), created), created + minutes(2));
  const Trigger later{.cron = "", .interval_s = 60, .start = created + minutes(10), .end = created + minutes(11)};
  EXPECT_EQ(later.Next({}, created), created + minutes(11));
  EXPECT_EQ(later.Next(created + minutes(11), created), std::nullopt);
}

TEST(Trigger, CronBeginsAtItsStartAndEnds) {
  const TimePoint created = At("2013-01-01 00:00:00");
  const Trigger hourly{.cron = "@hourly", .start = At("2013-01-02 05:00:00"), .end = At("2013-01-02 06:30:00")};
  EXPECT_EQ(hourly.Next({}, created), At("2013-01-02 05:00:00"));
  EXPECT_EQ(hourly.Next(At("2013-01-02 05:00:00"), created), At("2013-01-02 06:00:00"));
  EXPECT_EQ(hourly.Next(At("2013-01-02 06:00:00"), created), std::nullopt);
}

TEST(Trigger, IsValidated) {
  const TimePoint now = At("2013-01-01 00:00:00");
  EXPECT_TRUE((Trigger{.cron = "@daily"}).Validate().ok());
  EXPECT_FALSE((Trigger{.cron = ""}).Validate().ok());
  EXPECT_FALSE((Trigger{.cron = "@daily", .interval_s = 5}).Validate().ok());
  EXPECT_FALSE((Trigger{.cron = "", .interval_s = -5}).Validate().ok());
  EXPECT_FALSE((Trigger{.cron = "often"}).Validate().ok());
  EXPECT_FALSE((Trigger{.cron = "@daily", .start = now, .end = now - seconds(1)}).Validate().ok());
}

}  // namespace
}  // namespace headrace::pipeline
