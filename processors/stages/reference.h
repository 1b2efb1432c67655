// The reader of `reference`: it alone judges regions, SKUs, outlets and the other reference records, and passes on those that
// count: outlet versions to the outlet's ledger partition, all others into every partition of every internal topic, so that
// each partition is a complete history by itself. Its state is a fold of that topic, kept for ever.
//
// In this order, the first that holds: rejected by decode; region or SKU unknown (waits one day of arrival, then
// quarantined); in conflict with what never changes (parent and level of a region, brand of a SKU); event_id known (duplicate
// or conflict); revision known (duplicate or conflict); superseded by a higher revision; accepted. What shares its identity
// or event_id with a waiting one waits behind it.
#pragma once

#include <deque>

#include "processors/stages/intake.h"
#include "processors/stream/state_table.h"
#include "state.pb.h"

namespace fiverate {

class Reference final : public Operator {
 public:
  explicit Reference(IntakeSettings settings, std::size_t cache_bytes);

  Result<void> open(const Store& store) override;
  Result<void> apply(const InRecord& record, Outbox& outbox) override;
  bool at_boundary() const override { return true; }
  void save(StoreBatch& batch) override;
  [[nodiscard]] Millis clock() const override { return clock_.highest(); }

 private:
  // A record that is being judged, new or waiting.
  struct Candidate {
    InRecord record;
    Millis arrival;
    Event event;
    std::string identity;
  };

  Result<void> judge(Candidate& candidate, Outbox& outbox);
  // The reason for which it has to wait, if any.
  Result<std::optional<Rejected>> unknown(const Event& event);
  Result<void> release(Outbox& outbox);
  Result<void> expire(Outbox& outbox);
  [[nodiscard]] bool blocked(const Candidate& candidate, std::size_t before) const;
  void wait_for(Candidate candidate);
  void reject(const Candidate& candidate, const Rejected& rejected, Outbox& outbox);
  Result<void> pass_on(const Candidate& candidate, Outbox& outbox);
  Result<void> complete(Event& event);
  static std::optional<ReferenceAnchor> anchor_of(const Event& event);
  Result<std::optional<std::string>> change_of_what_never_changes(const Event& event);
  Result<void> anchor(const Event& event);
  Result<bool> known(std::string_view anchor_key);

  IntakeSettings settings_;
  ArrivalClock clock_;
  StateTable<ReferenceState, MessageCodec<ReferenceState>> identities_;  // by identity
  StateTable<ReferenceState, MessageCodec<ReferenceState>> event_ids_;   // by event_id: one entry
  StateTable<ReferenceAnchor, MessageCodec<ReferenceAnchor>> anchors_;   // what never changes; its presence: known
  std::deque<Candidate> waiting_;
  bool waiting_changed_ = false;
};

}  // namespace fiverate
