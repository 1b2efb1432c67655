// The market stage: keeps the cells of its brands (market_cells.h), publishes rows for all regions and classes, and evaluates the
// regional rules.
//
// Its senders are the outlet tasks. Its clock is the lowest watermark of all senders. A day is final kFinalAfter after its end on
// that clock: no sender emits differences of that day any more, so a FINAL row is a function of the ledger alone, in whatever
// order the records of different senders arrived.
//
// A day closes when every sender has passed its end. The regional rules are evaluated then, with the differences that each sender
// emitted before it closed that day itself. Later differences of faster senders are in the cells already; they are stored apart as
// well (`deferred_`) and subtracted for the rules.
//
// One seal is written for each day that closes. It covers the rows that are final at the end of the day, and the transitions up to
// it. The first seal is of the lowest first closed day of all senders, so seals do not depend on which sender was faster.
//
// State-only replay (Outbox::outputs_enabled() is false): cells are updated and rules evaluated, but no rows are computed. A LIVE row is compared with the
// row published before; so outputs have to start at a record at which the LIVE rows of all brands are computed (`all_live_at_`).
//
// LIVE rows are as of the clock's day. A row is published when its content has changed, at most every kLiveEvery of log time. On a
// new day all rows are computed, else those of the regions at or above a cell that has changed.
#pragma once

#include <limits>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "deltas.pb.h"
#include "ledger.pb.h"
#include "processors/stages/cell_set.h"
#include "processors/stages/data_quality_alerts.h"
#include "processors/stages/final_rows.h"
#include "processors/stages/internal_records.h"
#include "processors/stages/market_cells.h"
#include "processors/stages/reference_tables.h"
#include "processors/stages/topology.h"
#include "processors/stream/state_table.h"
#include "processors/stream/task.h"
#include "processors/trade/base/intervals.h"
#include "processors/trade/reference/catalogue.h"
#include "processors/trade/reference/region_tree.h"
#include "processors/trade/rows/rows.h"
#include "processors/trade/rules/regional_inputs.h"
#include "processors/trade/rules/regional_rules.h"
#include "seals.pb.h"
#include "state.pb.h"

namespace fiverate {

class MarketStage final : public Operator {
 public:
  static constexpr Millis kLiveEvery = 2 * kSecondMs;

  struct Settings {
    Definition definition;
    std::int32_t partition = 0;
    std::int32_t market_partitions = 1;
    bool live_rows = true;  // false in a replay into files
    std::size_t cache_bytes = 64 << 20;
    FinalRows published = {};                                  // the FINAL rows that are published
    Millis alerts_until = std::numeric_limits<Millis>::max();  // no rule is evaluated from this time on
  };
  MarketStage(Settings settings, const MarketCalendar& calendar);

  Result<void> open(const Store& store) override;
  Result<void> apply(const InRecord& record, Outbox& outbox) override;
  [[nodiscard]] std::optional<std::string> foreign_reason(const InRecord& record) const override {
    return internal_.foreign_reason(record);
  }
  bool at_boundary() const override { return true; }
  void save(StoreBatch& batch) override;
  [[nodiscard]] Millis clock() const override;
  [[nodiscard]] std::optional<ResumePoint> resume_point() const override {
    return ResumePoint{seal_.SerializeAsString(), all_live_at_};
  }
  Result<void> resume(std::string_view tally) override;

 private:
  struct Sender {
    Millis watermark = kNever;
    Day closed = kNoDay;
    Day first_day = kNoDay;  // the earliest day of any document that it accepted
  };
  using BrandFacts = std::map<std::string, std::map<std::string, RegionFacts>>;  // by brand and region
  // Where deferred differences belong: the last day that their sender had closed, and their offset in the log.
  using DeferredKey = std::pair<Day, std::int64_t>;

  void restore(const MarketState& state);
  Result<void> on_reference(const LedgerRecord& reference);
  Result<void> on_deltas(const std::string& sender_name, Deltas deltas, std::int64_t offset, Outbox& outbox);
  Result<std::vector<Deltas>> join_pieces(const std::string& sender_name, Deltas deltas);
  void add(const DeltaColumns& columns);
  Result<void> close_days(Day closed_before, Outbox& outbox);
  Result<void> evaluate_rules(Day day, Outbox& outbox);
  [[nodiscard]] BrandFacts facts_of_brands(Day day) const;
  void subtract(const DeltaColumns& columns, Day as_of, BrandFacts& brands) const;
  Result<void> evaluate_rules_of(const std::string& brand_id, const std::map<std::string, RegionFacts>& facts,
                                 const DayClose& close, std::vector<Transition>& transitions);
  void emit(std::vector<Transition> transitions, Millis at, Outbox& outbox);
  void emit_data_quality(std::vector<Transition> transitions, Outbox& outbox);
  void defer(DeferredKey key, const std::vector<Deltas>& pieces);
  void drop_deferred(Day closed);
  [[nodiscard]] Day closed_by_all() const;

  Result<void> publish_final(Day first_open, Outbox& outbox);
  Result<void> write_final(Day from, Day first_open, Outbox& outbox);
  void write_final_row(const Row& row, Outbox& outbox);
  [[nodiscard]] std::vector<bool> published_regions() const;
  [[nodiscard]] DayRows rows_of(const RunningValues& values, Millis counties_known_before) const;
  Result<void> publish_live(std::int64_t offset, Outbox& outbox);
  struct LiveChanges;
  [[nodiscard]] LiveChanges pop_live_changes(bool all);
  // Regions and class dimensions, the keys of the rows of a brand.
  using RowKeys = std::set<std::pair<std::string, std::string>>;
  [[nodiscard]] RowKeys row_keys_of(const std::vector<CellNumber>& cells) const;
  Result<void> publish_changed(const std::string& brand_id, const std::vector<Row>& rows,
                               const std::vector<bool>& regions, const RowKeys& all_keys, std::int64_t offset,
                               Outbox& outbox);
  void write_live_row(const Row& row, std::int64_t offset, Outbox& outbox);
  [[nodiscard]] Day history_begins() const;
  [[nodiscard]] bool owns_whole_market() const;

  Settings settings_;
  Selection selection_;
  std::string definition_id_;
  InternalRecords internal_;
  const MarketCalendar& calendar_;
  RegionTree regions_;
  Catalogue catalogue_;  // for guide prices
  ReferenceTables reference_;
  std::map<std::string, Sender> senders_;
  MarketCells cells_;
  StateTable<LiveState, MessageCodec<LiveState>> live_;  // by brand: hashes of the LIVE rows as published last
  StateTable<PiecesState, MessageCodec<PiecesState>> pieces_;
  StateTable<RegionalState, MessageCodec<RegionalState>> regional_;  // by brand
  DataQualityAlerts data_quality_;  // in the task of brand "" alone; elsewhere it has no input
  std::map<DeferredKey, PiecesState> deferred_;
  Day next_final_ = kNoDay;
  Millis live_at_ = kNever;
  std::int64_t all_live_at_ = 0;  // the offset of the last record at which the LIVE rows of all brands were computed
  // What has changed since the last LIVE rows.
  CellSet changed_cells_;
  CellSet changed_outlets_;  // those of them that are in the rows of every brand
  std::set<std::string> changed_brands_;
  Millis regions_changed_at_ = kNever;  // the latest arrival; counties are in all rows of every brand
  Seal seal_;                           // as it would be written now
  Day next_sealed_ = kNoDay;
  StoreBatch unsaved_;
};

}  // namespace fiverate
