// The name of an alert: one key of one rule, the same in every run, replay and language.
#pragma once

#include <string>
#include <string_view>

namespace fiverate {

// What a rule watches. Fields that are not in the rule's key are empty.
struct AlertKey {
  std::string_view rule;
  std::string_view brand_id = {};
  std::string_view sku_id = {};
  std::string_view outlet_id = {};
  std::string_view region_id = {};
  std::string_view class_dimension = {};
  std::string_view class_value = {};
};

// First 16 hex digits of SHA-256 over "rule|brand|sku|outlet|region|class_dimension|class_value".
std::string alert_id_of(const AlertKey& key);

}  // namespace fiverate
