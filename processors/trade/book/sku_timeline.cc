#include "processors/trade/book/sku_timeline.h"

#include <algorithm>

#include "processors/trade/book/sku_facts.h"
#include "schemas/check.h"

namespace fiverate {

namespace {

// Appends days on which the SKU is listed to `known`, which is `timeline.in` or `timeline.out`, or to the unknown ones.
void append_listed(Interval days, const Book& book, Intervals& known, SkuTimeline& timeline) {
  const auto unknown_from = book.latest_day() + kUnknownAfterDays;
  const Interval still_known{days.from, std::min(days.to, unknown_from)};
  append(known, still_known);
  append(timeline.unknown, {std::max(days.from, unknown_from), days.to});
  if (&known != &timeline.in) return;
  if (const auto dry = book.zero_crossing()) {
    append(timeline.estimated_out, {std::max(still_known.from, *dry), still_known.to});
  }
}

// Appends the states of days by the facts up to them.
void append_states(Interval days, const Book& book, const SkuFacts& facts, SkuTimeline& timeline) {
  const bool zero = book.latest() == Book::Latest::zero;
  if (book.latest() != Book::Latest::none && !zero) {
    append(timeline.on_shelf, {days.from, std::min(days.to, book.latest_day() + kOnShelfDays)});
  }
  if (book.accepted()) {
    timeline.levels.push_back({days, book.level(days.from), book.rate(), book.zero_crossing().value_or(kEndOfDays)});
  }

  const Interval delivered{days.from, std::min(days.to, book.last_out_day() + kListedDays + 1)};
  if (!zero) {
    append_listed(delivered, book, timeline.in, timeline);
    return;
  }
  // After kChronicDays out of stock the SKU is not listed until it is ordered again.
  const auto since = book.zero_since();
  const auto chronic = since + kChronicDays + 1;
  const auto requested = std::max(chronic, facts.first_request(since));
  append_listed({delivered.from, std::min(delivered.to, chronic)}, book, timeline.out, timeline);
  append_listed({std::max(delivered.from, requested), delivered.to}, book, timeline.out, timeline);
}

// The days with an OUT line, from `since` on.
std::vector<Day> bought_since(Day since, const SkuFacts& facts) {
  std::vector<Day> days;
  for (auto i = since == kNoDay ? 0 : facts.facts_until(since - 1); i < facts.facts().size(); ++i) {
    const auto& fact = facts.facts()[i];
    if (fact.kind == FactKind::out && (days.empty() || days.back() != fact.day)) days.push_back(fact.day);
  }
  return days;
}

// The days with a request, from `since` on.
std::vector<Day> requested_since(Day since, const SkuFacts& facts) {
  std::vector<Day> days;
  const auto& requests = facts.requests();
  auto i = since == kNoDay ? 0 : facts.requests_until(since - 1);
  for (; i < requests.size(); i = facts.requests_until(requests[i].day)) days.push_back(requests[i].day);
  return days;
}

}  // namespace

TimelineWalk::TimelineWalk(const Book& opening)
    : day_(std::max({opening.last_out_day(), opening.latest_day(), opening.anchor()})) {}

// The days up to the last one count after all facts of it: an OUT line later on the same day makes the SKU listed as
// well.
void TimelineWalk::before(const Fact& fact, const Book& book, const SkuFacts& facts, SkuTimeline* past) {
  if (fact.day == day_) return;
  if (past != nullptr) append_days({day_, fact.day}, book, facts, *past);
  day_ = fact.day;
  counts_today_ = zeros_today_ = 0;
}

void TimelineWalk::after(const Fact& fact, bool accepted) {
  if (fact.kind == FactKind::out) {
    delivered_ += fact.quantity;
  } else if (fact.kind == FactKind::returned) {
    returned_ += fact.quantity;
  } else if (accepted) {
    add_count(fact);
  }
}

void TimelineWalk::add_count(const Fact& fact) {
  const SkuTimeline::Count count{fact.day, fact.quantity, delivered_, returned_};
  if (counts_.size() >= 2 && counts_[counts_.size() - 2].day == fact.day) {
    counts_.back() = count;
  } else {
    counts_.push_back(count);
  }
  if (fact.kind != FactKind::counted) return;
  ++counts_today_;
  if (fact.quantity == 0) ++zeros_today_;
}

void TimelineWalk::append_rest(Day since, const Book& book, const SkuFacts& facts, SkuTimeline& timeline) const {
  append_days({std::max(day_, since), kEndOfDays}, book, facts, timeline);
}

// `days` begin on the day of the last fact or later.
void TimelineWalk::append_days(Interval days, const Book& book, const SkuFacts& facts, SkuTimeline& timeline) const {
  if (day_ == kNoDay) return;
  if (days.from == day_ && counts_today_ > 0 && book.last_out_day() >= day_ - kListedDays) {
    timeline.listed_counts.push_back({day_, counts_today_, zeros_today_});
  }
  append_states(days, book, facts, timeline);
}

SkuTimeline timeline_of(const SkuFacts& facts) {
  const auto& checkpoints = facts.checkpoints();
  auto timeline = checkpoints.empty() ? SkuTimeline{} : checkpoints.back().past;
  auto book = checkpoints.empty() ? facts.opening().book : checkpoints.back().walk.book;
  auto walk = checkpoints.empty() ? TimelineWalk(book) : checkpoints.back().walk.timeline;
  for (auto i = checkpoints.size() * SkuFacts::kCheckpointEvery; i < facts.facts().size(); ++i) {
    const auto& fact = facts.facts()[i];
    walk.before(fact, book, facts, &timeline);
    const bool accepted = book.apply(fact);
    walk.after(fact, accepted);
  }
  walk.append_rest(kNoDay, book, facts, timeline);
  timeline.bought = bought_days(facts);
  timeline.counts = walk.counts();
  timeline.requested = requested_days(facts);
  return timeline;
}

std::vector<Day> bought_days(const SkuFacts& facts) {
  return bought_since(kNoDay, facts);
}

std::vector<Day> requested_days(const SkuFacts& facts) {
  return requested_since(kNoDay, facts);
}

SkuTimeline timeline_since(Day since, const StockoutContext& context, TimelineParts parts) {
  const auto& sku = context.facts;
  CHECK(sku.last_day() <= since, since.number);
  SkuTimeline timeline;
  if (parts.states || parts.counts) {
    const auto& latest = sku.latest(context.population, context.calendar);
    if (parts.states) latest.timeline.append_rest(since, latest.book, sku, timeline);
    if (parts.counts) timeline.counts = latest.timeline.counts();
  }
  if (parts.bought) timeline.bought = bought_since(since - kDecidingDays, sku);
  if (parts.requested) timeline.requested = requested_since(since - kDecidingDays, sku);
  return timeline;
}

std::vector<SellThrough> sell_through_since(Day since, std::span<const SkuTimeline::Count> counts,
                                            std::int32_t window) {
  if (since == kNoDay) return sell_through_of(counts, window);
  const auto first = std::partition_point(counts.begin(), counts.end(), [&](const SkuTimeline::Count& count) {
    return leaves_window(window, count.day) <= since;
  });
  auto found = sell_through_of({first, counts.end()}, window);
  std::erase_if(found, [&](const SellThrough& one) { return one.days.to <= since; });
  if (!found.empty()) found.front().days.from = std::max(found.front().days.from, since);
  return found;
}

std::vector<SellThrough> sell_through_of(std::span<const SkuTimeline::Count> counts, std::int32_t window) {
  std::vector<SellThrough> found;
  if (counts.size() < 2) return found;
  const auto leaves = [&](const SkuTimeline::Count& count) { return leaves_window(window, count.day); };
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
