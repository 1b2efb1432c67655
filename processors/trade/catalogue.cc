#include "processors/trade/catalogue.h"

#include <algorithm>

#include "schemas/check.h"

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

bool Catalogue::in_brand_group(SkuNumber sku, Day day) const {
  const auto& versions = skus_[static_cast<std::size_t>(sku)].versions;
  const auto next =
      std::upper_bound(versions.begin(), versions.end(), day, [](Day a, const Version& b) { return a < b.valid_from; });
  if (versions.empty()) return false;
  return !(next == versions.begin() ? next : next - 1)->brand_group.empty();
}

SkuState Catalogue::apply(const Sku& sku, bool cancelled) {
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
  const auto valid_from = parse_date(sku.valid_from());
  CHECK(valid_from.has_value(), sku.valid_from());
  std::erase_if(entry.versions, [&](const Version& version) { return version.valid_from == *valid_from; });
  if (!cancelled) {
    const auto at = std::find_if(entry.versions.begin(), entry.versions.end(),
                                 [&](const Version& version) { return version.valid_from > *valid_from; });
    entry.versions.insert(at, {*valid_from, sku.brand_group()});
  }
  SkuState state;
  for (const auto& version : entry.versions) {
    state.add_valid_from(version.valid_from.number);
    state.add_brand_groups(version.brand_group);
  }
  state.set_sku_id(entry.sku_id);
  state.set_number(static_cast<std::uint32_t>(found->second));
  state.set_brand_id(brand_id(entry.brand));
  return state;
}

void Catalogue::restore(const SkuState& state) {
  if (skus_.size() <= state.number()) skus_.resize(state.number() + 1);
  auto& entry = skus_[state.number()];
  entry = {state.sku_id(), number_of_brand(state.brand_id())};
  for (int i = 0; i < state.valid_from_size(); ++i) {
    entry.versions.push_back({Day{state.valid_from(i)}, state.brand_groups(i)});
  }
  sku_numbers_[state.sku_id()] = static_cast<SkuNumber>(state.number());
}

}  // namespace fiverate
