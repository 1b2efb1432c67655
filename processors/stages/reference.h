// The reference stage: the only reader of `reference`. It validates regions, SKUs, outlets and all other reference
// records, and copies the accepted ones: an outlet version to the outlet's ledger partition, any other record to every
// partition of every internal topic, so that each partition is a complete history by itself. Its state is a fold of the
// topic and is kept for ever.
//
// The first condition that holds decides:
//   rejected by decode
//   region or SKU unknown   the record is pending for one day of arrival time, then quarantined (pending_records.h)
//   reference_conflict      it changes the parent or level of a region, or the brand of a SKU, which never change
//   bad_value               a region is not below a region of a higher level (a county below a county)
//   event_id known          duplicate, or event_id_conflict
//   revision known          duplicate, or revision_conflict
//   superseded              a higher revision is known
//   accepted
// A record that shares its identity or its event_id with a pending record waits for that one.
#pragma once

#include <optional>
#include <string>

#include "processors/stages/intake.h"
#include "processors/stages/pending_records.h"
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
  [[nodiscard]] Millis clock() const override { return ingress_.highest(); }
  [[nodiscard]] bool is_live() const override { return ingress_.is_live(); }
  [[nodiscard]] JumpGuard* jump_guard() override { return &ingress_.guard(); }
  [[nodiscard]] Millis claimed_time(const InRecord& record) override { return ingress_.claimed_time(record); }

 private:
  // A decoded record that is validated now, on its arrival or after it was pending.
  struct Candidate {
    const InRecord& record;
    Millis arrival;
    const Event& event;
  };

  Result<void> validate(const Candidate& candidate, Outbox& outbox);
  // The region or SKU that the event names and that is unknown; nullopt: none.
  Result<std::optional<MissingReference>> missing_of(const Event& event);
  void add_pending(const Candidate& candidate, std::optional<MissingReference> missing);
  // Validates the pending records of which nothing is missing any more.
  Result<void> validate_ready(Outbox& outbox);
  // Quarantines the pending records whose day is over.
  Result<void> expire_pending(Outbox& outbox);
  void reject(const Candidate& candidate, const Rejected& rejected, Outbox& outbox);
  Result<void> copy(const Candidate& candidate, Outbox& outbox);
  // Adds what never changes to a cancellation that names ids only: readers need the region's parent and the SKU's
  // brand. Removes a parent and level that fix nothing.
  Result<void> complete(Event& event);

  static std::optional<ReferenceAnchor> anchor_of(const Event& event);
  Result<std::optional<std::string>> conflict_with_anchor(const Event& event);
  // The problem of a region whose parent is not of a higher level, or that has a child of the same or a higher level.
  Result<std::optional<std::string>> misplaced_region(const Event& event);
  Result<void> save_anchor(const Event& event);
  Result<bool> is_known(std::string_view anchor_key);

  IntakeSettings settings_;
  Ingress ingress_;
  StateTable<ReferenceState, MessageCodec<ReferenceState>> identities_;  // by identity
  StateTable<ReferenceState, MessageCodec<ReferenceState>> event_ids_;   // by event_id: one entry
  // By region or SKU: its anchor, the fields that never change. A region or SKU is known if it has one.
  StateTable<ReferenceAnchor, MessageCodec<ReferenceAnchor>> anchors_;
  PendingRecords pending_;
  bool pending_changed_ = false;  // since the last save
};

}  // namespace fiverate
