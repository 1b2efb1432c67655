// Logs and stores in memory: under the seeded simulation (tests) and between the stages of a replay. A log may be shared by
// threads; a store belongs to one.
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
    bool drop_read = false;          // records are gone once read: for a replay, which reads once and never goes back
    std::size_t waiting_bytes_max = 0;  // append waits while more than this is unread; 0: no limit
  };
  MemoryLog() = default;
  explicit MemoryLog(Options options) : options_(options) {}

  void append(OutRecord record);
  // Nothing more will be appended to this partition; or to any, and whoever waits for room gives up (an aborted replay).
  void close(const Input& input);
  void close_all();

  // Reads from `offset`, at most `max` records, waiting at most `wait`. Thread-safe.
  void read(const Input& input, std::int64_t offset, std::size_t max, std::chrono::milliseconds wait,
            std::vector<InRecord>& records);
  [[nodiscard]] std::int64_t end_offset(const Input& input);
  [[nodiscard]] bool ended(const Input& input, std::int64_t offset);  // closed, and nothing at or behind `offset`
  [[nodiscard]] std::optional<Cause> last_cause(const Input& input);
  [[nodiscard]] std::optional<CausePosition> last_said(const Input& input, std::string_view sender);
  [[nodiscard]] Extent extent(const Input& input);

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

// Reads fixed partitions of a memory log. Group offsets live here; hand the same map to the next one to "restart".
class MemorySource final : public Source {
 public:
  using GroupOffsets = std::map<Input, Committed>;
  MemorySource(MemoryLog& log, std::vector<Input> inputs, GroupOffsets& group, std::size_t batch_max = 4096);

  void listen(Listener listener) override { listener_ = std::move(listener); }
  Result<void> poll(std::chrono::milliseconds wait, std::vector<InRecord>& records) override;
  bool finished() const override;
  Result<std::optional<Committed>> committed(const Input& input) override;
  Result<void> commit(const std::map<Input, Committed>& positions) override;
  Result<std::optional<Extent>> extent(const Input& input) override { return log_.extent(input); }

 private:
  MemoryLog& log_;
  std::vector<Input> inputs_;
  GroupOffsets& group_;
  std::size_t batch_max_;
  Listener listener_;
  bool assigned_ = false;
  std::map<Input, std::int64_t> next_;
};

class MemorySink : public Sink {
 public:
  static constexpr std::size_t kReadMax = 4096;  // of a partition that is followed, at once
  explicit MemorySink(MemoryLog& log) : log_(log) {}
  Result<void> send(OutRecord record) override {
    log_.append(std::move(record));
    return {};
  }
  Result<void> flush() override { return {}; }
  Result<Tail> tail(const Input& target) override { return Tail{log_.end_offset(target), log_.last_cause(target)}; }
  Result<std::optional<CausePosition>> last_said(Topic topic, std::int32_t partition, std::string_view sender) override {
    return log_.last_said({topic, partition}, sender);
  }
  Result<ReadOn> follow(Topic topic, std::int32_t partition, std::int64_t back) override {
    const Input input{topic, partition};
    return [&log = log_, input, next = std::max<std::int64_t>(0, log_.end_offset(input) - back)](
               std::vector<InRecord>& records) mutable -> Result<void> {
      const auto before = records.size();
      log.read(input, next, kReadMax, std::chrono::milliseconds{0}, records);
      next += static_cast<std::int64_t>(records.size() - before);
      return {};
    };
  }

 private:
  MemoryLog& log_;
};

class MemoryStore : public Store {
 public:
  using Content = std::map<std::string, std::string, std::less<>>;
  explicit MemoryStore(std::shared_ptr<Content> content = std::make_shared<Content>()) : content_(std::move(content)) {}

  Result<std::optional<std::string>> get(std::string_view key) const override;
  Result<void> scan(std::string_view prefix,
                    const std::function<bool(std::string_view, std::string_view)>& visit) const override;
  Result<void> write(const StoreBatch& batch) override;
  std::string where() const override { return "memory"; }

 private:
  std::shared_ptr<Content> content_;  // shared with whoever outlives a simulated crash
};

}  // namespace fiverate
