#include "readers/query/result_records.h"

#include <algorithm>

#include "schemas/format.h"

namespace fiverate {
namespace {

constexpr std::size_t kCauseShownMax = 100;

}  // namespace

Result<void> ResultRecords::poll(Source& source, std::chrono::milliseconds wait, std::vector<InRecord>& records) {
  const auto before = static_cast<std::ptrdiff_t>(records.size());
  TRY(source.poll(wait, records));
  records.erase(std::remove_if(records.begin() + before, records.end(),
                               [this](const InRecord& record) {
                                 if (record.cause && senders_.writes_to(record.cause->sender, record.input))
                                   return false;
                                 ignore(record, record.cause
                                                    ? "cause " + to_text(*record.cause).substr(0, kCauseShownMax)
                                                    : "no cause");
                                 return true;
                               }),
                records.end());
  return {};
}

void ResultRecords::ignore(const InRecord& record, std::string_view reason) {
  ++ignored_;
  auto& [count, first] = by_topic_[record.input.topic];
  if (++count > static_cast<std::int64_t>(kShownMax)) return;
  first.push_back(
      fmt::format("{}/{}/{} ({})", name_of(record.input.topic), record.input.partition, record.offset, reason));
}

std::vector<std::string> ResultRecords::sentences() const {
  std::vector<std::string> sentences;
  for (const auto& [topic, ignored] : by_topic_) {
    const auto more = ignored.count - static_cast<std::int64_t>(ignored.first.size());
    sentences.push_back(fmt::format("{} of {} {} not written by a processor and {} ignored: {}{}.",
                                    ignored.count == 1 ? "1 record" : fmt::format("{} records", ignored.count),
                                    name_of(topic), ignored.count == 1 ? "was" : "were",
                                    ignored.count == 1 ? "is" : "are", fmt::join(ignored.first, ", "),
                                    more == 0 ? "" : fmt::format(", and {} more", more)));
  }
  return sentences;
}

}  // namespace fiverate
