// The facts of one outlet, changed in the same way as the outlet stage changes them, and all differences that it would
// send.
//
//   Shop shop;
//   shop.knows_sku("s1", "B1");
//   shop.version(outlet("shop", nth(0), "north"));
//   shop.receives(delivery("D1", "shop", noon(nth(3)), {{"s1", 10}}));
//   shop.advance_to(nth(20));
//   shop.value("B1", in_window(Contribution::buying_outlets, 1), nth(9)) == 1
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <tuple>

#include "processors/trade/facts/acceptance.h"
#include "processors/trade/measures/timeline.h"
#include "schemas/decode.h"
#include "schemas/format.h"
#include "tests/support/events.h"

namespace fiverate::test {

class Shop {
 public:
  MarketContext context{shanghai(), {}, {}};
  OutletFacts facts;
  AcceptanceLimits limits;
  bool compares_whole_timelines = false;  // also for documents in order

  void knows_sku(const std::string& sku_id, const std::string& brand_id) {
    context.catalogue.apply(sku(sku_id, brand_id).sku());
  }

  void version(const Event& event, Day first_open_day = kNoDay) {
    const FactsChange change(facts, context);
    apply_version(facts, event, first_open_day, context);
    send(change);
  }

  // Validates a document and remembers it if it is accepted or superseded. Its arrival is by default its event time.
  Verdict receives(const Event& event, Millis arrival, Day first_open_day = kNoDay) {
    const ArrivedDocument arrived(event, arrival, context.catalogue);
    auto verdict = validate(facts, arrived, first_open_day, limits, context);
    if (verdict.outcome != Outcome::accepted && verdict.outcome != Outcome::superseded) return verdict;
    auto affected = affected_by(facts, arrived, context);
    if (compares_whole_timelines) affected.changed_from = kNever;
    const FactsChange change(facts, context, std::move(affected));
    const EventRef ref{event.event_id()};
    const auto& document = remember(facts, arrived, ref, context);
    send(change, &document);
    return verdict;
  }
  Verdict receives(const Event& event) { return receives(event, event_time_of(event)); }

  void advance_to(Day today) {
    if (today <= facts.clock_day) return;
    const FactsChange change(facts, context);
    pass_time(facts, today);
    send(change);
  }

  // The sum of all differences sent: the value of a step on a day, or the quantity of a flow of that day.
  [[nodiscard]] std::int64_t value(std::string_view brand_id, Contribution contribution, Day day,
                                   std::string_view region_id, const ClassKey& line = {}) const {
    std::int64_t sum = 0;
    for (const auto& [key, delta] : sent_) {
      const auto& [brand, where, what, when] = key;
      if (brand != brand_id || where.region_id != region_id || what != contribution) continue;
      const auto& classes = where.classes;
      if (!line.dimension.empty() && std::find(classes.begin(), classes.end(), line) == classes.end()) continue;
      if (is_step(contribution) ? when <= day : when == day) sum = wrapped_sum(sum, delta);
    }
    return sum;
  }
  // The same, summed over all regions.
  [[nodiscard]] std::int64_t value(std::string_view brand_id, Contribution contribution, Day day) const {
    std::int64_t sum = 0;
    std::set<std::string> regions;
    for (const auto& [key, delta] : sent_) regions.insert(std::get<1>(key).region_id);
    for (const auto& region_id : regions) sum += value(brand_id, contribution, day, region_id);
    return sum;
  }
  // How often a price was read on a day, in all segments.
  [[nodiscard]] std::int64_t readings(std::int64_t price, Day day) const {
    const auto found = prices_.find({price, day});
    return found == prices_.end() ? 0 : found->second;
  }
  [[nodiscard]] std::size_t differences() const { return differences_; }

  // All sums that are not 0.
  [[nodiscard]] auto sums() const {
    auto sums = sent_;
    std::erase_if(sums, [](const auto& entry) { return entry.second == 0; });
    return sums;
  }

 private:
  void send(const FactsChange& change, const Document* document = nullptr) {
    Differences changed;
    change.append_differences(document, changed);
    for (const auto& price : changed.prices) prices_[{price.price, price.day}] += price.count;
    for (const auto& delta : changed.deltas) {
      ++differences_;
      if (delta.segment == kNoSegment) continue;
      auto& sum = sent_[{context.catalogue.brand_id(delta.brand), context.segments.segment(delta.segment),
                         delta.contribution, delta.day}];
      sum = wrapped_sum(sum, delta.value);
    }
  }

  std::map<std::tuple<std::string, Segment, Contribution, Day>, std::int64_t> sent_;
  std::map<std::pair<std::int64_t, Day>, std::int64_t> prices_;
  std::size_t differences_ = 0;
};

// The facts that are derived from documents, as text.
inline std::string derived_facts(const OutletFacts& facts) {
  std::string text;
  for (const auto& [day, documents] : facts.active_documents) text += fmt::format("{}x{} ", day.number, documents);
  for (const auto& [number, sku] : facts.skus) {
    for (const auto& fact : sku.facts()) {
      text += fmt::format("| {}: {} {}x{} ", static_cast<int>(number), fact.day.number, static_cast<int>(fact.kind),
                          fact.quantity);
    }
    for (const auto& request : sku.requests())
      text += fmt::format("| {}: {} requested ", static_cast<int>(number), request.day.number);
  }
  return text;
}

// A shop with versions, documents of all kinds, revisions and a cancellation.
inline Shop busy_shop() {
  Shop shop;
  shop.knows_sku("s1", "B1");
  shop.knows_sku("s2", "B2");
  shop.version(outlet("shop", nth(-10), "north", Outlet::ACTIVE, {{"size", "big"}, {"channel", "a"}}));
  shop.version(outlet("shop", nth(8), "south", Outlet::SUSPENDED));
  shop.version(cancelled(outlet("shop", nth(20), "south"), 2));
  shop.receives(delivery("D1", "shop", noon(nth(1)), {{"s1", 3}, {"s2", 4}}));
  shop.receives(revised(delivery("D1", "shop", noon(nth(2)), {{"s1", 9}}), 4));
  shop.receives(revised(delivery("D1", "shop", noon(nth(2)), {{"s1", 2}}), 3));  // superseded
  shop.receives(returned("R1", "shop", noon(nth(2)), {{"s1", 1}}));
  shop.receives(order("O1", "shop", noon(nth(3)), {{"s2", 2}}));
  shop.receives(cancelled(visit("V1", "shop", noon(nth(4))), 1));
  shop.advance_to(nth(5));
  return shop;
}

}  // namespace fiverate::test
