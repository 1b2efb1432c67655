// Somebody who writes into the topics by accident: rubbish, and records of ours without their headers or with those of others. Nothing of it
// may change a result.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>

#include "ledger.pb.h"
#include "tests/sim/faults.h"
#include "tests/sim/sim_log.h"

namespace fiverate::test {

class Stranger {
 public:
  // Has its own random numbers, so that the other faults of a seed stay the same.
  explicit Stranger(std::uint64_t seed) : chance_(seed) {}

  // Writes a record into a partition of an internal topic, a result topic or `checkpoints`, now and then.
  void pass_by(SimLog& log, Weather& weather);
  // The number of records that it has written to a partition.
  [[nodiscard]] std::int64_t written(const Input& input) const;

 private:
  [[nodiscard]] std::optional<OutRecord> make(const Input& input, const SimLog& log);
  // A record of the partition that is not the stranger's own.
  [[nodiscard]] OutRecord copy_of(const Input& input, const SimLog& log);

  Chance chance_;
  std::map<Input, std::set<std::int64_t>> written_;  // offsets
};

// The records of a partition that fiverate wrote.
[[nodiscard]] SimLog::Records ours(const SimLog& log, const Input& input, const Definition& definition);

}  // namespace fiverate::test
