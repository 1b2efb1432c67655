#include "producers/simulate/season.h"

#include <array>
#include <string_view>

namespace fiverate {
namespace {

constexpr std::array<std::string_view, 16> kSpringFestivals{
    "2020-01-25", "2021-02-12", "2022-02-01", "2023-01-22", "2024-02-10", "2025-01-29", "2026-02-17", "2027-02-06",
    "2028-01-26", "2029-02-13", "2030-02-03", "2031-01-23", "2032-02-11", "2033-01-31", "2034-02-19", "2035-02-08"};
constexpr std::int32_t kNearDays = 30;
constexpr std::int32_t kRestDays = 6;  // New Year's Day is the first

// The values of the middle of each month; between them the factor is linear.
constexpr std::array<std::int64_t, 12> kMonths{1060, 1020, 960, 970, 1000, 990, 960, 970, 1040, 1030, 990, 1010};
constexpr std::array<std::int64_t, 7> kWeekdays{960, 950, 965, 985, 1050, 1090, 1000};

std::int64_t year_factor(Day day) {
  // A year of 365.25 days is exact enough for this curve.
  const auto quarter_days = std::int64_t{day.number} * 4 % 1461;
  const auto position = (quarter_days * 12 * kOne / 1461 + 12 * kOne - kOne / 2) % (12 * kOne);  // 0: middle of January
  const auto month = static_cast<std::size_t>(position / kOne);
  const auto into = position % kOne;
  return (kMonths[month] * (kOne - into) + kMonths[(month + 1) % 12] * into) / kOne;
}

// Demand rises for three weeks to +50 % on the eve of the festival; the two weeks after it are below average.
std::int64_t festival_factor(std::int32_t days_after, bool gift) {
  std::int64_t more = 0;
  if (days_after >= -21 && days_after < 0) more = 500 * (22 + days_after) / 21;
  if (days_after >= 0 && days_after < 3) more = 150;
  if (days_after >= 3 && days_after < 17) more = -180;
  return kOne + (gift ? 2 * more : more);
}

}  // namespace

std::int64_t season_factor(Day day, bool gift) {
  const auto festival = spring_festival_near(day);
  return scaled(year_factor(day), festival ? festival_factor(day - *festival, gift) : kOne);
}

std::int64_t weekday_factor(Day day) {
  return kWeekdays[static_cast<std::size_t>(weekday(day))];
}

int weekday(Day day) {
  return static_cast<int>(((day.number + 3) % 7 + 7) % 7);
}  // 1970-01-01 was a Thursday

std::optional<Day> spring_festival_near(Day day) {
  static const auto kDays = [] {
    std::array<Day, kSpringFestivals.size()> days;
    for (std::size_t i = 0; i < days.size(); ++i) days[i] = parse_date(kSpringFestivals[i]).value_or(kNoDay);
    return days;
  }();
  for (const auto festival : kDays) {
    const auto distance = day - festival;
    if (distance >= -kNearDays && distance <= kNearDays) return festival;
  }
  return std::nullopt;
}

bool trade_rests(Day day) {
  const auto festival = spring_festival_near(day);
  return festival && day >= *festival && day - *festival < kRestDays;
}

}  // namespace fiverate
