#include "processors/trade/facts/outlet_facts.h"

#include <algorithm>

#include "schemas/check.h"

namespace fiverate {
namespace {

constexpr std::uint32_t kTagShift = 2;   // of a price tag in what is saved of a shelf
constexpr std::int64_t kShortTenths = 8;  // confirmed below 80 % of what was requested

// What the document says of each SKU's stock, into the books or out of them.
void fold_stock(OutletFacts& facts, const Document& document, Day day, int sign) {
  const auto time = document.counted().event_time;
  const auto fold = [&](auto& entries, auto entry) {
    const auto at = std::lower_bound(entries.begin(), entries.end(), entry);
    if (sign > 0) {
      entries.insert(at, entry);
    } else {
      CHECK(at != entries.end() && at->document == &document, document.id);
      entries.erase(at);
    }
  };
  if (facts.skus.size() < document.lines.size()) facts.skus.reserve(document.lines.size());
  for (const auto& line : document.lines) {
    auto& sku = facts.skus[line.sku];
    if (line.quantity > 0) {
      fold(sku.facts,
           Fact{time, day, document.is_return ? FactKind::returned : FactKind::out, line.quantity, &document});
    }
    if (line.count != kAbsent) {
      const auto kind = document.kind == DocumentKind::visit ? FactKind::counted : FactKind::declared;
      fold(sku.facts, Fact{time, day, kind, line.count, &document});
    }
    if (line.requested > 0) {
      fold(sku.requests, Request{time, day, 10 * line.confirmed < kShortTenths * line.requested, &document});
    }
  }
}

void fold_activity(OutletFacts& facts, Day day, int sign) {
  const auto active = facts.active_documents.try_emplace(day, 0).first;
  active->second += sign;
  CHECK(active->second >= 0, day.number);
  if (active->second == 0) facts.active_documents.erase(active);
}

// Columns by the kind of document: what it does not say takes no room.
void save_lines(const std::vector<Line>& lines, DocumentKind kind, OutletState::Document& saved) {
  for (const auto& line : lines) {
    saved.add_skus(static_cast<std::uint32_t>(line.sku));
    if (kind == DocumentKind::delivery) {
      saved.add_quantities(line.quantity);
    } else {
      saved.add_counts_after(line.count + 1);
    }
    if (kind == DocumentKind::order) {
      saved.add_requested(line.requested);
      saved.add_confirmed(line.confirmed);
    }
    if (kind == DocumentKind::visit) {
      saved.add_prices_after(line.price + 1);
      saved.add_shelves(static_cast<std::uint32_t>(line.shelf) | static_cast<std::uint32_t>(line.price_tag) << kTagShift);
    }
  }
}

std::vector<Line> load_lines(DocumentKind kind, const OutletState::Document& saved) {
  std::vector<Line> lines;
  lines.reserve(static_cast<std::size_t>(saved.skus_size()));
  for (int i = 0; i < saved.skus_size(); ++i) {
    Line line{static_cast<SkuNumber>(saved.skus(i))};
    if (kind == DocumentKind::delivery) {
      line.quantity = saved.quantities(i);
    } else {
      line.count = saved.counts_after(i) - 1;
    }
    if (kind == DocumentKind::order) {
      line.requested = saved.requested(i);
      line.confirmed = saved.confirmed(i);
    }
    if (kind == DocumentKind::visit) {
      line.price = saved.prices_after(i) - 1;
      line.shelf = static_cast<Shelf>(saved.shelves(i) & ((1U << kTagShift) - 1));
      line.price_tag = static_cast<PriceTag>(saved.shelves(i) >> kTagShift);
    }
    lines.push_back(line);
  }
  return lines;
}

// sign +1 takes a document in, -1 takes it out.
void fold_document(OutletFacts& facts, const Document& document, int sign, const MarketContext& context) {
  if (!document.counts) return;
  const auto day = context.calendar.day_of(document.counted().event_time);
  fold_activity(facts, day, sign);
  fold_stock(facts, document, day, sign);
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

std::vector<ActiveFrom> activity_of(const OutletFacts& facts) {
  std::vector<ActiveFrom> activity;
  activity.reserve(facts.assignments.size());
  for (const auto& assignment : facts.assignments) activity.push_back({assignment.from, assignment.active});
  return activity;
}

void forget_before(OutletFacts& facts, Day day, const MarketContext& context) {
  facts.kept_from = std::max(facts.kept_from, day);
  const auto begins = context.calendar.start_of(day);
  const auto is_old = [&](const std::unique_ptr<Document>& document) {
    return document->counted().event_time < begins;
  };
  if (std::none_of(facts.documents.begin(), facts.documents.end(), is_old)) return;
  const auto activity = activity_of(facts);
  for (auto& [number, sku] : facts.skus) fold_before(sku, day, activity, context.calendar);
  std::erase_if(facts.documents, [&](const std::unique_ptr<Document>& document) {
    if (!is_old(document)) return false;
    if (document->counts) fold_activity(facts, context.calendar.day_of(document->counted().event_time), -1);
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
  state.set_kept_from(facts.kept_from.number);
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
    saved.set_kind(static_cast<int>(document->kind));
    saved.set_document_id(document->id);
    saved.set_counts(document->counts);
    saved.set_is_return(document->is_return);
    saved.set_not_done(document->not_done);
    for (const auto& revision : document->revisions) {
      saved.add_revisions(revision.number);
      saved.add_event_times(revision.event_time);
      saved.add_contents(revision.content);
      save_event(revision.event, *saved.add_events());
    }
    save_lines(document->lines, document->kind, saved);
  }
  for (const auto& [number, sku] : facts.skus) {
    if (!sku.folded) continue;
    auto& saved = *state.add_openings();
    saved.set_sku(static_cast<std::uint32_t>(number));
    const auto& opening = *sku.folded;
    opening.book.save(*saved.mutable_book());
    if (opening.out_since) {
      saved.set_out(true);
      saved.set_out_since_ms(*opening.out_since);
      save_event(opening.out_event, *saved.mutable_out_event());
    }
    saved.set_requested_on(opening.requested_on.number);
    saved.set_last_request_short(opening.last_request_short);
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
  facts.kept_from = Day{state.kept_from()};
  for (const auto& saved : state.versions()) {
    facts.versions.push_back({Day{saved.valid_from()}, saved.cancelled(), saved.active(), load_place(saved)});
  }
  for (const auto& saved : state.assignments()) {
    facts.assignments.push_back({Day{saved.from()}, saved.active(), load_place(saved)});
  }
  for (const auto& saved : state.openings()) {
    auto opening = std::make_unique<Opening>();
    opening->book = Book::load(saved.book());
    if (saved.out()) {
      opening->out_since = saved.out_since_ms();
      opening->out_event = load_event(saved.out_event());
    }
    opening->requested_on = Day{saved.requested_on()};
    opening->last_request_short = saved.last_request_short();
    facts.skus[static_cast<SkuNumber>(saved.sku())].folded = std::move(opening);
  }
  facts.documents.reserve(static_cast<std::size_t>(state.documents_size()));
  for (const auto& saved : state.documents()) {
    auto document = std::make_unique<Document>();
    document->kind = static_cast<DocumentKind>(saved.kind());
    document->id = saved.document_id();
    document->counts = saved.counts();
    document->is_return = saved.is_return();
    document->not_done = saved.not_done();
    for (int i = 0; i < saved.revisions_size(); ++i) {
      document->revisions.push_back(
          {saved.revisions(i), saved.event_times(i), saved.contents(i), load_event(saved.events(i))});
    }
    document->lines = load_lines(document->kind, saved);
    count_document(facts, *document, context);
    facts.documents.push_back(std::move(document));
  }
  return facts;
}

}  // namespace fiverate
