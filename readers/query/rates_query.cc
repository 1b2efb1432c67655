#include "readers/query/rates_query.h"

#include <algorithm>
#include <chrono>

namespace fiverate {

using namespace std::chrono_literals;

bool RateFilter::wants(const MetricsRow& row) const {
  return (!brand_id || *brand_id == row.brand_id()) && (!region_id || *region_id == row.region_id()) &&
         (!class_dimension || *class_dimension == row.class_dimension());
}

bool RateFilter::reduce(MetricsRow& row) const {
  if (!wants(row)) return false;
  if (!window_days) return row.lines_size() > 0;
  for (auto& line : *row.mutable_lines()) {
    auto& windows = *line.mutable_windows();
    windows.erase(std::remove_if(windows.begin(), windows.end(),
                                 [&](const MetricsRow::Window& window) { return window.window_days() != *window_days; }),
                  windows.end());
  }
  auto& lines = *row.mutable_lines();
  lines.erase(std::remove_if(lines.begin(), lines.end(), [](const MetricsRow::Line& line) { return line.windows_size() == 0; }),
              lines.end());
  return !lines.empty();
}

bool LatestRows::apply(const MetricsRow& row) {
  auto& known = rows_[{row.brand_id(), row.region_id(), row.class_dimension()}];
  if (known.status() != MetricsRow::STATUS_UNSPECIFIED && row.revision() <= known.revision()) return false;
  known = row;
  return true;
}

std::vector<const MetricsRow*> LatestRows::sorted() const {
  std::vector<const MetricsRow*> rows;
  for (const auto& [key, row] : rows_) rows.push_back(&row);
  return rows;
}

std::optional<MetricsRow> parse_row(const InRecord& record) {
  MetricsRow row;
  if (!row.ParseFromArray(record.value.data(), static_cast<int>(record.value.size()))) return std::nullopt;
  return row;
}

Result<LatestRows> read_latest(Source& metrics) {
  LatestRows latest;
  std::vector<InRecord> records;
  while (!metrics.finished()) {
    records.clear();
    TRY(metrics.poll(100ms, records));
    for (const auto& record : records) {
      if (const auto row = parse_row(record)) latest.apply(*row);
    }
  }
  return latest;
}

Result<void> read_final(Source& metrics_final, std::int32_t partitions, Day first, Day last,
                        const std::function<void(const MetricsRow&)>& visit) {
  using Key = std::tuple<std::int32_t, std::string, std::string, std::string>;
  std::map<Key, MetricsRow> waiting;             // a repetition after a crash is identical: it replaces itself
  std::map<std::int32_t, std::int32_t> reached;  // partition -> day of its newest row
  const auto hand_over = [&](std::int32_t before) {
    while (!waiting.empty() && std::get<0>(waiting.begin()->first) < before) {
      visit(waiting.begin()->second);
      waiting.erase(waiting.begin());
    }
  };
  auto handed_over = first.number;
  std::vector<InRecord> records;
  while (!metrics_final.finished()) {
    records.clear();
    TRY(metrics_final.poll(100ms, records));
    for (const auto& record : records) {
      auto row = parse_row(record);
      if (!row) continue;
      auto& newest = reached[record.input.partition];
      newest = std::max(newest, row->as_of_day());
      const Day day{row->as_of_day()};
      if (day < first || day > last || day.number < handed_over) continue;
      Key key{row->as_of_day(), row->brand_id(), row->region_id(), row->class_dimension()};
      waiting.insert_or_assign(std::move(key), std::move(*row));
    }
    if (static_cast<std::int32_t>(reached.size()) < partitions) continue;
    auto behind = std::numeric_limits<std::int32_t>::max();
    for (const auto& [partition, day] : reached) behind = std::min(behind, day);
    if (behind > last.number) break;
    hand_over(behind);
    handed_over = std::max(handed_over, behind);
  }
  hand_over(std::numeric_limits<std::int32_t>::max());
  return {};
}

}  // namespace fiverate
