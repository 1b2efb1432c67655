#include "processors/trade/measures/timeline.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "processors/trade/measures/brand_change.h"
#include "processors/trade/measures/flows.h"

namespace fiverate {
namespace {

std::vector<Day> order_days(const OutletFacts& facts) {
  std::vector<Day> days;
  days.reserve(facts.order_documents.size());
  for (const auto& [day, documents] : facts.order_documents) days.push_back(day);
  return days;
}

}  // namespace

FactsChange::FactsChange(const OutletFacts& facts, const MarketContext& context, Affected affected)
    : facts_(facts), context_(context), affected_(std::move(affected)) {
  if (affected_.kind == DocumentKind::order) ordered_before_ = order_days(facts);
  if (const auto* document = affected_.document) {
    const auto day = context.calendar.day_of(document->counted().event_time);
    contribute_document(*document, facts.activity.segment_on(day), -1, context, document_before_);
  }
  for (const auto sku : affected_.skus) {
    if (const auto brand = context.catalogue.brand_of(sku); brand != kNoBrand) brands_.push_back(brand);
  }
  std::sort(brands_.begin(), brands_.end());
  brands_.erase(std::unique(brands_.begin(), brands_.end()), brands_.end());
  since_ = first_day();
  if (since_ == kNoDay) {
    activity_before_ = facts.activity;
  } else if (!changed_parts().any()) {
    brands_.clear();
  }
  if (brands_.empty()) return;
  skus_before_.reserve(facts.skus.size());
  for (const auto& [number, sku] : facts.skus) {
    const auto brand = context.catalogue.brand_of(number);
    if (std::binary_search(brands_.begin(), brands_.end(), brand)) {
      skus_before_.push_back({number, brand, timeline(sku)});
    }
  }
}

// The day of a new document if it comes after all facts of its SKUs, no SKU of its brands has a fact of a later day, and
// the outlet stays active; else kNoDay.
Day FactsChange::first_day() const {
  if (affected_.changed_from == kNever || affected_.document != nullptr) return kNoDay;
  const auto day = context_.calendar.day_of(affected_.changed_from);
  if (day < facts_.activity.open_since) return kNoDay;
  const bool in_order = std::all_of(facts_.skus.begin(), facts_.skus.end(), [&](const auto& entry) {
    const auto& [number, sku] = entry;
    if (!std::binary_search(brands_.begin(), brands_.end(), context_.catalogue.brand_of(number))) return true;
    if (sku.last_day() > day) return false;
    if (!affected_.skus.contains(number)) return true;
    return (sku.facts().empty() || sku.facts().back().time < affected_.changed_from) &&
           (sku.requests().empty() || sku.requests().back().time < affected_.changed_from);
  });
  return in_order ? day : kNoDay;
}

// What a document of this kind may change, if it is selected.
TimelineParts FactsChange::changed_parts() const {
  const auto& selection = context_.selection;
  const bool is_delivery = affected_.kind == DocumentKind::delivery;
  return {.states = selection.has(MeasureGroup::shelf) || selection.has(MeasureGroup::stock),
          .bought = is_delivery && selection.has(MeasureGroup::purchases),
          .requested = affected_.kind == DocumentKind::order && selection.has(MeasureGroup::orders),
          .counts = !is_delivery && selection.has(MeasureGroup::stock)};
}

SkuTimeline FactsChange::timeline(const SkuFacts& sku) const {
  if (since_ != kNoDay) return timeline_since(since_, {sku, facts_.population, context_.calendar}, changed_parts());
  const auto& selection = context_.selection;
  if (selection.has(MeasureGroup::shelf) || selection.has(MeasureGroup::stock)) return timeline_of(sku);
  // Purchases and orders need no walk over the facts.
  SkuTimeline timeline;
  if (selection.has(MeasureGroup::purchases)) timeline.bought = bought_days(sku);
  if (selection.has(MeasureGroup::orders)) timeline.requested = requested_days(sku);
  return timeline;
}

const SkuTimeline* FactsChange::before(SkuNumber sku) const {
  static const SkuTimeline kNothing;
  const auto found = std::lower_bound(skus_before_.begin(), skus_before_.end(), sku,
                                      [](const SkuBefore& a, SkuNumber b) { return a.sku < b; });
  return found == skus_before_.end() || found->sku != sku ? &kNothing : &found->timeline;
}

// The flows of the other documents whose segment has changed.
void FactsChange::flows_of_moved(const Document* document, Differences& differences) const {
  for (const auto& other : facts_.documents) {
    if (other.get() == document) continue;
    const auto day = context_.calendar.day_of(other->counted().event_time);
    const auto was = activity_before_->segment_on(day);
    const auto is = facts_.activity.segment_on(day);
    if (was == is) continue;
    contribute_document(*other, was, -1, context_, differences);
    contribute_document(*other, is, +1, context_, differences);
  }
}

void FactsChange::append_differences(const Document* document, Differences& differences) const {
  auto& deltas = differences.deltas;
  deltas.insert(deltas.end(), document_before_.deltas.begin(), document_before_.deltas.end());
  differences.prices.insert(differences.prices.end(), document_before_.prices.begin(), document_before_.prices.end());
  const auto& after = facts_.activity;
  const auto& before = activity_before_ ? *activity_before_ : after;
  const bool moved = after != before;
  if (document != nullptr) {
    const auto day = context_.calendar.day_of(document->counted().event_time);
    contribute_document(*document, after.segment_on(day), +1, context_, differences);
  }
  if (moved) flows_of_moved(document, differences);

  const Change whole(context_.selection, before, after, kNoBrand, deltas);
  if (moved) {
    for (const auto& [activity, sign] : {std::pair(&before, -1), std::pair(&after, +1)}) {
      const Steps steps(*activity, kNoBrand, sign, deltas);
      steps.of_active(Contribution::active_outlets, {kNoDay, kEndOfDays}, 1);
      steps.of_population(Contribution::dormant_outlets, {kNoDay, kEndOfDays}, 1);
      const Steps none(*activity, kNoBrand, -sign, deltas);
      none.of_active(Contribution::dormant_outlets, {kNoDay, kEndOfDays}, 1);
    }
  }
  if (context_.selection.has(MeasureGroup::orders) && (moved || ordered_before_)) {
    const auto ordered = order_days(facts_);
    const auto& ordered_before = ordered_before_.value_or(ordered);
    const auto since = moved ? kNoDay : first_difference(ordered_before, ordered);
    change_members(whole, Contribution::ordering_outlets, ordered_before, ordered, since);
  }

  // The SKUs of the affected brands, or of all if the outlet has moved. One that is not affected has the same timeline
  // before and after.
  std::vector<SkuChange> skus;
  std::deque<SkuTimeline> made;
  skus.reserve(moved ? facts_.skus.size() : skus_before_.size() + affected_.skus.size());
  for (const auto& [number, sku] : facts_.skus) {
    const auto brand = context_.catalogue.brand_of(number);
    const bool known = std::binary_search(brands_.begin(), brands_.end(), brand);
    if (brand == kNoBrand || (!moved && !known)) continue;
    const auto* was = this->before(number);
    if (known && !affected_.skus.contains(number)) {
      skus.push_back({brand, was, was});
    } else {
      const auto* is = &made.emplace_back(timeline(sku));
      skus.push_back({brand, known ? was : is, is});
    }
  }
  std::stable_sort(skus.begin(), skus.end(), [](const SkuChange& a, const SkuChange& b) { return a.brand < b.brand; });
  for (auto first = skus.begin(); first != skus.end();) {
    const auto end = std::find_if(first, skus.end(), [&](const SkuChange& sku) { return sku.brand != first->brand; });
    change_brand(Change(context_.selection, before, after, first->brand, deltas), {first, end}, since_);
    first = end;
  }
}

}  // namespace fiverate
