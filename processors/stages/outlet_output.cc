#include "processors/stages/outlet_output.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "deltas.pb.h"
#include "metrics.pb.h"
#include "processors/stages/seal.h"
#include "processors/stages/topology.h"
#include "processors/stream/state_table.h"
#include "processors/trade/facts/acceptance.h"
#include "schemas/format.h"

namespace fiverate {
namespace {

constexpr std::string_view kFirstDayKey = "first_day";
constexpr std::string_view kOutletSealKey = "seal";

}  // namespace

Result<void> OutletOutput::open(const Store& store) {
  const auto first_day = store.get(kFirstDayKey);
  if (!first_day) return tl::make_unexpected(first_day.error());
  if (*first_day) {
    std::from_chars((*first_day)->data(), (*first_day)->data() + (*first_day)->size(), first_day_.number);
  }
  const auto seal = store.get(kOutletSealKey);
  if (!seal) return tl::make_unexpected(seal.error());
  if (*seal && !seal_.ParseFromString(**seal)) return damaged(store);
  return {};
}

void OutletOutput::save(StoreBatch& batch) const {
  batch.put(std::string(kFirstDayKey), fmt::format("{}", first_day_.number));
  batch.put(std::string(kOutletSealKey), seal_.SerializeAsString());
}

Result<void> OutletOutput::resume(std::string_view tally) {
  deltas_ = {};
  outcomes_.clear();
  holds_.reset();
  records_ = 0;
  if (seal_.ParseFromArray(tally.data(), static_cast<int>(tally.size()))) return {};
  return fail(Reaction::stop, "The seal of an outlet task in its checkpoint cannot be read.");
}

void OutletOutput::begin(const InRecord& record, Outbox& outbox) {
  outbox_ = &outbox;
  enabled_ = outbox.outputs_enabled();
  if (!enabled_) return;
  ++records_;
  chain_record(record.key, record.value, seal_);
  seal_.set_next_offset(record.offset + 1);
}

void OutletOutput::add(const Differences& differences) {
  if (enabled_) deltas_.add(differences, context_.market.selection);
}

void OutletOutput::count(Contribution contribution, Millis arrival, std::int64_t documents) {
  const auto day = std::max(context_.market.calendar.day_of(arrival), context_.first_open_day());
  add({{{kNoBrand, kWholeMarket, contribution, day, documents}}, {}});
}

void OutletOutput::count_accepted(Day day, Millis arrival) {
  first_day_ = first_day_ == kNoDay ? day : std::min(first_day_, day);
  count(Contribution::accepted, arrival, 1);
}

void OutletOutput::count_outcome(const Cause& source, Millis found_at, bool rejected) {
  if (!enabled_) return;
  const auto topic = source_topic_of(source);
  if (!topic || std::ranges::find(kDocumentTopics, *topic) == kDocumentTopics.end()) return;
  const auto& calendar = context_.market.calendar;
  auto day = calendar.day_of(found_at);
  if (context_.watermark != kNever) day = std::max(day, calendar.day_of(context_.watermark));
  auto& outcomes = outcomes_[{*topic, day}];
  ++outcomes.documents;
  if (rejected) ++outcomes.rejected;
}

void OutletOutput::send_with_next_flush(DataQuality::Holds holds) {
  if (enabled_) holds_ = std::move(holds);
}

void OutletOutput::quarantine(const LedgerEvent& document, const Rejected& rejected) {
  count(quarantined_for(rejected.reason), document.arrival, 1);
  const bool is_unknown = rejected.reason == Reason::unknown_outlet || rejected.reason == Reason::unknown_sku;
  // A file replay knows at once what a live run finds after the waiting time.
  const bool would_wait = is_unknown && context_.settings.reference_first;
  const auto found_at =
      would_wait ? document.arrival + context_.settings.definition.pending_ms() + 1 : document.arrival;
  count_outcome(document.source, found_at, true);
  send_quarantined(document, rejected, "");
}

void OutletOutput::quarantine_line(const LedgerEvent& document, const Rejected& rejected, const std::string& sku_id) {
  send_quarantined(document, rejected, sku_id);
}

void OutletOutput::send_quarantined(const LedgerEvent& document, const Rejected& rejected, const std::string& sku_id) {
  if (!enabled_) return;
  const auto ref = event_ref(document.event, document.source);
  const auto& outlet_id = outlet_id_of(document.event);
  Quarantined quarantined;
  quarantined.set_reason(std::string(name_of(rejected.reason)));
  quarantined.set_detail(rejected.detail);
  quarantined.set_event_id(rejected.event_id);
  quarantined.set_sku_id(sku_id);
  quarantined.set_topic(std::string(name_of(ref.topic)));
  quarantined.set_partition(ref.partition);
  quarantined.set_offset(document.source.position.offset);
  quarantined.set_arrival_ms(document.arrival);
  quarantined.set_value(document.event.SerializeAsString());
  quarantined.set_key(outlet_id);
  auto key = to_text(document.source);
  if (!sku_id.empty()) key += "/" + sku_id;
  if (rejected.reason == Reason::price_out_of_range)
    key += "/price";  // The count of the same line may be rejected too.
  outbox_->to_result(Topic::quarantine, ledger_partition_of(outlet_id, context_.settings.definition), document.arrival,
                     std::move(key), quarantined.SerializeAsString());
}

void OutletOutput::send(std::vector<Transition> transitions) {
  if (!enabled_) return;
  for (auto& transition : transitions) {
    const auto partition = partition_of(transition.brand_id(), context_.settings.market_partitions);
    const auto known_at = transition.known_at_ms();
    auto alert_id = transition.alert_id();
    SignalRecord record;
    *record.mutable_transition() = std::move(transition);
    outbox_->to_task(Topic::signals, partition, known_at, std::move(alert_id), record.SerializeAsString());
  }
}

void OutletOutput::flush(bool end_of_batch, bool even_if_empty) {
  if (!enabled_) return;
  // Market applies the reference records that these differences were computed with before it applies the differences.
  std::vector<Cause> depends_on;
  if (context_.reference_position.offset >= 0) {
    depends_on.push_back({sender_name(name_of(Topic::reference), 0), context_.reference_position});
  }
  auto partitions = deltas_.drain(context_.market, context_.settings.market_partitions, even_if_empty);
  if (auto quality = drain_quality(); quality.ByteSizeLong() > 0) {
    auto& pieces = partitions[static_cast<std::size_t>(partition_of("", context_.settings.market_partitions))];
    if (pieces.empty()) pieces.emplace_back();
    *pieces.back().mutable_quality() = std::move(quality);
  }
  for (std::size_t partition = 0; partition < partitions.size(); ++partition) {
    auto& pieces = partitions[partition];
    for (auto& piece : pieces) {
      piece.set_end_of_batch(end_of_batch);
      piece.set_last_piece(&piece == &pieces.back());
      send_piece(partition, std::move(piece), depends_on);
    }
  }
  records_ = 0;
}

DataQuality OutletOutput::drain_quality() {
  DataQuality quality;
  for (const auto& [key, outcomes] : outcomes_) {
    auto& one = *quality.add_outcomes();
    one.set_topic(std::string(name_of(key.first)));
    one.set_day(key.second.number);
    one.set_documents(outcomes.documents);
    one.set_rejected(outcomes.rejected);
  }
  outcomes_.clear();
  if (auto holds = std::exchange(holds_, std::nullopt)) *quality.mutable_holds() = std::move(*holds);
  return quality;
}

void OutletOutput::send_piece(std::size_t partition, Deltas piece, const std::vector<Cause>& depends_on) {
  // Cells without a brand go to every partition and count once.
  sum_deltas(piece.columns(), partition == 0, seal_);
  const auto clock = context_.watermark;
  piece.set_watermark_ms(clock);
  piece.set_closed_day((clock == kNever ? kNoDay : context_.market.calendar.day_of(clock) - 1).number);
  piece.set_first_day(first_day_.number);
  DeltasRecord record;
  *record.mutable_deltas() = std::move(piece);
  outbox_->to_task(Topic::deltas, static_cast<std::int32_t>(partition), clock == kNever ? 0 : clock, "",
                   record.SerializeAsString(), depends_on);
}

void OutletOutput::write_seal(std::int32_t partition, Day day) {
  fiverate::write_seal(Stage::outlet, partition, day, context_.watermark, seal_, *outbox_);
}

}  // namespace fiverate
