// The id of an alert. It follows from the rule and its key alone, so it is the same in every run and replay.
#pragma once

#include <string>
#include <string_view>

namespace fiverate {

// The key of an alert. Fields that do not belong to the key of the rule are empty.
struct AlertKey {
  std::string_view rule;
  std::string_view brand_id = {};
  std::string_view sku_id = {};
  std::string_view outlet_id = {};
  std::string_view region_id = {};
  std::string_view class_dimension = {};
  std::string_view class_value = {};
  std::string_view source_topic = {};
};

// The first 16 hex digits of SHA-256 over "rule|brand|sku|outlet|region|class_dimension|class_value", for a rule of source topics
// followed by "|source_topic".
std::string alert_id_of(const AlertKey& key);

}  // namespace fiverate
