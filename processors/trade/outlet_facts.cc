#include "processors/trade/outlet_facts.h"

#include <algorithm>

#include "schemas/check.h"

namespace fiverate {
namespace {

// sign +1 takes a document's lines in, -1 takes them out.
void fold_document(OutletFacts& facts, const Document& document, int sign, const MarketContext& context) {
  if (!document.counts) return;
  const auto day = context.calendar.day_of(document.counted().event_time);
  const auto active = facts.active_documents.try_emplace(day, 0).first;
  active->second += sign;
  if (active->second == 0) facts.active_documents.erase(active);

  for (const auto& line : document.lines) {
    const auto brand = context.catalogue.brand_of(line.sku);
    if (brand == kNoBrand || line.quantity == 0) continue;
    auto& days = facts.brands[brand];
    auto at = std::lower_bound(days.begin(), days.end(), day, [](const BrandDay& a, Day b) { return a.day < b; });
    if (at == days.end() || at->day != day) at = days.insert(at, BrandDay{day});
    (document.is_return ? at->returned : at->delivered) += sign * line.quantity;
    CHECK(at->delivered >= 0 && at->returned >= 0, document.id);
    if (at->delivered == 0 && at->returned == 0) days.erase(at);
    if (days.empty()) facts.brands.erase(brand);
  }
}

// What the versions alone say. Before the first one its region and classes hold, outside the population.
std::vector<Assignment> assignments_of(const std::vector<Version>& versions) {
  std::vector<Assignment> assignments;
  for (const auto& version : versions) {
    if (version.cancelled) continue;
    if (assignments.empty()) assignments.push_back({kNoDay, false, version.place});
    assignments.push_back({version.valid_from, version.active, version.place});
  }
  return assignments;
}

}  // namespace

void count_document(OutletFacts& facts, const Document& document, const MarketContext& context) {
  fold_document(facts, document, +1, context);
}

void uncount_document(OutletFacts& facts, const Document& document, const MarketContext& context) {
  fold_document(facts, document, -1, context);
}

void apply_version(OutletFacts& facts, const Event& outlet_event, Day first_open_day, MarketContext& context) {
  const auto& outlet = outlet_event.outlet();
  facts.known = true;
  const auto valid_from = parse_date(outlet.valid_from());
  CHECK(valid_from.has_value(), outlet.valid_from());
  auto at = std::lower_bound(facts.versions.begin(), facts.versions.end(), *valid_from,
                             [](const Version& a, Day b) { return a.valid_from < b; });
  if (at == facts.versions.end() || at->valid_from != *valid_from) at = facts.versions.insert(at, Version{*valid_from});
  at->cancelled = outlet_event.cancelled();
  at->active = outlet.state() == Outlet::ACTIVE;
  const std::vector<ClassValue> classes(outlet.classes().begin(), outlet.classes().end());
  at->place = context.places.number_of(outlet.region_id(), classes);

  // Days that are final keep the assignments that they had; from the first open day on the versions rule.
  auto assignments = std::move(facts.assignments);
  std::erase_if(assignments, [&](const Assignment& old) { return old.from >= first_open_day; });
  const auto ruling = assignments_of(facts.versions);
  if (assignments.empty() && !ruling.empty() && first_open_day > kNoDay) assignments.push_back(ruling.front());
  auto next = std::upper_bound(ruling.begin(), ruling.end(), first_open_day,
                               [](Day a, const Assignment& b) { return a < b.from; });
  if (next != ruling.begin()) {
    assignments.push_back({first_open_day, (next - 1)->active, (next - 1)->place});
  } else if (!assignments.empty()) {
    assignments.push_back({first_open_day, false, kNowhere});  // no version left
  }
  assignments.insert(assignments.end(), next, ruling.end());
  // Where two begin on one day, the later one holds.
  facts.assignments.clear();
  for (const auto& assignment : assignments) {
    if (!facts.assignments.empty() && facts.assignments.back().from == assignment.from) facts.assignments.pop_back();
    facts.assignments.push_back(assignment);
  }
}

void forget_before(OutletFacts& facts, Day day, const MarketContext& context) {
  std::erase_if(facts.documents, [&](const Document& document) {
    if (context.calendar.day_of(document.counted().event_time) >= day) return false;
    uncount_document(facts, document, context);
    return true;
  });
}

void save(const OutletFacts& facts, const MarketContext& context, OutletState& state) {
  const auto save_place = [&](PlaceNumber place, auto& saved) {
    saved.set_region_id(context.places.region_of(place));
    for (auto& value : context.places.classes_of(place)) *saved.add_classes() = std::move(value);
  };
  state.set_known(facts.known);
  state.set_clock_day(facts.clock_day.number);
  for (const auto& version : facts.versions) {
    auto& saved = *state.add_versions();
    saved.set_valid_from(version.valid_from.number);
    saved.set_cancelled(version.cancelled);
    saved.set_active(version.active);
    save_place(version.place, saved);
  }
  for (const auto& assignment : facts.assignments) {
    auto& saved = *state.add_assignments();
    saved.set_from(assignment.from.number);
    saved.set_active(assignment.active);
    save_place(assignment.place, saved);
  }
  for (const auto& document : facts.documents) {
    auto& saved = *state.add_documents();
    saved.set_kind(static_cast<int>(document.kind));
    saved.set_document_id(document.id);
    saved.set_counts(document.counts);
    saved.set_is_return(document.is_return);
    for (const auto& revision : document.revisions) {
      saved.add_revisions(revision.number);
      saved.add_event_times(revision.event_time);
      saved.add_contents(revision.content);
      saved.add_event_ids(revision.event_id);
    }
    for (const auto& line : document.lines) {
      saved.add_skus(static_cast<std::uint32_t>(line.sku));
      saved.add_quantities(line.quantity);
    }
  }
}

OutletFacts load(const OutletState& state, MarketContext& context) {
  const auto load_place = [&](const auto& saved) {
    const std::vector<ClassValue> classes(saved.classes().begin(), saved.classes().end());
    return context.places.number_of(saved.region_id(), classes);
  };
  OutletFacts facts;
  facts.known = state.known();
  facts.clock_day = Day{state.clock_day()};
  for (const auto& saved : state.versions()) {
    facts.versions.push_back({Day{saved.valid_from()}, saved.cancelled(), saved.active(), load_place(saved)});
  }
  for (const auto& saved : state.assignments()) {
    facts.assignments.push_back({Day{saved.from()}, saved.active(), load_place(saved)});
  }
  facts.documents.reserve(static_cast<std::size_t>(state.documents_size()));
  for (const auto& saved : state.documents()) {
    Document document;
    document.kind = static_cast<DocumentKind>(saved.kind());
    document.id = saved.document_id();
    document.counts = saved.counts();
    document.is_return = saved.is_return();
    for (int i = 0; i < saved.revisions_size(); ++i) {
      document.revisions.push_back({saved.revisions(i), saved.event_times(i), saved.contents(i), saved.event_ids(i)});
    }
    for (int i = 0; i < saved.skus_size(); ++i) {
      document.lines.push_back({static_cast<SkuNumber>(saved.skus(i)), saved.quantities(i)});
    }
    count_document(facts, document, context);
    facts.documents.push_back(std::move(document));
  }
  return facts;
}

}  // namespace fiverate
