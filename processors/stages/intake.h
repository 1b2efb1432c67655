// The intake stage: the ingress of the program, with one task for each partition of orders, deliveries, visits and
// commands. It decodes each record, makes the checks that need this record alone, and appends documents to the ledger
// partition of their outlet and commands to every partition of signals. A rejected record goes to `quarantine` with its
// reason and bytes; a note of the rejection goes to the ledger, so that a replay of the ledger counts data quality too.
//
// Its only state is the clock of its partition (ingress.h), which is stored in its checkpoints, as are the output chains. A receiver
// drops a record that is appended twice by its source position, and detects a lost one by its chain.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "ledger.pb.h"
#include "metrics.pb.h"
#include "processors/stages/ingress.h"
#include "processors/stages/topology.h"
#include "processors/stream/task.h"
#include "schemas/quarantine_position.h"
#include "schemas/reasons.h"

namespace fiverate {

// Returns the records at these positions, in this order; nothing for one that is not there. Error: retry.
using ReadQuarantine =
    std::function<Result<std::vector<std::optional<Quarantined>>>(const std::vector<QuarantinePosition>&)>;

struct IntakeSettings {
  Definition definition;
  ReadQuarantine read_quarantine = {};  // empty: commands that retry quarantined records are rejected
};

// Sends a rejected record to quarantine, and the note of its rejection to the ledger partition of `key`. `document`: it
// counts as a document in data quality.
void send_rejection(const InRecord& record, Millis arrival, const Rejected& rejected, bool document,
                    std::string_view key, const Definition& definition, Outbox& outbox);
// Sends `body` to every partition of an internal topic, in the record type of that topic.
void copy_to_all(Topic topic, const LedgerRecord& body, const Definition& definition, Outbox& outbox);

class Intake final : public Operator {
 public:
  explicit Intake(IntakeSettings settings)
      : settings_(std::move(settings)), ingress_(settings_.definition.timezone()) {}

  Result<void> open(const Store& store) override;
  Result<void> apply(const InRecord& record, Outbox& outbox) override;
  bool at_boundary() const override { return true; }
  void save(StoreBatch& batch) override;
  [[nodiscard]] Millis clock() const override { return ingress_.highest(); }
  [[nodiscard]] bool is_live() const override { return ingress_.is_live(); }
  [[nodiscard]] JumpGuard* jump_guard() override { return &ingress_.guard(); }
  [[nodiscard]] Millis claimed_time(const InRecord& record) override { return ingress_.claimed_time(record); }
  [[nodiscard]] std::string report() const override;

 private:
  // A document: to the ledger partition of its outlet.
  void append(Event& event, Millis arrival, Outbox& outbox);
  Result<void> on_command(const InRecord& record, Millis arrival, Outbox& outbox);
  // Checks quarantined documents again, as if they came for the first time.
  Result<void> retry(const InRecord& record, Millis arrival, Outbox& outbox);
  void retry_document(const Quarantined& quarantined, Outbox& outbox);

  IntakeSettings settings_;
  Ingress ingress_;
  LedgerRecord ledger_;               // reused for each record, so that it keeps its memory
  std::int64_t arrival_headers_ = 0;  // records with a header that claims an arrival; it is ignored
};

}  // namespace fiverate
