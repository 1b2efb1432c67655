#include "readers/audit/history_source.h"

#include <algorithm>

#include "schemas/mark.h"

namespace fiverate {
namespace {

// The last mark is so long after the latest arrival: documents that wait for reference data are rejected a day after
// theirs.
constexpr Millis kAfterTheEnd = kDayMs + kSecondMs;

}  // namespace

void HistorySource::append_marks(Millis complete_through, std::vector<InRecord>& records) {
  const auto value = std::make_shared<const std::string>(mark_value(complete_through));
  for (const auto topic : kSourceTopics) {
    InRecord record;
    record.input = {topic, 0};
    record.offset = static_cast<std::int64_t>(2 * position_);
    record.timestamp = complete_through;
    record.value = *value;
    record.owner = value;
    records.push_back(std::move(record));
  }
  marked_ = complete_through;
}

Result<void> HistorySource::poll(std::chrono::milliseconds, std::vector<InRecord>& records) {
  if (!assigned_) {
    std::vector<Input> inputs;
    for (const auto topic : kSourceTopics) inputs.push_back({topic, 0});
    if (const auto begin = listener_.on_assigned(inputs); !begin) return tl::make_unexpected(begin.error());
    assigned_ = true;
  }
  while (position_ < history_.size() && records.size() < kBatchMax) {
    auto next = std::make_shared<const HistoryRecord>(history_[position_]);
    // A midnight lies between the last record and this one: marks for it come first, in a batch of their own.
    const auto today = midnight_before(next->arrival, calendar_);
    if (today > marked_) {
      append_marks(today, records);
      return {};
    }
    InRecord record;
    record.input = {next->topic, 0};
    record.offset = static_cast<std::int64_t>(2 * position_ + 1);
    record.timestamp = next->arrival;
    record.key = next->key;
    record.value = next->line;
    record.owner = std::move(next);
    records.push_back(std::move(record));
    ++position_;
  }
  if (position_ == history_.size() && !done_) {
    if (history_.size() > 0) append_marks(std::max(marked_, history_.ends()) + kAfterTheEnd, records);
    done_ = true;
  }
  return {};
}

}  // namespace fiverate
