#include "tests/support/selected_rows.h"

#include <algorithm>

#include "metrics.pb.h"
#include "processors/trade/rows/row_fields.h"
#include "schemas/check.h"

namespace fiverate::test {
namespace {

bool is_selected(const MetricsRow::Window& window, const WindowSet& windows) {
  return std::any_of(windows.begin(), windows.end(), [&](auto w) { return kWindows[w] == window.window_days(); });
}

// Measures that are the same for every brand. They alone make no line.
bool is_of_the_market(BrandMeasure measure) {
  return measure == BrandMeasure::active_outlets || measure == BrandMeasure::dormant_outlets ||
         measure == BrandMeasure::ordering_outlets || measure == BrandMeasure::counties;
}

// Clears the measures and rates that are not selected. Returns whether a measure is left that makes a line.
bool reduce(MetricsRow::Window& window, MeasureGroups selected) {
  auto& measures = *window.mutable_measures();
  bool makes_line = false;
  for (std::size_t i = 0; i < kBrandMeasureNames.size(); ++i) {
    const auto measure = static_cast<BrandMeasure>(i);
    if (!selected.has(measure))
      MetricsRow::Measures::GetReflection()->ClearField(&measures, RowFields::get().brand_measures[i]);
    if (!is_of_the_market(measure) && value_of(measures, measure) != 0) makes_line = true;
  }
  auto& rates = *window.mutable_rates();
  for (std::size_t i = 0; i < kRateNames.size(); ++i) {
    if (!selected.has(static_cast<RateName>(i)))
      MetricsRow::Rates::GetReflection()->ClearField(&rates, RowFields::get().rates[i]);
  }
  if (!selected.has(MeasureGroup::prices)) window.clear_price_status();
  return makes_line;
}

template <typename Items, typename Keep>
void keep_if(Items& items, Keep&& keep) {
  items.erase(std::remove_if(items.begin(), items.end(), [&](auto& item) { return !keep(item); }), items.end());
}

// Returns whether anything is left.
bool reduce(MetricsRow& row, const Selection& selection) {
  bool has_lines = false;
  keep_if(*row.mutable_lines(), [&](MetricsRow::Line& line) {
    keep_if(*line.mutable_windows(), [&](MetricsRow::Window& window) {
      return is_selected(window, selection.windows) && (row.brand_id().empty() || reduce(window, selection.measures));
    });
    if (line.windows().empty()) return false;
    // The total is also the first line of a row of classes.
    has_lines = has_lines || !line.class_value().empty() || row.class_dimension().empty();
    return true;
  });
  return has_lines;
}

}  // namespace

Selection nth_selection(std::size_t number) {
  constexpr std::size_t kGroupSets = (1U << kMeasureGroupNames.size()) - 1;
  constexpr std::size_t kWindowSets = (1U << kWindowCount) - 1;
  // 31 and 15 have no common factor, so all pairs come.
  const auto groups = 1 + number * 11 % kGroupSets;
  const auto windows = 1 + number * 7 % kWindowSets;
  Selection selection{MeasureGroups::none(), {}};
  for (std::size_t i = 0; i < kMeasureGroupNames.size(); ++i) {
    if ((groups >> i & 1U) != 0) selection.measures.insert(measure_group(i));
  }
  for (std::size_t w = 0; w < kWindowCount; ++w) {
    if ((windows >> w & 1U) != 0) selection.windows.insert(w);
  }
  return selection == Selection{} ? nth_selection(number + 1) : selection;
}

std::map<std::string, std::string> selected_rows(const std::map<std::string, std::string>& rows,
                                                 const Selection& selection) {
  std::map<std::string, std::string> selected;
  for (const auto& [key, bytes] : rows) {
    MetricsRow row;
    CHECK(row.ParseFromString(bytes), key);
    if (!reduce(row, selection)) continue;
    for (std::size_t i = 0; i < kMeasureGroupNames.size(); ++i) {
      const auto group = measure_group(i);
      if (selection.measures == MeasureGroups::all() || !selection.has(group)) continue;
      row.add_measure_groups(static_cast<MetricsRow::MeasureGroup>(group));
    }
    selected[key] = row.SerializeAsString();
  }
  return selected;
}

}  // namespace fiverate::test
