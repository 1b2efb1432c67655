#include "schemas/time.h"

#include <date/tz.h>

#include <chrono>
#include <utility>

#include "schemas/format.h"
#include "schemas/instant.h"

namespace fiverate {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Millis kHourMs = 60 * kMinuteMs;
constexpr Millis k1992Ms = 694'224'000'000;  // 1992-01-01T00:00Z
constexpr int kYearMin = 1970;
constexpr int kYearMax = 9999;

constexpr std::int64_t floor_div(std::int64_t a, std::int64_t b) {
  return a / b - (a % b < 0 ? 1 : 0);
}

constexpr Day day_number(Millis local) {
  return {static_cast<std::int32_t>(floor_div(local, kDayMs))};
}

// Reads a text from the left. Each function returns whether it matched; after a mismatch the scanner must not be used.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  bool number(std::size_t digits, int& value) {
    if (rest_.size() < digits) return false;
    value = 0;
    for (std::size_t i = 0; i < digits; ++i) {
      if (!is_digit(rest_[i])) return false;
      value = value * 10 + (rest_[i] - '0');
    }
    rest_.remove_prefix(digits);
    return true;
  }

  bool one_of(std::string_view characters, char& found) {
    if (rest_.empty() || characters.find(rest_.front()) == std::string_view::npos) return false;
    found = rest_.front();
    rest_.remove_prefix(1);
    return true;
  }

  bool one_of(std::string_view characters) {
    char found = 0;
    return one_of(characters, found);
  }

  // The digits of a decimal fraction, at least one, as milliseconds; later digits are ignored.
  bool fraction(Millis& ms) {
    std::size_t digits = 0;
    ms = 0;
    for (Millis unit = 100; digits < rest_.size() && is_digit(rest_[digits]); ++digits, unit /= 10) {
      ms += unit * (rest_[digits] - '0');
    }
    rest_.remove_prefix(digits);
    return digits > 0;
  }

  [[nodiscard]] bool at_end() const { return rest_.empty(); }

 private:
  static bool is_digit(char c) { return c >= '0' && c <= '9'; }

  std::string_view rest_;
};

bool scan_date(Scanner& in, Day& day) {
  int year = 0;
  int month = 0;
  int day_of_month = 0;
  if (!in.number(4, year) || !in.one_of("-") || !in.number(2, month) || !in.one_of("-") ||
      !in.number(2, day_of_month)) {
    return false;
  }
  const date::year_month_day date{date::year{year}, date::month{static_cast<unsigned>(month)},
                                  date::day{static_cast<unsigned>(day_of_month)}};
  if (year < kYearMin || year > kYearMax || !date.ok()) return false;
  day.number = date::sys_days{date}.time_since_epoch().count();
  return true;
}

// Local date and time of day: milliseconds since 1970 as if the offset were zero.
struct WallClock {
  Millis ms = 0;
  bool leap_second = false;  // ms is then the start of the next minute
};

bool scan_wall_clock(Scanner& in, WallClock& local) {
  Day day;
  int hour = 0;
  int minute = 0;
  int second = 0;
  Millis fraction = 0;
  if (!scan_date(in, day) || !in.one_of("Tt ") || !in.number(2, hour) || !in.one_of(":") || !in.number(2, minute) ||
      !in.one_of(":") || !in.number(2, second)) {
    return false;
  }
  if (in.one_of(".") && !in.fraction(fraction)) return false;
  if (hour > 23 || minute > 59 || second > 60) return false;
  local.leap_second = second == 60;
  local.ms = Millis{day.number} * kDayMs + hour * kHourMs + minute * kMinuteMs + second * kSecondMs;
  if (!local.leap_second) local.ms += fraction;
  return true;
}

bool scan_offset(Scanner& in, Millis& offset) {
  char sign = 0;
  int hours = 0;
  int minutes = 0;
  offset = 0;
  if (in.one_of("Zz")) return true;
  if (!in.one_of("+-", sign) || !in.number(2, hours) || !in.one_of(":") || !in.number(2, minutes)) return false;
  if (hours > 23 || minutes > 59) return false;
  offset = hours * kHourMs + minutes * kMinuteMs;
  if (sign == '-') offset = -offset;
  return true;
}

date::year_month_day date_of(Day day) {
  return date::year_month_day{date::sys_days{date::days{day.number}}};
}

Day day_of_date(date::year_month_day date) {
  return Day{static_cast<std::int32_t>(date::sys_days{date}.time_since_epoch().count())};
}

date::sys_seconds sys_seconds_of(Millis instant) {
  return date::sys_seconds{seconds{floor_div(instant, kSecondMs)}};
}

template <class TimePoint>
Millis millis_of_point(TimePoint time) {
  return milliseconds{time.time_since_epoch()}.count();
}

// A range of instants that have the same offset in the tz database.
struct OffsetSpan {
  std::string zone_name;
  Millis begin = 0;  // begin == end: no range
  Millis end = 0;
  Millis offset = 0;
};

// The offset from 1992 to the end of year 9999, if there is only one.
std::optional<Millis> single_offset_since_1992(const date::time_zone& zone) {
  auto span = zone.get_info(sys_seconds_of(k1992Ms));
  const seconds offset = span.offset;
  while (millis_of_point(span.end) < kYear10000Ms) {
    span = zone.get_info(span.end);
    if (span.offset != offset) return std::nullopt;
  }
  return milliseconds{offset}.count();
}

// The instant of a local time of the zone: the earlier one of two, nothing if the local time does not occur.
std::optional<Millis> instant_at(const date::time_zone& zone, Millis local) {
  const auto info = zone.get_info(date::local_seconds{seconds{floor_div(local, kSecondMs)}});
  if (info.result == date::local_info::nonexistent) return std::nullopt;
  return local - milliseconds{info.first.offset}.count();
}

}  // namespace

std::optional<Day> parse_date(std::string_view text) {
  Scanner in(text);
  Day day;
  if (!scan_date(in, day) || !in.at_end()) return std::nullopt;
  return day;
}

Day month_begins(Day day) {
  const auto date = date_of(day);
  return day_of_date(date.year() / date.month() / 1);
}

Day next_month_begins(Day day) {
  const auto date = date_of(day);
  return day_of_date((date.year() / date.month() / 1) + date::months{1});
}

Day same_date_last_year(Day day) {
  auto date = date_of(day) - date::years{1};
  if (!date.ok()) date = date.year() / date.month() / date::last;
  return day_of_date(date);
}

std::string format_date(Day day) {
  const auto date = date_of(day);
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()));
}

std::optional<Millis> parse_time(std::string_view text) {
  Scanner in(text);
  WallClock local;
  Millis offset = 0;
  if (!scan_wall_clock(in, local) || !scan_offset(in, offset) || !in.at_end()) return std::nullopt;
  const Millis instant = local.ms - offset;
  // scan_date() checks the year of the local date; with the offset the instant may still be out of range.
  if (!is_instant(instant)) return std::nullopt;
  // Leap seconds occur at the end of a UTC day only.
  if (local.leap_second && instant % kDayMs != 0) return std::nullopt;
  return instant;
}

MarketCalendar::MarketCalendar(std::string zone_name) : zone_name_(std::move(zone_name)) {
  fixed_offset_since_1992_ = single_offset_since_1992(*date::locate_zone(zone_name_));
}

Millis MarketCalendar::offset_at(Millis instant) const {
  if (fixed_offset_since_1992_ && instant >= k1992Ms) return *fixed_offset_since_1992_;
  // Consecutive instants mostly have the same offset, so each thread keeps the last range; this needs no lock. The range has the
  // name of its zone and not the address of its calendar, because another calendar may later have the same address.
  thread_local OffsetSpan cached;
  if (instant < cached.begin || instant >= cached.end || cached.zone_name != zone_name_) {
    const auto span = date::locate_zone(zone_name_)->get_info(sys_seconds_of(instant));
    cached = {zone_name_, millis_of_point(span.begin), millis_of_point(span.end), milliseconds{span.offset}.count()};
  }
  return cached.offset;
}

Day MarketCalendar::day_of(Millis instant) const {
  if (instant == kNever) return kNoDay;  // less than every instant, so less than every day
  return day_number(instant + offset_at(instant));
}

Millis MarketCalendar::start_of(Day day) const {
  const Millis local = Millis{day.number} * kDayMs;
  // The margin of one day is needed because the first days of 1992 may begin with an older offset.
  if (fixed_offset_since_1992_ && local - *fixed_offset_since_1992_ >= k1992Ms + kDayMs) {
    return local - *fixed_offset_since_1992_;
  }
  const auto* zone = date::locate_zone(zone_name_);
  if (const auto midnight = instant_at(*zone, local)) return *midnight;
  // The local clock skips midnight on this day: the day begins at the skip.
  return millis_of_point(zone->get_info(date::local_seconds{seconds{local / kSecondMs}}).first.end);
}

std::string MarketCalendar::format(Millis instant) const {
  // Offsets of local mean time have seconds, which RFC 3339 cannot express. With the offset in whole minutes the local time
  // changes, but the instant stays exact.
  const Millis offset_minutes = floor_div(offset_at(instant), kMinuteMs);
  const Millis local = instant + offset_minutes * kMinuteMs;
  const Day day = day_number(local);
  const Millis in_day = local - Millis{day.number} * kDayMs;
  const Millis shown = offset_minutes < 0 ? -offset_minutes : offset_minutes;
  return fmt::format("{}T{:02}:{:02}:{:02}.{:03}{}{:02}:{:02}", format_date(day), in_day / kHourMs,
                     in_day / kMinuteMs % 60, in_day / kSecondMs % 60, in_day % kSecondMs,
                     offset_minutes < 0 ? '-' : '+', shown / 60, shown % 60);
}

std::optional<Millis> MarketCalendar::parse_local(std::string_view text) const {
  Scanner in(text);
  WallClock local;
  if (!scan_wall_clock(in, local) || local.leap_second || !in.at_end()) return std::nullopt;
  if (fixed_offset_since_1992_ && local.ms - *fixed_offset_since_1992_ >= k1992Ms + kDayMs) {
    return local.ms - *fixed_offset_since_1992_;
  }
  return instant_at(*date::locate_zone(zone_name_), local.ms);
}

}  // namespace fiverate
