#include "readers/query/quarantine_query.h"

#include <set>

namespace fiverate {

Result<void> read_quarantine(Source& quarantine, ResultRecords& results, const VisitQuarantined& visit) {
  std::set<std::string, std::less<>> causes;
  return read_to_end(quarantine, results, [&](const InRecord& record) {
    Quarantined quarantined;
    if (!quarantined.ParseFromArray(record.value.data(), static_cast<int>(record.value.size())) ||
        quarantined.reason().empty()) {
      return results.ignore(record, "its value is no rejected record");
    }
    if (causes.emplace(record.key).second)
      visit(record.key, {record.input.partition, record.offset}, std::move(quarantined));
  });
}

bool is_whole(const Quarantined& quarantined) {
  return quarantined.sku_id().empty() && !quarantined.value().empty() && !quarantined.truncated();
}

}  // namespace fiverate
