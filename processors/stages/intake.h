// The only door. One task a partition of orders, deliveries, visits and commands: decodes, makes the checks that need the
// record alone, and appends to the ledger partition of the outlet. What does not pass goes to `quarantine` with its reason
// and bytes, and a note of it into the ledger, so that data quality replays too.
//
// Keeps no state but the highest arrival so far, which travels with the group's offset, as does how its outputs are chained. Whatever
// is appended twice is dropped behind by its source position; whatever is lost is missed there.
#pragma once

#include <optional>

#include "event.pb.h"
#include "ledger.pb.h"
#include "processors/stages/topology.h"
#include "processors/stream/task.h"
#include "schemas/reasons.h"

namespace fiverate {

// The arrival of a source partition's records: the Kafka timestamp, raised to the highest so far. A retried record brings
// its original arrival and raises nothing. In both clocks a mark says what time it is: by its own timestamp, and with clock =
// marks by what it says to be complete. A timestamp outside 1970..9999 says nothing: the record arrives at the highest so far.
class ArrivalClock {
 public:
  explicit ArrivalClock(bool marks_speak) : marks_speak_(marks_speak) {}

  Millis arrival_of(const InRecord& record, const Event* mark);
  [[nodiscard]] Millis highest() const { return highest_; }

  void load(std::string_view text);
  [[nodiscard]] std::string save() const;

 private:
  bool marks_speak_;
  Millis highest_ = kNever;
};

struct IntakeSettings {
  Definition definition;
  bool wall_clock = false;
};

// The Kafka timestamp is later than the year 9999. With the clock raised to it, all that follows in the partition would be late.
// (An early one is raised like any other, and a retried record brings the arrival that counts.)
std::optional<Rejected> check_timestamp(const InRecord& record, const Event& event);
// What intake and reference write alike: the record to quarantine, and the note of it into the ledger partition of `key`.
void send_rejection(const InRecord& record, Millis arrival, const Rejected& rejected, bool document, std::string_view key,
                    const Definition& definition, Outbox& outbox);
// Sends `body` into every partition of the internal topic, in that topic's form.
void copy_to_all(Topic topic, const LedgerRecord& body, const Definition& definition, Outbox& outbox);

class Intake final : public Operator {
 public:
  explicit Intake(IntakeSettings settings) : settings_(std::move(settings)), clock_(!settings_.wall_clock) {}

  Result<void> open(const Store& store) override;
  Result<void> apply(const InRecord& record, Outbox& outbox) override;
  bool at_boundary() const override { return true; }
  void save(StoreBatch& batch) override;
  [[nodiscard]] Millis clock() const override { return clock_.highest(); }

 private:
  IntakeSettings settings_;
  ArrivalClock clock_;
  LedgerRecord ledger_;  // reused: its memory is kept from record to record
};

}  // namespace fiverate
