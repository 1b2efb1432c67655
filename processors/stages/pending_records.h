// Records that wait for reference data, in the order in which they arrived. A record waits while an outlet, SKU or
// region that it names is unknown, and also while an earlier pending record has an identity in common with it (for
// example the same document): records of one identity are validated in the order of the log.
//
//   add          a record becomes pending
//   pop_ready    nothing is missing and no earlier record has a common identity: the caller validates the record
//   pop_expired  the waiting time is over and reference data is missing: the caller quarantines the record
//
// After each pop, and after each new outlet, SKU or region, the caller calls pop_ready until it returns nothing. The
// outlet stage keeps one list for each outlet, the reference stage keeps one for all reference records.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "processors/stream/error.h"
#include "schemas/cause.h"
#include "schemas/reasons.h"
#include "schemas/time.h"
#include "state.pb.h"

namespace fiverate {

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
    Rejected missing;
  };

  explicit PendingRecords(IdentitiesOf identities_of) : identities_of_(identities_of) {}

  void add(PendingRecord record) {
    identities_.push_back(identities_of_(record.event()));
    records_.push_back(std::move(record));
  }

  [[nodiscard]] const std::vector<PendingRecord>& records() const { return records_; }

  // True if an event that arrives now must wait because a pending record has an identity in common with it.
  [[nodiscard]] bool blocks(const Event& event) const { return blocks(identities_of_(event), records_.size()); }

  // Removes the first record that need not wait any longer. `missing_of(event)` returns
  // Result<std::optional<Rejected>>: the reference data that is missing, or nullopt.
  template <typename MissingOf>
  [[nodiscard]] Result<std::optional<PendingRecord>> pop_ready(MissingOf&& missing_of) {
    for (std::size_t i = 0; i < records_.size(); ++i) {
      const auto missing = missing_of(records_[i].event());
      if (!missing) return tl::make_unexpected(missing.error());
      if (!*missing && !blocks(identities_[i], i)) return remove(i);
    }
    return std::nullopt;
  }

  // Removes the first record that arrived more than `waiting_time` before `clock` and still misses reference data. A
  // record that only waits for an earlier one becomes ready when that one is removed.
  template <typename MissingOf>
  [[nodiscard]] Result<std::optional<Expired>> pop_expired(Millis clock, Millis waiting_time, MissingOf&& missing_of) {
    for (std::size_t i = 0; i < records_.size(); ++i) {
      if (records_[i].arrival_ms() + waiting_time >= clock) continue;
      auto missing = missing_of(records_[i].event());
      if (!missing) return tl::make_unexpected(missing.error());
      if (*missing) return Expired{remove(i), std::move(**missing)};
    }
    return std::nullopt;
  }

 private:
  using Identities = std::vector<std::string>;

  // True if one of the first `count` records has one of these identities.
  [[nodiscard]] bool blocks(const Identities& identities, std::size_t count) const {
    return std::any_of(
        identities_.begin(), identities_.begin() + static_cast<std::ptrdiff_t>(count), [&](const Identities& earlier) {
          return std::find_first_of(earlier.begin(), earlier.end(), identities.begin(), identities.end()) !=
                 earlier.end();
        });
  }

  PendingRecord remove(std::size_t i) {
    auto record = std::move(records_[i]);
    records_.erase(records_.begin() + static_cast<std::ptrdiff_t>(i));
    identities_.erase(identities_.begin() + static_cast<std::ptrdiff_t>(i));
    return record;
  }

  IdentitiesOf identities_of_;
  std::vector<PendingRecord> records_;
  std::vector<Identities> identities_;  // of each record
};

}  // namespace fiverate
