// Days and instants. An instant is milliseconds since 1970-01-01T00:00Z; a Day is a business day of the market, the date in
// market.timezone. No function here reads a clock.
//
// Three kinds of instants are never mixed: event time (from the event), arrival (the Kafka timestamp of its record) and clock
// (the watermark, or the clock of an outlet).
#pragma once

#include <compare>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace fiverate {

using Millis = std::int64_t;  // since 1970-01-01T00:00:00Z, or a length of time

inline constexpr Millis kSecondMs = 1'000;
inline constexpr Millis kMinuteMs = 60 * kSecondMs;
inline constexpr Millis kDayMs = 86'400'000;
inline constexpr Millis kNever = std::numeric_limits<Millis>::min();  // no time yet; less than every instant

// A business day, counted from 1970-01-01. Differences of days are plain integers.
struct Day {
  std::int32_t number = 0;

  friend constexpr auto operator<=>(Day, Day) = default;
  friend constexpr Day operator+(Day day, std::int32_t days) { return {day.number + days}; }
  friend constexpr Day operator-(Day day, std::int32_t days) { return {day.number - days}; }
  friend constexpr std::int32_t operator-(Day a, Day b) { return a.number - b.number; }
};

// Far outside the range of days, but adding a window to them does not overflow.
inline constexpr Day kNoDay{-1'000'000'000};
inline constexpr Day kEndOfDays{1'000'000'000};

// "YYYY-MM-DD" of an existing date in 1970..9999, else nothing.
std::optional<Day> parse_date(std::string_view text);
std::string format_date(Day day);

// These take days in 1970..9999.
Day month_begins(Day day);
Day next_month_begins(Day day);
Day same_date_last_year(Day day);  // 29 February becomes 28

// Parses RFC 3339 with an offset ("2026-03-02T12:00:00.1234+08:00"; 'T', 't' or a space; 'Z' or 'z'), truncated to
// milliseconds. A leap second becomes the first instant of the next minute. Nothing if the text is no such time in 1970..9999.
std::optional<Millis> parse_time(std::string_view text);

// The days of one time zone of the tz database. Reading is thread-safe. Copying is expensive: keep a reference.
class MarketCalendar {
 public:
  // Throws std::runtime_error if the machine does not know the zone. For start-up only.
  explicit MarketCalendar(std::string zone_name);

  [[nodiscard]] Day day_of(Millis instant) const;  // 00:00:00.000 belongs to the new day
  [[nodiscard]] Millis start_of(Day day) const;    // the first instant of the day
  [[nodiscard]] Millis end_of(Day day) const { return start_of(day + 1); }
  [[nodiscard]] std::string format(Millis instant) const;  // "2026-03-02T12:00:00.000+08:00"
  // Parses a local time, "2026-03-02T12:00:00[.fff]". Where a local time occurs twice, the earlier instant is returned.
  [[nodiscard]] std::optional<Millis> parse_local(std::string_view text) const;
  [[nodiscard]] const std::string& zone_name() const { return zone_name_; }

 private:
  [[nodiscard]] Millis offset_at(Millis instant) const;

  std::string zone_name_;
  // The offset of all instants from 1992 on, if there is only one (Asia/Shanghai). It makes days plain arithmetic.
  std::optional<Millis> fixed_offset_since_1992_;
};

}  // namespace fiverate
