#include "processors/trade/measures/flows.h"

#include <algorithm>

namespace fiverate {
namespace {

bool has_selected_lines(const Document& document, const Selection& selection) {
  switch (document.kind) {
    case DocumentKind::delivery:
      return selection.has(MeasureGroup::purchases);
    case DocumentKind::order:
      return selection.has(MeasureGroup::orders);
    case DocumentKind::visit:
      return selection.has(MeasureGroup::shelf) || selection.has(MeasureGroup::prices);
  }
  return false;
}

}  // namespace

void contribute_document(const Document& document, SegmentNumber segment, int sign, const MarketContext& context,
                         Differences& differences) {
  if (segment == kNoSegment || document.revisions.empty()) return;
  const auto day = context.calendar.day_of(document.counted().event_time);
  const auto add = [&](BrandNumber brand, Contribution contribution, std::int64_t value) {
    if (value != 0) differences.deltas.push_back({brand, segment, contribution, day, sign * value});
  };
  if (document.kind == DocumentKind::visit) {
    add(kNoBrand, Contribution::visits_done, document.counts ? 1 : 0);
    add(kNoBrand, Contribution::visits_not_done, document.not_done ? 1 : 0);
  }
  if (!has_selected_lines(document, context.selection)) return;
  for (const auto& line : document.lines) {
    const auto brand = context.catalogue.brand_of(line.sku);
    if (brand == kNoBrand) continue;
    switch (document.kind) {
      case DocumentKind::delivery:
        add(brand, document.is_return ? Contribution::returned_units : Contribution::delivered_units, line.quantity);
        break;
      case DocumentKind::order: {
        add(brand, Contribution::requested_units, line.requested);
        add(brand, Contribution::confirmed_units, line.confirmed);
        add(brand, Contribution::filled_units, std::min(line.requested, line.confirmed));
        add(brand, Contribution::unmet_units, std::max<std::int64_t>(0, line.requested - line.confirmed));
        const bool requested = line.requested >= 1;
        add(brand, Contribution::order_lines, requested ? 1 : 0);
        add(brand, Contribution::full_lines, requested && line.confirmed >= line.requested ? 1 : 0);
        add(brand, Contribution::confirmed_lines, requested && line.confirmed >= 1 ? 1 : 0);
        break;
      }
      case DocumentKind::visit: {
        add(brand, Contribution::shelf_checks, line.shelf != Shelf::not_recorded ? 1 : 0);
        add(brand, Contribution::shelf_present, line.shelf == Shelf::present ? 1 : 0);
        // A SKU that is not on the shelf needs no price tag.
        const bool tag_checked = line.price_tag != PriceTag::not_recorded && line.shelf != Shelf::empty;
        add(brand, Contribution::price_tags_checked, tag_checked ? 1 : 0);
        add(brand, Contribution::price_tags_ok, tag_checked && line.price_tag == PriceTag::ok ? 1 : 0);
        if (line.price >= 1) differences.prices.push_back({line.sku, segment, line.price, day, sign});
        break;
      }
    }
  }
}

}  // namespace fiverate
