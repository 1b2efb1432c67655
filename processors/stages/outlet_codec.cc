#include "processors/stages/outlet_codec.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "processors/stages/flat_record.h"
#include "schemas/decode.h"

namespace fiverate {
namespace {

constexpr std::int32_t kFormat = 1;
constexpr std::int64_t kQuantityMax = 1'000'000'000;          // The largest of decode().
constexpr std::int64_t kEventTimeEnds = 253'402'300'800'000;  // the year 10000

// ---- fields of values, for both directions ----

void event_fields(auto& record, auto& event) {
  record.text(event.event_id);
  record.integer(event.offset);
  if (event.offset < 0) return;
  record.integer(event.topic, 0, static_cast<std::int64_t>(kTopicCount) - 1);
  record.integer(event.partition);
}

template <typename Record, typename Severity>
void severity_field(Record& record, Severity& severity) {
  record.integer(severity, Transition::Severity_MIN, Transition::Severity_MAX);
}

void book_fields(auto& record, auto& book) {
  record.optional(book.accepted, [&](auto& count) {
    record.integer(count.quantity);
    record.time(count.time);
    record.day(count.day);
    event_fields(record, count.event);
  });
  record.day(book.first_accepted_day);
  record.integer(book.moved_since_accepted);
  record.flag(book.rejected);
  record.integer(book.rejected_quantity);
  record.time(book.rejected_time);
  record.integer(book.moved_since_rejected);
  record.integer(book.latest, 0, static_cast<std::int64_t>(Book::Latest::positive));
  record.day(book.latest_day);
  record.day(book.zero_since);
  record.integer(book.delivered_before_zero);
  record.day(book.last_out_day);
  record.list(book.delivered, [&](auto& delivered) {
    record.day(delivered.day);
    record.integer(delivered.quantity);
    record.integer(delivered.lines);
  });
  record.integer(book.level);
  record.day(book.anchor);
  record.integer(book.rate);
  record.list(book.pairs, [&](auto& pair) {
    record.day(pair.later);
    record.integer(pair.sold);
    record.integer(pair.days);
  });
}

// All of an opening but its book.
void opening_fields(auto& record, auto& opening) {
  record.optional(opening.out_since, [&](auto& since) { record.time(since); });
  if (opening.out_since) event_fields(record, opening.out_event);
  record.day(opening.requested_on);
  record.flag(opening.last_request_short);
}

void quantity_field(auto& record, auto& quantity) {
  record.integer(quantity, 0, kQuantityMax);
}
void optional_quantity_field(auto& record, auto& quantity) {
  record.integer(quantity, kAbsent, kQuantityMax);
}

// Only the fields that this kind of document has. `skus` is the number of SKUs in the catalogue.
void line_fields(auto& record, auto& line, DocumentKind kind, std::size_t skus) {
  record.integer(line.sku, 0, static_cast<std::int64_t>(skus) - 1);
  switch (kind) {
    case DocumentKind::delivery:
      return quantity_field(record, line.quantity);
    case DocumentKind::order:
      quantity_field(record, line.requested);
      quantity_field(record, line.confirmed);
      return optional_quantity_field(record, line.count);
    case DocumentKind::visit:
      optional_quantity_field(record, line.count);
      optional_quantity_field(record, line.price);
      record.integer(line.shelf, 0, static_cast<std::int64_t>(Shelf::present));
      return record.integer(line.price_tag, 0, static_cast<std::int64_t>(PriceTag::not_ok));
  }
}

void document_fields(auto& record, auto& document, std::size_t skus) {
  record.integer(document.kind, 0, static_cast<std::int64_t>(DocumentKind::visit));
  record.text(document.id);
  record.list(document.revisions, [&](auto& revision) {
    record.integer(revision.number);
    record.time(revision.event_time);
    record.hash(revision.content);
    event_fields(record, revision.event);
  });
  record.flag(document.counts);
  record.flag(document.is_return);
  record.flag(document.not_done);
  record.list(document.lines, [&](auto& line) { line_fields(record, line, document.kind, skus); });
}

void daily_fields(auto& record, auto& alert) {
  record.flag(alert.firing);
  record.integer(alert.episode);
  severity_field(record, alert.severity);
  record.integer(alert.held);
  record.integer(alert.cleared);
  record.integer(alert.transitions);
  record.time(alert.since);
}

void alert_fields(auto& record, auto& alert) {
  record.time(alert.due);
  record.integer(alert.confirmed_transitions);
  record.integer(alert.confirmed_episodes);
  record.list(alert.published, [&](auto& stockout) {
    record.integer(stockout.episode);
    record.time(stockout.start);
    record.time(stockout.end);
    severity_field(record, stockout.severity);
    event_fields(record, stockout.begun_by);
  });
  record.integer(alert.predicted_transitions);
  record.integer(alert.predicted_episodes);
  record.flag(alert.predicted);
  record.time(alert.predicted_since);
  severity_field(record, alert.predicted_severity);
  record.optional(alert.predicted_by, [&](auto& event) { event_fields(record, event); });
  daily_fields(record, alert.overstock.state);
  record.day(alert.overstock.evaluated_through);
}

void clock_fields(auto& record, auto& outlet) {
  record.time(outlet.latest_arrival);
  record.time(outlet.due);
  record.day(outlet.facts.clock_day);
  record.day(outlet.facts.kept_from);
  record.flag(outlet.facts.known);
}

void version_fields(auto& record, auto& version) {
  record.day(version.valid_from);
  record.flag(version.cancelled);
  record.flag(version.active);
}

void assignment_fields(auto& record, auto& assignment) {
  record.day(assignment.from);
  record.flag(assignment.in_population);
}

// ---- segments by their names ----

void write_segment(FlatWriter& record, SegmentNumber number, const MarketContext& context) {
  const auto& segment = context.segments.segment(number);
  record.text(segment.region_id);
  record.list(segment.classes, [&](const ClassKey& key) {
    record.text(key.dimension);
    record.text(key.value);
  });
}

void read_segment(FlatReader& record, SegmentNumber& number, MarketContext& context) {
  std::string region_id;
  std::vector<ClassValue> classes;
  record.text(region_id);
  record.list(classes, [&](ClassValue& value) {
    record.text(*value.mutable_dimension());
    record.text(*value.mutable_value());
  });
  if (record.is_valid()) number = context.segments.number_of(region_id, classes);
}

// ---- an outlet ----

SkuNumber read_sku(FlatReader& record, const MarketContext& context) {
  SkuNumber sku{};
  record.integer(sku, 0, static_cast<std::int64_t>(context.catalogue.size()) - 1);
  return sku;
}

bool is_valid(const Document& document) {
  return !document.revisions.empty() &&
         std::all_of(document.revisions.begin(), document.revisions.end(), [](const Revision& revision) {
           return revision.event_time >= 0 && revision.event_time < kEventTimeEnds;
         });
}

void read_facts(FlatReader& record, OutletFacts& facts, MarketContext& context) {
  record.list(facts.versions, [&](Version& version) {
    version_fields(record, version);
    read_segment(record, version.segment, context);
  });
  record.list(facts.assignments, [&](Assignment& assignment) {
    assignment_fields(record, assignment);
    read_segment(record, assignment.segment, context);
  });
  for (auto openings = record.read_size(); openings > 0 && record.is_valid(); --openings) {
    const auto sku = read_sku(record, context);
    Book::State book;
    Opening opening;
    book_fields(record, book);
    opening_fields(record, opening);
    opening.book = Book(std::move(book));
    if (record.is_valid()) facts.skus[sku].restore(std::move(opening));
  }
  for (auto documents = record.read_size(); documents > 0 && record.is_valid(); --documents) {
    auto document = std::make_unique<Document>();
    document_fields(record, *document, context.catalogue.size());
    if (!is_valid(*document)) record.invalidate();
    facts.documents.insert(facts.documents.end(), std::move(document));
  }
}

void write_facts(FlatWriter& record, const OutletFacts& facts, const MarketContext& context) {
  record.list(facts.versions, [&](const Version& version) {
    version_fields(record, version);
    write_segment(record, version.segment, context);
  });
  record.list(facts.assignments, [&](const Assignment& assignment) {
    assignment_fields(record, assignment);
    write_segment(record, assignment.segment, context);
  });
  record.integer(
      std::count_if(facts.skus.begin(), facts.skus.end(), [](const auto& entry) { return entry.second.is_folded(); }));
  for (const auto& [sku, sku_facts] : facts.skus) {
    if (!sku_facts.is_folded()) continue;
    record.integer(sku);
    book_fields(record, sku_facts.opening().book.state());
    opening_fields(record, sku_facts.opening());
  }
  record.list(facts.documents,
              [&](const auto& document) { document_fields(record, *document, context.catalogue.size()); });
}

void read_alerts(FlatReader& record, OutletAlerts& alerts, const MarketContext& context) {
  auto skus = record.read_size();
  alerts.reserve(skus);
  for (; skus > 0 && record.is_valid(); --skus) {
    const auto sku = read_sku(record, context);
    alert_fields(record, alerts[sku]);
  }
}

// Only those of which something has been published or evaluated.
void write_alerts(FlatWriter& record, const OutletAlerts& alerts) {
  record.integer(
      std::count_if(alerts.begin(), alerts.end(), [](const auto& entry) { return !entry.second.is_initial(); }));
  for (const auto& [sku, alert] : alerts) {
    if (alert.is_initial()) continue;
    record.integer(sku);
    alert_fields(record, alert);
  }
}

void read_pending(FlatReader& record, OutletRecord& outlet, const MarketContext& context) {
  for (auto records = record.read_size(); records > 0 && record.is_valid(); --records) {
    std::string bytes;
    PendingRecord pending;
    record.text(bytes);
    if (!pending.ParseFromString(bytes) || !is_document(pending.event().payload_case())) return record.invalidate();
    add_pending(std::move(pending), outlet, context);
  }
}

}  // namespace

Result<OutletRecord> OutletRecordCodec::decode(std::string_view bytes) const {
  FlatReader record(bytes);
  OutletRecord outlet;
  std::int32_t format = 0;
  record.integer(format, kFormat, kFormat);
  clock_fields(record, outlet);
  read_facts(record, outlet.facts, *context);
  read_alerts(record, outlet.alerts, *context);
  read_pending(record, outlet, *context);
  if (!record.is_complete()) return fail(Reaction::stop, "not the record of an outlet");
  derive(outlet.facts, *context);
  return outlet;
}

std::string OutletRecordCodec::encode(const OutletRecord& outlet) const {
  thread_local FlatWriter record;
  record.begin();
  record.integer(kFormat);
  clock_fields(record, outlet);
  write_facts(record, outlet.facts, *context);
  write_alerts(record, outlet.alerts);
  std::size_t pending = 0;
  outlet.pending.each([&](const PendingRecord&) { ++pending; });
  record.integer(pending);
  outlet.pending.each([&](const PendingRecord& one) { record.text(one.SerializeAsString()); });
  return std::string(record.bytes());
}

}  // namespace fiverate
