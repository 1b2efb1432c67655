#include "processors/trade/timeline.h"

#include <algorithm>
#include <tuple>

namespace fiverate {
namespace {

void add_steps(const Intervals& members, BrandNumber brand, PlaceNumber place, Contribution contribution, int sign,
               std::vector<DatedDelta>& deltas) {
  for (const auto& interval : members) {
    deltas.push_back({brand, place, contribution, interval.from, sign});
    if (interval.to != kEndOfDays) deltas.push_back({brand, place, contribution, interval.to, -sign});
  }
}

// The days on which a purchase lies within the last `window` days.
Intervals bought_within(const std::vector<BrandDay>& days, std::int32_t window) {
  Intervals members;
  for (const auto& day : days) {
    if (day.delivered > 0) append(members, {day.day, day.day + window});
  }
  return members;
}

void settle(std::vector<DatedDelta>& deltas) {
  const auto key = [](const DatedDelta& d) { return std::tie(d.brand, d.place, d.contribution, d.day); };
  std::sort(deltas.begin(), deltas.end(), [&](const auto& a, const auto& b) { return key(a) < key(b); });
  std::size_t kept = 0;
  for (std::size_t i = 0; i < deltas.size();) {
    auto sum = deltas[i];
    for (++i; i < deltas.size() && key(deltas[i]) == key(sum); ++i) sum.value += deltas[i].value;
    if (sum.value != 0) deltas[kept++] = sum;
  }
  deltas.resize(kept);
}

}  // namespace

std::optional<Day> activity_ends(const OutletFacts& facts) {
  if (facts.active_documents.empty()) return std::nullopt;
  const auto end = facts.active_documents.rbegin()->first + kActiveDays;
  if (end <= facts.clock_day) return std::nullopt;  // has ended, and has been sent
  return end;
}

Presence presence_of(const OutletFacts& facts) {
  Presence presence;
  for (std::size_t i = 0; i < facts.assignments.size(); ++i) {
    const auto& assignment = facts.assignments[i];
    const auto to = i + 1 < facts.assignments.size() ? facts.assignments[i + 1].from : kEndOfDays;
    presence.stretches.push_back({{assignment.from, to}, assignment.place, assignment.active});
  }
  for (const auto& [day, documents] : facts.active_documents) append(presence.active, {day, day + kActiveDays});
  if (activity_ends(facts)) presence.active.back().to = kEndOfDays;
  return presence;
}

void contribute_outlet(const Presence& presence, int sign, std::vector<DatedDelta>& deltas) {
  for (const auto& stretch : presence.stretches) {
    if (!stretch.in_population) continue;
    add_steps(intersection({stretch.days}, presence.active), kNoBrand, stretch.place, Contribution::active_outlets, sign,
              deltas);
    add_steps(difference({stretch.days}, presence.active), kNoBrand, stretch.place, Contribution::dormant_outlets, sign,
              deltas);
  }
}

void contribute_brand(const Presence& presence, BrandNumber brand, const std::vector<BrandDay>& days, int sign,
                      std::vector<DatedDelta>& deltas) {
  if (presence.stretches.empty() || days.empty()) return;
  auto stretch = presence.stretches.begin();
  for (const auto& day : days) {
    while (stretch->days.to <= day.day) ++stretch;  // the last one is open
    if (day.day < stretch->days.from) continue;
    if (day.delivered != 0) {
      deltas.push_back({brand, stretch->place, Contribution::delivered_units, day.day, sign * day.delivered});
    }
    if (day.returned != 0) {
      deltas.push_back({brand, stretch->place, Contribution::returned_units, day.day, sign * day.returned});
    }
  }
  for (std::size_t w = 0; w < kWindowCount; ++w) {
    const auto bought = bought_within(days, kWindows[w]);
    const auto repeated = intersection(bought, shifted(bought, kWindows[w]));
    const auto buying = intersection(bought, presence.active);
    const auto repeat_buying = intersection(repeated, presence.active);
    for (const auto& part : presence.stretches) {
      if (!part.in_population) continue;
      add_steps(intersection(buying, {part.days}), brand, part.place, buying_in(w), sign, deltas);
      add_steps(intersection(repeat_buying, {part.days}), brand, part.place, repeat_buying_in(w), sign, deltas);
    }
  }
}

FactsChange::FactsChange(const OutletFacts& facts, std::set<BrandNumber> touched)
    : facts_(facts), touched_(std::move(touched)), before_(presence_of(facts)) {
  for (const auto brand : touched_) {
    if (const auto days = facts_.brands.find(brand); days != facts_.brands.end()) {
      contribute_brand(before_, brand, days->second, -1, negated_);
    }
  }
}

std::vector<DatedDelta> FactsChange::difference() const {
  auto deltas = negated_;
  const auto after = presence_of(facts_);
  const bool moved = after != before_;
  if (moved) {
    contribute_outlet(before_, -1, deltas);
    contribute_outlet(after, +1, deltas);
  }
  for (const auto& [brand, days] : facts_.brands) {
    const bool touched = touched_.contains(brand);
    if (moved && !touched) contribute_brand(before_, brand, days, -1, deltas);
    if (moved || touched) contribute_brand(after, brand, days, +1, deltas);
  }
  settle(deltas);
  return deltas;
}

}  // namespace fiverate
