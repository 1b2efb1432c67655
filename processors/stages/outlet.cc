#include "processors/stages/outlet.h"

#include <algorithm>
#include <utility>

#include "processors/stages/topology.h"
#include "processors/trade/facts/acceptance.h"
#include "processors/trade/measures/timeline.h"

namespace fiverate {
namespace {

constexpr std::string_view kProgressKey = "progress";
// An outlet in memory has about so many times its encoded size: 13 times with 60 days of all kinds of documents, 45
// times with one delivery of 40 SKUs.
constexpr std::size_t kMemoryPerByte = 20;

Cause source_of(const LedgerRecord& ledger, const InRecord& record) {
  if (auto first = ledger.source().empty() ? std::nullopt : parse_cause(ledger.source())) return *std::move(first);
  return record.cause.value_or(Cause{});
}

}  // namespace

OutletStage::OutletStage(Settings settings, const MarketCalendar& calendar)
    : context_{std::move(settings), {calendar, {}, {}}, kNever, {}},
      definition_id_(definition_id(context_.settings.definition)),
      internal_(context_.settings.definition),
      sources_(source_inputs(without_extensions(context_.settings.definition)).size()),
      holds_(source_inputs(context_.settings.definition)),
      outlets_("o/", OutletRecordCodec{&context_.market}, context_.settings.cache_bytes / kMemoryPerByte),
      reference_(&context_.market.catalogue, nullptr, calendar),
      output_(context_),
      rules_(context_, output_),
      documents_(context_, rules_, output_),
      pending_(context_, output_) {
  context_.market.selection = selection_of(context_.settings.definition);
}

// ---- state ---------------------------------------------------------------------------------------------------------

Result<void> OutletStage::open(const Store& store) {
  outlets_.open(store);
  const auto saved = store.get(kProgressKey);
  if (!saved) return tl::make_unexpected(saved.error());
  if (*saved) {
    ProgressState progress;
    if (!progress.ParseFromString(**saved)) return damaged(store);
    sources_.load(progress);
    holds_.load(progress);
    context_.watermark = sources_.value();
    context_.reference_position = {progress.copied_until() - 1, progress.copied_index()};
  }
  TRY(output_.open(store));
  TRY(reference_.open(store));
  TRY(timers_.open(store));
  return pending_.open(store);
}

void OutletStage::save(StoreBatch& batch) {
  outlets_.save(batch);
  ProgressState progress;
  sources_.save(progress);
  holds_.save(progress);
  progress.set_copied_until(context_.reference_position.offset + 1);
  progress.set_copied_index(context_.reference_position.index);
  batch.put(std::string(kProgressKey), progress.SerializeAsString());
  output_.save(batch);
  reference_.save(batch);
  timers_.save(batch);
  pending_.save(batch);
}

// ---- records --------------------------------------------------------------------------------------------------------

Result<void> OutletStage::apply(const InRecord& record, Outbox& outbox) {
  // Reused from record to record: an arena for each record would cost more than the memory that the message keeps.
  thread_local LedgerRecord ledger;
  if (!ledger.ParseFromArray(record.value.data(), static_cast<int>(record.value.size()))) {
    return fail(Reaction::stop, "The record at offset {} of ledger partition {} cannot be parsed as a LedgerRecord.",
                record.offset, record.input.partition);
  }
  outlets_.encode_changes();
  output_.begin(record, outbox);
  switch (ledger.body_case()) {
    case LedgerRecord::kDefinition:
      TRY(check_definition(Topic::ledger, ledger.definition(), definition_id_));
      sources_.extend_to(source_inputs(ledger.definition()).size());
      holds_.extend_to(source_inputs(ledger.definition()));
      break;
    case LedgerRecord::kProgress:
      return on_progress(ledger, record.input.partition);
    case LedgerRecord::kEvent:
      TRY(on_event({ledger.event(), ledger.arrival_ms(), source_of(ledger, record)}));
      break;
    case LedgerRecord::kRejection:
      if (const auto reason = reason_named(ledger.rejection().reason()); reason && ledger.rejection().document()) {
        output_.count(quarantined_for(*reason), ledger.arrival_ms(), 1);
        output_.count_outcome(record.cause.value_or(Cause{}), ledger.arrival_ms(), true);
      }
      break;
    case LedgerRecord::BODY_NOT_SET:
      break;
  }
  if (output_.is_full()) output_.flush(false, false);
  return {};
}

Result<void> OutletStage::on_event(const LedgerEvent& event) {
  if (is_document(event.event.payload_case())) return on_document(event);
  if (event.event.has_outlet()) return on_version(event);
  if (event.event.has_sku()) return on_sku(event);
  return {};
}

Result<void> OutletStage::on_document(const LedgerEvent& document) {
  const auto& outlet_id = outlet_id_of(document.event);
  auto found = outlets_.change(outlet_id);
  if (!found) return tl::make_unexpected(found.error());
  auto& outlet = **found;
  outlet.latest_arrival = std::max(outlet.latest_arrival, document.arrival);
  documents_.forget_old(outlet);
  advance(outlet_id, outlet);
  const auto missing = missing_of(document.event, outlet, context_.market.catalogue);
  if (missing && pending_.is_expired(document.arrival)) {
    output_.quarantine(document, rejection_of(document.event, *missing));
  } else if (missing || outlet.pending.blocks(document.event)) {
    if (const auto too_many = documents_.too_many_to_wait(document, outlet)) {
      output_.quarantine(document, *too_many);
    } else {
      pending_.add(document, outlet);
    }
  } else {
    documents_.apply(document, outlet, pending_of_day(document.event, outlet, context_.market));
  }
  schedule(outlet_id, outlet);
  return {};
}

Result<void> OutletStage::on_version(const LedgerEvent& version) {
  const auto& outlet_id = outlet_id_of(version.event);
  auto found = outlets_.change(outlet_id);
  if (!found) return tl::make_unexpected(found.error());
  auto& outlet = **found;
  outlet.latest_arrival = std::max(outlet.latest_arrival, version.arrival);
  advance(outlet_id, outlet);
  documents_.apply_version(version, outlet);
  TRY(pending_.on_known({Reason::unknown_outlet, outlet_id}, outlet_id, outlet));
  apply_ready(outlet);
  schedule(outlet_id, outlet);
  return {};
}

Result<void> OutletStage::on_sku(const LedgerEvent& sku) {
  reference_.apply(sku.event, sku.arrival);
  const auto& sku_id = sku.event.sku().sku_id();
  for (const auto& outlet_id : pending_.pop_outlets_waiting_for(sku_id)) {
    auto outlet = outlets_.change(outlet_id);
    if (!outlet) return tl::make_unexpected(outlet.error());
    advance(outlet_id, **outlet);
    TRY(pending_.on_known({Reason::unknown_sku, sku_id}, outlet_id, **outlet));
    apply_ready(**outlet);
    schedule(outlet_id, **outlet);
  }
  return {};
}

void OutletStage::apply_ready(OutletRecord& outlet) {
  // Each of them had a place of its day while it was pending, so the other pending ones take none from it.
  while (const auto ready = pending_.pop_ready(outlet)) {
    documents_.apply({ready->event(), ready->arrival_ms(), source_of(*ready)}, outlet, 0);
  }
}

// ---- time -----------------------------------------------------------------------------------------------------------

Result<void> OutletStage::on_progress(const LedgerRecord& record, std::int32_t partition) {
  const auto& progress = record.progress();
  sources_.apply(progress);
  // Every ledger partition has the same reports. One task forwards them.
  const bool holds_changed = partition == 0 && holds_.apply(progress);
  context_.reference_position =
      std::max(context_.reference_position, CausePosition{progress.copied_until() - 1, progress.copied_index()});
  const auto clock = sources_.value();
  bool is_new_minute = false;
  if (clock > context_.watermark) {
    const auto& calendar = context_.market.calendar;
    const auto today = calendar.day_of(clock);
    // Each midnight on the way has its flush and its seal. The first watermark closes all earlier days at once.
    const auto first = context_.watermark == kNever ? today : calendar.day_of(context_.watermark) + 1;
    for (auto day = first; day <= today; day = day + 1) {
      TRY(advance_to(calendar.start_of(day)));
      output_.flush(false, true);
      output_.write_seal(partition, day - 1);
    }
    is_new_minute = clock / kMinuteMs != context_.watermark / kMinuteMs || clock == context_.watermark;
    TRY(advance_to(clock));
  }
  if (holds_changed) {
    const bool has_clock = context_.watermark != kNever;
    output_.send_with_next_flush(holds_.records(has_clock ? context_.watermark : record.arrival_ms()));
  }
  output_.flush(true, is_new_minute);
  return {};
}

Result<void> OutletStage::advance_to(Millis clock) {
  while (const auto timer = timers_.first_due(clock)) {
    // The watermark stops at each timer, so that a long step has the same effect as many short ones.
    context_.watermark = std::max(context_.watermark, timer->due);
    TRY(on_timer(timer->outlet_id));
  }
  context_.watermark = std::max(context_.watermark, clock);
  return {};
}

Result<void> OutletStage::on_timer(const std::string& outlet_id) {
  auto found = outlets_.change(outlet_id);
  if (!found) return tl::make_unexpected(found.error());
  auto& outlet = **found;
  advance(outlet_id, outlet);
  while (const auto expired = pending_.pop_expired(outlet_id, outlet)) {
    const auto& [record, missing] = *expired;
    output_.quarantine({record.event(), record.arrival_ms(), source_of(record)}, rejection_of(record.event(), missing));
    apply_ready(outlet);
  }
  schedule(outlet_id, outlet);
  return {};
}

void OutletStage::advance(const std::string& outlet_id, OutletRecord& outlet) {
  documents_.advance(outlet);
  rules_.advance(outlet_id, outlet);
}

void OutletStage::schedule(const std::string& outlet_id, OutletRecord& outlet) {
  auto due = kNever;
  const auto at = [&](Millis time) {
    if (time != kNever) due = due == kNever ? time : std::min(due, time);
  };
  if (const auto end = activity_ends(outlet.facts)) at(context_.market.calendar.start_of(*end));
  at(rules_.next_due(outlet));
  at(pending_.next_expiry(outlet));
  timers_.schedule(outlet_id, outlet.due, due);
  outlet.due = due;
}

}  // namespace fiverate
