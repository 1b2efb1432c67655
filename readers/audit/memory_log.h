// A log in memory, between the stages of a replay. Threads may share it; sources and sinks belong to one thread each.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>

#include "processors/stream/ports.h"

namespace fiverate {

class MemoryLog {
 public:
  struct Options {
    bool drop_read = false;             // records are removed once they are read: a replay reads once
    std::size_t waiting_bytes_max = 0;  // append waits while more bytes than this are unread; 0: no limit
  };
  MemoryLog() = default;
  explicit MemoryLog(Options options) : options_(options) {}

  void append(OutRecord record);
  // No more records will be appended to this partition.
  void close(const Input& input);
  // No more records will be appended at all: an append that waits for readers returns. For an aborted replay.
  void close_all();

  // Reads from `offset`, at most `max` records, waiting at most `wait`. Thread-safe.
  void read(const Input& input, std::int64_t offset, std::size_t max, std::chrono::milliseconds wait,
            std::vector<InRecord>& records);
  [[nodiscard]] std::int64_t end_offset(const Input& input);
  [[nodiscard]] bool ended(const Input& input, std::int64_t offset);  // closed, and nothing at or behind `offset`
  [[nodiscard]] OffsetRange offset_range(const Input& input);

 private:
  struct Partition {
    std::int64_t base = 0;  // offset of the first record kept
    std::deque<std::shared_ptr<const OutRecord>> records;
    std::size_t bytes = 0;
    bool closed = false;
  };
  Options options_;
  std::mutex mutex_;
  std::condition_variable moved_;
  bool closed_ = false;
  std::map<Input, Partition> partitions_;
};

// Reads fixed partitions of a memory log. `group` keeps the committed offsets: a new source with the same map continues from them.
class MemorySource final : public Source {
 public:
  using GroupOffsets = std::map<Input, Committed>;
  MemorySource(MemoryLog& log, std::vector<Input> inputs, GroupOffsets& group, std::size_t batch_max = 4096);

  void listen(Listener listener) override { listener_ = std::move(listener); }
  Result<void> poll(std::chrono::milliseconds wait, std::vector<InRecord>& records) override;
  bool finished() const override;
  Result<std::map<Input, Committed>> committed(const std::vector<Input>& inputs,
                                               std::chrono::milliseconds within) override;
  Result<void> commit(const std::map<Input, Committed>& positions) override;
  Result<std::optional<OffsetRange>> offset_range(const Input& input) override { return log_.offset_range(input); }

 private:
  MemoryLog& log_;
  std::vector<Input> inputs_;
  GroupOffsets& group_;
  std::size_t batch_max_;
  Listener listener_;
  bool assigned_ = false;
  std::map<Input, std::int64_t> next_;
};

}  // namespace fiverate
