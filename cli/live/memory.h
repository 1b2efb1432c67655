// Divides `state.memory_mib`, the memory of the whole process:
//
//   1/4  blocks and write buffers of RocksDB       1/8  prefetched records
//   1/4  decoded records of tasks                  1/8  records sent and not yet acknowledged
//   1/4  the rest: the program, changes since the last commit, overhead of librdkafka and the allocator
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "cli/live/live.h"
#include "processors/edge/kafka_log.h"

namespace fiverate {

// The fetch limit of a reader of checkpoints.
inline constexpr std::int32_t kCheckpointsKib = 1024;

struct MemoryShares {
  std::size_t stores_bytes = 0;
  std::size_t decoded_bytes = 0;  // of each task, as if all tasks ran here
  std::int32_t fetch_kib = 0;     // of each consumer
  std::int32_t queue_kib = 0;     // of each partition that intake reads; all together as much as one consumer
  std::int32_t send_kib = 0;      // of each producer
};

inline MemoryShares shares_of(const LiveSettings& settings) {
  const auto& config = settings.config;
  const auto& definition = settings.definition;
  const auto kib = static_cast<std::int64_t>(config.state.memory_mib) << 10;
  const auto tasks = definition.ledger_partitions() + 2 * definition.market_partitions() + 1;
  std::int64_t threads = 0;
  for (const auto stage : settings.stages) threads += threads_of(config, stage);
  const auto readers = threads * (settings.standby > 0 ? 2 : 1);
  const auto sources = static_cast<std::int64_t>(source_inputs(definition).size());
  const auto part = [&](std::int64_t of, std::int64_t least) {
    return static_cast<std::int32_t>(std::max(kib / 8 / of, least));
  };
  constexpr std::int64_t kRecordKib =
      kRecordBytesMax >> 10;  // the buffer of a producer holds at least two records of this size
  return {static_cast<std::size_t>(kib << 10) / 4,
          static_cast<std::size_t>(kib << 10) / 4 / static_cast<std::size_t>(tasks), part(readers, 1024),
          std::min(part(readers * sources, 64), kQueueKib), part(threads, 2 * kRecordKib)};
}

}  // namespace fiverate
