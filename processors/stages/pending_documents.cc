#include "processors/stages/pending_documents.h"

#include <algorithm>
#include <utility>

#include "processors/stream/key_parts.h"
#include "processors/stream/state_table.h"
#include "processors/trade/facts/acceptance.h"
#include "schemas/format.h"

namespace fiverate {
namespace {

constexpr std::string_view kWaitPrefix = "w/";

std::string wait_key(std::string_view sku_id, std::string_view outlet_id) {
  return std::string(kWaitPrefix) + joined_parts({sku_id, outlet_id});
}

}  // namespace

Result<void> PendingDocuments::open(const Store& store) {
  return read_all(store, kWaitPrefix, [&](std::string_view key, std::string_view) {
    auto parts = split_parts(key);
    if (parts.size() != 2) return false;
    outlets_by_sku_[std::move(parts[0])].insert(std::move(parts[1]));
    return true;
  });
}

void PendingDocuments::save(StoreBatch& batch) {
  for (auto& change : unsaved_.changes) batch.changes.push_back(std::move(change));
  unsaved_.changes.clear();
}

std::optional<Rejected> PendingDocuments::missing_of(const Event& document, const OutletRecord& outlet) const {
  if (!outlet.facts.known) {
    return Rejected{Reason::unknown_outlet, fmt::format("outlet {} is unknown", outlet_id_of(document)),
                    document.event_id()};
  }
  for (const auto sku_id : sku_ids_of(document)) {
    if (!context_.market.catalogue.find(sku_id)) {
      return Rejected{Reason::unknown_sku, fmt::format("SKU {} is unknown", sku_id), document.event_id()};
    }
  }
  return std::nullopt;
}

bool PendingDocuments::is_expired(Millis arrival) const {
  return context_.settings.reference_first || arrival + context_.settings.definition.pending_ms() < context_.watermark;
}

void PendingDocuments::add(const LedgerEvent& document, OutletRecord& outlet) {
  const auto& outlet_id = outlet_id_of(document.event);
  for (const auto sku_id : sku_ids_of(document.event)) {
    if (context_.market.catalogue.find(sku_id)) continue;
    const bool added = outlets_by_sku_[std::string(sku_id)].insert(outlet_id).second;
    if (added) unsaved_.put(wait_key(sku_id, outlet_id), "");
  }
  PendingRecord record;
  *record.mutable_event() = document.event;
  record.set_arrival_ms(document.arrival);
  record.set_sender(document.source.sender);
  record.set_offset(document.source.position.offset);
  record.set_index(document.source.position.index);
  outlet.pending.add(std::move(record));
  output_.count(Contribution::parked, document.arrival, 1);
}

Result<std::optional<PendingRecord>> PendingDocuments::pop_ready(OutletRecord& outlet) {
  auto ready = outlet.pending.pop_ready(
      [&](const Event& document) -> Result<std::optional<Rejected>> { return missing_of(document, outlet); });
  if (ready && *ready) output_.count(Contribution::parked, (*ready)->arrival_ms(), -1);
  return ready;
}

Result<std::optional<PendingRecords::Expired>> PendingDocuments::pop_expired(const std::string& outlet_id,
                                                                             OutletRecord& outlet) {
  auto expired = outlet.pending.pop_expired(
      context_.watermark, context_.settings.definition.pending_ms(),
      [&](const Event& document) -> Result<std::optional<Rejected>> { return missing_of(document, outlet); });
  if (expired && *expired) {
    stop_waiting(outlet_id, (*expired)->record, outlet);
    output_.count(Contribution::parked, (*expired)->record.arrival_ms(), -1);
  }
  return expired;
}

// The outlet waits for the SKUs of the document that is gone only if another pending document names them too.
void PendingDocuments::stop_waiting(const std::string& outlet_id, const PendingRecord& gone,
                                    const OutletRecord& outlet) {
  for (const auto sku_id : sku_ids_of(gone.event())) {
    const auto waiting = outlets_by_sku_.find(std::string(sku_id));
    if (waiting == outlets_by_sku_.end()) continue;
    const auto& others = outlet.pending.records();
    const bool is_named = std::any_of(others.begin(), others.end(), [&](const PendingRecord& other) {
      const auto sku_ids = sku_ids_of(other.event());
      return std::find(sku_ids.begin(), sku_ids.end(), sku_id) != sku_ids.end();
    });
    if (is_named || waiting->second.erase(outlet_id) == 0) continue;
    unsaved_.erase(wait_key(sku_id, outlet_id));
    if (waiting->second.empty()) outlets_by_sku_.erase(waiting);
  }
}

Millis PendingDocuments::next_expiry(const OutletRecord& outlet) const {
  auto next = kNever;
  for (const auto& record : outlet.pending.records()) {
    const auto expiry = record.arrival_ms() + context_.settings.definition.pending_ms() + 1;
    // A document that is still pending after its expiry waits for an earlier one, and leaves together with it.
    if (expiry <= context_.watermark) continue;
    next = next == kNever ? expiry : std::min(next, expiry);
  }
  return next;
}

std::set<std::string> PendingDocuments::pop_outlets_waiting_for(const std::string& sku_id) {
  auto waiting = outlets_by_sku_.extract(sku_id);
  if (waiting.empty()) return {};
  for (const auto& outlet_id : waiting.mapped()) unsaved_.erase(wait_key(sku_id, outlet_id));
  return std::move(waiting.mapped());
}

}  // namespace fiverate
