#include "processors/trade/book/sku_timeline.h"

#include <algorithm>

#include "processors/trade/base/window.h"
#include "processors/trade/book/sku_facts.h"

namespace fiverate {

TimelineWalk::TimelineWalk(const Opening& opening)
    : book_(opening.book), day_(std::max({book_.last_out_day(), book_.latest_day(), book_.anchor()})) {}

void TimelineWalk::apply(const Fact& fact, const SkuFacts& facts) {
  if (fact.day != day_) end_day(fact.day, facts);
  day_ = fact.day;
  const bool accepted = book_.apply(fact);
  if (fact.kind == FactKind::out) {
    delivered_ += fact.quantity;
    if (timeline_.bought.empty() || timeline_.bought.back() != fact.day) timeline_.bought.push_back(fact.day);
  } else if (fact.kind == FactKind::returned) {
    returned_ += fact.quantity;
  } else if (accepted) {
    add_count(fact);
  }
}

SkuTimeline TimelineWalk::end(const SkuFacts& facts) && {
  end_day(kEndOfDays, facts);
  timeline_.requested = requested_days(facts);
  return std::move(timeline_);
}

void TimelineWalk::add_count(const Fact& fact) {
  auto& counts = timeline_.counts;
  const SkuTimeline::Count count{fact.day, fact.quantity, delivered_, returned_};
  if (counts.size() >= 2 && counts[counts.size() - 2].day == fact.day) {
    counts.back() = count;
  } else {
    counts.push_back(count);
  }
  if (fact.kind != FactKind::counted) return;
  ++counts_today_;
  if (fact.quantity == 0) ++zeros_today_;
}

// Called after all facts of the day: an OUT line later on the same day makes the SKU listed as well.
void TimelineWalk::end_day(Day next, const SkuFacts& facts) {
  if (day_ == kNoDay) return;
  if (counts_today_ > 0 && book_.last_out_day() >= day_ - kListedDays) {
    timeline_.listed_counts.push_back({day_, counts_today_, zeros_today_});
  }
  counts_today_ = zeros_today_ = 0;
  add_days({day_, next}, facts);
}

// Adds the states of the days until the next fact, by the facts so far.
void TimelineWalk::add_days(Interval days, const SkuFacts& facts) {
  const bool zero = book_.latest() == Book::Latest::zero;
  if (book_.latest() != Book::Latest::none && !zero) {
    append(timeline_.on_shelf, {days.from, std::min(days.to, book_.latest_day() + kOnShelfDays)});
  }
  if (book_.accepted()) {
    timeline_.levels.push_back(
        {days, book_.level(days.from), book_.rate(), book_.zero_crossing().value_or(kEndOfDays)});
  }

  const Interval delivered{days.from, std::min(days.to, book_.last_out_day() + kListedDays + 1)};
  if (!zero) {
    add_listed_days(delivered, timeline_.in);
    return;
  }
  // After kChronicDays out of stock the SKU is not listed until it is ordered again.
  const auto since = book_.zero_since();
  const auto chronic = since + kChronicDays + 1;
  const auto requested = std::max(chronic, facts.first_request(since));
  add_listed_days({delivered.from, std::min(delivered.to, chronic)}, timeline_.out);
  add_listed_days({std::max(delivered.from, requested), delivered.to}, timeline_.out);
}

void TimelineWalk::add_listed_days(Interval days, Intervals& known) {
  const auto unknown_from = book_.latest_day() + kUnknownAfterDays;
  const Interval still_known{days.from, std::min(days.to, unknown_from)};
  append(known, still_known);
  append(timeline_.unknown, {std::max(days.from, unknown_from), days.to});
  if (&known != &timeline_.in) return;
  if (const auto dry = book_.zero_crossing()) {
    append(timeline_.estimated_out, {std::max(still_known.from, *dry), still_known.to});
  }
}

SkuTimeline timeline_of(const SkuFacts& facts) {
  const auto& checkpoints = facts.checkpoints();
  auto walk = checkpoints.empty() ? TimelineWalk(facts.opening()) : checkpoints.back().timeline;
  for (auto i = checkpoints.size() * SkuFacts::kCheckpointEvery; i < facts.facts().size(); ++i) {
    walk.apply(facts.facts()[i], facts);
  }
  return std::move(walk).end(facts);
}

std::vector<Day> bought_days(const SkuFacts& facts) {
  std::vector<Day> days;
  for (const auto& fact : facts.facts()) {
    if (fact.kind == FactKind::out && (days.empty() || days.back() != fact.day)) days.push_back(fact.day);
  }
  return days;
}

std::vector<Day> requested_days(const SkuFacts& facts) {
  std::vector<Day> days;
  const auto& requests = facts.requests();
  for (std::size_t i = 0; i < requests.size(); i = facts.requests_until(requests[i].day)) {
    days.push_back(requests[i].day);
  }
  return days;
}

std::vector<SellThrough> sell_through_of(const std::vector<SkuTimeline::Count>& counts, std::int32_t window) {
  std::vector<SellThrough> found;
  if (counts.size() < 2) return found;
  // A count enters the window on its day and leaves it after the window's length, or at the end of its month.
  const auto leaves = [&](const SkuTimeline::Count& count) {
    return window == kMonth ? next_month_begins(count.day) : count.day + window;
  };
  std::vector<Day> changes;
  changes.reserve(2 * counts.size());
  for (const auto& count : counts) {
    changes.push_back(count.day);
    changes.push_back(leaves(count));
  }
  std::sort(changes.begin(), changes.end());
  changes.erase(std::unique(changes.begin(), changes.end()), changes.end());

  std::size_t first = 0;
  std::size_t end = 0;
  for (std::size_t i = 0; i + 1 < changes.size(); ++i) {
    while (end < counts.size() && counts[end].day <= changes[i]) ++end;
    while (first < end && leaves(counts[first]) <= changes[i]) ++first;
    if (end - first < 2) continue;
    const auto& a = counts[first];
    const auto& b = counts[end - 1];
    const auto available = a.quantity + b.delivered_before - a.delivered_before;
    const auto sold = std::max<std::int64_t>(0, available - (b.returned_before - a.returned_before) - b.quantity);
    if (!found.empty() && found.back().days.to == changes[i] && found.back().available == available &&
        found.back().sold == sold) {
      found.back().days.to = changes[i + 1];
    } else {
      found.push_back({{changes[i], changes[i + 1]}, available, sold});
    }
  }
  return found;
}

}  // namespace fiverate
