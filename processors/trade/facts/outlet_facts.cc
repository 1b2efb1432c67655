#include "processors/trade/facts/outlet_facts.h"

#include <algorithm>
#include <functional>
#include <iterator>

#include "schemas/check.h"

namespace fiverate {
namespace {

constexpr std::int64_t kShortTenths = 8;  // An order line is short if less than 80 % of it was confirmed.

// Calls `add` with each stock fact and request of a document and its SKU.
template <typename Add>
void each_fact(OutletFacts& facts, const Document& document, Day day, Add&& add) {
  const auto time = document.counted().event_time;
  if (facts.skus.size() < document.lines.size()) facts.skus.reserve(document.lines.size());
  for (const auto& line : document.lines) {
    auto& sku = facts.skus[line.sku];
    if (line.quantity > 0) {
      add(sku, Fact{time, day, document.is_return ? FactKind::returned : FactKind::out, line.quantity, &document});
    }
    if (line.count != kAbsent) {
      const auto kind = document.kind == DocumentKind::visit ? FactKind::counted : FactKind::declared;
      add(sku, Fact{time, day, kind, line.count, &document});
    }
    if (line.requested > 0) {
      add(sku, Request{time, day, 10 * line.confirmed < kShortTenths * line.requested, &document});
    }
  }
}

void add_one(std::map<Day, std::int32_t>& documents, Day day, int sign) {
  const auto at = documents.try_emplace(day, 0).first;
  at->second += sign;
  CHECK(at->second >= 0, day.number);
  if (at->second == 0) documents.erase(at);
}

// Adds a document to the numbers by day (sign +1), or removes it (sign -1).
void count_on_day(OutletFacts& facts, const Document& document, Day day, int sign) {
  add_one(facts.known_documents, day, sign);
  if (!document.counts) return;
  add_one(facts.active_documents, day, sign);
  if (document.kind == DocumentKind::order) add_one(facts.order_documents, day, sign);
}

std::size_t event_hash(std::string_view event_id) {
  return std::hash<std::string_view>{}(event_id);
}

void forget_events(OutletFacts& facts, const Document& document) {
  for (const auto& revision : document.revisions) {
    auto [at, end] = facts.by_event_id.equal_range(event_hash(revision.event.event_id));
    while (at != end) at = at->second == &document ? facts.by_event_id.erase(at) : std::next(at);
  }
}

void derive_activity(OutletFacts& facts) {
  Intervals active;
  for (const auto& [day, documents] : facts.active_documents) append(active, {day, day + kActiveDays});
  facts.activity = {};
  if (activity_ends(facts)) {
    active.back().to = kEndOfDays;
    facts.activity.open_since = active.back().from;
  }
  for (std::size_t i = 0; i < facts.assignments.size(); ++i) {
    const auto& assignment = facts.assignments[i];
    const auto to = i + 1 < facts.assignments.size() ? facts.assignments[i + 1].from : kEndOfDays;
    const Interval days{assignment.from, to};
    facts.activity.stretches.push_back({days, assignment.segment, assignment.in_population,
                                        assignment.in_population ? intersection({days}, active) : Intervals{}});
  }
}

void derive_population(OutletFacts& facts) {
  facts.population.clear();
  for (const auto& assignment : facts.assignments) {
    facts.population.push_back({assignment.from, assignment.in_population});
  }
}

// The assignments by the versions alone. The segment of the first version also applies to the days before it, on which
// the outlet is not in the population.
std::vector<Assignment> assignments_of(const std::vector<Version>& versions) {
  std::vector<Assignment> assignments;
  for (const auto& version : versions) {
    if (version.cancelled) continue;
    if (assignments.empty()) assignments.push_back({kNoDay, false, version.segment});
    assignments.push_back({version.valid_from, version.active, version.segment});
  }
  return assignments;
}

// Adds the SKUs of all documents at once: one by one, each would move the others.
void add_skus(OutletFacts& facts) {
  std::vector<SkuNumber> skus;
  for (const auto& document : facts.documents) {
    if (!document->counts) continue;
    for (const auto& line : document->lines) skus.push_back(line.sku);
  }
  std::sort(skus.begin(), skus.end());
  skus.erase(std::unique(skus.begin(), skus.end()), skus.end());
  facts.skus.reserve(skus.size() + facts.skus.size());
  for (const auto sku : skus) facts.skus.try_emplace(sku);
}

}  // namespace

void count_document(OutletFacts& facts, const Document& document, const MarketContext& context) {
  const auto day = context.calendar.day_of(document.counted().event_time);
  count_on_day(facts, document, day, +1);
  if (!document.counts) return;
  each_fact(facts, document, day, [&](SkuFacts& sku, const auto& fact) {
    sku.insert(fact);
    if (sku.is_checkpoint_due()) sku.add_checkpoints(facts.population, context.calendar);
  });
  if (day < facts.activity.open_since) derive_activity(facts);
}

void uncount_document(OutletFacts& facts, const Document& document, const MarketContext& context) {
  const auto day = context.calendar.day_of(document.counted().event_time);
  count_on_day(facts, document, day, -1);
  if (!document.counts) return;
  each_fact(facts, document, day, [](SkuFacts& sku, const auto& fact) { sku.erase(fact); });
  derive_activity(facts);
}

void index_event(OutletFacts& facts, const Document& document, const Revision& revision) {
  facts.by_event_id.emplace(event_hash(revision.event.event_id), &document);
}

std::vector<const Document*> documents_with_event(const OutletFacts& facts, std::string_view event_id) {
  std::vector<const Document*> found;
  const auto [begin, end] = facts.by_event_id.equal_range(event_hash(event_id));
  for (auto at = begin; at != end; ++at) found.push_back(at->second);
  return found;
}

void derive(OutletFacts& facts, const MarketContext& context) {
  add_skus(facts);
  for (const auto& document : facts.documents) {
    for (const auto& revision : document->revisions) index_event(facts, *document, revision);
    const auto day = context.calendar.day_of(document->counted().event_time);
    count_on_day(facts, *document, day, +1);
    if (!document->counts) continue;
    each_fact(facts, *document, day, [](SkuFacts& sku, const auto& fact) { sku.append(fact); });
  }
  derive_population(facts);
  derive_activity(facts);
  for (auto& [number, sku] : facts.skus) {
    sku.sort();
    sku.add_checkpoints(facts.population, context.calendar);
  }
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
  at->segment = context.segments.number_of(outlet.region_id(), classes);

  // Final days keep their assignments. From the first open day on the versions decide.
  auto assignments = std::move(facts.assignments);
  std::erase_if(assignments, [&](const Assignment& old) { return old.from >= first_open_day; });
  const auto by_versions = assignments_of(facts.versions);
  if (assignments.empty() && !by_versions.empty() && first_open_day > kNoDay)
    assignments.push_back(by_versions.front());
  auto next = std::upper_bound(by_versions.begin(), by_versions.end(), first_open_day,
                               [](Day a, const Assignment& b) { return a < b.from; });
  if (next != by_versions.begin()) {
    assignments.push_back({first_open_day, (next - 1)->in_population, (next - 1)->segment});
  } else if (!assignments.empty()) {
    assignments.push_back({first_open_day, false, kNoSegment});  // No version is left.
  }
  assignments.insert(assignments.end(), next, by_versions.end());
  // If two assignments begin on one day, the later one in this list applies.
  facts.assignments.clear();
  for (const auto& assignment : assignments) {
    if (!facts.assignments.empty() && facts.assignments.back().from == assignment.from) facts.assignments.pop_back();
    facts.assignments.push_back(assignment);
  }
  derive_population(facts);
  derive_activity(facts);
  for (auto& [number, sku] : facts.skus) {
    sku.drop_walks();
    sku.add_checkpoints(facts.population, context.calendar);
  }
}

std::optional<Day> activity_ends(const OutletFacts& facts) {
  if (facts.active_documents.empty()) return std::nullopt;
  const auto end = facts.active_documents.rbegin()->first + kActiveDays;
  if (end <= facts.clock_day) return std::nullopt;  // It has ended, and its end has been sent.
  return end;
}

void pass_time(OutletFacts& facts, Day today) {
  const bool was_open = activity_ends(facts).has_value();
  facts.clock_day = today;
  if (was_open != activity_ends(facts).has_value()) derive_activity(facts);
}

SegmentNumber OutletActivity::segment_on(Day day) const {
  auto segment = kNoSegment;
  for (const auto& stretch : stretches) {
    if (stretch.days.from > day) break;
    segment = stretch.segment;
  }
  return segment;
}

void forget_before(OutletFacts& facts, Day day, const MarketContext& context) {
  facts.kept_from = std::max(facts.kept_from, day);
  if (facts.known_documents.empty() || facts.known_documents.begin()->first >= day) return;
  for (auto& [number, sku] : facts.skus) fold_before(sku, day, facts.population, context.calendar);
  std::erase_if(facts.documents, [&](const std::unique_ptr<Document>& document) {
    const auto on = context.calendar.day_of(document->counted().event_time);
    if (on >= day) return false;
    count_on_day(facts, *document, on, -1);
    forget_events(facts, *document);
    return true;
  });
  derive_activity(facts);
}

}  // namespace fiverate
