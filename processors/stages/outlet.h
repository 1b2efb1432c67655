// The outlet stage: one task for each ledger partition. It keeps the facts of each outlet, sends dated differences to
// the market stage and transitions of outlet alerts to the alert manager. It puts these parts together:
//
//   OutletDocuments    validates documents and applies them, outlet versions and the passing of days to the facts
//   PendingDocuments   documents that wait for an unknown outlet or SKU
//   OutletTimers       when an outlet changes although no record arrives
//   OutletAlertRules   evaluates the rules of outlet alerts
//   OutletOutput       merges differences, sends all outputs, keeps the seal
//
// Time: the watermark of the task comes with progress records. An outlet's own clock is the later of the watermark and
// its latest arrival. What the passing of time changes (an outlet becomes dormant, its stock runs out, a pending
// document expires) is a timer of the outlet, and is applied before any later record.
//
// Seals: one for each midnight that the watermark passes, after the flush at that midnight. Its chain covers every
// ledger record applied so far, including the progress record that passes midnight; its sum covers all differences
// sent.
//
// State-only replay (Outbox::outputs_enabled() is false): documents and alerts change the state; no output is computed.
//
// Keys of the store:
//   o/<outlet>   outlet_codec.h                 c/...        timers (outlet_timers.h)
//   s/<sku>      SkuState                       w/...        outlets that wait for a SKU (pending_documents.h)
//   progress     ProgressState                  first_day, seal (outlet_output.h)
#pragma once

#include <optional>
#include <string>

#include "ledger.pb.h"
#include "processors/stages/internal_records.h"
#include "processors/stages/outlet_alert_rules.h"
#include "processors/stages/outlet_codec.h"
#include "processors/stages/outlet_context.h"
#include "processors/stages/outlet_documents.h"
#include "processors/stages/outlet_output.h"
#include "processors/stages/outlet_timers.h"
#include "processors/stages/pending_documents.h"
#include "processors/stages/reference_tables.h"
#include "processors/stages/source_holds.h"
#include "processors/stream/state_table.h"
#include "processors/stream/task.h"
#include "processors/stream/watermark.h"

namespace fiverate {

class OutletStage final : public Operator {
 public:
  using Settings = OutletSettings;
  OutletStage(Settings settings, const MarketCalendar& calendar);

  Result<void> open(const Store& store) override;
  Result<void> apply(const InRecord& record, Outbox& outbox) override;
  [[nodiscard]] std::optional<std::string> foreign_reason(const InRecord& record) const override {
    return internal_.foreign_reason(record);
  }
  bool at_boundary() const override { return output_.is_empty(); }
  void save(StoreBatch& batch) override;
  [[nodiscard]] Millis clock() const override { return context_.watermark; }
  [[nodiscard]] std::optional<ResumePoint> resume_point() const override { return ResumePoint{output_.tally()}; }
  Result<void> resume(std::string_view tally) override { return output_.resume(tally); }

  [[nodiscard]] Day last_day() const { return documents_.last_day(); }

 private:
  Result<void> on_progress(const LedgerRecord& record, std::int32_t partition);
  Result<void> on_event(const LedgerEvent& event);
  Result<void> on_document(const LedgerEvent& document);
  Result<void> on_version(const LedgerEvent& version);
  Result<void> on_sku(const LedgerEvent& sku);
  Result<void> on_timer(const std::string& outlet_id);

  // Advances the watermark; all timers due on the way fire in the order of time.
  Result<void> advance_to(Millis clock);
  // Advances the outlet to its clock, before a record or a timer changes it.
  void advance(const std::string& outlet_id, OutletRecord& outlet);
  // Applies the pending documents of which nothing is missing any more.
  void apply_ready(OutletRecord& outlet);
  // Sets the outlet's timer to the next time at which it changes.
  void schedule(const std::string& outlet_id, OutletRecord& outlet);

  OutletContext context_;
  std::string definition_id_;
  InternalRecords internal_;
  Watermark sources_;
  SourceHolds holds_;
  StateTable<OutletRecord, OutletRecordCodec> outlets_;
  ReferenceTables reference_;
  OutletOutput output_;
  OutletAlertRules rules_;
  OutletDocuments documents_;
  PendingDocuments pending_;
  OutletTimers timers_;
};

}  // namespace fiverate
