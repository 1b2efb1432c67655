#include "readers/query/quarantine_query.h"

#include <chrono>
#include <set>

namespace fiverate {

Result<void> read_quarantine(Source& quarantine, const VisitQuarantined& visit) {
  std::set<std::string, std::less<>> causes;
  std::vector<InRecord> records;
  while (!quarantine.finished()) {
    records.clear();
    TRY(quarantine.poll(std::chrono::milliseconds(100), records));
    for (const auto& record : records) {
      Quarantined quarantined;
      if (!quarantined.ParseFromArray(record.value.data(), static_cast<int>(record.value.size()))) continue;
      if (causes.emplace(record.key).second)
        visit(record.key, {record.input.partition, record.offset}, std::move(quarantined));
    }
  }
  return {};
}

bool is_whole(const Quarantined& quarantined) {
  return quarantined.sku_id().empty() && !quarantined.value().empty() && !quarantined.truncated();
}

}  // namespace fiverate
