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

namespace {

constexpr std::string_view kAnotherRow = "another row of its key came before";

}  // namespace

bool LatestRows::apply(const MetricsRow& row, const InRecord& record, ResultRecords& results) {
  auto& known = rows_[{row.brand_id(), row.region_id(), row.class_dimension()}];
  if (known.status() != MetricsRow::STATUS_UNSPECIFIED && row.revision() <= known.revision()) {
    if (row.revision() == known.revision() && row.SerializeAsString() != known.SerializeAsString())
      results.ignore(record, kAnotherRow);
    return false;
  }
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

std::optional<MetricsRow> row_of(const InRecord& record, MetricsRow::Status status, ResultRecords& results) {
  auto row = parse_row(record);
  if (row && row->status() == status) return row;
  results.ignore(record, fmt::format("its value is no {} row", MetricsRow::Status_Name(status)));
  return std::nullopt;
}

Result<LatestRows> read_latest(Source& metrics, ResultRecords& results) {
  LatestRows latest;
  TRY(read_to_end(metrics, results, [&](const InRecord& record) {
    if (const auto row = row_of(record, MetricsRow::LIVE, results)) latest.apply(*row, record, results);
  }));
  return latest;
}

namespace {

// Visits the rows of [first, last] in canonical order, each once. The first row of a key counts. A repetition has the same bytes, or, once its
// day was visited, a cause that was seen before.
class RowsByDay {
 public:
  RowsByDay(Day first, Day last, ResultRecords& results, const std::function<void(const MetricsRow&)>& visit)
      : first_(first), next_(first), last_(last), results_(results), visit_(visit) {}

  void add(MetricsRow row, const InRecord& record) {
    const auto day = day_of(row);
    auto& position = positions_[record.input.partition];
    const bool is_seen = record.cause->position <= position;
    position = std::max(position, record.cause->position);
    if (day < first_ || day > last_) return;
    if (day < next_) {
      if (!is_seen) results_.ignore(record, kAnotherRow);
      return;
    }
    Key key{day, row.brand_id(), row.region_id(), row.class_dimension()};
    const auto value = chained(0, "", record.value);
    const auto [known, added] = rows_.try_emplace(std::move(key), Held{std::move(row), value});
    if (!added && known->second.value != value) results_.ignore(record, kAnotherRow);
  }
  void visit_before(Day day) {
    while (!rows_.empty() && std::get<Day>(rows_.begin()->first) < day) {
      visit_(rows_.begin()->second.row);
      rows_.erase(rows_.begin());
    }
    next_ = std::max(next_, day);
  }

 private:
  using Key = std::tuple<Day, std::string, std::string, std::string>;
  struct Held {
    MetricsRow row;
    std::uint64_t value = 0;  // hash of the record's value
  };

  Day first_;
  Day next_;  // rows of earlier days have been visited
  Day last_;
  ResultRecords& results_;
  const std::function<void(const MetricsRow&)>& visit_;
  std::map<Key, Held> rows_;
  std::map<std::int32_t, CausePosition> positions_;  // the highest of each partition
};

}  // namespace

Result<void> read_final(Source& metrics_final, std::int32_t partitions, Day first, Day last, ResultRecords& results,
                        const std::function<void(const MetricsRow&)>& visit) {
  RowsByDay rows(first, last, results, visit);
  std::map<std::int32_t, Day> newest;  // by partition
  std::vector<InRecord> records;
  while (!metrics_final.finished()) {
    records.clear();
    TRY(results.poll(metrics_final, 100ms, records));
    for (const auto& record : records) {
      auto row = row_of(record, MetricsRow::FINAL, results);
      if (!row) continue;
      auto& day = newest.try_emplace(record.input.partition, kNoDay).first->second;
      day = std::max(day, day_of(*row));
      rows.add(std::move(*row), record);
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
