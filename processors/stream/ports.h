// The ports of the runtime: a log to read (Source), a log to write (Sink), a state (Store). Kafka and RocksDB implement them in
// processors/edge, files and memory for replays, and the simulation of tests/sim. Each object belongs to the thread of one worker.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "processors/stream/error.h"
#include "schemas/cause.h"
#include "schemas/import_position.h"
#include "schemas/time.h"
#include "schemas/topics.h"

namespace fiverate {

// One partition of a topic.
struct Input {
  Topic topic = Topic::ledger;
  std::int32_t partition = 0;
  friend auto operator<=>(const Input&, const Input&) = default;
};

// A record as read. The views live as long as `owner`.
struct InRecord {
  Input input;
  std::int64_t offset = 0;
  Millis timestamp = 0;
  std::string_view key;
  std::string_view value;
  std::optional<Cause> cause;       // header; absent on source records and progress
  std::optional<Link> link;         // headers; only on records from task to task
  bool has_arrival_header = false;  // of a source record: it claims an arrival, which is ignored
  std::shared_ptr<const void> owner;
  std::vector<Cause> depends_on = {};  // headers: records of other senders that have to be applied before this one
  std::optional<ImportPosition> import = std::nullopt;  // header of a source record that an import wrote
};

// A record to write.
struct OutRecord {
  Topic topic = Topic::ledger;
  std::int32_t partition = 0;
  Millis timestamp = 0;
  std::string key;
  std::string value;
  std::optional<Cause> cause;
  std::optional<Link> link;
  std::vector<Cause> depends_on = {};
  std::optional<ImportPosition> import = std::nullopt;
};

// What a consumer group keeps for an input: the next offset to read, and a short text (checkpoint.h: CheckpointPointer).
struct Committed {
  std::int64_t offset = 0;
  std::string metadata;
};

// The offsets that a log holds: from its first record to its log end offset.
struct OffsetRange {
  std::int64_t first = 0;
  std::int64_t end = 0;
};

class Source {
 public:
  // Both are called inside poll. `on_assigned` returns the offset to begin at for each input. An input that it leaves out is not read;
  // a later poll offers it again, until it is accepted or revoked.
  struct Listener {
    std::function<Result<std::map<Input, std::int64_t>>(const std::vector<Input>&)> on_assigned;
    std::function<void(const std::vector<Input>&)> on_revoked;
  };

  virtual ~Source() = default;
  virtual void listen(Listener listener) = 0;
  // Appends records in the order of each partition. Waits at most `wait` for the first one; none is no error.
  [[nodiscard]] virtual Result<void> poll(std::chrono::milliseconds wait, std::vector<InRecord>& records) = 0;
  // True when no record will ever follow (files, a closed memory log, a log read to where it ended at the start).
  [[nodiscard]] virtual bool finished() const { return false; }
  // What the group committed; inputs without a commit are left out. Waits at most `within` (error: retry).
  [[nodiscard]] virtual Result<std::map<Input, Committed>> committed(const std::vector<Input>& inputs,
                                                                     std::chrono::milliseconds within) = 0;
  [[nodiscard]] virtual Result<void> commit(const std::map<Input, Committed>& positions) = 0;
  // A paused input is not read. Only for assigned inputs, until they are revoked.
  virtual void set_paused(const Input& /*input*/, bool /*paused*/) {}
  // Records between the position and the log end offset, by assigned input; an input is left out while it is unknown.
  [[nodiscard]] virtual std::map<Input, std::int64_t> lag() const { return {}; }
  // How many partitions the topics of this source have now, beside those that it reads. Waits at most `within` for each (error: retry).
  // Empty: unknown.
  [[nodiscard]] virtual Result<std::map<Topic, std::int32_t>> partition_counts(std::chrono::milliseconds /*within*/) {
    return std::map<Topic, std::int32_t>{};
  }
  // Of any partition, assigned or not. Nothing: the source has no offsets (files).
  [[nodiscard]] virtual Result<std::optional<OffsetRange>> offset_range(const Input& /*partition*/) {
    return std::nullopt;
  }
};

class Sink {
 public:
  virtual ~Sink() = default;
  // Adds a record to the buffer; waits while the buffer is full. The error may belong to an earlier record.
  [[nodiscard]] virtual Result<void> send(OutRecord record) = 0;
  // Returns when all records handed over are acknowledged.
  [[nodiscard]] virtual Result<void> flush() = 0;
  // One past the offset of the last record without a link that `sender` sent to this partition. Nothing: it is not acknowledged, or the
  // acknowledgement had no offset.
  [[nodiscard]] virtual std::optional<std::int64_t> acknowledged_end(const Input& /*target*/,
                                                                     const std::string& /*sender*/) const {
    return std::nullopt;
  }
};

// Changes of a store: applied all or none. A change without a value erases; of two changes of a key the later one holds.
struct StoreBatch {
  std::vector<std::pair<std::string, std::optional<std::string>>> changes;

  void put(std::string key, std::string value) { changes.emplace_back(std::move(key), std::move(value)); }
  void erase(std::string key) { changes.emplace_back(std::move(key), std::nullopt); }
};

// Sorted keys and values: the state of one task.
class Store {
 public:
  virtual ~Store() = default;
  [[nodiscard]] virtual Result<std::optional<std::string>> get(std::string_view key) const = 0;
  // Visits all keys that begin with `prefix` in order, until `visit` returns false.
  [[nodiscard]] virtual Result<void> scan(
      std::string_view prefix, const std::function<bool(std::string_view, std::string_view)>& visit) const = 0;
  [[nodiscard]] virtual Result<void> write(const StoreBatch& batch) = 0;
  // For messages: where a person finds the state.
  [[nodiscard]] virtual std::string location() const = 0;
  [[nodiscard]] virtual std::int64_t bytes() const { return 0; }  // on disk, approximate
  // True: the state has no disk. Each checkpoint carries all of it.
  [[nodiscard]] virtual bool lives_in_checkpoint() const { return false; }
  // False: no later task opens this state, so what an operator keeps in memory needs not be stored.
  [[nodiscard]] virtual bool is_opened_again() const { return true; }
};

}  // namespace fiverate
