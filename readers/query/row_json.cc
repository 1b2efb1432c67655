#include "readers/query/row_json.h"

#include "processors/trade/measure.h"
#include "processors/trade/rates.h"
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

void append_measures(std::span<const std::string_view> names, const MetricsRow::Window& window, fmt::memory_buffer& out) {
  CHECK(static_cast<std::size_t>(window.values_size()) <= names.size(), window.values_size());
  for (int i = 0; i < window.values_size(); ++i) {
    if (i > 0) out.push_back(',');
    append_name(names[static_cast<std::size_t>(i)], out);
    append_number(window.values(i), out);
  }
}

void append_rates(const MetricsRow::Window& window, fmt::memory_buffer& out) {
  bool first = true;
  for (const auto& rate : rates_of({window.values().data(), static_cast<std::size_t>(window.values_size())})) {
    if (!first) out.push_back(',');
    first = false;
    append_name(rate.name, out);
    append("{\"numerator\":", out);
    append_number(rate.numerator, out);
    append(",\"denominator\":", out);
    append_number(rate.denominator, out);
    if (rate.has_value()) {
      append(",\"value\":", out);
      append(value_text(rate), out);
    }
    append(",\"status\":\"", out);
    append(name_of(rate.status), out);
    append("\"}", out);
  }
}

}  // namespace

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
  for (const auto& line : row.lines()) {
    if (line.class_value().empty() && !row.class_dimension().empty()) continue;
    for (const auto& window : line.windows()) {
      append({head.data(), head.size()}, out);
      append_json_string(line.class_value(), out);
      append(",\"window_days\":", out);
      append_number(window.window_days(), out);
      append(",\"status\":\"", out);
      append(MetricsRow::Status_Name(row.status()), out);
      append("\",\"revision\":", out);
      append_number(row.revision(), out);
      append(",\"measures\":{", out);
      append_measures(of_brand ? std::span<const std::string_view>(kBrandMeasureNames)
                               : std::span<const std::string_view>(kMarketMeasureNames),
                      window, out);
      append("},\"rates\":{", out);
      if (of_brand) append_rates(window, out);
      append("}}\n", out);
    }
  }
}

}  // namespace fiverate
