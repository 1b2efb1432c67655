// The SKUs and brands that a task knows, with numbers that keep facts small. SKU numbers follow the order in which SKUs
// become known in the task's own partition, and its state keeps them. Brand numbers hold in one process only.
#pragma once

#include <boost/container/flat_map.hpp>
#include <boost/container/flat_set.hpp>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "event.pb.h"
#include "schemas/time.h"

namespace fiverate {

enum class SkuNumber : std::uint32_t {};
enum class BrandNumber : std::uint32_t {};
inline constexpr BrandNumber kNoBrand{0};  // The brand of what has none; its id is "".

// For the few dozen SKUs of one outlet, looked up for every line and walked in order. They are sorted arrays, so values
// should be cheap to move.
using SkuSet = boost::container::flat_set<SkuNumber>;
template <typename Value>
using SkuMap = boost::container::flat_map<SkuNumber, Value>;

// Allows look-ups in a map of strings by a string_view.
struct StringHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};
template <typename Value>
using StringMap = std::unordered_map<std::string, Value, StringHash, std::equal_to<>>;

struct SkuVersion {
  Day valid_from;
  std::string brand_group;
  std::optional<std::int64_t> guide_price;  // fen
};
// A guide price that applies from a day on. It differs from the versions where a version arrived after its days were
// final.
struct GuidePrice {
  Day from;
  std::optional<std::int64_t> price;  // fen
};
// What the catalogue keeps of one SKU, and restores it from.
struct SkuEntry {
  std::string sku_id;
  std::vector<SkuVersion> versions = {};  // ascending, without cancelled ones
  std::vector<GuidePrice> guides = {};    // ascending; the first begins at kNoDay, if there is any
};

class Catalogue {
 public:
  Catalogue() : brand_ids_{""} { brand_numbers_.emplace("", kNoBrand); }

  [[nodiscard]] std::optional<SkuNumber> find(std::string_view sku_id) const;
  [[nodiscard]] const SkuEntry& entry(SkuNumber sku) const { return skus_[static_cast<std::size_t>(sku)]; }
  [[nodiscard]] BrandNumber brand_of(SkuNumber sku) const { return brands_[static_cast<std::size_t>(sku)]; }
  [[nodiscard]] const std::string& brand_id(BrandNumber brand) const {
    return brand_ids_[static_cast<std::size_t>(brand)];
  }
  [[nodiscard]] const std::string& sku_id(SkuNumber sku) const { return entry(sku).sku_id; }
  [[nodiscard]] std::size_t size() const { return skus_.size(); }

  // Whether the SKU's version of the day has a brand group, which makes its brand a key brand. The first version also
  // applies to the days before it.
  [[nodiscard]] bool in_brand_group(SkuNumber sku, Day day) const;

  // The guide price on a day, in fen; nullopt if there is none.
  [[nodiscard]] std::optional<std::int64_t> guide_price(SkuNumber sku, Day day) const;
  // The last day on which the guide price of `day` applies.
  [[nodiscard]] Day guide_price_holds_until(SkuNumber sku, Day day) const;

  // Applies an accepted SKU event and returns the SKU's number. Guide prices of days before `first_open_day` are final
  // and stay. A SKU without a brand (only a cancelled version arrived) is known but counts nowhere. If its brand
  // arrives later, the SKU gets a new number, and documents before that stay uncounted. (A file replay reads SKUs first
  // and counts them.)
  SkuNumber apply(const Sku& sku, bool cancelled = false, Day first_open_day = kNoDay);
  // Restores a SKU. SKUs may come in any order, all of them before the first look-up.
  void restore(SkuNumber number, SkuEntry entry, const std::string& brand_id);

 private:
  static void derive_guides(SkuEntry& entry, Day first_open_day);
  [[nodiscard]] std::vector<GuidePrice>::const_iterator guide_on(SkuNumber sku, Day day) const;
  void add(const std::string& sku_id);
  BrandNumber number_of_brand(const std::string& brand_id);

  std::vector<SkuEntry> skus_;
  std::vector<BrandNumber> brands_;  // of each SKU: close together, since they are looked up for every line
  StringMap<SkuNumber> sku_numbers_;
  std::vector<std::string> brand_ids_;
  StringMap<BrandNumber> brand_numbers_;
};

}  // namespace fiverate
