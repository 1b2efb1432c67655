#include "readers/query/row_json.h"

#include <charconv>
#include <cstring>
#include <string>
#include <vector>

#include "processors/trade/rows/rates.h"
#include "processors/trade/rows/row_fields.h"
#include "schemas/json_text.h"

namespace fiverate {
namespace {

// Writes into memory that is large enough. A replay writes hundreds of thousands of windows a second.
class Writer {
 public:
  explicit Writer(char* to) : to_(to) {}

  Writer& text(std::string_view text) {
    std::memcpy(to_, text.data(), text.size());
    to_ += text.size();
    return *this;
  }
  Writer& number(std::int64_t value) {
    to_ = std::to_chars(to_, to_ + kDigitsMax, value).ptr;
    return *this;
  }
  // With six decimals.
  Writer& millionths(std::int64_t value) {
    to_ = write_millionths(value, to_);
    return *this;
  }
  [[nodiscard]] char* end() const { return to_; }

  static constexpr std::size_t kDigitsMax = 20;  // of a number with its sign

 private:
  char* to_;
};

// The names as keys, "name":, the first one without a comma before it.
template <std::size_t N>
std::vector<std::string> keys_of(const std::array<std::string_view, N>& names) {
  std::vector<std::string> keys;
  for (const auto name : names) keys.push_back(std::string(keys.empty() ? "" : ",") + '"' + std::string(name) + "\":");
  return keys;
}

struct Keys {
  std::vector<std::string> brand_measures = keys_of(kBrandMeasureNames);
  std::vector<std::string> market_measures = keys_of(kMarketMeasureNames);
  std::vector<std::string> rates = keys_of(kRateNames);

  static const Keys& get() {
    static const Keys keys;
    return keys;
  }
  // An upper bound for what follows the class value in a line.
  [[nodiscard]] std::size_t line_max() const {
    constexpr std::size_t kRateMax = 4 * Writer::kDigitsMax + 120;
    std::size_t bytes = 256;
    for (const auto& key : brand_measures) bytes += key.size() + Writer::kDigitsMax;
    for (const auto& key : market_measures) bytes += key.size() + Writer::kDigitsMax;
    for (const auto& key : rates) bytes += key.size() + kRateMax;
    return bytes;
  }
};

void write_brand_measures(MeasureGroups of_row, const MetricsRow::Measures& measures, Writer& out) {
  const auto& keys = Keys::get().brand_measures;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const auto measure = static_cast<BrandMeasure>(i);
    if (has_value(of_row, measures, measure)) out.text(keys[i]).number(value_of(measures, measure));
  }
}

// Data quality is in the line of the whole market alone.
void write_market_measures(const MetricsRow& row, const MetricsRow::Measures& measures, Writer& out) {
  constexpr std::size_t kOfAllLines = 4;
  const auto& keys = Keys::get().market_measures;
  const bool whole_market = row.region_id().empty() && row.class_dimension().empty();
  for (std::size_t i = 0; i < (whole_market ? keys.size() : kOfAllLines); ++i) {
    out.text(keys[i]).number(market_value_of(measures, i));
  }
}

void write_rates(MeasureGroups of_row, const MetricsRow::Window& window, Writer& out) {
  const auto* const begin = out.end();
  for (const auto& rate : rates_of(window)) {
    if (!of_row.has(rate.which)) continue;
    std::string_view key = Keys::get().rates[static_cast<std::size_t>(rate.which)];
    if (out.end() == begin && key.front() == ',') key.remove_prefix(1);
    out.text(key);
    out.text("{\"numerator\":").number(rate.numerator).text(",\"denominator\":").number(rate.denominator);
    if (rate.has_value()) out.text(",\"value\":").millionths(rate.value_millionths());
    out.text(",\"status\":\"").text(name_of(rate.status)).text("\"");
    if (rate.which == RateName::stockout_rate) {
      const auto& measures = window.measures();
      if (const auto observed = observed_share(measures.known_days(), measures.unknown_days())) {
        out.text(",\"observed\":").millionths(*observed);
      }
    }
    out.text("}");
  }
}

void append_field(std::string_view key, std::string_view text, fmt::memory_buffer& out) {
  append(key, out);
  append_json_string(text, out);
}

// What follows the class value.
void append_window(const MetricsRow& row, MeasureGroups of_row, const MetricsRow::Window& window,
                   fmt::memory_buffer& out) {
  append(",\"window_days\":", out);
  const fmt::format_int days(window.window_days());
  out.append(days.data(), days.data() + days.size());
  if (!window.period().empty()) append_field(",\"period\":", window.period(), out);
  const auto begin = out.size();
  out.resize(begin + Keys::get().line_max());
  Writer to(out.data() + begin);
  to.text(",\"status\":\"").text(MetricsRow::Status_Name(row.status())).text("\",\"revision\":").number(row.revision());
  const bool of_brand = !row.brand_id().empty();
  to.text(",\"measures\":{");
  if (of_brand) {
    write_brand_measures(of_row, window.measures(), to);
  } else {
    write_market_measures(row, window.measures(), to);
  }
  to.text("}");
  if (window.has_price_status()) to.text(",\"price_status\":\"").text(name_of(window.price_status())).text("\"");
  to.text(",\"rates\":{");
  if (of_brand) write_rates(of_row, window, to);
  to.text("}}\n");
  out.resize(static_cast<std::size_t>(to.end() - out.data()));
}

}  // namespace

std::size_t append_json_lines(const MetricsRow& row, fmt::memory_buffer& out) {
  fmt::memory_buffer head;  // the beginning of every line of the row
  append_field("{\"as_of\":", row.as_of(), head);
  append_field(",\"brand_id\":", row.brand_id(), head);
  append_field(",\"region_id\":", row.region_id(), head);
  append_field(",\"class_dimension\":", row.class_dimension(), head);
  append(",\"class_value\":", head);
  const auto of_row = groups_of(row);
  std::size_t lines = 0;
  for (const auto& line : row.lines()) {
    if (line.class_value().empty() && !row.class_dimension().empty()) continue;
    for (const auto& window : line.windows()) {
      append({head.data(), head.size()}, out);
      append_json_string(line.class_value(), out);
      append_window(row, of_row, window, out);
      ++lines;
    }
  }
  return lines;
}

}  // namespace fiverate
