// The simulated log: partitions that are appended to and read, and that may lose their end (an unclean election).
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "processors/stream/ports.h"

namespace fiverate::test {

class SimLog {
 public:
  using Records = std::vector<std::shared_ptr<const OutRecord>>;

  void append(OutRecord record) {
    auto& records = partitions_[{record.topic, record.partition}];
    records.push_back(std::make_shared<const OutRecord>(std::move(record)));
  }

  void read(const Input& input, std::int64_t offset, std::size_t max, std::vector<InRecord>& found) const {
    const auto& records = all(input);
    for (auto at = static_cast<std::size_t>(offset); at < records.size() && max > 0; ++at, --max) {
      const auto& stored = records[at];
      found.push_back({input, static_cast<std::int64_t>(at), stored->timestamp, stored->key, stored->value,
                       stored->cause, stored->link, false, stored, stored->depends_on});
    }
  }

  [[nodiscard]] std::int64_t end_offset(const Input& input) const {
    return static_cast<std::int64_t>(all(input).size());
  }

  [[nodiscard]] const Records& all(const Input& input) const {
    static const Records kNone;
    const auto found = partitions_.find(input);
    return found == partitions_.end() ? kNone : found->second;
  }
  [[nodiscard]] const std::map<Input, Records>& partitions() const { return partitions_; }

  // Returns the lost records.
  Records truncate(const Input& input, std::int64_t new_end) {
    auto& records = partitions_[input];
    Records lost(records.begin() + new_end, records.end());
    records.resize(static_cast<std::size_t>(new_end));
    return lost;
  }

 private:
  std::map<Input, Records> partitions_;
};

}  // namespace fiverate::test
