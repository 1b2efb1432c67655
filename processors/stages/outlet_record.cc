#include "processors/stages/outlet_record.h"

#include <algorithm>
#include <utility>

#include "processors/stages/state_codec.h"
#include "processors/stream/key_parts.h"
#include "processors/trade/facts/acceptance.h"
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
  for (auto& pending : *state.mutable_pending()) record.pending.add(std::move(pending));
  return record;
}

std::string OutletRecordCodec::encode(const OutletRecord& record) const {
  OutletState state;
  save(record.facts, *context, state);
  save(record.alerts, state);
  state.set_latest_arrival(record.latest_arrival);
  state.set_due_ms(record.due);
  for (const auto& pending : record.pending.records()) *state.add_pending() = pending;
  return state.SerializeAsString();
}

}  // namespace fiverate
