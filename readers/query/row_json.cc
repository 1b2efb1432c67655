#include "readers/query/row_json.h"

#include <iterator>

#include "processors/trade/measure.h"
#include "processors/trade/rates.h"
#include "schemas/check.h"
#include "schemas/time.h"

namespace fiverate {
namespace {

void append(std::string_view text, fmt::memory_buffer& out) { out.append(text.data(), text.data() + text.size()); }

void append_measures(std::span<const std::string_view> names, const MetricsRow::Window& window, fmt::memory_buffer& out) {
  CHECK(static_cast<std::size_t>(window.values_size()) <= names.size(), window.values_size());
  for (int i = 0; i < window.values_size(); ++i) {
    fmt::format_to(std::back_inserter(out), "{}\"{}\":{}", i == 0 ? "" : ",", names[static_cast<std::size_t>(i)],
                   window.values(i));
  }
}

void append_rates(const MetricsRow::Window& window, fmt::memory_buffer& out) {
  const auto rates = rates_of({window.values().data(), static_cast<std::size_t>(window.values_size())});
  const char* separator = "";
  for (const auto& rate : rates) {
    fmt::format_to(std::back_inserter(out), "{}\"{}\":{{\"numerator\":{},\"denominator\":{}", separator, rate.name,
                   rate.numerator, rate.denominator);
    if (rate.has_value()) {
      append(",\"value\":", out);
      append(value_text(rate), out);
    }
    fmt::format_to(std::back_inserter(out), ",\"status\":\"{}\"}}", name_of(rate.status));
    separator = ",";
  }
}

}  // namespace

void append_json_string(std::string_view text, fmt::memory_buffer& out) {
  out.push_back('"');
  for (const char c : text) {
    switch (c) {
      case '"': append("\\\"", out); break;
      case '\\': append("\\\\", out); break;
      case '\b': append("\\b", out); break;
      case '\f': append("\\f", out); break;
      case '\n': append("\\n", out); break;
      case '\r': append("\\r", out); break;
      case '\t': append("\\t", out); break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
        } else {
          out.push_back(c);
        }
    }
  }
  out.push_back('"');
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
  for (const auto& line : row.lines()) {
    if (line.class_value().empty() && !row.class_dimension().empty()) continue;
    for (const auto& window : line.windows()) {
      append({head.data(), head.size()}, out);
      append_json_string(line.class_value(), out);
      fmt::format_to(std::back_inserter(out), ",\"window_days\":{},\"status\":\"{}\",\"revision\":{},\"measures\":{{",
                     window.window_days(), MetricsRow::Status_Name(row.status()), row.revision());
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
