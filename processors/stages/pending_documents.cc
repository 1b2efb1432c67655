#include "processors/stages/pending_documents.h"

#include <utility>

#include "processors/stream/key_parts.h"
#include "processors/stream/state_table.h"
#include "processors/trade/facts/acceptance.h"

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

bool PendingDocuments::is_expired(Millis arrival) const {
  return context_.settings.reference_first || arrival + context_.settings.definition.pending_ms() < context_.watermark;
}

void PendingDocuments::add(const LedgerEvent& document, OutletRecord& outlet) {
  if (const auto missing = missing_of(document.event, outlet, context_.market.catalogue)) {
    wait(*missing, outlet_id_of(document.event));
  }
  PendingRecord record;
  *record.mutable_event() = document.event;
  record.set_arrival_ms(document.arrival);
  record.set_sender(document.source.sender);
  record.set_offset(document.source.position.offset);
  record.set_index(document.source.position.index);
  add_pending(std::move(record), outlet, context_.market);
  output_.count(Contribution::parked, document.arrival, 1);
}

Result<void> PendingDocuments::on_known(const MissingReference& known, const std::string& outlet_id,
                                        OutletRecord& outlet) {
  return outlet.pending.on_known(known, [&](const Event& document) -> Result<std::optional<MissingReference>> {
    auto missing = missing_of(document, outlet, context_.market.catalogue);
    if (missing) wait(*missing, outlet_id);
    return missing;
  });
}

std::optional<PendingRecord> PendingDocuments::pop_ready(OutletRecord& outlet) {
  auto ready = outlet.pending.pop_ready();
  if (!ready) return std::nullopt;
  uncount_pending(*ready, outlet, context_.market);
  output_.count(Contribution::parked, ready->arrival_ms(), -1);
  return ready;
}

std::optional<PendingRecords::Expired> PendingDocuments::pop_expired(const std::string& outlet_id,
                                                                     OutletRecord& outlet) {
  auto expired = outlet.pending.pop_expired(context_.watermark, context_.settings.definition.pending_ms());
  if (!expired) return std::nullopt;
  if (!outlet.pending.is_waiting_for(expired->missing)) stop_waiting(expired->missing, outlet_id);
  uncount_pending(expired->record, outlet, context_.market);
  output_.count(Contribution::parked, expired->record.arrival_ms(), -1);
  return expired;
}

void PendingDocuments::wait(const MissingReference& missing, const std::string& outlet_id) {
  if (missing.reason != Reason::unknown_sku) return;
  const bool added = outlets_by_sku_[missing.id].insert(outlet_id).second;
  if (added) unsaved_.put(wait_key(missing.id, outlet_id), "");
}

void PendingDocuments::stop_waiting(const MissingReference& missing, const std::string& outlet_id) {
  if (missing.reason != Reason::unknown_sku) return;
  const auto waiting = outlets_by_sku_.find(missing.id);
  if (waiting == outlets_by_sku_.end() || waiting->second.erase(outlet_id) == 0) return;
  unsaved_.erase(wait_key(missing.id, outlet_id));
  if (waiting->second.empty()) outlets_by_sku_.erase(waiting);
}

Millis PendingDocuments::next_expiry(const OutletRecord& outlet) const {
  return outlet.pending.next_expiry(context_.settings.definition.pending_ms());
}

std::set<std::string> PendingDocuments::pop_outlets_waiting_for(const std::string& sku_id) {
  auto waiting = outlets_by_sku_.extract(sku_id);
  if (waiting.empty()) return {};
  for (const auto& outlet_id : waiting.mapped()) unsaved_.erase(wait_key(sku_id, outlet_id));
  return std::move(waiting.mapped());
}

}  // namespace fiverate
