// One outlet with its hidden truth: stock, demand, orders, deliveries and visits. Each day yields the documents of that day,
// without errors (trouble.h adds those later), and the lines of truth.
//
//   morning    the delivery of the last order arrives, one or two days after it; now and then the lorry takes returns back
//   all day    customers buy: sold = min(demand, stock), spread evenly over the opening hours
//   at times   a visit counts the stock of that minute; on its weekday the outlet orders
//
// Stockouts and overstocks have two causes: the outlet forecasts its demand from its sales, with errors, and it does not always
// receive the quantity that it ordered (rationed SKUs, shortages, short deliveries).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "event.pb.h"
#include "producers/simulate/world.h"

namespace fiverate {

// The documents of one outlet and day, in order of event time. The messages are reused, because allocating new ones costs more
// than the rest of the simulation.
class Documents {
 public:
  Event& add() {
    if (used_ == events_.size()) events_.emplace_back();
    auto& event = events_[used_++];
    event.Clear();
    return event;
  }
  void drop_last() { --used_; }
  void clear() { used_ = 0; }
  [[nodiscard]] std::size_t size() const { return used_; }
  [[nodiscard]] Event& operator[](std::size_t at) { return events_[at]; }

 private:
  std::vector<Event> events_;
  std::size_t used_ = 0;
};

class Shop {
 public:
  // `number` counts from 1. In a larger market the outlet of a number is the same, except for its county.
  Shop(const World& world, std::int32_t number);

  // Writes the first version of the outlet, valid from the first day or from its later opening.
  void introduce(const World& world, Event& event) const;

  // Simulates the next day; days come in order. Appends orders, deliveries, visits and the versions of future changes to
  // `documents`, and to `truth` a JSON line for each SKU that was received at least once and is not both delisted and sold out.
  // Units are packs; `stock` is that of the end of the day.
  void simulate_day(const World& world, const DayConditions& conditions, Documents& documents, std::string& truth);

  [[nodiscard]] std::string id() const { return numbered("R", number_, 6); }

 private:
  struct Shelf {
    std::uint16_t sku = 0;
    bool received = false;  // at least once
    bool started = false;   // ordered at least once
    bool delisted = false;  // the outlet does not order it any more
    bool was_out = false;   // since the last order
    std::int32_t stock = 0;
    std::int32_t coming = 0;      // confirmed, not yet delivered
    std::int32_t mean = 0;        // true demand a day without season and promotions, in thousandths
    std::int32_t forecast = 0;    // the outlet's estimate of `mean`
    std::int32_t sold_since = 0;  // since the last order
  };
  struct Coming {
    std::uint16_t shelf = 0;
    std::int32_t quantity = 0;
  };
  struct Change {
    Day valid_from = kNoDay;
    Outlet::State state = Outlet::ACTIVE;
    std::uint16_t county = 0;
    Classes classes{};
  };
  class Today;

  void fill_shelves(const World& world);
  [[nodiscard]] std::size_t city(const World& world) const { return world.counties()[county_].city; }
  void describe(Event& event, const Change& version, const World& world) const;

  std::int32_t number_;
  Random random_;
  Outlet::State state_ = Outlet::ACTIVE;
  std::uint16_t county_ = 0;
  Classes classes_{};
  Day opens_;
  std::int8_t order_weekday_ = 0;
  bool declares_ = false;     // its orders declare its stock
  std::int16_t caution_ = 0;  // spare stock in thousandths of its need; may be negative
  std::int16_t price_factor_ = 0;
  std::int16_t tag_discipline_ = 0;  // share of right price tags, in thousandths
  Day next_visit_;
  Day last_order_ = kNoDay;
  Day due_ = kNoDay;      // day of the next delivery
  Day ordered_ = kNoDay;  // day of the order that is delivered next
  Change change_;         // announced but not valid yet; none if its valid_from is kNoDay
  std::vector<Shelf> shelves_;
  std::vector<Coming> coming_;
};

}  // namespace fiverate
