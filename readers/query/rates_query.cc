#include "readers/query/rates_query.h"

#include <algorithm>
#include <chrono>

#include "processors/trade/rows/row_fields.h"

namespace fiverate {

using namespace std::chrono_literals;

bool RateFilter::matches(const MetricsRow& row) const {
  return (!brand_id || *brand_id == row.brand_id()) && (!region_id || *region_id == row.region_id()) &&
         (!class_dimension || *class_dimension == row.class_dimension());
}

bool RateFilter::reduce(MetricsRow& row) const {
  if (!matches(row)) return false;
  if (!window_days) return row.lines_size() > 0;
  for (auto& line : *row.mutable_lines()) {
    auto& windows = *line.mutable_windows();
    windows.erase(
        std::remove_if(windows.begin(), windows.end(),
                       [&](const MetricsRow::Window& window) { return window.window_days() != *window_days; }),
        windows.end());
  }
  auto& lines = *row.mutable_lines();
  lines.erase(
      std::remove_if(lines.begin(), lines.end(), [](const MetricsRow::Line& line) { return line.windows_size() == 0; }),
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
  return day_of(row) == kNoDay ? std::nullopt : std::optional(std::move(row));
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

namespace {

// Visits the rows of [first, last] in canonical order, each once. A record that is repeated after a crash replaces itself, as long as
// its day has not been visited.
class RowsByDay {
 public:
  RowsByDay(Day first, Day last, const std::function<void(const MetricsRow&)>& visit)
      : next_(first), last_(last), visit_(visit) {}

  void add(MetricsRow row) {
    const auto day = day_of(row);
    if (day < next_ || day > last_) return;
    Key key{day, row.brand_id(), row.region_id(), row.class_dimension()};
    rows_.insert_or_assign(std::move(key), std::move(row));
  }
  void visit_before(Day day) {
    while (!rows_.empty() && std::get<Day>(rows_.begin()->first) < day) {
      visit_(rows_.begin()->second);
      rows_.erase(rows_.begin());
    }
    next_ = std::max(next_, day);
  }

 private:
  using Key = std::tuple<Day, std::string, std::string, std::string>;

  Day next_;  // rows of earlier days have been visited
  Day last_;
  const std::function<void(const MetricsRow&)>& visit_;
  std::map<Key, MetricsRow> rows_;
};

}  // namespace

Result<void> read_final(Source& metrics_final, std::int32_t partitions, Day first, Day last,
                        const std::function<void(const MetricsRow&)>& visit) {
  RowsByDay rows(first, last, visit);
  std::map<std::int32_t, Day> newest;  // by partition
  std::vector<InRecord> records;
  while (!metrics_final.finished()) {
    records.clear();
    TRY(metrics_final.poll(100ms, records));
    for (const auto& record : records) {
      auto row = parse_row(record);
      if (!row) continue;
      auto& day = newest.try_emplace(record.input.partition, kNoDay).first->second;
      day = std::max(day, day_of(*row));
      rows.add(std::move(*row));
    }
    if (static_cast<std::int32_t>(newest.size()) < partitions) continue;
    auto passed_by_all = kEndOfDays;
    for (const auto& [partition, day] : newest) passed_by_all = std::min(passed_by_all, day);
    if (passed_by_all > last) break;
    rows.visit_before(passed_by_all);
  }
  rows.visit_before(kEndOfDays);
  return {};
}

}  // namespace fiverate
