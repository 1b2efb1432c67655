// What the simulated market is made of, and what holds for all its outlets on a day. Fixed by the seed and the sizes;
// nothing here changes while the market runs.
//
//   P1 (a province) -> P1C2 (cities) -> P1C2-03 (counties), where the outlets are; no brand or place is a real one
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "event.pb.h"
#include "producers/simulate/random.h"
#include "schemas/time.h"

namespace fiverate {

struct WorldSize {
  std::int32_t outlets = 200;
  std::int32_t brands = 8;
  std::int32_t skus = 40;  // >= brands
  std::int32_t days = 60;
  std::uint64_t seed = 1;
  Day first_day;
};

struct SimulatedSku {
  std::string id;
  std::size_t brand = 0;
  std::int64_t mean_demand = 0;   // thousandths of a pack a day in a medium outlet, in an ordinary place and time
  std::int64_t listed_share = 0;  // millionths of the outlets that sell it
  std::int64_t guide_price_fen = 0;
  std::int64_t trend = 0;   // thousandths more (or less) demand after a year
  std::int64_t ration = 0;  // thousandths of the need that is confirmed; 0: not rationed
  bool gift = false;
  Day launched;  // the first day it can be ordered
};

struct County {
  std::string id;
  std::size_t city = 0;
  std::string name;
};

// The classifications of an outlet: a dimension, and the position of its value.
enum class Dimension : std::uint8_t { business_type, scale, area, visit_grade };
inline constexpr std::size_t kDimensionCount = 4;
inline constexpr std::array<std::string_view, kDimensionCount> kDimensionNames{"business_type", "scale", "area",
                                                                               "visit_grade"};
using Classes = std::array<std::uint8_t, kDimensionCount>;
std::string_view class_value(Dimension dimension, std::uint8_t value);
std::string_view business_type_name(std::uint8_t value);                // in Chinese, for names
inline constexpr std::array<std::int64_t, 3> kVisitsPerMonth{1, 2, 4};  // by visit_grade: good, fair, problem

class World {
 public:
  World(const WorldSize& size, const MarketCalendar& calendar);

  [[nodiscard]] const WorldSize& size() const { return size_; }
  [[nodiscard]] const MarketCalendar& calendar() const { return *calendar_; }
  // In order of popularity: Zipf, the n-th sells 1/n of the first.
  [[nodiscard]] const std::vector<SimulatedSku>& skus() const { return skus_; }
  [[nodiscard]] const std::vector<County>& counties() const { return counties_; }
  [[nodiscard]] std::size_t cities() const { return cities_; }
  [[nodiscard]] Day end() const { return size_.first_day + size_.days; }  // the day after the last

  // Tells the regions, SKUs, visit plans, allocations and days of rest, in this order; not the outlets.
  void describe(const std::function<void(Event&)>& tell) const;

  // Thousandths: how much more a city likes a brand; what retailers there take against the guide price.
  [[nodiscard]] std::int64_t taste(std::size_t city, std::size_t brand) const;
  [[nodiscard]] std::int64_t price_level(std::size_t city) const;

 private:
  void make_regions();
  void make_skus();
  [[nodiscard]] Random chance_of(std::string_view what, std::uint64_t a = 0, std::uint64_t b = 0) const;
  friend class DayConditions;

  WorldSize size_;
  const MarketCalendar* calendar_;
  std::size_t cities_ = 0;
  std::vector<County> counties_;
  std::vector<SimulatedSku> skus_;
};

// What holds on one day, for each SKU in each city.
class DayConditions {
 public:
  DayConditions(const World& world, Day day);

  struct Place {
    std::int64_t demand = kOne;  // season, weekday, trend, promotion
    std::int64_t supply = kOne;  // below kOne: so much of a request can be confirmed
    std::int64_t price = kOne;   // of the usual price
  };
  [[nodiscard]] Day day() const { return day_; }
  [[nodiscard]] bool rests() const { return rests_; }
  [[nodiscard]] const Place& at(std::size_t sku, std::size_t city) const { return places_[sku * cities_ + city]; }

 private:
  Day day_;
  bool rests_;
  std::size_t cities_;
  std::vector<Place> places_;
};

// "R" and 17 -> "R000017".
std::string numbered(std::string_view prefix, std::int64_t number, int digits);

}  // namespace fiverate
