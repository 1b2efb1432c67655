// How far a producer knows the partitions that it writes to be filled. A log grows, so each acknowledgement names a higher offset
// than the one before; a lower one means that the log has lost an end that was acknowledged (an unclean election), or was made anew.
// It is the one place that notices the loss of records which nobody has read yet and no chain ties together.
#pragma once

#include <cstdint>
#include <map>

#include "processors/stream/ports.h"

namespace fiverate {

class AcknowledgedEnds {
 public:
  // A record stands at this offset. Nothing: as it should be. An error: stop. A negative offset tells nothing (the broker had the
  // record already).
  [[nodiscard]] Result<void> note(const Input& target, std::int64_t offset) {
    if (offset < 0) return {};
    auto& end = ends_.try_emplace(target, -1).first->second;
    if (offset <= end) {
      return fail(Reaction::stop,
                  "{} partition {} has lost records that were acknowledged: the next one came to offset {} after {}. Was a broker elected "
                  "that was behind (unclean.leader.election.enable), or the topic made anew? What follows from the lost records is not to be "
                  "had from this log.",
                  name_of(target.topic), target.partition, offset, end);
    }
    end = offset;
    return {};
  }

 private:
  std::map<Input, std::int64_t> ends_;
};

}  // namespace fiverate
