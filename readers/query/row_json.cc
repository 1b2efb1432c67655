#include "readers/query/row_json.h"

#include "processors/trade/rows/rates.h"
#include "processors/trade/rows/row_fields.h"
#include "schemas/json_text.h"

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

void append_text_field(std::string_view name, std::string_view text, fmt::memory_buffer& out) {
  append_name(name, out);
  append_json_string(text, out);
}

void append_measure(RowFields::Field field, const MetricsRow::Measures& measures, fmt::memory_buffer& out) {
  if (out.data()[out.size() - 1] != '{') out.push_back(',');
  append_name(field->name(), out);
  append_number(value_of(measures, field), out);
}

void append_brand_measures(const MetricsRow::Measures& measures, fmt::memory_buffer& out) {
  const auto& fields = RowFields::get().brand_measures;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (has_value(measures, static_cast<BrandMeasure>(i))) append_measure(fields[i], measures, out);
  }
}

// Data quality is in the line of the whole market alone.
void append_market_measures(const MetricsRow& row, const MetricsRow::Measures& measures, fmt::memory_buffer& out) {
  constexpr std::size_t kOfAllLines = 4;
  const auto& fields = RowFields::get().market_measures;
  const bool whole_market = row.region_id().empty() && row.class_dimension().empty();
  for (std::size_t i = 0; i < (whole_market ? fields.size() : kOfAllLines); ++i) {
    append_measure(fields[i], measures, out);
  }
}

void append_rates(const MetricsRow::Window& window, fmt::memory_buffer& out) {
  bool first = true;
  for (const auto& rate : rates_of(window)) {
    if (!first) out.push_back(',');
    first = false;
    append_name(rate.name(), out);
    append("{\"numerator\":", out);
    append_number(rate.numerator, out);
    append(",\"denominator\":", out);
    append_number(rate.denominator, out);
    if (rate.has_value()) {
      append(",\"value\":", out);
      append(millionths_text(rate.value_millionths()), out);
    }
    append(",\"status\":\"", out);
    append(name_of(rate.status), out);
    out.push_back('"');
    if (rate.which == RateName::stockout_rate) {
      const auto& measures = window.measures();
      if (const auto observed = observed_share(measures.known_days(), measures.unknown_days())) {
        append(",\"observed\":", out);
        append(millionths_text(*observed), out);
      }
    }
    out.push_back('}');
  }
}

void append_window(const MetricsRow& row, const MetricsRow::Window& window, fmt::memory_buffer& out) {
  append(",\"window_days\":", out);
  append_number(window.window_days(), out);
  if (!window.period().empty()) {
    out.push_back(',');
    append_text_field("period", window.period(), out);
  }
  append(",\"status\":\"", out);
  append(MetricsRow::Status_Name(row.status()), out);
  append("\",\"revision\":", out);
  append_number(row.revision(), out);
  const bool of_brand = !row.brand_id().empty();
  append(",\"measures\":{", out);
  if (of_brand) {
    append_brand_measures(window.measures(), out);
  } else {
    append_market_measures(row, window.measures(), out);
  }
  out.push_back('}');
  if (window.has_price_status()) {
    append(",\"price_status\":\"", out);
    append(name_of(window.price_status()), out);
    out.push_back('"');
  }
  append(",\"rates\":{", out);
  if (of_brand) append_rates(window, out);
  append("}}\n", out);
}

}  // namespace

void append_json_lines(const MetricsRow& row, fmt::memory_buffer& out) {
  fmt::memory_buffer head;  // the beginning of every line of the row
  head.push_back('{');
  append_text_field("as_of", row.as_of(), head);
  head.push_back(',');
  append_text_field("brand_id", row.brand_id(), head);
  head.push_back(',');
  append_text_field("region_id", row.region_id(), head);
  head.push_back(',');
  append_text_field("class_dimension", row.class_dimension(), head);
  head.push_back(',');
  append_name("class_value", head);
  for (const auto& line : row.lines()) {
    if (line.class_value().empty() && !row.class_dimension().empty()) continue;
    for (const auto& window : line.windows()) {
      append({head.data(), head.size()}, out);
      append_json_string(line.class_value(), out);
      append_window(row, window, out);
    }
  }
}

}  // namespace fiverate
