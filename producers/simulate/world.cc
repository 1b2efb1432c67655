#include "producers/simulate/world.h"

#include <algorithm>
#include <numeric>

#include "producers/simulate/season.h"
#include "schemas/decode.h"
#include "schemas/format.h"

namespace fiverate {
namespace {

constexpr std::int64_t kMediumOutletDemand =
    32 * kOne;  // packs a day of all SKUs together, in an outlet that lists them all
constexpr std::int32_t kOutletsPerCounty = 25;
constexpr std::int32_t kCountiesMax = 120;
constexpr std::int32_t kCountiesPerCity = 6;
// In thousandths of the mean need. Even above kOne a ration is too small: the unused part of a week is lost, and demand varies.
constexpr std::int64_t kRationLow = 1050;
constexpr std::int64_t kRationHigh = 1200;
constexpr std::string_view kSource = "head-office";

constexpr std::array<std::string_view, 24> kBrandNames{"岚溪", "青屿", "霁月", "墨川", "星岑", "远棠", "栖梧", "澄野",
                                                       "拾光", "鹭汀", "沐原", "松间", "晚照", "云笺", "知夏", "北渚",
                                                       "雁回", "听澜", "半山", "初霁", "南枝", "临湖", "疏影", "望舒"};
constexpr std::array<std::string_view, 8> kVariants{"经典", "软", "硬", "细支", "中支", "金", "蓝", "礼盒"};
constexpr std::array<std::string_view, 20> kCityNames{"云州", "岚平", "青渡", "栖川", "望原", "北浦", "明岭",
                                                      "怀溪", "沙屿", "溪陵", "沐城", "远桥", "南屿", "霁川",
                                                      "棠江", "石渚", "麓南", "澄西", "鹿鸣", "松岗"};
constexpr std::array<std::string_view, 12> kCountyFirst{"东", "西", "南", "北", "上", "下",
                                                        "新", "古", "长", "平", "清", "白"};
constexpr std::array<std::string_view, 10> kCountySecond{"河", "山", "桥", "塘", "坪", "渡", "陵", "岭", "浦", "川"};

constexpr std::array<std::string_view, 7> kBusinessTypes{"GROCERY",      "CONVENIENCE", "SUPERMARKET", "MALL",
                                                         "TOBACCO_SHOP", "SERVICE",     "OTHER"};
constexpr std::array<std::string_view, 7> kBusinessTypeNames{"食杂店", "便利店", "超市", "商场",
                                                             "烟酒店", "服务部", "商行"};
constexpr std::array<std::string_view, 3> kScales{"L", "M", "S"};
constexpr std::array<std::string_view, 3> kAreas{"CITY", "TOWN", "VILLAGE"};
constexpr std::array<std::string_view, 3> kGrades{"GOOD", "FAIR", "PROBLEM"};

// FNV-1a of a name, to derive generators from.
constexpr std::uint64_t number_of(std::string_view what) {
  std::uint64_t hash = 14695981039346656037U;
  for (const char c : what) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
  return hash;
}

// An event (a promotion, a shortage) begins with probability `share` (millionths) in a week and lasts one to `weeks_max` weeks.
// Calls `draw` with the generator of the event that is active in `week`, if there is one.
template <typename Draw>
void while_it_lasts(const std::function<Random(std::uint64_t week)>& chance_of_week, std::int64_t week,
                    std::int64_t share, std::int64_t weeks_max, const Draw& draw) {
  for (std::int64_t ago = 0; ago < weeks_max; ++ago) {
    auto random = chance_of_week(static_cast<std::uint64_t>(week - ago));
    if (random.chance(share) && random.between(1, weeks_max) > ago) return draw(random);
  }
}

void set_reference(Event& event, std::string id, Millis at) {
  event.Clear();
  event.set_event_id(std::move(id));
  event.set_source(std::string(kSource));
  set_millis(*event.mutable_event_time(), at);
}

}  // namespace

std::string numbered(std::string_view prefix, std::int64_t number, int digits) {
  return fmt::format("{}{:0{}}", prefix, number, digits);
}

std::string_view class_value(Dimension dimension, std::uint8_t value) {
  switch (dimension) {
    case Dimension::business_type:
      return kBusinessTypes[value];
    case Dimension::scale:
      return kScales[value];
    case Dimension::area:
      return kAreas[value];
    case Dimension::visit_grade:
      break;
  }
  return kGrades[value];
}

std::string_view business_type_name(std::uint8_t value) {
  return kBusinessTypeNames[value];
}

World::World(const WorldSize& size, const MarketCalendar& calendar) : size_(size), calendar_(&calendar) {
  make_regions();
  make_skus();
}

Random World::chance_of(std::string_view what, std::uint64_t a, std::uint64_t b) const {
  return Random::derive(size_.seed, {number_of(what), a, b});
}

void World::make_regions() {
  const auto count = std::clamp(size_.outlets / kOutletsPerCounty, 3, kCountiesMax);
  cities_ = static_cast<std::size_t>((count + kCountiesPerCity - 1) / kCountiesPerCity);
  for (std::int32_t i = 0; i < count; ++i) {
    const auto number = static_cast<std::size_t>(i);
    const auto city = number % cities_;
    const auto in_city = number / cities_;
    // The steps have no divisor in common with the sizes of the lists, so a name repeats only after all pairs are used.
    const auto name =
        fmt::format("{}{}{}", kCountyFirst[(number * 5 + city) % kCountyFirst.size()],
                    kCountySecond[(number * 7 + in_city) % kCountySecond.size()], in_city == 0 ? "区" : "县");
    counties_.push_back({fmt::format("P1C{}-{:02}", city + 1, in_city + 1), city, name});
  }
}

void World::make_skus() {
  const auto count = static_cast<std::size_t>(size_.skus);
  const auto brands = static_cast<std::size_t>(size_.brands);
  auto random = chance_of("skus");
  std::int64_t weights = 0;
  for (std::size_t rank = 1; rank <= count; ++rank) weights += kCertain / static_cast<std::int64_t>(rank);

  // Every brand has at least one SKU; the first brands have more of the others.
  std::vector<std::size_t> brand_of(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto within = static_cast<std::size_t>(random.below(static_cast<std::int64_t>(brands)));
    brand_of[i] = i < brands ? i : static_cast<std::size_t>(random.below(static_cast<std::int64_t>(within) + 1));
  }
  for (std::size_t i = count - 1; i > 0; --i) {
    std::swap(brand_of[i], brand_of[static_cast<std::size_t>(random.below(static_cast<std::int64_t>(i) + 1))]);
  }

  std::vector<std::int64_t> made(brands, 0);
  for (std::size_t i = 0; i < count; ++i) {
    SimulatedSku sku;
    const auto rank = static_cast<std::int64_t>(i) + 1;
    const auto left = kOne - kOne * rank / (static_cast<std::int64_t>(count) + 1);
    sku.brand = brand_of[i];
    sku.id = fmt::format("{}-{:02}", numbered("B", static_cast<std::int64_t>(sku.brand) + 1, 2), ++made[sku.brand]);
    sku.mean_demand = kMediumOutletDemand * (kCertain / rank) / weights;
    sku.listed_share = 200'000 + 770'000 * left / kOne * left / kOne;
    // Each brand has a price level; the prices of its SKUs vary around it.
    auto of_brand = chance_of("brand", sku.brand);
    sku.guide_price_fen = of_brand.between(14, 60) * random.between(80, 150) / 100 * 50;
    sku.trend = random.between(-250, 350);
    sku.gift = random.chance(150'000);
    sku.launched = size_.first_day;
    if (rank > 3 && random.chance(80'000)) {
      sku.launched = sku.launched + static_cast<std::int32_t>(size_.days * random.between(20, 60) / 100);
    }
    if (rank > 1 && rank <= (static_cast<std::int64_t>(count) + 1) / 2 && random.chance(150'000)) {
      sku.ration = random.between(kRationLow, kRationHigh);
      sku.trend /= 5;  // otherwise the ration would soon differ too much from the need
    }
    skus_.push_back(std::move(sku));
  }
  // Every market that is large enough has at least one rationed SKU.
  const auto none = std::ranges::all_of(skus_, [](const auto& sku) { return sku.ration == 0; });
  if (none && count >= 5) skus_[2].ration = random.between(kRationLow, kRationHigh);
}

std::int64_t World::taste(std::size_t city, std::size_t brand) const {
  return chance_of("taste", city, brand).between(600, 1400);
}

std::int64_t World::price_level(std::size_t city) const {
  return chance_of("price", city).between(985, 1025);
}

void World::describe(const std::function<void(Event&)>& emit) const {
  Event event;
  const auto at = calendar_->start_of(size_.first_day);
  const auto since = format_date(size_.first_day);
  const auto region = [&](const std::string& id, std::string_view parent, Region::Level level, std::string name) {
    set_reference(event, "region/" + id, at);
    auto& message = *event.mutable_region();
    message.set_region_id(id);
    if (!parent.empty()) message.set_parent_id(std::string(parent));
    message.set_level(level);
    message.set_name(std::move(name));
    emit(event);
  };
  region("P1", "", Region::PROVINCE, "云岭省");
  for (std::size_t city = 0; city < cities_; ++city) {
    region(fmt::format("P1C{}", city + 1), "P1", Region::CITY,
           fmt::format("{}市", kCityNames[city % kCityNames.size()]));
  }
  for (const auto& county : counties_) {
    region(county.id, fmt::format("P1C{}", county.city + 1), Region::COUNTY, county.name);
  }

  std::vector<std::size_t> made(static_cast<std::size_t>(size_.brands), 0);
  for (const auto& sku : skus_) {
    set_reference(event, "sku/" + sku.id, at);
    auto& message = *event.mutable_sku();
    message.set_sku_id(sku.id);
    message.set_brand_id(numbered("B", static_cast<std::int64_t>(sku.brand) + 1, 2));
    message.set_valid_from(format_date(sku.launched));
    message.set_guide_price_fen(sku.guide_price_fen);
    message.set_wholesale_price_fen(sku.guide_price_fen * 88 / 100);
    if (chance_of("key", sku.brand).chance(300'000)) message.set_brand_group("key");
    message.set_pack("20");
    const auto number = made[sku.brand]++;
    message.set_name(
        fmt::format("{}{}（{}{}）", kBrandNames[sku.brand % kBrandNames.size()],
                    sku.brand < kBrandNames.size() ? "" : std::to_string(sku.brand / kBrandNames.size() + 1),
                    kVariants[number % kVariants.size()],
                    number < kVariants.size() ? "" : std::to_string(number / kVariants.size() + 1)));
    emit(event);
  }

  for (std::size_t grade = 0; grade < kGrades.size(); ++grade) {
    set_reference(event, fmt::format("plan/{}", kGrades[grade]), at);
    auto& message = *event.mutable_plan();
    message.set_plan_id(std::string(kGrades[grade]));
    message.set_valid_from(since);
    message.set_class_dimension(std::string(kDimensionNames[static_cast<std::size_t>(Dimension::visit_grade)]));
    message.set_class_value(std::string(kGrades[grade]));
    message.set_visits_per_month(kVisitsPerMonth[grade]);
    emit(event);
  }
  for (const auto& sku : skus_) {
    if (sku.ration == 0) continue;
    set_reference(event, "allocation/" + sku.id, at);
    auto& message = *event.mutable_allocation();
    message.set_sku_id(sku.id);
    message.set_region_id("P1");
    message.set_valid_from(since);
    message.set_valid_to(format_date(end() - 1));
    message.set_quantity(sku.mean_demand * sku.ration / kOne * size_.outlets / kOne * size_.days);
    message.set_rationed(true);
    emit(event);
  }
  for (auto day = size_.first_day; day < end(); day = day + 1) {
    if (!trade_rests(day)) continue;
    set_reference(event, "calendar/" + format_date(day), at);
    auto& message = *event.mutable_calendar();
    message.set_day(format_date(day));
    message.set_kind(spring_festival_near(day) == day ? Calendar::SPRING_FESTIVAL : Calendar::NO_ORDERS);
    emit(event);
  }
}

DayConditions::DayConditions(const World& world, Day day)
    : day_(day), rests_(trade_rests(day)), cities_(world.cities()), cells_(world.skus().size() * world.cities()) {
  const auto since = std::int64_t{day - world.size().first_day};
  const auto week = since / 7;
  for (std::size_t s = 0; s < world.skus().size(); ++s) {
    const auto& sku = world.skus()[s];
    const auto usual = scaled(scaled(season_factor(day, sku.gift), weekday_factor(day)),
                              std::max<std::int64_t>(kOne / 10, kOne + sku.trend * since / 365));
    for (std::size_t city = 0; city < cities_; ++city) {
      auto& cell = cells_[s * cities_ + city];
      cell.demand = usual;
      const auto brand_and_city = sku.brand * cities_ + city;
      while_it_lasts([&](std::uint64_t of) { return world.chance_of("promotion", brand_and_city, of); }, week, 40'000,
                     2,
                     [&](Random& random) {
                       cell.demand = scaled(cell.demand, random.between(1300, 1900));
                       cell.price = random.between(930, 970);
                     });
      while_it_lasts([&](std::uint64_t of) { return world.chance_of("shortage", s * cities_ + city, of); }, week,
                     12'000, 3, [&](Random& random) { cell.supply = random.between(150, 700); });
    }
  }
}

}  // namespace fiverate
