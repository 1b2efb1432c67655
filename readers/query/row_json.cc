#include "readers/query/row_json.h"

#include <algorithm>

#include "processors/trade/measures/measure.h"
#include "processors/trade/rows/rates.h"
#include "schemas/check.h"
#include "schemas/json_text.h"
#include "schemas/time.h"

namespace fiverate {
namespace {

void append_number(std::int64_t value, fmt::memory_buffer& out) {
  const fmt::format_int text(value);
  out.append(text.data(), text.data() + text.size());
}

void append_name(std::string_view name, fmt::memory_buffer& out) {
  out.push_back('"');
  append(name, out);
  append("\":", out);
}

void append_measures(bool of_brand, const MetricsRow::Window& window, fmt::memory_buffer& out) {
  const auto names = of_brand ? std::span<const std::string_view>(kBrandMeasureNames)
                              : std::span<const std::string_view>(kMarketMeasureNames);
  const auto values = values_of(window);
  CHECK(of_brand ? values.size() == kBrandValueCount : values.size() <= names.size(), values.size());
  for (std::size_t i = 0; i < std::min(names.size(), values.size()); ++i) {
    if (of_brand && !is_published(static_cast<BrandMeasure>(i), values)) continue;
    if (i > 0) out.push_back(',');
    append_name(names[i], out);
    append_number(values[i], out);
  }
}

void append_rates(const MetricsRow::Window& window, fmt::memory_buffer& out) {
  const auto values = values_of(window);
  bool first = true;
  for (const auto& rate : rates_of(values)) {
    if (!first) out.push_back(',');
    first = false;
    append_name(rate.name(), out);
    append("{\"numerator\":", out);
    append_number(rate.numerator, out);
    append(",\"denominator\":", out);
    append_number(rate.denominator, out);
    if (rate.has_value()) {
      append(",\"value\":", out);
      append(millionths_text(rate.value_millionths), out);
    }
    append(",\"status\":\"", out);
    append(name_of(rate.status), out);
    out.push_back('"');
    if (rate.which == RateName::stockout_rate) {
      if (const auto observed = observed_share(values)) {
        append(",\"observed\":", out);
        append(millionths_text(*observed), out);
      }
    }
    out.push_back('}');
  }
}

}  // namespace

std::span<const std::int64_t> values_of(const MetricsRow::Window& window) {
  return {window.values().data(), static_cast<std::size_t>(window.values_size())};
}

void append_json_lines(const MetricsRow& row, fmt::memory_buffer& out) {
  const bool of_brand = !row.brand_id().empty();
  // What all lines of the row begin with.
  fmt::memory_buffer head;
  append("{\"as_of\":\"", head);
  append(format_date(Day{row.as_of_day()}), head);
  append("\",\"brand_id\":", head);
  append_json_string(row.brand_id(), head);
  append(",\"region_id\":", head);
  append_json_string(row.region_id(), head);
  append(",\"class_dimension\":", head);
  append_json_string(row.class_dimension(), head);
  append(",\"class_value\":", head);
  const auto period = period_of(Day{row.as_of_day()});
  for (const auto& line : row.lines()) {
    if (line.class_value().empty() && !row.class_dimension().empty()) continue;
    for (const auto& window : line.windows()) {
      append({head.data(), head.size()}, out);
      append_json_string(line.class_value(), out);
      append(",\"window_days\":", out);
      append_number(window.window_days(), out);
      if (window.window_days() == kMonth) {
        append(",\"period\":\"", out);
        append(period, out);
        out.push_back('"');
      }
      append(",\"status\":\"", out);
      append(MetricsRow::Status_Name(row.status()), out);
      append("\",\"revision\":", out);
      append_number(row.revision(), out);
      append(",\"measures\":{", out);
      append_measures(of_brand, window, out);
      out.push_back('}');
      if (const auto status = of_brand ? price_status(values_of(window)) : std::nullopt) {
        append(",\"price_status\":\"", out);
        append(name_of(*status), out);
        out.push_back('"');
      }
      append(",\"rates\":{", out);
      if (of_brand) append_rates(window, out);
      append("}}\n", out);
    }
  }
}

}  // namespace fiverate
