#include "processors/trade/facts/outlet_facts.h"

#include <algorithm>

#include "schemas/check.h"

namespace fiverate {
namespace {

constexpr std::int64_t kShortTenths = 8;  // An order line is short if less than 80 % of it was confirmed.

// Adds the stock facts and requests of a document (sign +1), or removes them (sign -1).
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

// Adds a document to the derived facts (sign +1), or removes it (sign -1).
void fold_document(OutletFacts& facts, const Document& document, int sign, const MarketContext& context) {
  if (!document.counts) return;
  const auto day = context.calendar.day_of(document.counted().event_time);
  fold_activity(facts, day, sign);
  fold_stock(facts, document, day, sign);
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
}

std::vector<PopulationFrom> population_of(const OutletFacts& facts) {
  std::vector<PopulationFrom> population;
  population.reserve(facts.assignments.size());
  for (const auto& assignment : facts.assignments) population.push_back({assignment.from, assignment.in_population});
  return population;
}

void forget_before(OutletFacts& facts, Day day, const MarketContext& context) {
  facts.kept_from = std::max(facts.kept_from, day);
  const auto begins = context.calendar.start_of(day);
  const auto is_old = [&](const std::unique_ptr<Document>& document) {
    return document->counted().event_time < begins;
  };
  if (std::none_of(facts.documents.begin(), facts.documents.end(), is_old)) return;
  const auto population = population_of(facts);
  for (auto& [number, sku] : facts.skus) fold_before(sku, day, population, context.calendar);
  std::erase_if(facts.documents, [&](const std::unique_ptr<Document>& document) {
    if (!is_old(document)) return false;
    if (document->counts) fold_activity(facts, context.calendar.day_of(document->counted().event_time), -1);
    return true;
  });
}

}  // namespace fiverate
