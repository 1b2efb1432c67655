#include "processors/trade/rows/row_encoding.h"

#include <google/protobuf/io/coded_stream.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "processors/trade/base/window.h"
#include "processors/trade/rows/rates.h"
#include "processors/trade/rows/row_fields.h"
#include "schemas/check.h"

namespace fiverate {
namespace {

using google::protobuf::io::CodedOutputStream;
using Bytes = std::uint8_t*;  // where the next byte goes

// A field on the wire: tag (field number, wire type), then for texts and messages the length, then the value.
constexpr std::uint32_t varint_tag(int field_number) {
  return static_cast<std::uint32_t>(field_number) << 3U;
}
constexpr std::uint32_t double_tag(int field_number) {
  return varint_tag(field_number) | 1U;
}
constexpr std::uint32_t bytes_tag(int field_number) {
  return varint_tag(field_number) | 2U;
}

constexpr std::size_t kTagMax = 2;  // of the tags here
constexpr std::size_t kVarintMax = 10;
constexpr std::size_t kLengthMax = 2;  // of the texts and messages within a window
constexpr std::size_t kRateMax = 3 * (1 + kVarintMax) + 2 * (1 + sizeof(double));
constexpr std::size_t kRatesMax = kRateNames.size() * (kTagMax + 1 + kRateMax);
constexpr std::size_t kMeasuresMax = kBrandMeasureNames.size() * (kTagMax + kVarintMax);
constexpr std::size_t kPeriodMax = 8;
constexpr std::size_t kWindowMax =
    2 * (1 + kVarintMax) + (2 + kPeriodMax) + 2 * (1 + kLengthMax) + kRatesMax + kMeasuresMax;
static_assert(kRateMax < 1U << 7U, "the length of a rate is one byte");
static_assert(kWindowMax < 1U << 14U, "a length has two bytes");

// The tags of all named fields, in order of field numbers.
struct Tags {
  std::array<std::uint32_t, kBrandMeasureNames.size()> brand_measures{};
  std::array<std::uint32_t, kMarketMeasureNames.size()> market_measures{};
  std::array<std::uint32_t, kRateNames.size()> rates{};

  static const Tags& get() {
    static const Tags tags;
    return tags;
  }

 private:
  using Field = google::protobuf::FieldDescriptor;

  Tags() {
    const auto& fields = RowFields::get();
    fill(fields.brand_measures, Field::TYPE_SINT64, varint_tag, brand_measures);
    fill(fields.market_measures, Field::TYPE_SINT64, varint_tag, market_measures);
    fill(fields.rates, Field::TYPE_MESSAGE, bytes_tag, rates);
  }
  template <std::size_t N>
  static void fill(const std::array<RowFields::Field, N>& fields, Field::Type type, std::uint32_t (*tag_of)(int),
                   std::array<std::uint32_t, N>& tags) {
    for (std::size_t i = 0; i < N; ++i) {
      CHECK(fields[i]->type() == type, fields[i]->full_name());
      tags[i] = tag_of(fields[i]->number());
      CHECK(tags[i] < 1U << 14U && (i == 0 || tags[i] > tags[i - 1]), fields[i]->full_name());
    }
  }
};

Bytes put_varint(std::uint32_t tag, std::uint64_t value, Bytes to) {
  to = CodedOutputStream::WriteVarint32ToArray(tag, to);
  return CodedOutputStream::WriteVarint64ToArray(value, to);
}

// A number of type sint64: zigzag encoded, so that small negative numbers are short.
Bytes put_number(std::uint32_t tag, std::int64_t value, Bytes to) {
  if (value == 0) return to;
  return put_varint(tag, (static_cast<std::uint64_t>(value) << 1U) ^ static_cast<std::uint64_t>(value >> 63), to);
}

Bytes put_bytes(std::uint32_t tag, const void* bytes, std::size_t size, Bytes to) {
  to = put_varint(tag, size, to);
  std::memcpy(to, bytes, size);
  return to + size;
}

Bytes put_millionths(std::uint32_t tag, std::int64_t millionths, Bytes to) {
  to = CodedOutputStream::WriteVarint32ToArray(tag, to);
  const auto value = static_cast<double>(millionths) / static_cast<double>(kMillionth);
  return CodedOutputStream::WriteLittleEndian64ToArray(std::bit_cast<std::uint64_t>(value), to);
}

Bytes put_rate(std::uint32_t tag, const Rate& rate, const BrandValues& values, Bytes to) {
  to = CodedOutputStream::WriteVarint32ToArray(tag, to);
  auto* const length = to++;
  to = put_number(varint_tag(MetricsRow::Rate::kNumeratorFieldNumber), rate.numerator, to);
  to = put_number(varint_tag(MetricsRow::Rate::kDenominatorFieldNumber), rate.denominator, to);
  if (rate.has_value()) {
    to = put_millionths(double_tag(MetricsRow::Rate::kValueFieldNumber), rate.value_millionths(), to);
  }
  if (rate.status != 0)
    to = put_varint(varint_tag(MetricsRow::Rate::kStatusFieldNumber), static_cast<std::uint64_t>(rate.status), to);
  if (rate.which == RateName::stockout_rate) {
    const auto observed = observed_share(values[static_cast<std::size_t>(BrandMeasure::known_days)],
                                         values[static_cast<std::size_t>(BrandMeasure::unknown_days)]);
    if (observed) to = put_millionths(double_tag(MetricsRow::Rate::kObservedFieldNumber), *observed, to);
  }
  *length = static_cast<std::uint8_t>(to - length - 1);
  return to;
}

// Each value has the tag at its position. A brand has more values than tags: the last ones are inputs of rates alone.
Bytes put_measures(std::span<const std::uint32_t> tags, std::span<const std::int64_t> values, Bytes to) {
  std::array<std::uint8_t, kMeasuresMax> measures;
  auto* end = measures.data();
  for (std::size_t i = 0; i < tags.size(); ++i) end = put_number(tags[i], values[i], end);
  const auto size = static_cast<std::size_t>(end - measures.data());
  return put_bytes(bytes_tag(MetricsRow::Window::kMeasuresFieldNumber), measures.data(), size, to);
}

Bytes put_rates(const BrandValues& values, MeasureGroups selected, Bytes to) {
  std::array<std::uint8_t, kRatesMax> rates;
  auto* end = rates.data();
  const auto& tags = Tags::get().rates;
  for (const auto& rate : rates_of(values)) {
    if (!selected.has(rate.which)) continue;
    end = put_rate(tags[static_cast<std::size_t>(rate.which)], rate, values, end);
  }
  const auto size = static_cast<std::size_t>(end - rates.data());
  return put_bytes(bytes_tag(MetricsRow::Window::kRatesFieldNumber), rates.data(), size, to);
}

Bytes put_days(std::int32_t window_days, Day as_of, Bytes to) {
  if (window_days != kMonth) {
    return put_varint(varint_tag(MetricsRow::Window::kWindowDaysFieldNumber), static_cast<std::uint64_t>(window_days),
                      to);
  }
  const auto period = period_of(as_of);
  CHECK(period.size() <= kPeriodMax, period);
  return put_bytes(bytes_tag(MetricsRow::Window::kPeriodFieldNumber), period.data(), period.size(), to);
}

// Nothing if all groups are selected.
Bytes put_groups(MeasureGroups selected, Bytes to) {
  if (selected == MeasureGroups::all()) return to;
  std::array<std::uint8_t, kMeasureGroupNames.size()> groups;
  std::size_t size = 0;
  for (std::size_t i = 0; i < kMeasureGroupNames.size(); ++i) {
    if (selected.has(measure_group(i))) groups[size++] = static_cast<std::uint8_t>(measure_group(i));
  }
  return put_bytes(bytes_tag(MetricsRow::kMeasureGroupsFieldNumber), groups.data(), size, to);
}

std::string_view text_of(const std::uint8_t* begin, const std::uint8_t* end) {
  return {reinterpret_cast<const char*>(begin), static_cast<std::size_t>(end - begin)};
}

// Appends a text or message that consists of two parts.
void append_field(int field_number, std::string_view first, std::string_view second, std::string& out) {
  std::array<std::uint8_t, kTagMax + kVarintMax> head;
  const auto* const end = put_varint(bytes_tag(field_number), first.size() + second.size(), head.data());
  out.append(text_of(head.data(), end)).append(first).append(second);
}

void append_text(int field_number, std::string_view text, std::string& out) {
  if (!text.empty()) append_field(field_number, text, "", out);
}

}  // namespace

Row begin_row(std::string_view brand_id, std::string_view region_id, std::string_view class_dimension, Day as_of) {
  Row row{std::string(brand_id), std::string(region_id), std::string(class_dimension), as_of, {}};
  append_text(MetricsRow::kBrandIdFieldNumber, brand_id, row.content);
  append_text(MetricsRow::kRegionIdFieldNumber, region_id, row.content);
  append_text(MetricsRow::kClassDimensionFieldNumber, class_dimension, row.content);
  append_text(MetricsRow::kAsOfFieldNumber, format_date(as_of), row.content);
  return row;
}

void append_brand_window(std::int32_t window_days, Day as_of, const BrandValues& values, MeasureGroups selected,
                         std::string& windows) {
  std::array<std::uint8_t, kWindowMax> window;
  auto* end = put_days(window_days, as_of, window.data());
  end = put_measures(Tags::get().brand_measures, values, end);
  end = put_rates(values, selected, end);
  if (const auto status = price_status(values[static_cast<std::size_t>(BrandMeasure::price_readings)])) {
    end = put_varint(varint_tag(MetricsRow::Window::kPriceStatusFieldNumber), static_cast<std::uint64_t>(*status), end);
  }
  append_field(MetricsRow::Line::kWindowsFieldNumber, text_of(window.data(), end), "", windows);
}

void append_market_window(std::int32_t window_days, Day as_of, std::span<const std::int64_t> values,
                          std::string& windows) {
  std::array<std::uint8_t, kWindowMax> window;
  auto* end = put_days(window_days, as_of, window.data());
  end = put_measures(Tags::get().market_measures, values, end);
  append_field(MetricsRow::Line::kWindowsFieldNumber, text_of(window.data(), end), "", windows);
}

void append_line(std::string_view class_value, std::string_view windows, Row& row) {
  std::string value;
  append_text(MetricsRow::Line::kClassValueFieldNumber, class_value, value);
  append_field(MetricsRow::kLinesFieldNumber, value, windows, row.content);
}

std::string encode(const Row& row, MeasureGroups selected, MetricsRow::Status status, std::int64_t revision) {
  std::array<std::uint8_t, 3 * (kTagMax + kVarintMax)> last_fields;
  auto* end = put_groups(selected, last_fields.data());
  end = put_varint(varint_tag(MetricsRow::kStatusFieldNumber), static_cast<std::uint64_t>(status), end);
  if (revision != 0) {
    end = put_varint(varint_tag(MetricsRow::kRevisionFieldNumber), static_cast<std::uint64_t>(revision), end);
  }
  std::string bytes;
  bytes.reserve(row.content.size() + last_fields.size());
  return bytes.append(row.content).append(text_of(last_fields.data(), end));
}

}  // namespace fiverate
