// A shop with its alerts: events are applied as they arrive, and transitions are shown as lines that a market expert
// can read.
//
//   WatchedShop shop;                                     // outlet "shop", active since day 0; SKU "s1" of brand "B1"
//   shop.gets(delivery("D1", "shop", noon(nth(0)), {{"s1", 10}}));
//   shop.gets(counted("V1", noon(nth(7)), {{"s1", 0}}));
//   shop.waits_until(nth(9));                             // 00:00 of day 9
//   shop.log() == "R1 e1 FIRING 7d12:00\n"
#pragma once

#include <algorithm>
#include <string>

#include "processors/stages/outlet_codec.h"
#include "processors/trade/rules/outlet_alerts.h"
#include "schemas/check.h"
#include "schemas/format.h"
#include "tests/support/shop.h"

namespace fiverate::test {

inline Event counted(const std::string& id, Millis time, const Lines& counts) {
  auto event = visit(id, "shop", time);
  for (const auto& [sku_id, count] : counts) {
    auto& check = *event.mutable_visit()->add_checks();
    check.set_sku_id(sku_id);
    check.set_count(count);
  }
  return event;
}

inline Event ordered(const std::string& id, Millis time, std::int64_t requested, std::int64_t confirmed,
                     std::int64_t declared = kAbsent) {
  auto event = order(id, "shop", time);
  auto& line = *event.mutable_order()->add_lines();
  line.set_sku_id("s1");
  line.set_requested(requested);
  line.set_confirmed(confirmed);
  if (declared != kAbsent) line.set_declared_stock(declared);
  return event;
}

class WatchedShop {
 public:
  Shop shop;
  OutletAlerts alerts;
  std::vector<Transition> transitions;

  explicit WatchedShop(bool key_brand = false) {
    auto known = sku("s1", "B1");
    if (key_brand) known.mutable_sku()->set_brand_group("key");
    shop.context.catalogue.apply(known.sku());
    version(outlet("shop", nth(0), "north"));
  }

  void version(const Event& event) {
    evaluate_ended_days(shop.facts, {number()}, {"shop", clock_}, shop.context, alerts, transitions);
    shop.version(event);
    evaluate({number()}, nullptr, kNever);
  }

  void gets(const Event& event) { gets(event, event_time_of(event)); }
  void gets(const Event& event, Millis arrival) {
    waits_until(arrival);
    const auto affected =
        affected_by(shop.facts, ArrivedDocument(event, arrival, shop.context.catalogue), shop.context);
    evaluate_ended_days(shop.facts, affected.skus, {"shop", clock_}, shop.context, alerts, transitions);
    const EventRef ref{event.event_id()};
    if (shop.receives(event, arrival).outcome == Outcome::accepted) {
      evaluate(affected.skus, &ref, affected.changed_from);
    }
  }

  void waits_until(Millis moment) {
    clock_ = std::max(clock_, moment);
    forget_before(shop.facts, shop.context.calendar.day_of(clock_) - kMemoryDays, shop.context);
    evaluate_due(shop.facts, "shop", clock_, shop.context, alerts, transitions);
  }
  void waits_until(Day day) { waits_until(shanghai().start_of(day)); }

  // Saves and loads facts and alerts, as in a restart.
  void restarts() {
    const OutletRecordCodec codec{&shop.context};
    OutletRecord outlet;
    outlet.facts = std::move(shop.facts);
    outlet.alerts = std::move(alerts);
    auto loaded = codec.decode(codec.encode(outlet));
    CHECK(loaded.has_value());
    shop.facts = std::move(loaded->facts);
    alerts = std::move(loaded->alerts);
  }

  // "R1 e1 FIRING 7d12:00": rule, episode, state, day and time, and since, known_at and severity where they are not the
  // usual ones.
  [[nodiscard]] std::string log() const {
    std::string text;
    for (const auto& one : transitions) {
      text += fmt::format("{} e{} {} {}", one.rule(), one.episode(), Transition::State_Name(one.state()),
                          when(one.at_ms()));
      if (one.since_ms() != one.at_ms() && one.state() == Transition::FIRING) text += " since " + when(one.since_ms());
      if (one.known_at_ms() != one.at_ms()) text += " known " + when(one.known_at_ms());
      if (one.severity() != Transition::WARNING) text += " " + Transition::Severity_Name(one.severity());
      text += '\n';
    }
    return text;
  }

  [[nodiscard]] std::string evidence(std::size_t transition) const {
    std::string text;
    for (const auto& one : transitions.at(transition).evidence()) text += (text.empty() ? "" : " ") + one.event_id();
    return text;
  }

 private:
  [[nodiscard]] SkuNumber number() const { return *shop.context.catalogue.find("s1"); }

  void evaluate(const SkuSet& skus, const EventRef* record, Millis changed_from) {
    evaluate_skus(shop.facts, skus, {"shop", clock_, true, record, changed_from}, shop.context, alerts, transitions);
  }

  static std::string when(Millis moment) {
    const auto since = moment - shanghai().start_of(nth(0));
    return fmt::format("{}d{:02}:{:02}", since / kDayMs, since % kDayMs / (60 * kMinuteMs), since / kMinuteMs % 60);
  }

  Millis clock_ = shanghai().start_of(nth(0));
};

}  // namespace fiverate::test
