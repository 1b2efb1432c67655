#include "processors/stages/reference_tables.h"

#include <string>
#include <utility>

#include "processors/stages/final_days.h"
#include "processors/stages/state_codec.h"
#include "processors/stream/state_table.h"

namespace fiverate {
namespace {

constexpr std::string_view kSkuPrefix = "s/";
constexpr std::string_view kRegionPrefix = "r/";

}  // namespace

Result<void> ReferenceTables::open(const Store& store) {
  if (skus_ != nullptr) {
    TRY(read_messages<SkuState>(store, kSkuPrefix, [&](std::string_view, const SkuState& sku) {
      if (!is_valid(sku)) return false;
      restore(sku, *skus_);
      return true;
    }));
  }
  if (regions_ == nullptr) return {};
  return read_messages<RegionState>(store, kRegionPrefix, [&](std::string_view, const RegionState& region) {
    if (!is_valid(region)) return false;
    restore(region, *regions_);
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
    unsaved_.put(std::string(kSkuPrefix) + event.sku().sku_id(), saved_sku(*skus_, sku).SerializeAsString());
  }
  if (event.has_region() && regions_ != nullptr) {
    const auto region = regions_->apply(event, arrival);
    unsaved_.put(std::string(kRegionPrefix) + event.region().region_id(),
                 saved_region(*regions_, region).SerializeAsString());
  }
}

}  // namespace fiverate
