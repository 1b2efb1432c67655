// Which tasks write to which partitions, from the table of topology.h. A cause that names another sender was not written by a task.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "ledger.pb.h"
#include "processors/stream/ports.h"
#include "schemas/topics.h"

namespace fiverate {

class Senders {
 public:
  explicit Senders(const Definition& definition);

  // Whether the task `sender` ("outlet/3", "deliveries/0") writes to this partition of an internal topic, a result topic or `checkpoints`.
  [[nodiscard]] bool writes_to(std::string_view sender, const Input& target) const;

 private:
  // The number of partitions of a source topic, and of ledger and deltas: the number of tasks that read it.
  std::array<std::int32_t, kTopicCount> partitions_{};
};

}  // namespace fiverate
