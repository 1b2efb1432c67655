#include "schemas/time.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace fiverate {
namespace {

constexpr Millis kHourMs = 60 * kMinuteMs;
constexpr Millis kMarch2 = 1'772'380'800'000;  // 2026-03-01T16:00Z, 00:00 of 2026-03-02 in Shanghai

TEST(Dates, ThatExist) {
  EXPECT_EQ(parse_date("1970-01-01"), Day{0});
  EXPECT_EQ(parse_date("1992-01-01"), Day{8035});
  EXPECT_EQ(parse_date("2026-03-02"), Day{20514});
  EXPECT_EQ(parse_date("2024-02-29"), Day{19782});
  EXPECT_EQ(parse_date("9999-12-31"), Day{2932896});
}

TEST(Dates, ThatDoNot) {
  for (const char* text : {"", "2026-02-29", "2026-13-01", "2026-00-10", "2026-01-00", "2026-04-31", "1969-12-31",
                           "0000-01-01", "2026-3-02", "2026-03-2", "2026-03-02 ", " 2026-03-02", "20260302",
                           "2026/03/02", "+026-03-02", "2026-03-02T00:00:00Z", "10000-01-01", "2100-02-29"}) {
    EXPECT_EQ(parse_date(text), std::nullopt) << text;
  }
}

TEST(Dates, RoundTripOfEveryDay) {
  for (Day day{0}; day <= Day{2932896}; day = day + 97) ASSERT_EQ(parse_date(format_date(day)), day);
  EXPECT_EQ(format_date(Day{-1}), "1969-12-31");
}

TEST(Times, AreReadToTheMillisecond) {
  const Millis noon = kMarch2 + 12 * kHourMs;
  EXPECT_EQ(parse_time("2026-03-02T12:00:00+08:00"), noon);
  EXPECT_EQ(parse_time("2026-03-02T04:00:00Z"), noon);
  EXPECT_EQ(parse_time("2026-03-02t04:00:00z"), noon);
  EXPECT_EQ(parse_time("2026-03-02 04:00:00-00:00"), noon);
  EXPECT_EQ(parse_time("2026-03-01T23:30:00-04:30"), noon);
  EXPECT_EQ(parse_time("2026-03-02T12:00:00.1+08:00"), noon + 100);
  EXPECT_EQ(parse_time("2026-03-02T12:00:00.1239999999999+08:00"), noon + 123);
  EXPECT_EQ(parse_time("1970-01-01T00:00:00Z"), 0);
  EXPECT_EQ(parse_time("9999-12-31T23:59:59.999Z"), 253'402'300'799'999);
}

TEST(Times, LeapSecondIsTheNextMinute) {
  EXPECT_EQ(parse_time("2016-12-31T23:59:60Z"), parse_time("2017-01-01T00:00:00Z"));
  EXPECT_EQ(parse_time("2017-01-01T07:59:60.9+08:00"), parse_time("2017-01-01T00:00:00Z"));
  EXPECT_EQ(parse_time("2017-01-01T12:00:60Z"), std::nullopt);  // no leap second occurs then
  EXPECT_EQ(parse_time("2016-12-31T23:59:61Z"), std::nullopt);
}

TEST(Times, ThatAreNone) {
  for (const char* text : {"",
                           "2026-03-02",
                           "2026-03-02T12:00:00",
                           "2026-03-02T12:00Z",
                           "2026-03-02T12:00:00+0800",
                           "2026-03-02T12:00:00+08",
                           "2026-03-02T12:00:00+24:00",
                           "2026-03-02T12:00:00+08:60",
                           "2026-03-02T12:00:00.Z",
                           "2026-03-02T12:00:00,5Z",
                           "2026-03-02T24:00:00Z",
                           "2026-03-02T12:60:00Z",
                           "2026-02-30T12:00:00Z",
                           "2026-03-02T12:00:00Z ",
                           " 2026-03-02T12:00:00Z",
                           "2026-03-02_12:00:00Z",
                           "2026-03-02T12:00:00 +08:00",
                           "1969-12-31T23:59:59Z",
                           "1970-01-01T00:00:00+08:00",
                           "9999-12-31T23:59:59-01:00",
                           "9999-12-31T23:59:60Z"}) {
    EXPECT_EQ(parse_time(text), std::nullopt) << text;
  }
}

TEST(Calendar, ShanghaiDaysBeginAtMidnight) {
  const MarketCalendar calendar("Asia/Shanghai");
  EXPECT_EQ(calendar.day_of(kMarch2), Day{20514});
  EXPECT_EQ(calendar.day_of(kMarch2 - 1), Day{20513});
  EXPECT_EQ(calendar.start_of(Day{20514}), kMarch2);
  EXPECT_EQ(calendar.end_of(Day{20513}), kMarch2);
  EXPECT_EQ(calendar.format(kMarch2 + 12 * kHourMs + 34'567), "2026-03-02T12:00:34.567+08:00");
  EXPECT_EQ(calendar.zone_name(), "Asia/Shanghai");
}

TEST(Calendar, ShanghaiSummerTimeBefore1992) {
  const MarketCalendar calendar("Asia/Shanghai");
  const Millis july = *parse_time("1990-07-01T00:00:00+09:00");
  EXPECT_EQ(calendar.start_of(*parse_date("1990-07-01")), july);
  EXPECT_EQ(calendar.day_of(july - 1), *parse_date("1990-06-30"));
  EXPECT_EQ(calendar.format(july), "1990-07-01T00:00:00.000+09:00");
}

TEST(Calendar, NoTimeYetIsBeforeEveryDay) {
  EXPECT_EQ(MarketCalendar("Asia/Shanghai").day_of(kNever), kNoDay);
  EXPECT_EQ(MarketCalendar("America/New_York").day_of(kNever), kNoDay);
}

// Zones with one offset, with summer time, with skipped midnights, with a skipped day and with large offsets.
TEST(Calendar, DaysTileTime) {
  for (const char* zone : {"Asia/Shanghai", "UTC", "America/New_York", "America/Sao_Paulo", "Pacific/Apia",
                           "Pacific/Kiritimati", "Australia/Lord_Howe", "Asia/Kathmandu"}) {
    const MarketCalendar calendar(zone);
    for (Day day{0}; day < Day{24'000}; day = day + 1) {
      const Millis start = calendar.start_of(day);
      const Millis end = calendar.end_of(day);
      ASSERT_LE(start, end) << zone << ' ' << format_date(day);
      if (start == end) continue;  // a skipped day
      ASSERT_EQ(calendar.day_of(start), day) << zone << ' ' << format_date(day);
      ASSERT_EQ(calendar.day_of(end - 1), day) << zone << ' ' << format_date(day);
      ASSERT_EQ(parse_time(calendar.format(start)).value_or(start), start) << zone << ' ' << format_date(day);
    }
  }
}

TEST(Calendar, SkippedMidnight) {
  const MarketCalendar calendar("America/Sao_Paulo");  // 2018-11-04: 00:00 became 01:00
  EXPECT_EQ(calendar.format(calendar.start_of(*parse_date("2018-11-04"))), "2018-11-04T01:00:00.000-02:00");
  EXPECT_EQ(calendar.parse_local("2018-11-04T00:30:00"), std::nullopt);
}

TEST(Calendar, SkippedDay) {
  const MarketCalendar calendar("Pacific/Apia");
  const Day skipped = *parse_date("2011-12-30");
  EXPECT_EQ(calendar.start_of(skipped), calendar.start_of(skipped + 1));
}

TEST(Calendar, LocalTimes) {
  const MarketCalendar shanghai("Asia/Shanghai");
  EXPECT_EQ(shanghai.parse_local("2026-03-02T00:00:00"), kMarch2);
  EXPECT_EQ(shanghai.parse_local("2026-03-02 00:00:00.25"), kMarch2 + 250);
  EXPECT_EQ(shanghai.parse_local("1990-07-01T00:00:00"), parse_time("1990-07-01T00:00:00+09:00"));
  for (const char* text : {"", "2026-03-02", "2026-03-02T00:00:00Z", "2026-03-02T00:00:60", "2026-03-02T00:00"}) {
    EXPECT_EQ(shanghai.parse_local(text), std::nullopt) << text;
  }
  const MarketCalendar new_york("America/New_York");
  EXPECT_EQ(new_york.parse_local("2025-11-02T01:30:00"), parse_time("2025-11-02T01:30:00-04:00"));  // the earlier one
  EXPECT_EQ(new_york.parse_local("2025-03-09T02:30:00"), std::nullopt);                             // does not occur
}

TEST(Calendar, ManyZonesAndThreadsShareNothing) {
  const MarketCalendar new_york("America/New_York");
  const MarketCalendar london("Europe/London");
  const Millis instant = *parse_time("2026-07-01T03:00:00Z");
  const auto check = [&] {
    for (int i = 0; i < 1'000; ++i) {
      ASSERT_EQ(format_date(new_york.day_of(instant + i)), "2026-06-30");
      ASSERT_EQ(format_date(london.day_of(instant + i)), "2026-07-01");
    }
  };
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back(check);
}

TEST(Calendar, UnknownZone) {
  EXPECT_THROW(MarketCalendar("Asia/Nowhere"), std::runtime_error);
}

}  // namespace
}  // namespace fiverate
