// The pending documents of outlets (pending_records.h): documents whose outlet or SKU is unknown. For each unknown SKU
// this class keeps the outlets that wait for it, in memory and in the store of the task under w/<sku, outlet>.
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

  // The reference data that a document of this outlet misses; nullopt: none.
  [[nodiscard]] std::optional<Rejected> missing_of(const Event& document, const OutletRecord& outlet) const;
  // True if a document of this arrival may not wait (any longer): reference data that is missing now will not come in
  // time.
  [[nodiscard]] bool is_expired(Millis arrival) const;
  void add(const LedgerEvent& document, OutletRecord& outlet);

  // As PendingRecords::pop_ready and pop_expired; the document counts as pending no longer.
  [[nodiscard]] Result<std::optional<PendingRecord>> pop_ready(OutletRecord& outlet);
  [[nodiscard]] Result<std::optional<PendingRecords::Expired>> pop_expired(const std::string& outlet_id,
                                                                           OutletRecord& outlet);
  // When the next pending document expires; kNever: none does.
  [[nodiscard]] Millis next_expiry(const OutletRecord& outlet) const;

  // Removes and returns the outlets that have waited for a SKU, which is known now.
  std::set<std::string> pop_outlets_waiting_for(const std::string& sku_id);

 private:
  void stop_waiting(const std::string& outlet_id, const PendingRecord& gone, const OutletRecord& outlet);

  const OutletContext& context_;
  OutletOutput& output_;
  std::map<std::string, std::set<std::string>> outlets_by_sku_;
  StoreBatch unsaved_;
};

}  // namespace fiverate
