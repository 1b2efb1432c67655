#include "processors/trade/facts/acceptance.h"

#include <xxhash.h>

#include <algorithm>

#include "schemas/check.h"
#include "schemas/decode.h"
#include "schemas/format.h"

namespace fiverate {
namespace {

// The instant from which on documents are compared with a record. Earlier documents count as unknown.
Millis memory_begins(Millis arrival, const MarketCalendar& calendar) {
  return calendar.start_of(calendar.day_of(arrival) - kMemoryDays);
}

// The document with this identity that is compared with a record; null if there is none.
Document* remembered(const OutletFacts& facts, DocumentKind kind, std::string_view id, Millis memory) {
  const auto [begin, end] = facts.documents.equal_range(DocumentOrder::Identity(kind, id));
  const auto found =
      std::find_if(begin, end, [&](const auto& document) { return document->counted().event_time >= memory; });
  return found == end ? nullptr : found->get();
}

Shelf shelf_of(const Visit::Check& check) {
  if (!check.has_on_shelf() && !check.has_facings() && !check.has_count()) return Shelf::not_recorded;
  const bool present = check.has_on_shelf()  ? check.on_shelf()
                       : check.has_facings() ? check.facings() > 0
                                             : check.count() > 0;
  return present ? Shelf::present : Shelf::empty;
}

PriceTag price_tag_of(const Visit::Check& check) {
  if (check.price_tag() == Visit::PRICE_TAG_UNSPECIFIED) return PriceTag::not_recorded;
  return check.price_tag() == Visit::OK ? PriceTag::ok : PriceTag::not_ok;
}

// The lines of an event. All of its SKUs must be known.
std::vector<Line> lines_of(const Event& event, const Catalogue& catalogue) {
  std::vector<Line> lines;
  const auto add = [&](const std::string& sku_id) -> Line& {
    const auto sku = catalogue.find(sku_id);
    CHECK(sku.has_value(), sku_id);
    return lines.emplace_back(Line{*sku});
  };
  for (const auto& ordered : event.order().lines()) {
    auto& line = add(ordered.sku_id());
    line.requested = ordered.requested();
    line.confirmed = ordered.confirmed();
    if (ordered.has_declared_stock()) line.count = ordered.declared_stock();
  }
  for (const auto& delivered : event.delivery().lines()) add(delivered.sku_id()).quantity = delivered.quantity();
  for (const auto& check : event.visit().checks()) {
    auto& line = add(check.sku_id());
    if (check.has_count()) line.count = check.count();
    if (check.has_retail_price_fen()) line.price = check.retail_price_fen();
    line.shelf = shelf_of(check);
    line.price_tag = price_tag_of(check);
  }
  return lines;
}

std::string lateness_text(Millis arrival, Millis event_time, Millis lateness) {
  return fmt::format("arrived {} ms after its event_time; {} ms are allowed", arrival - event_time, lateness);
}

std::int32_t documents_of(const OutletFacts& facts, Day day) {
  const auto found = facts.known_documents.find(day);
  return found == facts.known_documents.end() ? 0 : found->second;
}

std::string too_many_text(const Event& event, std::int32_t documents, std::int32_t pending, Day day, std::int32_t max) {
  return fmt::format("too_many_documents: outlet {} has {} documents of {}{}; {} are allowed", outlet_id_of(event),
                     documents + pending, format_date(day),
                     pending == 0 ? "" : fmt::format(", of which {} are pending", pending), max);
}

}  // namespace

Millis AcceptanceLimits::lateness_of(DocumentKind kind) const {
  switch (kind) {
    case DocumentKind::order:
      return order_lateness;
    case DocumentKind::delivery:
      return delivery_lateness;
    case DocumentKind::visit:
      return visit_lateness;
  }
  CHECK(false);
}

DocumentKind kind_of(const Event& event) {
  if (event.has_order()) return DocumentKind::order;
  if (event.has_delivery()) return DocumentKind::delivery;
  CHECK(event.has_visit());
  return DocumentKind::visit;
}

const std::string& document_id_of(const Event& event) {
  if (event.has_order()) return event.order().order_id();
  if (event.has_delivery()) return event.delivery().delivery_id();
  return event.visit().visit_id();
}

const std::string& outlet_id_of(const Event& event) {
  if (event.has_order()) return event.order().outlet_id();
  if (event.has_delivery()) return event.delivery().outlet_id();
  if (event.has_visit()) return event.visit().outlet_id();
  return event.outlet().outlet_id();
}

std::vector<std::string_view> sku_ids_of(const Event& event) {
  std::vector<std::string_view> ids;
  for (const auto& line : event.order().lines()) ids.push_back(line.sku_id());
  for (const auto& line : event.delivery().lines()) ids.push_back(line.sku_id());
  for (const auto& check : event.visit().checks()) ids.push_back(check.sku_id());
  return ids;
}

std::uint64_t content_of(const Event& event) {
  // Called once a record: each thread reuses its own buffer.
  thread_local std::string payload;
  payload.clear();
  const auto append = [&](const google::protobuf::MessageLite& message) { message.AppendPartialToString(&payload); };
  switch (event.payload_case()) {
    case Event::kOrder:
      append(event.order());
      break;
    case Event::kDelivery:
      append(event.delivery());
      break;
    case Event::kVisit:
      append(event.visit());
      break;
    case Event::kOutlet:
      append(event.outlet());
      break;
    case Event::kSku:
      append(event.sku());
      break;
    case Event::kRegion:
      append(event.region());
      break;
    case Event::kPolicy:
      append(event.policy());
      break;
    case Event::kTarget:
      append(event.target());
      break;
    case Event::kPlan:
      append(event.plan());
      break;
    case Event::kAllocation:
      append(event.allocation());
      break;
    case Event::kCalendar:
      append(event.calendar());
      break;
    case Event::kCommand:
      append(event.command());
      break;
    case Event::kMark:
      append(event.mark());
      break;
    case Event::PAYLOAD_NOT_SET:
      break;
  }
  const auto event_time = static_cast<std::uint64_t>(event_time_of(event));
  const auto seed = event_time * 2 + (event.cancelled() ? 1U : 0U);
  return XXH3_64bits_withSeed(payload.data(), payload.size(), seed) ^ static_cast<std::uint64_t>(event.payload_case());
}

ArrivedDocument::ArrivedDocument(const Event& document, Millis at, const Catalogue& catalogue)
    : event(document), arrival(at), lines(lines_of(document, catalogue)) {}

Verdict validate(const OutletFacts& facts, const ArrivedDocument& arrived, Day first_open_day,
                 const AcceptanceLimits& limits, const MarketContext& context, std::int32_t pending) {
  const auto reject = [](Reason reason, std::string detail) {
    return Verdict{Outcome::rejected, reason, std::move(detail)};
  };
  const auto& [event, arrival, kind, content, lines] = arrived;
  const auto& id = document_id_of(event);
  const auto event_time = event_time_of(event);
  const auto number = revision_of(event);
  const auto lateness = limits.lateness_of(kind);

  if (event_time > arrival + limits.future_skew) {
    return reject(Reason::future, fmt::format("event_time is {} ms after the arrival; {} ms are allowed",
                                              event_time - arrival, limits.future_skew));
  }
  if (arrival - event_time > lateness) return reject(Reason::late, lateness_text(arrival, event_time, lateness));

  const auto memory = memory_begins(arrival, context.calendar);
  for (const auto* other : documents_with_event(facts, event.event_id())) {
    if (other->kind != kind || other->counted().event_time < memory) continue;
    for (const auto& revision : other->revisions) {
      if (revision.event.event_id != event.event_id()) continue;
      if (other->id == id && revision.number == number && revision.content == content) return {Outcome::duplicate};
      return reject(Reason::event_id_conflict,
                    fmt::format("revision {} of {} already has this event_id", revision.number, other->id));
    }
  }

  const auto* known = remembered(facts, kind, id, memory);
  if (known == nullptr) {
    const auto day = context.calendar.day_of(event_time);
    if (!event.cancelled() && day < first_open_day) {
      return reject(Reason::late, "the day of its event_time is final");
    }
    const auto documents = documents_of(facts, day);
    if (documents + pending >= limits.outlet_day_documents_max) {
      return reject(Reason::bad_value, too_many_text(event, documents, pending, day, limits.outlet_day_documents_max));
    }
    return {Outcome::accepted};
  }
  const auto& document = *known;
  for (const auto& revision : document.revisions) {
    if (revision.number != number) continue;
    if (revision.content == content) return {Outcome::duplicate};
    return reject(Reason::revision_conflict,
                  fmt::format("revision {} is already known with different content", number));
  }
  const auto& counted = document.counted();
  if (number < counted.number) return {Outcome::superseded};
  if (arrival - counted.event_time > lateness) {
    return reject(Reason::late,
                  "for the revision that it would replace: " + lateness_text(arrival, counted.event_time, lateness));
  }
  const auto earliest = std::min(event_time, counted.event_time);
  if (context.calendar.day_of(earliest) < first_open_day) return reject(Reason::late, "it would change a final day");
  return {Outcome::accepted};
}

std::optional<std::string> too_many_to_wait(const OutletFacts& facts, const Event& event, Millis arrival,
                                            const AcceptanceLimits& limits, const MarketContext& context,
                                            std::int32_t pending) {
  const auto day = context.calendar.day_of(event_time_of(event));
  const bool is_known =
      remembered(facts, kind_of(event), document_id_of(event), memory_begins(arrival, context.calendar)) != nullptr;
  const auto documents = is_known ? 0 : documents_of(facts, day);
  if (documents + pending < limits.outlet_day_documents_max) return std::nullopt;
  return too_many_text(event, documents, pending, day, limits.outlet_day_documents_max);
}

Affected affected_by(const OutletFacts& facts, const ArrivedDocument& arrived, const MarketContext& context) {
  Affected affected;
  affected.kind = arrived.kind;
  affected.changed_from = event_time_of(arrived.event);
  affected.skus.reserve(arrived.lines.size());
  for (const auto& line : arrived.lines) affected.skus.insert(line.sku);
  affected.document =
      remembered(facts, arrived.kind, document_id_of(arrived.event), memory_begins(arrived.arrival, context.calendar));
  if (affected.document != nullptr) {
    affected.changed_from = std::min(affected.changed_from, affected.document->counted().event_time);
    for (const auto& line : affected.document->lines) affected.skus.insert(line.sku);
  }
  return affected;
}

const Document& remember(OutletFacts& facts, ArrivedDocument arrived, const EventRef& ref,
                         const MarketContext& context) {
  const auto& event = arrived.event;
  const auto kind = arrived.kind;
  const auto& id = document_id_of(event);
  const auto memory = memory_begins(arrived.arrival, context.calendar);
  auto* known = remembered(facts, kind, id, memory);
  if (known == nullptr) {
    auto made = std::make_unique<Document>();
    made->kind = kind;
    made->id = id;
    known = facts.documents.insert(std::move(made))->get();
  }
  auto& document = *known;

  const auto number = revision_of(event);
  const auto position = std::lower_bound(document.revisions.begin(), document.revisions.end(), number,
                                         [](const Revision& a, std::int64_t b) { return a.number < b; });
  const bool counts_now = position == document.revisions.end();
  if (counts_now && !document.revisions.empty()) uncount_document(facts, document, context);
  const auto revision = document.revisions.insert(position, {number, event_time_of(event), arrived.content, ref});
  index_event(facts, document, *revision);
  if (!counts_now) return document;

  document.not_done = !event.cancelled() && kind == DocumentKind::visit && event.visit().outcome() != Visit::DONE;
  document.counts = !event.cancelled() && !document.not_done;
  document.is_return = event.delivery().direction() == Delivery::RETURN;
  document.lines = document.counts ? std::move(arrived.lines) : std::vector<Line>{};
  count_document(facts, document, context);
  return document;
}

}  // namespace fiverate
