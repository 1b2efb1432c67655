#include "processors/stages/outlet_record.h"

#include <google/protobuf/arena.h>

#include <algorithm>
#include <utility>

#include "processors/stages/state_codec.h"
#include "processors/stream/key_parts.h"
#include "processors/trade/facts/acceptance.h"
#include "schemas/check.h"
#include "schemas/decode.h"
#include "state.pb.h"

namespace fiverate {
namespace {

bool is_valid(const OutletState& state, const MarketContext& context) {
  return is_valid(state, context.catalogue.size()) &&
         std::all_of(state.pending().begin(), state.pending().end(),
                     [](const PendingRecord& record) { return is_document(record.event().payload_case()); });
}

}  // namespace

std::vector<std::string> document_identities(const Event& document) {
  const auto kind = std::to_string(static_cast<int>(kind_of(document)));
  return {joined_parts({kind, "document", document_id_of(document)}),
          joined_parts({kind, "event", document.event_id()})};
}

std::optional<MissingReference> missing_of(const Event& document, const OutletRecord& outlet, const Catalogue& skus) {
  if (!outlet.facts.known) return MissingReference{Reason::unknown_outlet, outlet_id_of(document)};
  for (const auto sku_id : sku_ids_of(document)) {
    if (!skus.find(sku_id)) return MissingReference{Reason::unknown_sku, std::string(sku_id)};
  }
  return std::nullopt;
}

void add_pending(PendingRecord document, OutletRecord& outlet, const MarketContext& context) {
  ++outlet.pending_by_day[context.calendar.day_of(event_time_of(document.event()))];
  auto missing = missing_of(document.event(), outlet, context.catalogue);
  outlet.pending.add(std::move(document), std::move(missing));
}

void uncount_pending(const PendingRecord& document, OutletRecord& outlet, const MarketContext& context) {
  const auto of_day = outlet.pending_by_day.find(context.calendar.day_of(event_time_of(document.event())));
  CHECK(of_day != outlet.pending_by_day.end(), document.event().event_id());
  if (--of_day->second == 0) outlet.pending_by_day.erase(of_day);
}

std::int32_t pending_of_day(const Event& document, const OutletRecord& outlet, const MarketContext& context) {
  if (outlet.pending_by_day.empty()) return 0;
  const auto found = outlet.pending_by_day.find(context.calendar.day_of(event_time_of(document)));
  return found == outlet.pending_by_day.end() ? 0 : found->second;
}

Result<OutletRecord> OutletRecordCodec::decode(std::string_view bytes) const {
  OutletState state;
  if (!state.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) || !is_valid(state, *context)) {
    return fail(Reaction::stop, "not an OutletState");
  }
  OutletRecord record;
  record.facts = load(state, *context);
  record.alerts = load_alerts(state);
  record.latest_arrival = state.latest_arrival();
  record.due = state.due_ms();
  for (auto& pending : *state.mutable_pending()) add_pending(std::move(pending), record, *context);
  return record;
}

std::string OutletRecordCodec::encode(const OutletRecord& record) const {
  // The documents are many small messages: an arena allocates and frees all of them at once.
  google::protobuf::Arena arena;
  auto& state = *google::protobuf::Arena::CreateMessage<OutletState>(&arena);
  save(record.facts, *context, state);
  save(record.alerts, state);
  state.set_latest_arrival(record.latest_arrival);
  state.set_due_ms(record.due);
  record.pending.each([&](const PendingRecord& pending) { *state.add_pending() = pending; });
  return state.SerializeAsString();
}

}  // namespace fiverate
