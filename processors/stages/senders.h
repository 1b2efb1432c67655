// Which tasks write to which partitions, from the table of topology.h. A cause that names another sender was not written by a task.
//
// Source topics may get more partitions while a market exists, so a task of intake may have any number: what is decided about a record does
// not depend on the number at the time when it is read.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "ledger.pb.h"
#include "processors/stream/ports.h"
#include "schemas/topics.h"

namespace fiverate {

// The greatest number of partitions that orders, deliveries and visits may have.
inline constexpr std::int32_t kSourcePartitionsMax = 1024;

class Senders {
 public:
  explicit Senders(const Definition& definition);

  // Whether the task `sender` ("outlet/3", "deliveries/0") writes to this partition of an internal topic, a result topic or `checkpoints`.
  [[nodiscard]] bool writes_to(std::string_view sender, const Input& target) const;

 private:
  // The number of tasks that read a topic.
  std::array<std::int32_t, kTopicCount> partitions_{};
};

}  // namespace fiverate
