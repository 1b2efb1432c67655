// The intake stage: the ingress of the program, with one task for each partition of orders, deliveries, visits and
// commands. It decodes each record, makes the checks that need this record alone, and appends documents to the ledger
// partition of their outlet and commands to every partition of signals. A rejected record goes to `quarantine` with its
// reason and bytes; a note of the rejection goes to the ledger, so that a replay of the ledger counts data quality too.
//
// Its only state is the highest arrival so far. It is stored in the checkpoints of the task, as are the output chains. A receiver drops a record that is appended twice by its source position, and detects a lost one by its chain.
#pragma once

#include <optional>

#include "event.pb.h"
#include "ledger.pb.h"
#include "processors/stages/topology.h"
#include "processors/stream/task.h"
#include "schemas/reasons.h"

namespace fiverate {

// Derives the arrival of the records of one source partition: the Kafka timestamp, raised to the highest arrival so
// far. A retried record has its original arrival and raises nothing. A mark raises the clock to its timestamp and, with
// clock = marks, to its `complete_through`. A timestamp outside 1970..9999 is ignored: the record arrives at the
// highest arrival so far.
class ArrivalClock {
 public:
  explicit ArrivalClock(bool uses_marks) : uses_marks_(uses_marks) {}

  Millis arrival_of(const InRecord& record, const Event* mark);
  [[nodiscard]] Millis highest() const { return highest_; }

  void load(std::string_view text);
  [[nodiscard]] std::string save() const;

 private:
  bool uses_marks_;
  Millis highest_ = kNever;
};

struct IntakeSettings {
  Definition definition;
  bool wall_clock = false;
};

// Rejects a record with a Kafka timestamp after the year 9999: with the clock raised to it, every later record of the
// partition would be late. An early timestamp is raised, and the arrival of a retried record does not depend on its
// timestamp.
std::optional<Rejected> check_timestamp(const InRecord& record, const Event& event);
// Sends a rejected record to quarantine, and the note of its rejection to the ledger partition of `key`. `document`: it
// counts as a document in data quality.
void send_rejection(const InRecord& record, Millis arrival, const Rejected& rejected, bool document,
                    std::string_view key, const Definition& definition, Outbox& outbox);
// Sends `body` to every partition of an internal topic, in the record type of that topic.
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
  LedgerRecord ledger_;  // reused for each record, so that it keeps its memory
};

}  // namespace fiverate
