// The checkpoints of tasks, read from the topic `checkpoints` of a memory log.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "processors/stream/checkpoint.h"
#include "readers/audit/memory_log.h"

namespace fiverate::test {

class LogCheckpoints final : public CheckpointReader {
 public:
  explicit LogCheckpoints(MemoryLog& log) : log_(log) {}

  // The newest checkpoint of a task at or after its pointer, or else the newest in the topic.
  Result<std::map<std::string, Checkpoint>> find(const std::map<std::string, CheckpointPointer>& tasks) override {
    std::vector<InRecord> records;
    log_.read(kCheckpointsPartition, log_.offset_range(kCheckpointsPartition).first, kAll, std::chrono::milliseconds{0},
              records);
    std::map<std::string, Checkpoint> found;
    std::map<std::string, Checkpoint> newest;
    const auto keep_newest = [](std::map<std::string, Checkpoint>& kept, const Checkpoint& checkpoint) {
      const auto [known, added] = kept.try_emplace(checkpoint.task(), checkpoint);
      if (!added && is_newer(checkpoint, known->second)) known->second = checkpoint;
    };
    for (const auto& record : records) {
      const auto checkpoint = parse_checkpoint(record);
      if (!checkpoint) continue;
      const auto task = tasks.find(checkpoint->task());
      if (task == tasks.end()) continue;
      keep_newest(newest, *checkpoint);
      if (record.offset >= task->second.offset) keep_newest(found, *checkpoint);
    }
    found.merge(newest);  // adds tasks without a checkpoint at or after their pointer
    return found;
  }

 private:
  static constexpr std::size_t kAll = 1'000'000;
  MemoryLog& log_;
};

}  // namespace fiverate::test
