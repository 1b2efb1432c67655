#include "producers/simulate/shop.h"

#include <algorithm>

#include "producers/simulate/season.h"
#include "schemas/decode.h"
#include "schemas/format.h"
#include "schemas/json_text.h"

namespace fiverate {
namespace {

constexpr std::int32_t kCarton = 10;  // packs; orders are whole cartons
constexpr std::int32_t kOrderEvery = 7;
constexpr std::int32_t kChangeNoticeDays = 5;  // longer than the time from an order to its delivery
constexpr std::int64_t kChecksMax = 60;        // of a visit

// Shares of outlets, and sales by scale and area in thousandths of those of a medium outlet in a city.
constexpr std::array<std::int32_t, 7> kBusinessShares{38, 20, 8, 3, 16, 6, 9};
constexpr std::array<std::int32_t, 3> kScaleShares{15, 35, 50};
constexpr std::array<std::int64_t, 3> kScaleFactors{2600, 1000, 450};
constexpr std::array<std::int64_t, 3> kScaleRange{1150, 1000, 800};  // of the number of SKUs
constexpr std::array<std::int32_t, 3> kAreaShares{45, 30, 25};
constexpr std::array<std::int64_t, 3> kAreaFactors{1050, 1000, 800};
constexpr std::array<std::int32_t, 3> kGradeShares{50, 35, 15};

// Changes of an outlet in millionths a day: about 4, 15, 5 and 4 % a year.
constexpr std::int64_t kMoves = 110;
constexpr std::int64_t kReclassifies = 400;
constexpr std::int64_t kSuspends = 140;
constexpr std::int64_t kCloses = 110;

constexpr std::array<std::string_view, 12> kFamilies{"王", "李", "张", "刘", "陈", "杨",
                                                     "赵", "周", "吴", "徐", "孙", "胡"};

std::uint64_t number_in(Dimension dimension) {
  return static_cast<std::uint64_t>(dimension);
}

std::int64_t root(std::int64_t square) {
  std::int64_t low = 0;
  auto high = std::min<std::int64_t>(square, 3'000'000'000) + 1;
  while (high - low > 1) {
    const auto middle = (low + high) / 2;
    (middle * middle <= square ? low : high) = middle;
  }
  return low;
}

// "2026-01-05" -> "20260105", as part of an id.
std::string compact(Day day) {
  auto text = format_date(day);
  std::erase(text, '-');
  return text;
}

}  // namespace

// ---- the outlet -----------------------------------------------------------------------------------------------------

Shop::Shop(const World& world, std::int32_t number)
    : number_(number),
      random_(Random::derive(world.size().seed, {0x5409U, static_cast<std::uint64_t>(number)})),
      opens_(world.size().first_day) {
  classes_[number_in(Dimension::business_type)] = static_cast<std::uint8_t>(random_.weighted(kBusinessShares));
  classes_[number_in(Dimension::scale)] = static_cast<std::uint8_t>(random_.weighted(kScaleShares));
  classes_[number_in(Dimension::area)] = static_cast<std::uint8_t>(random_.weighted(kAreaShares));
  classes_[number_in(Dimension::visit_grade)] = static_cast<std::uint8_t>(random_.weighted(kGradeShares));
  if (random_.chance(30'000)) opens_ = opens_ + static_cast<std::int32_t>(random_.below(world.size().days));
  order_weekday_ = static_cast<std::int8_t>(random_.below(5));
  declares_ = random_.chance(400'000);
  caution_ = static_cast<std::int16_t>(random_.between(-50, 350));
  price_factor_ = static_cast<std::int16_t>(random_.between(980, 1035));
  tag_discipline_ =
      static_cast<std::int16_t>(random_.chance(100'000) ? random_.between(600, 900) : random_.between(940, 995));
  next_visit_ = opens_ + static_cast<std::int32_t>(random_.below(28) /
                                                   kVisitsPerMonth[classes_[number_in(Dimension::visit_grade)]]);
  // The county has a generator of its own: the number of counties depends on the number of outlets, and must not change the
  // rest of the outlet.
  auto county_random = Random::derive(world.size().seed, {0x91ACEU, static_cast<std::uint64_t>(number)});
  county_ = static_cast<std::uint16_t>(county_random.below(static_cast<std::int64_t>(world.counties().size())));
  fill_shelves(world);
}

void Shop::fill_shelves(const World& world) {
  const auto scale = classes_[number_in(Dimension::scale)];
  const auto size = scaled(scaled(kScaleFactors[scale], kAreaFactors[classes_[number_in(Dimension::area)]]),
                           random_.between(700, 1400));
  for (std::size_t i = 0; i < world.skus().size(); ++i) {
    const auto& sku = world.skus()[i];
    const auto listed = random_.chance(scaled(sku.listed_share, kScaleRange[scale]));
    const auto liking = random_.between(500, 1700);
    const auto guess = random_.between(550, 1600);
    if (!listed) continue;
    Shelf shelf;
    shelf.sku = static_cast<std::uint16_t>(i);
    const auto mean = scaled(scaled(scaled(sku.mean_demand, size), liking), world.taste(city(world), sku.brand));
    shelf.mean = static_cast<std::int32_t>(std::max<std::int64_t>(mean, 20));
    shelf.forecast = static_cast<std::int32_t>(scaled(shelf.mean, guess));
    shelves_.push_back(shelf);
  }
  shelves_.shrink_to_fit();
}

void Shop::introduce(const World& world, Event& event) const {
  describe(event, {opens_, Outlet::ACTIVE, county_, classes_}, world);
  set_millis(*event.mutable_event_time(), world.calendar().start_of(world.size().first_day));
}

void Shop::describe(Event& event, const Change& version, const World& world) const {
  const auto valid_from = format_date(version.valid_from);
  event.set_event_id(fmt::format("outlet/{}@{}", id(), valid_from));
  event.set_source("licences");
  auto& message = *event.mutable_outlet();
  message.set_outlet_id(id());
  message.set_valid_from(valid_from);
  message.set_region_id(world.counties()[version.county].id);
  message.set_state(version.state);
  for (std::size_t i = 0; i < kDimensionCount; ++i) {
    auto& of = *message.add_classes();
    of.set_dimension(std::string(kDimensionNames[i]));
    of.set_value(std::string(class_value(static_cast<Dimension>(i), version.classes[i])));
  }
  message.set_name(fmt::format("{}{}记{}", world.counties()[version.county].name,
                               kFamilies[static_cast<std::size_t>(number_) * 7 % kFamilies.size()],
                               business_type_name(version.classes[number_in(Dimension::business_type)])));
}

// ---- one day --------------------------------------------------------------------------------------------------------

// The state that exists during one simulated day only.
class Shop::Today {
 public:
  Today(Shop& shop, const World& world, const DayConditions& conditions, Documents& documents)
      : shop_(shop),
        world_(world),
        conditions_(conditions),
        documents_(documents),
        random_(shop.random_),
        day_(conditions.day()),
        midnight_(world.calendar().start_of(day_)),
        city_(shop.city(world)) {}

  void run(std::string& truth);

 private:
  enum class Happening : std::uint8_t { delivery, pick_up, visit, order };
  // The demand of the whole day, the demand until now, and the quantity sold until now.
  struct Demand {
    std::int32_t demand = 0;
    std::int32_t so_far = 0;
    std::int32_t sold = 0;
  };

  void announce_change();
  void draw_demand();
  void plan();
  void sell_until(std::int64_t minute);
  void deliver();
  void pick_up();
  void visit();
  void check(Visit& visit, const Shelf& shelf);
  void order();
  std::int32_t requested_quantity(Shelf& shelf, std::int32_t days_to_cover);
  std::int32_t confirmed(const Shelf& shelf, std::int32_t requested);
  void emit_truth(std::string& truth) const;

  Event& document(std::string_view source, std::string id);
  [[nodiscard]] const SimulatedSku& sku_of(const Shelf& shelf) const { return world_.skus()[shelf.sku]; }
  [[nodiscard]] const DayConditions::Cell& conditions_of(const Shelf& shelf) const {
    return conditions_.at(shelf.sku, city_);
  }
  // Days until the stock is sold, in packs a day; large for a SKU that hardly sells.
  [[nodiscard]] static std::int64_t days_of_supply(const Shelf& shelf) {
    return std::int64_t{shelf.stock} * kOne / std::max(shelf.forecast, 1);
  }

  Shop& shop_;
  const World& world_;
  const DayConditions& conditions_;
  Documents& documents_;
  Random& random_;
  Day day_;
  Millis midnight_;
  std::size_t city_;
  std::vector<std::pair<std::int64_t, Happening>> plan_;  // by minute of the day
  std::int64_t minute_ = 0;                               // now
  Millis now_ = kNever;                                   // event time of the last document
  static thread_local std::vector<Demand> demands_;       // by shelf
};

thread_local std::vector<Shop::Today::Demand> Shop::Today::demands_;

void Shop::simulate_day(const World& world, const DayConditions& conditions, Documents& documents, std::string& truth) {
  const auto day = conditions.day();
  if (state_ == Outlet::CLOSED || day < opens_) return;
  if (change_.valid_from == day) {
    state_ = change_.state;
    county_ = change_.county;
    classes_ = change_.classes;
    change_.valid_from = kNoDay;
    if (state_ == Outlet::CLOSED) shelves_ = {};
    if (state_ == Outlet::CLOSED) return;
  }
  Today(*this, world, conditions, documents).run(truth);
}

void Shop::Today::run(std::string& truth) {
  announce_change();
  demands_.assign(shop_.shelves_.size(), {});
  if (shop_.state_ == Outlet::ACTIVE) {
    draw_demand();
    plan();
    for (const auto& [minute, happening] : plan_) {
      sell_until(minute);
      minute_ = minute;
      switch (happening) {
        case Happening::delivery:
          deliver();
          break;
        case Happening::pick_up:
          pick_up();
          break;
        case Happening::visit:
          visit();
          break;
        case Happening::order:
          order();
          break;
      }
    }
    sell_until(24 * 60);
  }
  emit_truth(truth);
}

// At random the outlet moves, is reclassified, suspended or closed some days later; the new version is published today.
void Shop::Today::announce_change() {
  if (shop_.change_.valid_from != kNoDay) return;
  Change next{day_ + kChangeNoticeDays, shop_.state_, shop_.county_, shop_.classes_};
  if (shop_.state_ == Outlet::SUSPENDED) {
    if (!random_.chance(40'000)) return;
    next.state = Outlet::ACTIVE;
  } else {
    auto drawn = random_.below(kCertain);
    const auto happens = [&](std::int64_t share) { return (drawn -= share) < 0; };
    if (happens(kMoves)) {
      const auto counties = static_cast<std::int64_t>(world_.counties().size());
      next.county = static_cast<std::uint16_t>((shop_.county_ + 1 + random_.below(counties - 1)) % counties);
    } else if (happens(kReclassifies)) {
      auto& value = next.classes[random_.chance(700'000) ? number_in(Dimension::visit_grade)
                                                         : number_in(Dimension::business_type)];
      value = static_cast<std::uint8_t>((value + random_.between(1, 2)) % 3);
    } else if (happens(kSuspends)) {
      next.state = Outlet::SUSPENDED;
    } else if (happens(kCloses)) {
      next.state = Outlet::CLOSED;
    } else {
      return;
    }
  }
  shop_.change_ = next;
  auto& event = documents_.add();
  shop_.describe(event, next, world_);
  set_millis(*event.mutable_event_time(), midnight_ + random_.between(0, 6 * 60 * kMinuteMs - 1));
}

void Shop::Today::draw_demand() {
  const auto mood = random_.between(700, 1300);  // weather or a fair nearby: it affects all SKUs equally
  for (std::size_t i = 0; i < shop_.shelves_.size(); ++i) {
    const auto& shelf = shop_.shelves_[i];
    if (!shelf.received) continue;
    demands_[i].demand =
        static_cast<std::int32_t>(random_.demand(scaled(scaled(shelf.mean, conditions_of(shelf).demand), mood)));
  }
}

void Shop::Today::plan() {
  const auto leaving = shop_.change_.valid_from != kNoDay && shop_.change_.state != Outlet::ACTIVE;
  if (shop_.due_ == day_) {
    // Some deliveries are delayed, but not beyond the last day on which the outlet is open.
    if (!leaving && random_.chance(20'000) && day_ - shop_.ordered_ <= 2) {
      shop_.due_ = day_ + 1;
    } else {
      plan_.emplace_back(random_.between(6 * 60 + 30, 11 * 60 + 30), Happening::delivery);
    }
  }
  if (!conditions_.rests()) {
    if (random_.chance(3'000)) plan_.emplace_back(random_.between(9 * 60, 17 * 60), Happening::pick_up);
    if (day_ >= shop_.next_visit_) plan_.emplace_back(random_.between(9 * 60, 17 * 60 + 30), Happening::visit);
    if (weekday(day_) == shop_.order_weekday_ && !leaving) {
      plan_.emplace_back(random_.between(9 * 60, 20 * 60), Happening::order);
    }
  }
  std::ranges::sort(plan_);
}

// The outlet is open from 7 to 22 o'clock; demand is spread evenly over these hours.
void Shop::Today::sell_until(std::int64_t minute) {
  const auto passed = std::clamp<std::int64_t>(minute - 7 * 60, 0, 15 * 60);
  for (std::size_t i = 0; i < shop_.shelves_.size(); ++i) {
    auto& today = demands_[i];
    if (today.demand == today.so_far) continue;
    auto& shelf = shop_.shelves_[i];
    const auto until_now = static_cast<std::int32_t>(today.demand * passed / (15 * 60));
    const auto sold = std::min(until_now - today.so_far, shelf.stock);
    if (sold < until_now - today.so_far) shelf.was_out = true;
    today.so_far = until_now;
    today.sold += sold;
    shelf.stock -= sold;
    shelf.sold_since += sold;
  }
}

Event& Shop::Today::document(std::string_view source, std::string id) {
  auto& event = documents_.add();
  event.set_event_id(std::move(id));
  event.set_source(std::string(source));
  now_ = std::max(now_ + 1, midnight_ + minute_ * kMinuteMs +
                                random_.below(kMinuteMs));  // documents of one outlet have increasing times
  set_millis(*event.mutable_event_time(), now_);
  return event;
}

// ---- goods ----------------------------------------------------------------------------------------------------------

void Shop::Today::deliver() {
  const auto id = fmt::format("D-{}-{}", shop_.id(), compact(shop_.ordered_));
  auto& delivery = *document("depot", id).mutable_delivery();
  delivery.set_delivery_id(id);
  delivery.set_order_id(fmt::format("O-{}-{}", shop_.id(), compact(shop_.ordered_)));
  delivery.set_outlet_id(shop_.id());
  delivery.set_direction(Delivery::OUT);
  for (const auto& line : shop_.coming_) {
    auto& shelf = shop_.shelves_[line.shelf];
    shelf.coming = 0;
    const auto quantity =
        random_.chance(25'000) ? static_cast<std::int32_t>(random_.below(line.quantity)) : line.quantity;
    if (quantity == 0) continue;
    shelf.stock += quantity;
    shelf.received = true;
    auto& message = *delivery.add_lines();
    message.set_sku_id(sku_of(shelf).id);
    message.set_quantity(quantity);
  }
  shop_.coming_.clear();
  shop_.due_ = kNoDay;
  if (delivery.lines_size() == 0) documents_.drop_last();
}

// Returns stock that would last for more than 45 days; if there is none, a few damaged packs.
void Shop::Today::pick_up() {
  const auto id = fmt::format("B-{}-{}", shop_.id(), compact(day_));
  auto& delivery = *document("depot", id).mutable_delivery();
  delivery.set_delivery_id(id);
  delivery.set_outlet_id(shop_.id());
  delivery.set_direction(Delivery::RETURN);
  const auto give_back = [&](Shelf& shelf, std::int32_t quantity) {
    if (quantity <= 0) return;
    shelf.stock -= quantity;
    auto& message = *delivery.add_lines();
    message.set_sku_id(sku_of(shelf).id);
    message.set_quantity(quantity);
  };
  for (auto& shelf : shop_.shelves_) {
    if (delivery.lines_size() < 3 && shelf.stock >= 2 * kCarton && days_of_supply(shelf) > 45) {
      give_back(shelf, shelf.stock / 2 / kCarton * kCarton);
    }
  }
  if (delivery.lines_size() == 0 && !shop_.shelves_.empty()) {
    auto& shelf =
        shop_.shelves_[static_cast<std::size_t>(random_.below(static_cast<std::int64_t>(shop_.shelves_.size())))];
    give_back(shelf, std::min(shelf.stock, static_cast<std::int32_t>(random_.between(1, 3))));
  }
  if (delivery.lines_size() == 0) documents_.drop_last();
}

// ---- visits ---------------------------------------------------------------------------------------------------------

void Shop::Today::visit() {
  const auto per_month = kVisitsPerMonth[shop_.classes_[number_in(Dimension::visit_grade)]];
  const auto every = 28 / per_month;
  shop_.next_visit_ = day_ + static_cast<std::int32_t>(every + random_.between(-every / 7, every / 7));
  const auto id = fmt::format("V-{}-{}", shop_.id(), compact(day_));
  auto& visit = *document("field", id).mutable_visit();
  visit.set_visit_id(id);
  visit.set_outlet_id(shop_.id());
  visit.set_visitor_id("V-" + world_.counties()[shop_.county_].id);
  const auto drawn = random_.below(100);
  visit.set_outcome(drawn < 92 ? Visit::DONE : drawn < 97 ? Visit::CLOSED : Visit::REFUSED);
  if (visit.outcome() != Visit::DONE) return;
  const auto thorough = random_.between(600'000, kCertain);
  for (const auto& shelf : shop_.shelves_) {
    if (visit.checks_size() < kChecksMax && shelf.received && !(shelf.delisted && shelf.stock == 0) &&
        random_.chance(thorough)) {
      check(visit, shelf);
    }
  }
}

void Shop::Today::check(Visit& visit, const Shelf& shelf) {
  auto& message = *visit.add_checks();
  message.set_sku_id(sku_of(shelf).id);
  const auto on_shelf = shelf.stock > 0 && !random_.chance(20'000);  // sometimes the stock is in storage only
  const auto counted = random_.chance(880'000);
  if (counted) message.set_count(shelf.stock);
  if (!counted || random_.chance(800'000)) message.set_on_shelf(on_shelf);
  if (!on_shelf) return;
  if (random_.chance(700'000)) message.set_facings(random_.between(1, 4));
  if (random_.chance(600'000)) {
    // Prices are multiples of half a yuan.
    const auto price =
        scaled(scaled(scaled(sku_of(shelf).guide_price_fen, shop_.price_factor_), world_.price_level(city_)),
               conditions_of(shelf).price);
    message.set_retail_price_fen((price + 25) / 50 * 50);
  }
  if (random_.chance(800'000)) {
    message.set_price_tag(random_.below(kOne) < shop_.tag_discipline_ ? Visit::OK
                          : random_.chance(400'000)                   ? Visit::WRONG
                                                                      : Visit::MISSING);
  }
}

// ---- orders ---------------------------------------------------------------------------------------------------------

void Shop::Today::order() {
  const auto id = fmt::format("O-{}-{}", shop_.id(), compact(day_));
  auto& event = document("order-desk", id);
  auto& order = *event.mutable_order();
  order.set_order_id(id);
  order.set_outlet_id(shop_.id());
  const auto due = day_ + (random_.chance(750'000) ? 1 : 2);
  order.set_promised_date(format_date(due));
  auto next = day_ + kOrderEvery;
  while (trade_rests(next)) next = next + kOrderEvery;
  const auto days_to_cover = next - day_ + 2;
  for (std::size_t i = 0; i < shop_.shelves_.size(); ++i) {
    auto& shelf = shop_.shelves_[i];
    const auto requested = requested_quantity(shelf, days_to_cover);
    const auto declared = shop_.declares_ && shelf.received && random_.chance(700'000);
    if (requested == 0 && !declared) continue;
    const auto granted = confirmed(shelf, requested);
    auto& message = *order.add_lines();
    message.set_sku_id(sku_of(shelf).id);
    message.set_requested(requested);
    message.set_confirmed(granted);
    if (declared) message.set_declared_stock(shelf.stock);
    if (granted > 0) {
      shop_.coming_.push_back({static_cast<std::uint16_t>(i), granted});
      shelf.coming = granted;
    }
  }
  if (order.lines_size() == 0) documents_.drop_last();
  if (!shop_.coming_.empty()) {
    shop_.due_ = due;
    shop_.ordered_ = day_;
  }
  shop_.last_order_ = day_;
}

// The quantity that covers the forecast until the delivery of the next order, plus spare stock.
std::int32_t Shop::Today::requested_quantity(Shelf& shelf, std::int32_t days_to_cover) {
  if (shelf.delisted || day_ < sku_of(shelf).launched) return 0;
  if (!shelf.started && shop_.last_order_ != kNoDay && !random_.chance(400'000))
    return 0;  // outlets start to order a new SKU at different times
  if (shelf.received && shop_.last_order_ != kNoDay) {
    const auto seen = std::int64_t{shelf.sold_since} * kOne / std::max(1, day_ - shop_.last_order_);
    // After a stockout the demand was higher than the sales by an unknown amount, so the forecast grows. No demand for a
    // SKU without stock gives no information.
    const auto smoothed = (5 * shelf.forecast + seen) / 6;
    const auto better = shelf.was_out      ? std::max<std::int64_t>(smoothed, shelf.forecast * 112 / 100)
                        : shelf.stock == 0 ? shelf.forecast
                                           : smoothed;
    shelf.forecast = static_cast<std::int32_t>(std::max<std::int64_t>(better, 10));
    if (random_.chance(1'200)) shelf.delisted = true;
  }
  const auto had_stockout = shelf.was_out;
  shelf.started = true;
  shelf.was_out = false;
  shelf.sold_since = 0;
  if (shelf.delisted) return 0;
  const auto expected = std::int64_t{shelf.forecast} * (kOne + season_factor(day_ + 4, sku_of(shelf).gift)) / 2 / kOne;
  const auto need = scaled(expected * days_to_cover, random_.between(800, 1200));
  // In thousandths of packs. The standard deviation of demand is about 1.3 times its square root.
  const auto spare = scaled(need, shop_.caution_) + root(need * kOne) * 5 / 4;
  const auto missing = (need + spare) / kOne - shelf.stock - shelf.coming;
  auto cartons = (missing + kCarton * 7 / 10) / kCarton;
  if (cartons <= 0 && had_stockout && shelf.stock == 0) cartons = 1;
  if (cartons <= 0) return 0;
  // Outlets order more of a rationed SKU than they need, because they expect to receive less.
  if (sku_of(shelf).ration > 0) cartons = scaled(cartons, random_.between(1100, 1600));
  return static_cast<std::int32_t>(cartons * kCarton);
}

std::int32_t Shop::Today::confirmed(const Shelf& shelf, std::int32_t requested) {
  auto granted = std::int64_t{requested};
  const auto ration = sku_of(shelf).ration;
  if (ration > 0) {
    // In thousandths of packs a week. The ration follows the season, but neither the trend nor random demand.
    const auto share =
        scaled(scaled(std::int64_t{shelf.mean} * kOrderEvery, season_factor(day_, sku_of(shelf).gift)), ration);
    granted = std::min(granted, (share / kOne + random_.below(kCarton)) / kCarton * kCarton);
  }
  const auto supply = conditions_of(shelf).supply;
  if (supply < kOne) granted = std::min(granted, scaled(requested, supply) / kCarton * kCarton);
  return static_cast<std::int32_t>(granted);
}

// ---- truth ----------------------------------------------------------------------------------------------------------

void Shop::Today::emit_truth(std::string& truth) const {
  const auto day = format_date(day_);
  const auto id = shop_.id();
  JsonWriter json(truth);
  for (std::size_t i = 0; i < shop_.shelves_.size(); ++i) {
    const auto& shelf = shop_.shelves_[i];
    const auto& today = demands_[i];
    if (!shelf.received || (shelf.delisted && shelf.stock == 0 && today.sold == 0)) continue;
    json.begin_object();
    json.text("day", day);
    json.text("outlet_id", id);
    json.text("sku_id", sku_of(shelf).id);
    json.integer("stock", shelf.stock);
    json.integer("demand", today.demand);
    json.integer("sold", today.sold);
    json.end_object();
    truth += '\n';
  }
}

}  // namespace fiverate
