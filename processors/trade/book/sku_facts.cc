#include "processors/trade/book/sku_facts.h"

#include <algorithm>
#include <utility>

#include "schemas/check.h"

namespace fiverate {
namespace {

// `entries` are facts or requests.
template <typename Entries>
std::size_t number_until(Day day, const Entries& entries) {
  const auto end =
      std::partition_point(entries.begin(), entries.end(), [&](const auto& one) { return one.day <= day; });
  return static_cast<std::size_t>(end - entries.begin());
}

// Both return the number of entries before it.
template <typename Entry>
std::size_t insert_sorted(std::vector<Entry>& entries, const Entry& entry) {
  const auto at = entries.insert(std::lower_bound(entries.begin(), entries.end(), entry), entry);
  return static_cast<std::size_t>(at - entries.begin());
}
template <typename Entry>
std::size_t erase_sorted(std::vector<Entry>& entries, const Entry& entry) {
  const auto at = std::lower_bound(entries.begin(), entries.end(), entry);
  CHECK(at != entries.end() && at->document == entry.document, entry.document->id);
  const auto before = at - entries.begin();
  entries.erase(at);
  return static_cast<std::size_t>(before);
}

}  // namespace

const Opening& SkuFacts::opening() const {
  static const Opening kNothing;
  return folded_ ? *folded_ : kNothing;
}

std::size_t SkuFacts::facts_until(Day day) const {
  return number_until(day, facts_);
}

std::size_t SkuFacts::requests_until(Day day) const {
  return number_until(day, requests_);
}

Day SkuFacts::first_request(Day since) const {
  auto first = kEndOfDays;
  if (folded_ && folded_->requested_on != kNoDay && since == folded_->book.zero_since()) first = folded_->requested_on;
  const auto next = requests_until(since - 1);
  return next < requests_.size() ? std::min(first, requests_[next].day) : first;
}

void SkuFacts::insert(const Fact& fact) {
  drop_walks_after(insert_sorted(facts_, fact));
  if (is_count(fact.kind)) ++counts_;
}

void SkuFacts::erase(const Fact& fact) {
  drop_walks_after(erase_sorted(facts_, fact));
  if (is_count(fact.kind)) --counts_;
}

// A request decides about no day before its own.
void SkuFacts::insert(const Request& request) {
  insert_sorted(requests_, request);
  drop_walks_after(facts_until(request.day));
}

void SkuFacts::erase(const Request& request) {
  erase_sorted(requests_, request);
  drop_walks_after(facts_until(request.day));
}

void SkuFacts::append(const Fact& fact) {
  facts_.push_back(fact);
  if (is_count(fact.kind)) ++counts_;
}

void SkuFacts::sort() {
  std::sort(facts_.begin(), facts_.end());
  std::sort(requests_.begin(), requests_.end());
}

void SkuFacts::fold(Opening opening, Day day) {
  const auto end = facts_.begin() + static_cast<std::ptrdiff_t>(facts_until(day - 1));
  counts_ -= static_cast<std::size_t>(
      std::count_if(facts_.begin(), end, [](const Fact& fact) { return is_count(fact.kind); }));
  facts_.erase(facts_.begin(), end);
  requests_.erase(requests_.begin(), requests_.begin() + static_cast<std::ptrdiff_t>(requests_until(day - 1)));
  drop_walks();
  restore(std::move(opening));
}

Day SkuFacts::last_day() const {
  return facts_.empty() ? TimelineWalk(opening().book).last_day() : facts_.back().day;
}

void SkuFacts::add_checkpoints(std::span<const PopulationFrom> population, const MarketCalendar& calendar) {
  const StockoutContext context{*this, population, calendar};
  while (is_checkpoint_due()) {
    auto next = checkpoints_.empty() ? Checkpoint{SkuWalk(opening()), {}} : checkpoints_.back();
    for (std::size_t i = 0; i < kCheckpointEvery; ++i) {
      next.walk.apply(facts_[checkpoints_.size() * kCheckpointEvery + i], context, &next.past);
    }
    checkpoints_.push_back(std::move(next));
  }
}

const SkuWalk& SkuFacts::latest(std::span<const PopulationFrom> population, const MarketCalendar& calendar) const {
  if (!latest_) {
    auto [walk, known] = walk_before([](const SkuWalk&) { return true; });
    latest_ = std::make_unique<SkuWalk>(std::move(walk));
    steps_ = known;
  }
  const StockoutContext context{*this, population, calendar};
  for (; steps_ < facts_.size(); ++steps_) latest_->apply(facts_[steps_], context);
  return *latest_;
}

void SkuFacts::drop_walks() {
  checkpoints_.clear();
  latest_.reset();
}

void SkuFacts::drop_walks_after(std::size_t facts) {
  const auto unchanged = facts / kCheckpointEvery;
  if (unchanged < checkpoints_.size()) {
    checkpoints_.erase(checkpoints_.begin() + static_cast<std::ptrdiff_t>(unchanged), checkpoints_.end());
  }
  if (facts < steps_) latest_.reset();
}

Book book_after(std::size_t facts, const SkuFacts& sku) {
  const auto known = std::min(facts / SkuFacts::kCheckpointEvery, sku.checkpoints().size());
  auto book = known == 0 ? sku.opening().book : sku.checkpoints()[known - 1].walk.book;
  for (auto i = known * SkuFacts::kCheckpointEvery; i < facts; ++i) book.apply(sku.facts()[i]);
  return book;
}

Book book_until(Day day, const SkuFacts& sku) {
  return book_after(sku.facts_until(day), sku);
}

}  // namespace fiverate
