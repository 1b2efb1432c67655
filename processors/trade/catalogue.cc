#include "processors/trade/catalogue.h"

namespace fiverate {

std::optional<SkuNumber> Catalogue::find(std::string_view sku_id) const {
  const auto found = sku_numbers_.find(sku_id);
  if (found == sku_numbers_.end()) return std::nullopt;
  return found->second;
}

BrandNumber Catalogue::number_of_brand(const std::string& brand_id) {
  const auto [found, added] = brand_numbers_.try_emplace(brand_id, static_cast<BrandNumber>(brand_ids_.size()));
  if (added) brand_ids_.push_back(brand_id);
  return found->second;
}

SkuState Catalogue::apply(const Sku& sku) {
  const auto [found, added] = sku_numbers_.try_emplace(sku.sku_id(), static_cast<SkuNumber>(skus_.size()));
  if (added) {
    skus_.push_back({sku.sku_id(), kNoBrand});
  } else if (!sku.brand_id().empty() && brand_of(found->second) == kNoBrand) {
    // What was counted under no brand stays there: a number never changes its brand, or facts already folded would.
    found->second = static_cast<SkuNumber>(skus_.size());
    skus_.push_back({sku.sku_id(), kNoBrand});
  }
  auto& entry = skus_[static_cast<std::size_t>(found->second)];
  if (!sku.brand_id().empty()) entry.brand = number_of_brand(sku.brand_id());
  SkuState state;
  state.set_sku_id(entry.sku_id);
  state.set_number(static_cast<std::uint32_t>(found->second));
  state.set_brand_id(brand_id(entry.brand));
  return state;
}

void Catalogue::restore(const SkuState& state) {
  if (skus_.size() <= state.number()) skus_.resize(state.number() + 1);
  skus_[state.number()] = {state.sku_id(), number_of_brand(state.brand_id())};
  sku_numbers_[state.sku_id()] = static_cast<SkuNumber>(state.number());
}

}  // namespace fiverate
