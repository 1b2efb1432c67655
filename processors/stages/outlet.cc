#include "processors/stages/outlet.h"

#include <algorithm>
#include <charconv>

#include "metrics.pb.h"
#include "processors/stages/seal.h"
#include "processors/stages/state_codec.h"
#include "processors/stream/key_parts.h"
#include "processors/trade/measures/timeline.h"
#include "processors/trade/rows/prices.h"
#include "schemas/check.h"
#include "schemas/decode.h"
#include "schemas/format.h"

namespace fiverate {
namespace {

// Keys of the store beside the outlets ("o/<outlet>"):
//   c/<due, 16 hex digits><outlet>   calendar         s/<sku>   SkuState
//   w/<sku, outlet>                  waits for a SKU  progress, first_day, seal
constexpr std::string_view kCalendarPrefix = "c/";
constexpr std::string_view kSkuPrefix = "s/";
constexpr std::string_view kWaitPrefix = "w/";
constexpr std::string_view kProgressKey = "progress";
// About so many times what it takes encoded an outlet takes in memory: 13 with 60 days of all kinds of documents, 45 with one delivery
// of 40 SKUs.
constexpr std::size_t kMemoryPerByte = 20;
constexpr std::string_view kFirstDayKey = "first_day";
constexpr std::string_view kOutletSealKey = "seal";
constexpr std::size_t kDueDigits = 16;

std::string calendar_key(Millis due, std::string_view outlet_id) {
  return fmt::format("{}{:0{}x}{}", kCalendarPrefix, due, kDueDigits, outlet_id);
}

// Where the record stood in the source topics.
EventRef event_ref(std::string event_id, const Cause& cause) {
  EventRef ref{std::move(event_id)};
  const auto slash = cause.sender.rfind('/');
  if (slash == std::string::npos) return ref;
  const auto topic = topic_named(cause.sender.substr(0, slash));
  if (!topic) return ref;
  ref.topic = *topic;
  std::from_chars(cause.sender.data() + slash + 1, cause.sender.data() + cause.sender.size(), ref.partition);
  ref.offset = cause.position.offset;
  return ref;
}

std::string wait_key(std::string_view sku_id, std::string_view outlet_id) {
  return std::string(kWaitPrefix) + joined_parts({sku_id, outlet_id});
}

}  // namespace

Day first_open_day(Millis clock, const MarketCalendar& calendar) {
  return clock == kNever ? kNoDay : calendar.day_of(clock - kFinalAfter);
}

OutletStage::OutletStage(Settings settings, const MarketCalendar& calendar)
    : settings_(std::move(settings)),
      definition_bytes_(definition_bytes(settings_.definition)),
      context_{calendar, {}, {}},
      limits_{settings_.definition.order_lateness_ms(), settings_.definition.delivery_lateness_ms(), settings_.definition.visit_lateness_ms(),
              settings_.definition.future_skew_ms()},
      sources_(source_inputs(settings_.definition).size()),
      outlets_("o/", RecordCodec{&context_}, settings_.cache_bytes / kMemoryPerByte) {}

// ---- state ---------------------------------------------------------------------------------------------------------

Result<OutletStage::OutletRecord> OutletStage::RecordCodec::decode(std::string_view bytes) const {
  OutletState state;
  if (!state.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) || !is_valid(state, context->catalogue.size())) {
    return fail(Reaction::stop, "not an OutletState");
  }
  OutletRecord record;
  record.facts = load(state, *context);
  record.alerts = load_alerts(state);
  record.latest_arrival = state.latest_arrival();
  record.due = state.due_ms();
  for (auto& saved : *state.mutable_parked()) {
    record.parked.push_back({std::move(*saved.mutable_event()), saved.arrival_ms(),
                             Cause{saved.sender(), {saved.offset(), saved.index()}}});
  }
  return record;
}

std::string OutletStage::RecordCodec::encode(const OutletRecord& record) const {
  OutletState state;
  fiverate::save(record.facts, *context, state);
  fiverate::save(record.alerts, state);
  state.set_latest_arrival(record.latest_arrival);
  state.set_due_ms(record.due);
  for (const auto& parked : record.parked) {
    auto& saved = *state.add_parked();
    *saved.mutable_event() = parked.event;
    saved.set_arrival_ms(parked.arrival);
    saved.set_sender(parked.cause.sender);
    saved.set_offset(parked.cause.position.offset);
    saved.set_index(parked.cause.position.index);
  }
  return state.SerializeAsString();
}

Result<void> OutletStage::open(const Store& store) {
  outlets_.open(store);
  const auto progress = store.get(kProgressKey);
  if (!progress) return tl::make_unexpected(progress.error());
  if (*progress) {
    ProgressState state;
    if (!state.ParseFromString(**progress)) return damaged(store);
    sources_.load(state);
    copied_ = {state.copied_until() - 1, state.copied_index()};
    watermark_ = sources_.value();
  }
  const auto first_day = store.get(kFirstDayKey);
  if (!first_day) return tl::make_unexpected(first_day.error());
  if (*first_day) std::from_chars((*first_day)->data(), (*first_day)->data() + (*first_day)->size(), first_day_.number);
  const auto seal = store.get(kOutletSealKey);
  if (!seal) return tl::make_unexpected(seal.error());
  if (*seal && !seal_.ParseFromString(**seal)) return damaged(store);

  TRY(read_messages<SkuState>(store, kSkuPrefix, [&](std::string_view, const SkuState& state) {
    if (!is_valid(state)) return false;
    restore(state, context_.catalogue);
    return true;
  }));
  TRY(read_all(store, kCalendarPrefix, [&](std::string_view key, std::string_view) {
    if (key.size() < kDueDigits) return false;
    Millis due = 0;
    std::from_chars(key.data(), key.data() + kDueDigits, due, 16);
    calendar_.emplace(due, std::string(key.substr(kDueDigits)));
    return true;
  }));
  return read_all(store, kWaitPrefix, [&](std::string_view key, std::string_view) {
    auto parts = split_parts(key);
    if (parts.size() != 2) return false;
    wait_for_sku_[std::move(parts[0])].insert(std::move(parts[1]));
    return true;
  });
}

void OutletStage::save(StoreBatch& batch) {
  outlets_.save(batch);
  for (auto& change : unsaved_.changes) batch.changes.push_back(std::move(change));
  unsaved_.changes.clear();
  ProgressState progress;
  sources_.save(progress);
  progress.set_copied_until(copied_.offset + 1);
  progress.set_copied_index(copied_.index);
  batch.put(std::string(kProgressKey), progress.SerializeAsString());
  batch.put(std::string(kFirstDayKey), fmt::format("{}", first_day_.number));
  batch.put(std::string(kOutletSealKey), seal_.SerializeAsString());
}

Result<void> OutletStage::resume(std::string_view tally) {
  merge_ = {};
  records_since_cut_ = 0;
  if (seal_.ParseFromArray(tally.data(), static_cast<int>(tally.size()))) return {};
  return fail(Reaction::stop, "What the group keeps of the seal of an outlet task cannot be read.");
}

// ---- one record -----------------------------------------------------------------------------------------------------

Result<void> OutletStage::apply(const InRecord& record, Outbox& outbox) {
  // An arena for each record would cost more than the message that is kept.
  thread_local LedgerRecord ledger;
  if (!ledger.ParseFromArray(record.value.data(), static_cast<int>(record.value.size()))) {
    return fail(Reaction::stop, "The ledger holds a record that is none, at offset {} of partition {}.", record.offset,
                record.input.partition);
  }
  outlets_.encode_changes();
  wanted_ = outbox.outputs_enabled();
  if (wanted_) {
    ++records_since_cut_;
    chain_record(record.key, record.value, seal_);
    seal_.set_next_offset(record.offset + 1);
  }
  const auto arrival = ledger.arrival_ms();
  const auto cause = record.cause.value_or(Cause{});
  switch (ledger.body_case()) {
    case LedgerRecord::kDefinition:
      TRY(check_definition(Topic::ledger, ledger.definition(), definition_bytes_));
      break;
    case LedgerRecord::kProgress:
      return on_progress(ledger.progress(), record.input.partition, outbox);
    case LedgerRecord::kEvent:
      if (is_document(ledger.event().payload_case())) {
        TRY(on_document(ledger.event(), arrival, cause, outbox));
      } else if (ledger.event().has_outlet()) {
        TRY(on_outlet(ledger.event(), arrival, cause, outbox));
      } else if (ledger.event().has_sku()) {
        TRY(on_sku(ledger.event(), arrival, outbox));
      }
      break;
    case LedgerRecord::kRejection:
      if (const auto reason = reason_named(ledger.rejection().reason()); reason && ledger.rejection().document()) {
        count_quality(quarantined_for(*reason), arrival, 1);
      }
      break;
    case LedgerRecord::BODY_NOT_SET:
      break;
  }
  if (records_since_cut_ >= kRecordsMax || merge_.full()) cut(watermark_, false, false, outbox);
  return {};
}

Result<void> OutletStage::on_progress(const Progress& progress, std::int32_t partition, Outbox& outbox) {
  sources_.apply(progress);
  copied_ = std::max(copied_, CausePosition{progress.copied_until() - 1, progress.copied_index()});
  const auto clock = sources_.value();
  if (clock > watermark_) {
    const auto& calendar = context_.calendar;
    const auto today = calendar.day_of(clock);
    // One cut a midnight, in order; at first sight of the time all earlier days close together.
    for (auto day = watermark_ == kNever ? today : calendar.day_of(watermark_) + 1; day <= today; day = day + 1) {
      TRY(pass_to(calendar.start_of(day), outbox));
      cut(watermark_, false, true, outbox);
      write_seal(Stage::outlet, partition, day - 1, watermark_, seal_, outbox);
    }
    const bool minute_passed = clock / kMinuteMs != watermark_ / kMinuteMs || clock == watermark_;
    TRY(pass_to(clock, outbox));
    cut(watermark_, true, minute_passed, outbox);
  } else {
    cut(watermark_, true, false, outbox);
  }
  return {};
}

// Everything due up to `clock` fires, in order of time.
Result<void> OutletStage::pass_to(Millis clock, Outbox& outbox) {
  while (!calendar_.empty() && calendar_.begin()->first <= clock) {
    const auto [due, outlet_id] = *calendar_.begin();
    watermark_ = std::max(watermark_, due);  // what is final is asked at that hour, however far this leap goes
    TRY(fire(outlet_id, outbox));
  }
  watermark_ = std::max(watermark_, clock);
  return {};
}

Result<void> OutletStage::fire(const std::string& outlet_id, Outbox& outbox) {
  auto found = outlets_.change(outlet_id);
  if (!found) return tl::make_unexpected(found.error());
  auto& outlet = **found;
  pass_alerts(outlet_id, outlet, outbox);
  for (bool again = true; again;) {
    again = false;
    for (auto at = outlet.parked.begin(); at != outlet.parked.end(); ++at) {
      if (at->arrival + settings_.definition.parking_ms() >= watermark_) continue;
      const auto missing = unknown(outlet, at->event);
      if (!missing) continue;  // it stands behind another one, and is judged when that is gone
      const auto parked = std::move(*at);
      outlet.parked.erase(at);
      stop_waiting(outlet_id, outlet, parked.event);
      count_quality(Contribution::parked, parked.arrival, -1);
      quarantine(parked.event, parked.arrival, parked.cause, *missing, outbox);
      release(outlet, outbox);
      again = true;
      break;
    }
  }
  set_clock(outlet);
  note_due(outlet_id, outlet);
  return {};
}

// ---- documents ------------------------------------------------------------------------------------------------------

Result<void> OutletStage::on_document(const Event& event, Millis arrival, const Cause& cause, Outbox& outbox) {
  const auto& outlet_id = outlet_id_of(event);
  auto found = outlets_.change(outlet_id);
  if (!found) return tl::make_unexpected(found.error());
  auto& outlet = **found;
  outlet.latest_arrival = std::max(outlet.latest_arrival, arrival);
  if (watermark_ != kNever) {
    forget_before(outlet.facts, context_.calendar.day_of(std::min(watermark_, settings_.alerts_until - 1)) - kMemoryDays, context_);
  }
  set_clock(outlet);
  pass_alerts(outlet_id, outlet, outbox);
  const auto missing = unknown(outlet, event);
  if (missing && (settings_.reference_first || arrival + settings_.definition.parking_ms() < watermark_)) {
    quarantine(event, arrival, cause, *missing, outbox);  // its day of waiting is over (a retry keeps its arrival)
  } else if (missing || blocked(outlet, event, outlet.parked.size())) {
    count_quality(Contribution::parked, arrival, 1);
    park(outlet_id, outlet, {event, arrival, cause});
  } else {
    judge_and_fold(outlet, event, arrival, cause, outbox);
  }
  note_due(outlet_id, outlet);
  return {};
}

void OutletStage::judge_and_fold(OutletRecord& outlet, const Event& event, Millis arrival, const Cause& cause,
                                 Outbox& outbox) {
  ArrivedDocument arrived(event, arrival, context_.catalogue);
  auto verdict = validate(outlet.facts, arrived, first_open_day(watermark_, context_.calendar), limits_, context_);
  switch (verdict.outcome) {
    case Outcome::accepted: {
      const auto ref = event_ref(event.event_id(), cause);
      const auto touched = affected_by(outlet.facts, arrived, context_);
      evaluate_ended_days(outlet.facts, touched.skus, {outlet_id_of(event), alert_clock(outlet)}, context_, outlet.alerts,
                       transitions_);
      const auto before = before_change(outlet, touched);
      const auto& document = remember(outlet.facts, std::move(arrived), ref, context_);
      tell(before, &document);
      quarantine_lines(outlet, document, event, arrival, cause, outbox);
      ask_alerts(outlet_id_of(event), outlet, touched.skus, &ref, outbox);
      const auto day = context_.calendar.day_of(event_time_of(event));
      first_day_ = first_day_ == kNoDay ? day : std::min(first_day_, day);
      last_day_ = std::max(last_day_, day);
      count_quality(Contribution::accepted, arrival, 1);
      break;
    }
    case Outcome::superseded:
      remember(outlet.facts, std::move(arrived), event_ref(event.event_id(), cause), context_);
      count_quality(Contribution::superseded, arrival, 1);
      break;
    case Outcome::duplicate:
      count_quality(Contribution::duplicates, arrival, 1);
      break;
    case Outcome::rejected:
      quarantine(event, arrival, cause, {verdict.reason, std::move(verdict.detail), event.event_id()}, outbox);
      break;
  }
}

std::optional<FactsChange> OutletStage::before_change(const OutletRecord& outlet, const Affected& touched) const {
  if (!wanted_) return std::nullopt;
  return std::optional<FactsChange>(std::in_place, outlet.facts, context_, touched);
}

void OutletStage::tell(const std::optional<FactsChange>& change, const Document* document) {
  if (change) merge_.add(change->differences(document), context_);
}

void OutletStage::quarantine(const Event& event, Millis arrival, const Cause& cause, const Rejected& rejected,
                             Outbox& outbox) {
  count_quality(quarantined_for(rejected.reason), arrival, 1);
  send_quarantined(event, arrival, cause, rejected, "", outbox);
}

// The whole event, or the line of `sku_id`.
void OutletStage::send_quarantined(const Event& event, Millis arrival, const Cause& cause, const Rejected& rejected,
                                   const std::string& sku_id, Outbox& outbox) {
  if (!wanted_) return;
  const auto ref = event_ref(rejected.event_id, cause);
  Quarantined quarantined;
  quarantined.set_reason(std::string(name_of(rejected.reason)));
  quarantined.set_detail(rejected.detail);
  quarantined.set_event_id(rejected.event_id);
  quarantined.set_sku_id(sku_id);
  quarantined.set_topic(std::string(name_of(ref.topic)));
  quarantined.set_partition(ref.partition);
  quarantined.set_offset(cause.position.offset);
  quarantined.set_arrival_ms(arrival);
  quarantined.set_value(event.SerializeAsString());
  const auto& outlet_id = outlet_id_of(event);
  quarantined.set_key(outlet_id);
  auto key = to_text(cause);
  if (!sku_id.empty()) key += "/" + sku_id;
  if (rejected.reason == Reason::price_out_of_range) key += "/price";  // beside the line's count
  outbox.to_result(Topic::quarantine, ledger_partition_of(outlet_id, settings_.definition), arrival, std::move(key),
               quarantined.SerializeAsString());
}

// The counts of a document just taken that its books do not believe, and the prices that nobody asks.
void OutletStage::quarantine_lines(const OutletRecord& outlet, const Document& document, const Event& event,
                                   Millis arrival, const Cause& cause, Outbox& outbox) {
  if (!wanted_) return;
  const auto day = context_.calendar.day_of(document.counted().event_time);
  for (const auto& line : document.lines) {
    const auto& sku_id = context_.catalogue.sku_id(line.sku);
    const auto reject = [&](Reason reason, std::string detail) {
      send_quarantined(event, arrival, cause, {reason, std::move(detail), event.event_id()}, sku_id, outbox);
    };
    if (line.count != kAbsent && !is_count_accepted(outlet.facts.skus.at(line.sku), document)) {
      reject(Reason::count_implausible,
             fmt::format("{} of SKU {}: more than the last count and what was delivered since", line.count, sku_id));
    }
    if (line.price == kAbsent) continue;
    const auto guide = context_.catalogue.guide_price(line.sku, day);
    if (price_plausible(line.price, guide)) continue;
    reject(Reason::price_out_of_range,
           guide ? fmt::format("{} fen for SKU {}: its guide price is {} fen", line.price, sku_id, *guide)
                 : fmt::format("{} fen for SKU {}", line.price, sku_id));
  }
}

// By day of arrival; what comes back from quarantine after that day is final counts on the first that is not.
void OutletStage::count_quality(Contribution contribution, Millis arrival, std::int64_t value) {
  if (!wanted_) return;
  const auto day = std::max(context_.calendar.day_of(arrival), first_open_day(watermark_, context_.calendar));
  merge_.add({{{kNoBrand, kWholeMarket, contribution, day, value}}, {}}, context_);
}

// ---- alerts ---------------------------------------------------------------------------------------------------------

// The outlet's own clock, which stands still where a file replay ends.
Millis OutletStage::alert_clock(const OutletRecord& outlet) const {
  return std::min(std::max(watermark_, outlet.latest_arrival), settings_.alerts_until - 1);
}

void OutletStage::pass_alerts(const std::string& outlet_id, OutletRecord& outlet, Outbox& outbox) {
  evaluate_due(outlet.facts, outlet_id, alert_clock(outlet), context_, outlet.alerts, transitions_);
  send_alerts(outbox);
}

void OutletStage::ask_alerts(const std::string& outlet_id, OutletRecord& outlet, const SkuSet& skus,
                             const EventRef* record, Outbox& outbox) {
  const bool over = std::max(watermark_, outlet.latest_arrival) >= settings_.alerts_until;
  const EvaluationMoment asking{outlet_id, alert_clock(outlet), !over, record};
  evaluate_skus(outlet.facts, skus, asking, context_, outlet.alerts, transitions_);
  send_alerts(outbox);
}

void OutletStage::send_alerts(Outbox& outbox) {
  if (!wanted_) transitions_.clear();
  for (auto& transition : transitions_) {
    const auto partition = partition_of(transition.brand_id(), settings_.market_partitions);
    const auto known_at = transition.known_at_ms();
    auto alert_id = transition.alert_id();
    SignalRecord record;
    *record.mutable_transition() = std::move(transition);
    outbox.to_task(Topic::signals, partition, known_at, std::move(alert_id), record.SerializeAsString());
  }
  transitions_.clear();
}

// ---- reference ------------------------------------------------------------------------------------------------------

Result<void> OutletStage::on_outlet(const Event& event, Millis arrival, const Cause& cause, Outbox& outbox) {
  const auto& outlet_id = outlet_id_of(event);
  auto found = outlets_.change(outlet_id);
  if (!found) return tl::make_unexpected(found.error());
  auto& outlet = **found;
  outlet.latest_arrival = std::max(outlet.latest_arrival, arrival);
  set_clock(outlet);
  pass_alerts(outlet_id, outlet, outbox);
  SkuSet skus;
  for (const auto& [sku, known] : outlet.facts.skus) skus.insert(skus.end(), sku);
  evaluate_ended_days(outlet.facts, skus, {outlet_id, alert_clock(outlet)}, context_, outlet.alerts, transitions_);
  const auto before = before_change(outlet);
  apply_version(outlet.facts, event, first_open_day(watermark_, context_.calendar), context_);
  tell(before);
  const auto ref = event_ref(event.event_id(), cause);
  ask_alerts(outlet_id, outlet, skus, &ref, outbox);
  release(outlet, outbox);
  note_due(outlet_id, outlet);
  return {};
}

Result<void> OutletStage::on_sku(const Event& event, Millis arrival, Outbox& outbox) {
  // By its arrival, as market does: both then judge prices alike.
  const auto number = context_.catalogue.apply(event.sku(), event.cancelled(), first_open_day(arrival, context_.calendar));
  const auto state = saved_sku(context_.catalogue, number);
  unsaved_.put(std::string(kSkuPrefix) + state.sku_id(), state.SerializeAsString());
  const auto waiting = wait_for_sku_.extract(state.sku_id());
  if (waiting.empty()) return {};
  for (const auto& outlet_id : waiting.mapped()) {
    unsaved_.erase(wait_key(state.sku_id(), outlet_id));
    auto outlet = outlets_.change(outlet_id);
    if (!outlet) return tl::make_unexpected(outlet.error());
    set_clock(**outlet);
    pass_alerts(outlet_id, **outlet, outbox);
    release(**outlet, outbox);
    note_due(outlet_id, **outlet);
  }
  return {};
}

// ---- parking --------------------------------------------------------------------------------------------------------

std::optional<Rejected> OutletStage::unknown(const OutletRecord& outlet, const Event& event) const {
  if (!outlet.facts.known) {
    return Rejected{Reason::unknown_outlet, fmt::format("outlet {}", outlet_id_of(event)), event.event_id()};
  }
  for (const auto sku_id : sku_ids_of(event)) {
    if (!context_.catalogue.find(sku_id)) {
      return Rejected{Reason::unknown_sku, fmt::format("SKU {}", sku_id), event.event_id()};
    }
  }
  return std::nullopt;
}

bool OutletStage::blocked(const OutletRecord& outlet, const Event& event, std::size_t before) {
  return std::any_of(
      outlet.parked.begin(), outlet.parked.begin() + static_cast<std::ptrdiff_t>(before), [&](const Parked& other) {
        return kind_of(other.event) == kind_of(event) &&
               (document_id_of(other.event) == document_id_of(event) || other.event.event_id() == event.event_id());
      });
}

void OutletStage::park(const std::string& outlet_id, OutletRecord& outlet, Parked document) {
  for (const auto sku_id : sku_ids_of(document.event)) {
    if (context_.catalogue.find(sku_id)) continue;
    if (wait_for_sku_[std::string(sku_id)].insert(outlet_id).second) unsaved_.put(wait_key(sku_id, outlet_id), "");
  }
  outlet.parked.push_back(std::move(document));
}

// Nobody waits for the SKUs of a document that is gone, unless another parked one of the outlet names them.
void OutletStage::stop_waiting(const std::string& outlet_id, const OutletRecord& outlet, const Event& event) {
  for (const auto sku_id : sku_ids_of(event)) {
    const auto waiting = wait_for_sku_.find(std::string(sku_id));
    if (waiting == wait_for_sku_.end()) continue;
    const bool named = std::any_of(outlet.parked.begin(), outlet.parked.end(), [&](const Parked& other) {
      const auto others = sku_ids_of(other.event);
      return std::find(others.begin(), others.end(), sku_id) != others.end();
    });
    if (named || waiting->second.erase(outlet_id) == 0) continue;
    unsaved_.erase(wait_key(sku_id, outlet_id));
    if (waiting->second.empty()) wait_for_sku_.erase(waiting);
  }
}

void OutletStage::release(OutletRecord& outlet, Outbox& outbox) {
  for (std::size_t i = 0; i < outlet.parked.size();) {
    if (unknown(outlet, outlet.parked[i].event) || blocked(outlet, outlet.parked[i].event, i)) {
      ++i;
      continue;
    }
    const auto document = std::move(outlet.parked[i]);
    outlet.parked.erase(outlet.parked.begin() + static_cast<std::ptrdiff_t>(i));
    count_quality(Contribution::parked, document.arrival, -1);
    judge_and_fold(outlet, document.event, document.arrival, document.cause, outbox);
  }
}

// ---- time -----------------------------------------------------------------------------------------------------------

// Moves the outlet's clock to where it stands now, and sends what follows from that alone.
void OutletStage::set_clock(OutletRecord& outlet) {
  const auto clock = std::max(watermark_, outlet.latest_arrival);
  if (clock == kNever) return;
  const auto today = context_.calendar.day_of(clock);
  if (today <= outlet.facts.clock_day) return;
  const auto before = before_change(outlet);
  outlet.facts.clock_day = today;
  tell(before);
}

void OutletStage::note_due(const std::string& outlet_id, OutletRecord& outlet) {
  auto due = kNever;
  const auto earliest = [&](Millis instant) { due = due == kNever ? instant : std::min(due, instant); };
  if (const auto end = activity_ends(outlet.facts)) earliest(context_.calendar.start_of(*end));
  if (const auto alerts = next_due(outlet.alerts); alerts != kNever && alerts < settings_.alerts_until) earliest(alerts);
  for (const auto& parked : outlet.parked) {
    // What is over and still here stands behind another one and goes with it.
    if (const auto over = parked.arrival + settings_.definition.parking_ms() + 1; over > watermark_) earliest(over);
  }
  if (due == outlet.due) return;
  if (outlet.due != kNever) {
    calendar_.erase({outlet.due, outlet_id});
    unsaved_.erase(calendar_key(outlet.due, outlet_id));
  }
  outlet.due = due;
  if (due != kNever) {
    calendar_.emplace(due, outlet_id);
    unsaved_.put(calendar_key(due, outlet_id), "");
  }
}

// ---- cuts -----------------------------------------------------------------------------------------------------------

void OutletStage::cut(Millis clock, bool settled, bool even_if_empty, Outbox& outbox) {
  if (!wanted_) return;
  std::vector<Cause> said;
  if (copied_.offset >= 0) said.push_back({sender_name(name_of(Topic::reference), 0), copied_});
  auto parts = merge_.take(context_, settings_.market_partitions, even_if_empty);
  for (std::size_t partition = 0; partition < parts.size(); ++partition) {
    for (std::size_t piece = 0; piece < parts[partition].size(); ++piece) {
      for (const auto& cell : parts[partition][piece].cells()) {
        if (partition == 0 || !cell.brand_id().empty()) sum_deltas(cell, seal_);  // those of no brand go to every partition
      }
      DeltasRecord record;
      auto& deltas = *record.mutable_deltas();
      deltas = std::move(parts[partition][piece]);
      deltas.set_watermark_ms(clock);
      deltas.set_closed_day((clock == kNever ? kNoDay : context_.calendar.day_of(clock) - 1).number);
      deltas.set_settled(settled);
      deltas.set_last_piece(piece + 1 == parts[partition].size());
      deltas.set_first_day(first_day_.number);
      outbox.to_task(Topic::deltas, static_cast<std::int32_t>(partition), clock == kNever ? 0 : clock, "",
                     record.SerializeAsString(), said);
    }
  }
  records_since_cut_ = 0;
}

}  // namespace fiverate
