// One outlet's facts, changed as the outlet stage changes them, with everything that it would have sent: for tests of
// the trade room, without a stage.
//
//   Shop shop;
//   shop.knows_sku("s1", "B1");
//   shop.version(outlet("shop", nth(0), "north"));
//   shop.takes(delivery("D1", "shop", noon(nth(3)), {{"s1", 10}}));
//   shop.passes_to(nth(20));
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
#include "tests/support/events.h"

namespace fiverate::test {

class Shop {
 public:
  MarketContext context{shanghai(), {}, {}};
  OutletFacts facts;
  AcceptanceLimits limits;

  void knows_sku(const std::string& sku_id, const std::string& brand_id) {
    context.catalogue.apply(sku(sku_id, brand_id).sku());
  }

  void version(const Event& event, Day first_open_day = kNoDay) {
    const FactsChange change(facts, context);
    apply_version(facts, event, first_open_day, context);
    send(change);
  }

  // Judges and, if it is to be kept, remembers. Without an arrival it arrives at its event time.
  Verdict takes(const Event& event, Millis arrival, Day first_open_day = kNoDay) {
    const Arrived arrived(event, arrival, context.catalogue);
    auto verdict = judge(facts, arrived, first_open_day, limits, context);
    if (verdict.outcome != Outcome::accepted && verdict.outcome != Outcome::superseded) return verdict;
    const FactsChange change(facts, context, touched_by(facts, arrived, context));
    const EventRef ref{event.event_id()};
    const auto& document = remember(facts, arrived, ref, context);
    send(change, &document);
    return verdict;
  }
  Verdict takes(const Event& event) { return takes(event, event_time_of(event)); }

  void passes_to(Day today) {
    if (today <= facts.clock_day) return;
    const FactsChange change(facts, context);
    facts.clock_day = today;
    send(change);
  }

  // What all that was sent amounts to on a day: of a step its value, of a flow that day's quantity.
  [[nodiscard]] std::int64_t value(std::string_view brand_id, Contribution contribution, Day day,
                                   const Leaf& leaf) const {
    std::int64_t sum = 0;
    for (const auto& [key, delta] : sent_) {
      const auto& [brand, where, what, when] = key;
      if (brand != brand_id || where != leaf || what != contribution) continue;
      if (is_step(contribution) ? when <= day : when == day) sum = wrapped_sum(sum, delta);
    }
    return sum;
  }
  // Over all regions.
  [[nodiscard]] std::int64_t value(std::string_view brand_id, Contribution contribution, Day day) const {
    std::int64_t sum = 0;
    std::set<std::string> regions;
    for (const auto& [key, delta] : sent_) regions.insert(std::get<1>(key).region_id);
    for (const auto& region_id : regions) sum += value(brand_id, contribution, day, {region_id, "", ""});
    return sum;
  }
  // How often a price was read on a day, wherever.
  [[nodiscard]] std::int64_t readings(std::int64_t price, Day day) const {
    const auto found = prices_.find({price, day});
    return found == prices_.end() ? 0 : found->second;
  }
  [[nodiscard]] std::size_t differences() const { return differences_; }

 private:
  void send(const FactsChange& change, const Document* document = nullptr) {
    const auto differences = change.differences(document);
    for (const auto& price : differences.prices) prices_[{price.price, price.day}] += price.count;
    for (const auto& delta : differences.deltas) {
      ++differences_;
      for (const auto leaf : context.places.leaves_of(delta.place)) {
        auto& sum =
            sent_[{context.catalogue.brand_id(delta.brand), context.places.leaf(leaf), delta.contribution, delta.day}];
        sum = wrapped_sum(sum, delta.value);
      }
    }
  }

  std::map<std::tuple<std::string, Leaf, Contribution, Day>, std::int64_t> sent_;
  std::map<std::pair<std::int64_t, Day>, std::int64_t> prices_;
  std::size_t differences_ = 0;
};

}  // namespace fiverate::test
