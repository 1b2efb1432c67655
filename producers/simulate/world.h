// The regions and SKUs of the simulated market, and the conditions that all its outlets share on a day. They follow from the seed
// and the sizes, and do not change during the simulation.
//
//   P1 (a province) -> P1C2 (cities) -> P1C2-03 (counties), which contain the outlets; all names are invented
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
  std::int64_t mean_demand = 0;   // thousandths of a pack a day in a medium outlet, without season and taste
  std::int64_t listed_share = 0;  // share of the outlets that list it, in millionths
  std::int64_t guide_price_fen = 0;
  std::int64_t trend = 0;   // change of demand in a year, in thousandths
  std::int64_t ration = 0;  // confirmed share of the mean need, in thousandths; 0: not rationed
  bool gift = false;
  Day launched;  // the first day on which it can be ordered
};

struct County {
  std::string id;
  std::size_t city = 0;
  std::string name;
};

// The class dimensions of an outlet; a class is the index of its value.
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
  // In order of popularity: the n-th sells 1/n of the first (Zipf's law).
  [[nodiscard]] const std::vector<SimulatedSku>& skus() const { return skus_; }
  [[nodiscard]] const std::vector<County>& counties() const { return counties_; }
  [[nodiscard]] std::size_t cities() const { return cities_; }
  [[nodiscard]] Day end() const { return size_.first_day + size_.days; }  // the day after the last

  // Emits the regions, SKUs, visit plans, allocations and days of rest, in this order. Outlets are not included.
  void describe(const std::function<void(Event&)>& emit) const;

  // In thousandths: the demand for a brand in a city relative to the mean; the prices of a city relative to the guide price.
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

// The conditions of one day, for each SKU in each city.
class DayConditions {
 public:
  DayConditions(const World& world, Day day);

  struct Cell {
    std::int64_t demand = kOne;  // season, weekday, trend, promotion
    std::int64_t supply = kOne;  // the share of an order that can be confirmed
    std::int64_t price = kOne;   // relative to the usual price
  };
  [[nodiscard]] Day day() const { return day_; }
  [[nodiscard]] bool rests() const { return rests_; }
  [[nodiscard]] const Cell& at(std::size_t sku, std::size_t city) const { return cells_[sku * cities_ + city]; }

 private:
  Day day_;
  bool rests_;
  std::size_t cities_;
  std::vector<Cell> cells_;
};

// "R" and 17 -> "R000017".
std::string numbered(std::string_view prefix, std::int64_t number, int digits);

}  // namespace fiverate
