#include "readers/query/quarantine_query.h"

#include <chrono>
#include <set>

namespace fiverate {

Result<void> read_quarantine(Source& quarantine, const std::function<void(std::string_view, Quarantined)>& visit) {
  std::set<std::string, std::less<>> causes;
  std::vector<InRecord> records;
  while (!quarantine.finished()) {
    records.clear();
    TRY(quarantine.poll(std::chrono::milliseconds(100), records));
    for (const auto& record : records) {
      Quarantined quarantined;
      if (!quarantined.ParseFromArray(record.value.data(), static_cast<int>(record.value.size()))) continue;
      if (causes.emplace(record.key).second) visit(record.key, std::move(quarantined));
    }
  }
  return {};
}

std::optional<OutRecord> retry_of(const Quarantined& quarantined, Millis now) {
  const auto topic = topic_named(quarantined.topic());
  if (!topic || !quarantined.sku_id().empty() || quarantined.value().empty() || quarantined.truncated())
    return std::nullopt;
  OutRecord record;
  record.topic = *topic;
  record.partition = quarantined.partition();
  // The arrival must not be later than the timestamp of its own record, which would replace it.
  record.timestamp = std::max(now, quarantined.arrival_ms());
  record.key = quarantined.key();
  record.value = quarantined.value();
  record.arrival = quarantined.arrival_ms();
  return record;
}

}  // namespace fiverate
