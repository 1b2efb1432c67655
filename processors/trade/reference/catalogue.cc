#include "processors/trade/reference/catalogue.h"

#include <algorithm>
#include <utility>

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
  const auto& versions = entry(sku).versions;
  const auto next = std::upper_bound(versions.begin(), versions.end(), day,
                                     [](Day a, const SkuVersion& b) { return a < b.valid_from; });
  if (versions.empty()) return false;
  return !(next == versions.begin() ? next : next - 1)->brand_group.empty();
}

std::vector<GuidePrice>::const_iterator Catalogue::guide_on(SkuNumber sku, Day day) const {
  const auto& guides = entry(sku).guides;
  const auto next =
      std::upper_bound(guides.begin(), guides.end(), day, [](Day a, const GuidePrice& b) { return a < b.from; });
  return next == guides.begin() ? guides.end() : next - 1;
}

std::optional<std::int64_t> Catalogue::guide_price(SkuNumber sku, Day day) const {
  const auto guide = guide_on(sku, day);
  return guide == entry(sku).guides.end() ? std::nullopt : guide->price;
}

Day Catalogue::guide_price_holds_until(SkuNumber sku, Day day) const {
  const auto& guides = entry(sku).guides;
  const auto guide = guide_on(sku, day);
  return guide == guides.end() || guide + 1 == guides.end() ? kEndOfDays : (guide + 1)->from - 1;
}

// From the first open day on the versions decide. The guide price of the first version also applies to the days before
// it.
void Catalogue::derive_guides(SkuEntry& entry, Day first_open_day) {
  auto& guides = entry.guides;
  std::erase_if(guides, [&](const GuidePrice& guide) { return guide.from >= first_open_day; });
  const auto add = [&](Day from, std::optional<std::int64_t> price) {
    if (!guides.empty() && guides.back().from == from) guides.pop_back();
    if (guides.empty() || guides.back().price != price) guides.push_back({from, price});
  };
  if (entry.versions.empty()) {
    if (!guides.empty()) add(first_open_day, std::nullopt);
    return;
  }
  if (guides.empty()) add(kNoDay, entry.versions.front().guide_price);
  auto at = std::max(kNoDay, first_open_day);
  for (std::size_t i = 0; i < entry.versions.size(); ++i) {
    const bool last = i + 1 == entry.versions.size();
    if (!last && entry.versions[i + 1].valid_from <= at) continue;  // It ends before the first open day.
    add(i == 0 ? at : std::max(at, entry.versions[i].valid_from), entry.versions[i].guide_price);
  }
}

void Catalogue::add(const std::string& sku_id) {
  skus_.push_back({sku_id});
  brands_.push_back(kNoBrand);
}

SkuNumber Catalogue::apply(const Sku& sku, bool cancelled, Day first_open_day) {
  const auto [found, added] = sku_numbers_.try_emplace(sku.sku_id(), static_cast<SkuNumber>(skus_.size()));
  if (added) {
    add(sku.sku_id());
  } else if (!sku.brand_id().empty() && brand_of(found->second) == kNoBrand) {
    // A number never changes its brand, because folded facts could not be moved to it. Documents so far stay without a
    // brand.
    found->second = static_cast<SkuNumber>(skus_.size());
    add(sku.sku_id());
  }
  auto& entry = skus_[static_cast<std::size_t>(found->second)];
  if (!sku.brand_id().empty()) {
    brands_[static_cast<std::size_t>(found->second)] = number_of_brand(sku.brand_id());
  }
  const auto valid_from = parse_date(sku.valid_from());
  CHECK(valid_from.has_value(), sku.valid_from());
  std::erase_if(entry.versions, [&](const SkuVersion& version) { return version.valid_from == *valid_from; });
  if (!cancelled) {
    const auto at = std::find_if(entry.versions.begin(), entry.versions.end(),
                                 [&](const SkuVersion& version) { return version.valid_from > *valid_from; });
    const auto guide_price = sku.has_guide_price_fen() ? std::optional(sku.guide_price_fen()) : std::nullopt;
    entry.versions.insert(at, {*valid_from, sku.brand_group(), guide_price});
  }
  derive_guides(entry, first_open_day);
  return found->second;
}

void Catalogue::restore(SkuNumber number, SkuEntry entry, const std::string& brand_id) {
  const auto index = static_cast<std::size_t>(number);
  if (skus_.size() <= index) {
    skus_.resize(index + 1);
    brands_.resize(index + 1, kNoBrand);
  }
  brands_[index] = number_of_brand(brand_id);
  sku_numbers_[entry.sku_id] = number;
  skus_[index] = std::move(entry);
}

}  // namespace fiverate
