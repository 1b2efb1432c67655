// One outlet and its hidden truth: what stands on its shelves, what customers ask for, what it orders and gets, who
// visits it. Each day yields the documents that report it, without any mistake (those are made behind, in trouble.h),
// and the lines of truth.
//
//   morning    deliveries come in (those of the order of a day or two ago; RETURN: picked up with a visit of the lorry)
//   the day    customers take what there is: sold = min(demand, stock), in proportion to the hours that have passed
//   between    a visit counts what is there at that minute; on its weekday the outlet orders
//
// Two things keep the stock from being perfect: the outlet forecasts by what it sold, with errors, and it is not always
// given what it asks for (rationed SKUs, shortages, short deliveries). Stockouts and overstocks follow from that.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "event.pb.h"
#include "producers/simulate/world.h"

namespace fiverate {

// The documents of one outlet and day, in order of event time. Messages are used again: making them anew costs more
// than all the rest.
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
  // `number` from 1. The same number in a larger market is the same shop, but for its county.
  Shop(const World& world, std::int32_t number);

  // Its first version, valid from the first day or from a later opening.
  void introduce(const World& world, Event& event) const;

  // The next day, days in turn. Appends to `documents` (orders, deliveries, visits, and outlet versions for changes to
  // come), and to `truth` a JSON line for each SKU that it lists: received at least once, and not given up and sold
  // out. Units are packs; stock is that of the end of the day.
  void live(const World& world, const DayConditions& conditions, Documents& documents, std::string& truth);

  [[nodiscard]] std::string id() const { return numbered("R", number_, 6); }

 private:
  struct Shelf {
    std::uint16_t sku = 0;
    bool received = false;  // ever
    bool started = false;   // ever ordered
    bool given_up = false;  // no more orders
    bool was_out = false;   // since the last order
    std::int32_t stock = 0;
    std::int32_t coming = 0;      // confirmed, not yet delivered
    std::int32_t mean = 0;        // true demand a day, thousandths, in an ordinary time
    std::int32_t belief = 0;      // what the outlet thinks it is
    std::int32_t sold_since = 0;  // the last order
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
  bool declares_ = false;     // tells its stock with the order
  std::int16_t caution_ = 0;  // thousandths of its need that it keeps above it; may be negative
  std::int16_t price_factor_ = 0;
  std::int16_t tag_discipline_ = 0;  // share of tags that are right, thousandths
  Day next_visit_;
  Day last_order_ = kNoDay;
  Day due_ = kNoDay;      // of what is coming
  Day ordered_ = kNoDay;  // the order that it belongs to
  Change change_;         // announced, not yet valid; valid_from kNoDay: none
  std::vector<Shelf> shelves_;
  std::vector<Coming> coming_;
};

}  // namespace fiverate
