#include "processors/stages/pending_records.h"

#include <algorithm>

#include "schemas/check.h"
#include "schemas/format.h"

namespace fiverate {
namespace {

std::string_view noun_of(Reason reason) {
  if (reason == Reason::unknown_outlet) return "outlet";
  if (reason == Reason::unknown_sku) return "SKU";
  CHECK(reason == Reason::unknown_region, name_of(reason));
  return "region";
}

}  // namespace

Rejected rejection_of(const Event& event, const MissingReference& missing) {
  return {missing.reason, fmt::format("{} {} is unknown", noun_of(missing.reason), missing.id), event.event_id()};
}

void PendingRecords::add(PendingRecord record, std::optional<MissingReference> missing) {
  if (!index_) index_ = std::make_unique<Index>();
  const auto number = index_->next++;
  auto identities = identities_of_(record.event());
  for (const auto& identity : identities) index_->by_identity[identity].insert(number);
  const auto arrival = record.arrival_ms();
  index_->records.emplace(number, Pending{std::move(record), std::move(identities), std::nullopt});
  if (missing) index_->waiting_by_arrival.emplace(arrival, number);
  set_missing(number, std::move(missing));
}

bool PendingRecords::blocks(const Event& event) const {
  if (!index_) return false;
  const auto identities = identities_of_(event);
  return std::any_of(identities.begin(), identities.end(),
                     [&](const std::string& identity) { return index_->by_identity.count(identity) != 0; });
}

Millis PendingRecords::next_expiry(Millis waiting_time) const {
  if (!index_ || index_->waiting_by_arrival.empty()) return kNever;
  return index_->waiting_by_arrival.begin()->first + waiting_time + 1;
}

std::optional<PendingRecord> PendingRecords::pop_ready() {
  if (!index_ || index_->ready.empty()) return std::nullopt;
  return remove(*index_->ready.begin());
}

std::optional<PendingRecords::Expired> PendingRecords::pop_expired(Millis clock, Millis waiting_time) {
  if (!index_ || index_->waiting_by_arrival.empty()) return std::nullopt;
  const auto [arrival, number] = *index_->waiting_by_arrival.begin();
  if (arrival + waiting_time >= clock) return std::nullopt;
  auto missing = *index_->records.at(number).missing;
  return Expired{remove(number), std::move(missing)};
}

bool PendingRecords::is_first(Number number) const {
  const auto& identities = index_->records.at(number).identities;
  return std::all_of(identities.begin(), identities.end(),
                     [&](const std::string& identity) { return *index_->by_identity.at(identity).begin() == number; });
}

void PendingRecords::set_missing(Number number, std::optional<MissingReference> missing) {
  auto& pending = index_->records.at(number);
  pending.missing = std::move(missing);
  if (pending.missing) {
    index_->waiting[*pending.missing].insert(number);
    return;
  }
  index_->waiting_by_arrival.erase({pending.record.arrival_ms(), number});
  if (is_first(number)) index_->ready.insert(number);
}

PendingRecord PendingRecords::remove(Number number) {
  const auto at = index_->records.find(number);
  auto removed = std::move(at->second);
  index_->records.erase(at);
  index_->ready.erase(number);
  if (removed.missing) {
    index_->waiting_by_arrival.erase({removed.record.arrival_ms(), number});
    const auto waiting = index_->waiting.find(*removed.missing);
    waiting->second.erase(number);
    if (waiting->second.empty()) index_->waiting.erase(waiting);
  }
  for (const auto& identity : removed.identities) {
    const auto same = index_->by_identity.find(identity);
    same->second.erase(number);
    if (same->second.empty()) index_->by_identity.erase(same);
  }
  // The next record of each identity may have waited for this one alone.
  for (const auto& identity : removed.identities) {
    const auto same = index_->by_identity.find(identity);
    if (same == index_->by_identity.end()) continue;
    const auto next = *same->second.begin();
    if (!index_->records.at(next).missing && is_first(next)) index_->ready.insert(next);
  }
  if (index_->records.empty()) index_.reset();
  return std::move(removed.record);
}

}  // namespace fiverate
