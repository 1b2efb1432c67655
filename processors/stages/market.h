// The stage that knows the market: keeps, for its brands, the prefix sums of every leaf (county and class value), and
// publishes rows for all regions and classes.
//
// Its clock is the lowest watermark of its senders, the outlet tasks. A day is final kFinalAfter after its end on that clock:
// every sender has then told all that it will ever tell about it, so the FINAL row is a function of the ledger alone,
// whatever the interleaving of deltas.
//
// A day closes when every sender has passed its end. Then the regional rules are asked, by what each sender had told before it
// closed that day itself: what faster senders told since is held apart from that look (`ahead_`).
//
// Seals: one for each day that closes, with the rows that are final at its end and the transitions up to it. The first is of the
// lowest day that any sender told first, so that they are the same whoever was faster.
//
// Facts alone (Outbox::is_wanted): cells are added to and rules asked, no rows are worked out. What the live rows of a brand were
// last is needed to see that they changed; hence all is worked out from the last record on at which all brands had theirs anew.
//
// LIVE rows say what is known so far, as of the clock's day; they are published only when they changed, at most every
// kLiveEvery of log time.
#pragma once

#include <limits>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "deltas.pb.h"
#include "ledger.pb.h"
#include "processors/stages/reference_tables.h"
#include "processors/stages/topology.h"
#include "processors/stream/state_table.h"
#include "processors/stream/task.h"
#include "processors/trade/base/intervals.h"
#include "processors/trade/reference/catalogue.h"
#include "processors/trade/reference/region_tree.h"
#include "processors/trade/rows/rows.h"
#include "processors/trade/rows/series.h"
#include "processors/trade/rules/regional_rules.h"
#include "seals.pb.h"
#include "state.pb.h"

namespace fiverate {

// Keys of the result topics: JSON arrays, unambiguous and readable.
std::string metrics_key(const MetricsRow& row);
std::string metrics_final_key(const MetricsRow& row);

class MarketStage final : public Operator {
 public:
  static constexpr Millis kLiveEvery = 10 * kSecondMs;

  struct Settings {
    Definition definition;
    std::int32_t partition = 0;
    std::int32_t market_partitions = 1;
    bool live_rows = true;  // off in a replay into files
    std::size_t cache_bytes = 64 << 20;
    Intervals published = kAllDays;  // a replay may want some days only
    Millis alerts_until = std::numeric_limits<Millis>::max();  // of a file replay: no rule is asked from then on
  };
  MarketStage(Settings settings, const MarketCalendar& calendar);

  Result<void> open(const Store& store) override;
  Result<void> apply(const InRecord& record, Outbox& outbox) override;
  bool at_boundary() const override { return true; }
  void save(StoreBatch& batch) override;
  [[nodiscard]] Millis clock() const override;
  [[nodiscard]] std::optional<ResumePoint> resume_point() const override { return ResumePoint{seal_.SerializeAsString(), all_live_at_}; }
  Result<void> resume(std::string_view tally) override;

 private:
  struct Sender {
    Millis watermark = kNever;
    Day closed = kNoDay;
    Day first_day = kNoDay;  // earliest day of any document that it accepted
  };
  struct CellCodec {
    Result<Cell> decode(std::string_view bytes) const;
    std::string encode(const Cell& cell) const;
  };
  using BrandCells = std::map<std::string, LeafCells>;

  Result<void> on_deltas(const std::string& sender_name, Deltas deltas, std::int64_t offset, Outbox& outbox);
  Result<void> add(const Deltas& deltas);
  Result<BrandCells> all_cells();
  Result<void> close_days(Day after, Outbox& outbox);
  Result<void> ask_rules(Day day, Outbox& outbox);
  void hold_apart(Day closed_by_sender, std::int64_t offset, const Deltas& deltas);
  void stop_holding(Day closed);
  [[nodiscard]] Day closed_by_all() const;
  Result<void> publish_final(Day first_open, Outbox& outbox);
  Result<void> write_final(Day from, Day first_open, Outbox& outbox);
  Result<void> publish_live(std::int64_t offset, Outbox& outbox);
  Result<void> publish_changes(const std::string& brand_id, std::vector<MetricsRow> rows, std::int64_t offset,
                               Outbox& outbox);
  Result<void> fold_before(Day day);
  [[nodiscard]] Day history_begins() const;
  [[nodiscard]] bool owns_whole_market() const;

  Settings settings_;
  std::string definition_bytes_;
  const MarketCalendar& calendar_;
  RegionTree regions_;
  Catalogue catalogue_;  // for guide prices
  ReferenceTables reference_;
  std::map<std::string, Sender> senders_;
  StateTable<Cell, CellCodec> cells_;
  StateTable<LiveState, MessageCodec<LiveState>> live_;  // by brand: what was published
  StateTable<PiecesState, MessageCodec<PiecesState>> pieces_;
  StateTable<RegionalState, MessageCodec<RegionalState>> regional_;  // by brand
  // What senders told after they had closed a day that not all have closed: by that day and the position in the log.
  std::map<std::pair<Day, std::int64_t>, Deltas> ahead_;
  Day next_final_ = kNoDay;
  Millis live_at_ = kNever;
  std::int64_t all_live_at_ = 0;  // offset at which the live rows of all brands were worked out last, whatever they had been before
  // Since the last live rows: brands with deltas; whether something changed that is in the rows of all.
  std::set<std::string> touched_;
  bool all_touched_ = false;
  Seal seal_;                // as it would be now
  Day next_sealed_ = kNoDay;  // until all senders have closed a day: the lowest that one of them told first
  StoreBatch unsaved_;
};

}  // namespace fiverate
