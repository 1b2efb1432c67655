// The stage that knows each shop. One task a partition of the ledger: judges documents against the outlet's history,
// keeps its facts (one record an outlet), sends market the dated differences of what the outlet contributes, and desk
// the transitions of the outlet's alerts.
//
// Time: the task's watermark comes with progress records; an outlet's own clock is the later of the watermark and its
// latest arrival. What depends on the passing of time (an outlet that becomes dormant, a shop that runs dry, a parked
// document whose day is over) stands in a calendar kept with the state and fires when the clock gets there, with no
// event arriving.
//
// Cuts, where merged deltas are sent: every progress record, one a midnight that it passes; every kRecordsMax records;
// when the merge is full. All of it is in the log, so a replay cuts where the live run cut.
//
// Facts alone (Outbox::is_wanted): documents are judged and remembered, alerts change their state, and nothing else is worked out.
//
// Seals: one for each midnight that the watermark passes, right after the cut there. In its chain is every ledger record applied,
// the progress record that passes the midnight included; in its sum every delta sent.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ledger.pb.h"
#include "processors/stages/delta_merge.h"
#include "processors/stages/topology.h"
#include "processors/stream/state_table.h"
#include "processors/stream/task.h"
#include "processors/stream/watermark.h"
#include "processors/trade/facts/acceptance.h"
#include "processors/trade/facts/outlet_facts.h"
#include "processors/trade/measures/timeline.h"
#include "processors/trade/rules/outlet_alerts.h"
#include "seals.pb.h"

namespace fiverate {

// A day is final this long after its end: the greatest lateness and the day of parking. Nothing accepted can reach it
// then.
inline constexpr Millis kFinalAfter = 15 * kDayMs;
// The first day that is not final when the clock shows `clock` (kNoDay: none is).
Day first_open_day(Millis clock, const MarketCalendar& calendar);

class OutletStage final : public Operator {
 public:
  static constexpr std::int32_t kRecordsMax = 4096;

  struct Settings {
    Definition definition;
    std::int32_t market_partitions = 1;  // may differ from the definition's in a replay, which has its own
    std::size_t cache_bytes = 64 << 20;
    // Of a file replay. All reference data comes first, so nobody waits for it; and alerts are not asked beyond its last day.
    bool reference_first = false;
    Millis alerts_until = kOpenEnd;
  };
  OutletStage(Settings settings, const MarketCalendar& calendar);

  Result<void> open(const Store& store) override;
  Result<void> apply(const InRecord& record, Outbox& outbox) override;
  bool at_boundary() const override { return records_since_cut_ == 0; }
  void save(StoreBatch& batch) override;
  [[nodiscard]] Millis clock() const override { return watermark_; }
  [[nodiscard]] std::optional<ResumePoint> resume_point() const override { return ResumePoint{seal_.SerializeAsString()}; }
  Result<void> resume(std::string_view tally) override;

  // The latest day of any document accepted since this task was opened; kNoDay: none. For a file replay, which ends
  // there.
  [[nodiscard]] Day last_day() const { return last_day_; }

 private:
  // A document whose outlet or SKU is not known yet, or that stands behind one.
  struct Parked {
    Event event;
    Millis arrival;
    Cause cause;  // its source position
  };
  struct OutletRecord {
    OutletFacts facts;
    OutletAlerts alerts;
    std::vector<Parked> parked;
    Millis latest_arrival = kNever;
    Millis due = kNever;  // its entry in the calendar
  };
  struct RecordCodec {
    MarketContext* context;
    Result<OutletRecord> decode(std::string_view bytes) const;
    std::string encode(const OutletRecord& record) const;
  };

  Result<void> on_progress(const Progress& progress, std::int32_t partition, Outbox& outbox);
  Result<void> pass_to(Millis clock, Outbox& outbox);
  Result<void> on_document(const Event& event, Millis arrival, const Cause& cause, Outbox& outbox);
  Result<void> on_outlet(const Event& event, Millis arrival, const Cause& cause, Outbox& outbox);
  Result<void> on_sku(const Event& event, Millis arrival, Outbox& outbox);
  Result<void> fire(const std::string& outlet_id, Outbox& outbox);

  // Why the document has to wait, if it has to: an unknown id, or one before it that waits and shares an id.
  std::optional<Rejected> unknown(const OutletRecord& outlet, const Event& event) const;
  static bool blocked(const OutletRecord& outlet, const Event& event, std::size_t before);
  void park(const std::string& outlet_id, OutletRecord& outlet, Parked document);
  void stop_waiting(const std::string& outlet_id, const OutletRecord& outlet, const Event& event);
  void release(OutletRecord& outlet, Outbox& outbox);
  void judge_and_fold(OutletRecord& outlet, const Event& event, Millis arrival, const Cause& cause, Outbox& outbox);
  void quarantine(const Event& event, Millis arrival, const Cause& cause, const Rejected& rejected, Outbox& outbox);
  void send_quarantined(const Event& event, Millis arrival, const Cause& cause, const Rejected& rejected,
                        const std::string& sku_id, Outbox& outbox);
  [[nodiscard]] Millis alert_clock(const OutletRecord& outlet) const;
  void pass_alerts(const std::string& outlet_id, OutletRecord& outlet, Outbox& outbox);
  void ask_alerts(const std::string& outlet_id, OutletRecord& outlet, const SkuSet& skus, const EventRef* record,
                  Outbox& outbox);
  void quarantine_lines(const OutletRecord& outlet, const Document& document, const Event& event, Millis arrival,
                        const Cause& cause, Outbox& outbox);
  void send_alerts(Outbox& outbox);
  // What the outlet contributes, before a change of its facts; after it, what of that has become another is told. Nothing if that is
  // not wanted.
  [[nodiscard]] std::optional<FactsChange> before_change(const OutletRecord& outlet, const Affected& touched = {}) const;
  void tell(const std::optional<FactsChange>& change, const Document* document = nullptr);
  void count_quality(Contribution contribution, Millis arrival, std::int64_t value);
  void set_clock(OutletRecord& outlet);
  void note_due(const std::string& outlet_id, OutletRecord& outlet);
  void cut(Millis clock, bool settled, bool even_if_empty, Outbox& outbox);

  Settings settings_;
  std::string definition_bytes_;
  MarketContext context_;
  AcceptanceLimits limits_;
  Watermark sources_;
  CausePosition copied_;  // the last copy of `reference` that is in all of deltas: market has to have it before it applies what is said here
  Millis watermark_ = kNever;
  Day first_day_ = kNoDay;  // earliest day of any document accepted
  Day last_day_ = kNoDay;

  StateTable<OutletRecord, RecordCodec> outlets_;
  std::set<std::pair<Millis, std::string>> calendar_;          // (due, outlet)
  std::map<std::string, std::set<std::string>> wait_for_sku_;  // SKU -> outlets with parked documents
  StoreBatch unsaved_;                                         // of the small tables above and the SKUs

  DeltaMerge merge_;
  std::vector<Transition> transitions_;  // of the moment at hand
  std::int32_t records_since_cut_ = 0;
  bool wanted_ = true;  // what the record at hand causes
  Seal seal_;  // as it would be now
};

}  // namespace fiverate
