#include "processors/stages/reference_tables.h"

#include <string>
#include <utility>

#include "processors/stages/final_days.h"
#include "processors/stream/state_table.h"
#include "processors/trade/facts/sound.h"

namespace fiverate {
namespace {

constexpr std::string_view kSkuPrefix = "s/";
constexpr std::string_view kRegionPrefix = "r/";

}  // namespace

Result<void> ReferenceTables::open(const Store& store) {
  if (skus_ != nullptr) {
    TRY(read_messages<SkuState>(store, kSkuPrefix, [&](std::string_view, const SkuState& sku) {
      if (!is_sound(sku)) return false;
      skus_->restore(sku);
      return true;
    }));
  }
  if (regions_ == nullptr) return {};
  return read_messages<RegionState>(store, kRegionPrefix, [&](std::string_view, const RegionState& region) {
    if (!is_sound(region)) return false;
    regions_->restore(region);
    return true;
  });
}

void ReferenceTables::save(StoreBatch& batch) {
  for (auto& change : unsaved_.changes) batch.changes.push_back(std::move(change));
  unsaved_.changes.clear();
}

void ReferenceTables::apply(const Event& event, Millis arrival) {
  if (event.has_sku() && skus_ != nullptr) {
    const auto sku = skus_->apply(event.sku(), event.cancelled(), first_open_day(arrival, calendar_));
    unsaved_.put(std::string(kSkuPrefix) + sku.sku_id(), sku.SerializeAsString());
  }
  if (event.has_region() && regions_ != nullptr) {
    const auto region = regions_->apply(event, arrival);
    unsaved_.put(std::string(kRegionPrefix) + event.region().region_id(), region.SerializeAsString());
  }
}

}  // namespace fiverate
