// The reference data that a stage keeps of the copies in its input topic: SKUs, regions or both. They are in memory,
// and in the store of the task under
//
//   s/<sku>     SkuState
//   r/<region>  RegionState
#pragma once

#include "event.pb.h"
#include "processors/stream/ports.h"
#include "processors/trade/reference/catalogue.h"
#include "processors/trade/reference/region_tree.h"
#include "schemas/time.h"

namespace fiverate {

class ReferenceTables {
 public:
  // A stage that keeps no SKUs or no regions passes nullptr; their events have no effect then. All pointees outlive
  // this object.
  ReferenceTables(Catalogue* skus, RegionTree* regions, const MarketCalendar& calendar)
      : skus_(skus), regions_(regions), calendar_(calendar) {}

  // Restores what an earlier task saved.
  [[nodiscard]] Result<void> open(const Store& store);
  // Adds what has changed since the last save.
  void save(StoreBatch& batch);

  // Applies a SKU or region event that the reference stage has accepted; other events have no effect. Guide prices of
  // days that are final at `arrival` stay as they are: all stages that keep SKUs evaluate prices alike.
  void apply(const Event& event, Millis arrival);

 private:
  Catalogue* skus_;
  RegionTree* regions_;
  const MarketCalendar& calendar_;
  StoreBatch unsaved_;
};

}  // namespace fiverate
