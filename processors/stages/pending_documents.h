// The pending documents of outlets (pending_records.h): documents whose outlet or SKU is unknown. For each unknown SKU
// this class keeps the outlets that wait for it, in memory and in the store of the task under w/<sku, outlet>. A
// document waits for the first of its references that is unknown: for its outlet, then for one SKU after the other.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "processors/stages/outlet_context.h"
#include "processors/stages/outlet_output.h"
#include "processors/stages/pending_records.h"

namespace fiverate {

class PendingDocuments {
 public:
  PendingDocuments(const OutletContext& context, OutletOutput& output) : context_(context), output_(output) {}

  // Restores what an earlier task saved.
  [[nodiscard]] Result<void> open(const Store& store);
  // Adds what has changed since the last save.
  void save(StoreBatch& batch);

  // True if a document of this arrival may not wait (any longer): reference data that is missing now will not come in
  // time.
  [[nodiscard]] bool is_expired(Millis arrival) const;
  void add(const LedgerEvent& document, OutletRecord& outlet);

  // The outlet, or a SKU, is known now: documents that waited for it become ready or wait for another SKU.
  [[nodiscard]] Result<void> on_known(const MissingReference& known, const std::string& outlet_id,
                                      OutletRecord& outlet);
  // As PendingRecords::pop_ready and pop_expired; the document counts as pending no longer.
  [[nodiscard]] std::optional<PendingRecord> pop_ready(OutletRecord& outlet);
  [[nodiscard]] std::optional<PendingRecords::Expired> pop_expired(const std::string& outlet_id, OutletRecord& outlet);
  // When the next pending document expires; kNever: none does.
  [[nodiscard]] Millis next_expiry(const OutletRecord& outlet) const;

  // Removes and returns the outlets that have waited for a SKU, which is known now.
  std::set<std::string> pop_outlets_waiting_for(const std::string& sku_id);

 private:
  void wait(const MissingReference& missing, const std::string& outlet_id);
  void stop_waiting(const MissingReference& missing, const std::string& outlet_id);

  const OutletContext& context_;
  OutletOutput& output_;
  std::map<std::string, std::set<std::string>> outlets_by_sku_;
  StoreBatch unsaved_;
};

}  // namespace fiverate
