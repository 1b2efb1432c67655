// The SKUs and brands that a task knows, numbered so that facts stay small. SKU numbers follow the order in which SKUs
// became known in the task's own partition and are kept with its state; brand numbers live in memory only.
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
#include "state.pb.h"

namespace fiverate {

enum class SkuNumber : std::uint32_t {};
enum class BrandNumber : std::uint32_t {};
inline constexpr BrandNumber kNoBrand{0};  // of what has no brand; its id is ""

// Of one outlet: a few dozen, asked for every line and walked in order. A sorted array, so keep what stands in it small to move.
using SkuSet = boost::container::flat_set<SkuNumber>;
template <typename Value>
using SkuMap = boost::container::flat_map<SkuNumber, Value>;

// Lets a map of strings be asked with a string_view.
struct StringHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};
template <typename Value>
using StringMap = std::unordered_map<std::string, Value, StringHash, std::equal_to<>>;

class Catalogue {
 public:
  Catalogue() : brand_ids_{""} { brand_numbers_.emplace("", kNoBrand); }

  [[nodiscard]] std::optional<SkuNumber> find(std::string_view sku_id) const;
  [[nodiscard]] BrandNumber brand_of(SkuNumber sku) const { return skus_[static_cast<std::size_t>(sku)].brand; }
  [[nodiscard]] const std::string& brand_id(BrandNumber brand) const {
    return brand_ids_[static_cast<std::size_t>(brand)];
  }
  [[nodiscard]] const std::string& sku_id(SkuNumber sku) const { return skus_[static_cast<std::size_t>(sku)].sku_id; }
  [[nodiscard]] std::size_t size() const { return skus_.size(); }

  // Has its version of the day a brand group (a key brand)? Before the first version that one applies.
  [[nodiscard]] bool in_brand_group(SkuNumber sku, Day day) const;

  // Its guide price in fen on a day; nothing: it has none.
  [[nodiscard]] std::optional<std::int64_t> guide_price(SkuNumber sku, Day day) const;
  // The last day on which the guide price of `day` holds.
  [[nodiscard]] Day guide_price_holds_until(SkuNumber sku, Day day) const;

  // Takes an accepted SKU event. Guide prices of days before `first_open_day` are final and stay as they were. A SKU without a brand (only a cancelled version came) is known but counts nowhere;
  // should a brand come later, what was delivered before stays uncounted (a file replay, which reads SKUs first, counts
  // it). Returns its state, to be stored.
  SkuState apply(const Sku& sku, bool cancelled = false, Day first_open_day = kNoDay);
  // Takes back a stored SKU, in any order, before anything is asked.
  void restore(const SkuState& state);

 private:
  struct Version {
    Day valid_from;
    std::string brand_group;
    std::optional<std::int64_t> guide_price;
  };
  // What holds from a day on. Differs from the versions where one came after its days were final.
  struct Guide {
    Day from;
    std::optional<std::int64_t> price;
  };
  struct Entry {
    std::string sku_id;
    BrandNumber brand = kNoBrand;
    std::vector<Version> versions = {};  // ascending
    std::vector<Guide> guides = {};      // ascending; the first from kNoDay, or none
  };
  static void rule_guides(Entry& entry, Day first_open_day);
  [[nodiscard]] std::vector<Guide>::const_iterator guide_on(SkuNumber sku, Day day) const;
  BrandNumber number_of_brand(const std::string& brand_id);

  std::vector<Entry> skus_;
  StringMap<SkuNumber> sku_numbers_;
  std::vector<std::string> brand_ids_;
  StringMap<BrandNumber> brand_numbers_;
};

}  // namespace fiverate
