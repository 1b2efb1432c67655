// The output of the outlet stage: dated differences to the market stage, transitions to the alert manager, quarantined
// documents, and the seal of the task.
//
// Differences are merged and sent by a flush: at every progress record, at every midnight that a progress record
// passes, after kRecordsMax records, and when the merge is full. All of this follows from the ledger alone, so a replay
// flushes where the live run flushed.
//
// While outputs are disabled (Outbox::outputs_enabled() is false), nothing is sent, and the seal stays as it is until resume().
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "alerts.pb.h"
#include "deltas.pb.h"
#include "processors/stages/delta_merge.h"
#include "processors/stages/outlet_context.h"
#include "processors/stream/task.h"
#include "processors/trade/measures/measure.h"
#include "processors/trade/rules/data_quality.h"
#include "schemas/reasons.h"
#include "seals.pb.h"

namespace fiverate {

class OutletOutput {
 public:
  static constexpr std::int32_t kRecordsMax = 4096;

  explicit OutletOutput(const OutletContext& context) : context_(context) {}

  // Restores the seal and the first day that an earlier task saved.
  [[nodiscard]] Result<void> open(const Store& store);
  void save(StoreBatch& batch) const;
  // The seal, for a task that resumes at this offset after a replay without outputs.
  [[nodiscard]] std::string tally() const { return seal_.SerializeAsString(); }
  // Continues from such a seal and drops all that is not sent yet: the task that saved it has sent it.
  [[nodiscard]] Result<void> resume(std::string_view tally);

  // Begins the output of one ledger record. `outbox` must live until the output of the record is complete.
  void begin(const InRecord& record, Outbox& outbox);
  [[nodiscard]] bool is_enabled() const { return enabled_; }
  // True if nothing waits for the next flush.
  [[nodiscard]] bool is_empty() const { return records_ == 0; }
  // True if a flush is due although no progress record has come.
  [[nodiscard]] bool is_full() const { return records_ >= kRecordsMax || deltas_.full(); }

  void add(const Differences& differences);
  // Adds to a measure of data quality, on the day of arrival. A document that `quarantine retry` sends again after that
  // day is final counts on the first day that is not.
  void count(Contribution contribution, Millis arrival, std::int64_t documents);
  // The earliest day of an accepted document goes with each flush.
  void count_accepted(Day day, Millis arrival);
  // The outcome of a document of this source, for rule R16: on the day when it is found, which is not before today.
  void count_outcome(const Cause& source, Millis found_at, bool rejected);
  // The records that are held now; the next flush takes them to market.
  void send_with_next_flush(DataQuality::Holds holds);
  // Quarantines a document and counts it under its reason.
  void quarantine(const LedgerEvent& document, const Rejected& rejected);
  // Quarantines the line of one SKU; the document itself is accepted.
  void quarantine_line(const LedgerEvent& document, const Rejected& rejected, const std::string& sku_id);
  void send(std::vector<Transition> transitions);

  // Sends the merged differences, and one record without any to each market partition that gets none if
  // `even_if_empty`. `end_of_batch`: no other flush of the same progress record follows, so market may publish LIVE
  // rows.
  void flush(bool end_of_batch, bool even_if_empty);
  // Writes the seal of a day that the watermark has passed, after the flush at its end.
  void write_seal(std::int32_t partition, Day day);

 private:
  void send_quarantined(const LedgerEvent& document, const Rejected& rejected, const std::string& sku_id);
  [[nodiscard]] DataQuality drain_quality();
  void send_piece(std::size_t partition, Deltas piece, const std::vector<Cause>& depends_on);

  const OutletContext& context_;
  Outbox* outbox_ = nullptr;  // of the record at hand
  bool enabled_ = true;
  DeltaMerge deltas_;
  std::map<std::pair<Topic, Day>, DocumentOutcomes> outcomes_;  // since the last flush
  std::optional<DataQuality::Holds> holds_;                     // likewise
  std::int32_t records_ = 0;                                    // since the last flush
  Day first_day_ = kNoDay;                                      // earliest day of any accepted document
  Seal seal_;                                                   // the seal if it were written now
};

}  // namespace fiverate
