// Records that wait for reference data, in the order in which they arrived. A record waits while an outlet, SKU or
// region that it names is unknown, and also while an earlier pending record has an identity in common with it (for
// example the same document): records of one identity are validated in the order of the log.
//
//   add          a record becomes pending
//   on_known     an outlet, SKU or region is known now
//   pop_ready    nothing is missing and no earlier record has a common identity: the caller validates the record
//   pop_expired  the waiting time is over and reference data is missing: the caller quarantines the record
//
// After each pop_expired and each on_known the caller calls pop_ready until it returns nothing. The outlet stage keeps
// one list for each outlet, the reference stage keeps one for all reference records.
//
// The indexes keep all calls logarithmic in the number of pending records. A record is looked at when it is added, when
// what it waits for becomes known, and when it is removed.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "processors/stream/error.h"
#include "schemas/cause.h"
#include "schemas/reasons.h"
#include "schemas/time.h"
#include "state.pb.h"

namespace fiverate {

// The first outlet, SKU or region that a record names and that is unknown.
struct MissingReference {
  Reason reason;  // unknown_outlet, unknown_sku or unknown_region
  std::string id;
  friend auto operator<=>(const MissingReference&, const MissingReference&) = default;
};

// The rejection of a record that waited for it in vain.
Rejected rejection_of(const Event& event, const MissingReference& missing);

// Position of a pending record in its source topic.
inline Cause source_of(const PendingRecord& record) {
  return {record.sender(), {record.offset(), record.index()}};
}

class PendingRecords {
 public:
  // All identities of an event. Events with an identity in common must not overtake each other.
  using IdentitiesOf = std::vector<std::string> (*)(const Event& event);
  struct Expired {
    PendingRecord record;
    MissingReference missing;
  };

  explicit PendingRecords(IdentitiesOf identities_of) : identities_of_(identities_of) {}

  // `missing` is nullopt if the record waits only for an earlier one.
  void add(PendingRecord record, std::optional<MissingReference> missing);

  // Calls `visit(record)` for each record, in order.
  template <typename Visit>
  void each(Visit&& visit) const {
    if (!index_) return;
    for (const auto& [number, pending] : index_->records) visit(pending.record);
  }

  // True if an event that arrives now must wait because a pending record has an identity in common with it.
  [[nodiscard]] bool blocks(const Event& event) const;
  [[nodiscard]] bool is_waiting_for(const MissingReference& missing) const {
    return index_ && index_->waiting.count(missing) != 0;
  }
  // When the next record expires that still misses reference data; kNever: none does.
  [[nodiscard]] Millis next_expiry(Millis waiting_time) const;

  // The records that waited for `known` wait for the next reference that they miss, or for none.
  // `missing_of(event)` returns Result<std::optional<MissingReference>>.
  template <typename MissingOf>
  [[nodiscard]] Result<void> on_known(const MissingReference& known, MissingOf&& missing_of) {
    if (!index_) return {};
    const auto woken = index_->waiting.extract(known);
    if (woken.empty()) return {};
    for (const auto number : woken.mapped()) {
      auto missing = missing_of(index_->records.at(number).record.event());
      if (!missing) return tl::make_unexpected(missing.error());
      set_missing(number, std::move(*missing));
    }
    return {};
  }

  // Removes the first record that need not wait any longer.
  [[nodiscard]] std::optional<PendingRecord> pop_ready();

  // Removes the first record that arrived more than `waiting_time` before `clock` and still misses reference data; the
  // earliest arrival comes first. A record that only waits for an earlier one becomes ready when that one is removed.
  [[nodiscard]] std::optional<Expired> pop_expired(Millis clock, Millis waiting_time);

 private:
  using Number = std::int64_t;  // ascending in the order in which records were added
  using Numbers = std::set<Number>;
  struct Pending {
    PendingRecord record;
    std::vector<std::string> identities;
    std::optional<MissingReference> missing;
  };
  struct Index {
    std::map<Number, Pending> records;
    std::unordered_map<std::string, Numbers> by_identity;
    std::map<MissingReference, Numbers> waiting;
    std::set<std::pair<Millis, Number>> waiting_by_arrival;  // the same records
    Numbers ready;
    Number next = 0;
  };

  // True if the record is the first one with each of its identities.
  [[nodiscard]] bool is_first(Number number) const;
  void set_missing(Number number, std::optional<MissingReference> missing);
  PendingRecord remove(Number number);

  IdentitiesOf identities_of_;
  std::unique_ptr<Index> index_;  // null while no record is pending, as for most outlets
};

}  // namespace fiverate
