// What the runtime asks of the outside: a log to read, a log to write, a store. Three pairs of logs stand behind it: Kafka
// (edge/kafka_log.h), files (edge/history_source.h, reading only) and memory (memory_log.h, for tests and replay).
//
// Each object belongs to the thread of one worker.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "processors/stream/error.h"
#include "schemas/cause.h"
#include "schemas/time.h"
#include "schemas/topics.h"

namespace fiverate {

// One partition that a task reads.
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
  std::optional<Cause> cause;          // header; absent on source records and progress
  std::optional<Link> link;            // headers; from task to task only
  std::optional<Millis> arrival;       // header of a retried source record
  std::shared_ptr<const void> owner;
  std::vector<Cause> said = {};        // headers: what others had said here before
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
  std::optional<Millis> arrival = std::nullopt;  // header of a retried source record
  std::vector<Cause> said = {};                  // headers: what others had said there before
};

// Where a group stands in an input: next offset to read and a short text kept with it.
struct Committed {
  std::int64_t offset = 0;
  std::string metadata;
};

// What the log holds of an input: its first offset, and the one behind its last.
struct Extent {
  std::int64_t low = 0;
  std::int64_t high = 0;
};

class Source {
 public:
  // Told inside poll, in this order: what is no longer ours, then what is. `assigned` answers where to begin; what it leaves out is
  // not read, and it is asked for again in a later poll, until it answers or what was left out is no longer ours.
  struct Listener {
    std::function<Result<std::map<Input, std::int64_t>>(const std::vector<Input>&)> assigned;
    std::function<void(const std::vector<Input>&)> revoked;
  };

  virtual ~Source() = default;
  virtual void listen(Listener listener) = 0;
  // Appends what has come, in order a partition, waiting at most `wait` for the first. Nothing appended is no error.
  [[nodiscard]] virtual Result<void> poll(std::chrono::milliseconds wait, std::vector<InRecord>& records) = 0;
  // True when nothing more will ever come (files, a closed memory log, a log read to where it ended at the start).
  [[nodiscard]] virtual bool finished() const { return false; }
  // What the group committed, for tasks without a store; nothing yet: none.
  [[nodiscard]] virtual Result<std::optional<Committed>> committed(const Input& input) = 0;
  // The same of several, in one question that is waited for at most so long (error: retry).
  [[nodiscard]] virtual Result<std::map<Input, Committed>> committed_of(const std::vector<Input>& inputs,
                                                                        std::chrono::milliseconds /*within*/) {
    std::map<Input, Committed> all;
    for (const auto& input : inputs) {
      auto one = committed(input);
      if (!one) return tl::make_unexpected(one.error());
      if (*one) all[input] = std::move(**one);
    }
    return all;
  }
  [[nodiscard]] virtual Result<void> commit(const std::map<Input, Committed>& positions) = 0;
  // How many records lie before the end, as last heard, of what is assigned; nothing: not known.
  [[nodiscard]] virtual std::map<Input, std::int64_t> lag() const { return {}; }
  // Nothing: not known (files).
  [[nodiscard]] virtual Result<std::optional<Extent>> extent(const Input& /*input*/) { return std::nullopt; }
};

class Sink {
 public:
  virtual ~Sink() = default;
  // Hands a record over; may wait for room. An error is of this or any earlier record.
  [[nodiscard]] virtual Result<void> send(OutRecord record) = 0;
  // Returns when all records handed over are acknowledged.
  [[nodiscard]] virtual Result<void> flush() = 0;
  // One past the last record of a result partition, and the cause of the last that carries one.
  struct Tail {
    std::int64_t end = 0;
    std::optional<Cause> last;
  };
  [[nodiscard]] virtual Result<Tail> tail(const Input& /*target*/) { return Tail{}; }
  // The last position in a partition that several write to, of what this sender wrote. Nothing: it has not written there, or that is not
  // to be learnt; then it may repeat itself.
  [[nodiscard]] virtual Result<std::optional<CausePosition>> last_said(Topic /*topic*/, std::int32_t /*partition*/,
                                                                       std::string_view /*sender*/) {
    return std::nullopt;
  }
  // The record without a link that this sender has sent to a partition last, if it is acknowledged: its cause, and one past it. Nothing: it
  // is not, or that did not tell where it stands.
  [[nodiscard]] virtual std::optional<Tail> acknowledged(const Input& /*target*/, const std::string& /*sender*/) const {
    return std::nullopt;
  }
  // A partition is known to be filled up to here: an acknowledgement of an offset before that is an error.
  virtual void know_end(const Input& /*target*/, std::int64_t /*end*/) {}
  // False: the partition ends before this offset, or holds a record of another cause there. (Compacted or expired it is not another one.)
  [[nodiscard]] virtual Result<bool> still_holds(const Input& /*target*/, std::int64_t /*offset*/,
                                                 const Cause& /*cause*/) {
    return true;
  }
  // Reads a result partition on, whoever writes to it: each call appends what has come since the one before and waits for
  // nothing; the first begins so many records before the end. May outlive the sink. An empty one: nobody else can write here.
  using ReadOn = std::function<Result<void>(std::vector<InRecord>&)>;
  [[nodiscard]] virtual Result<ReadOn> follow(Topic /*topic*/, std::int32_t /*partition*/, std::int64_t /*back*/) {
    return ReadOn{};
  }
};

// Sorted keys and values of one task. Writes are atomic a batch.
struct StoreBatch {
  std::vector<std::pair<std::string, std::optional<std::string>>> changes;  // no value: erase; a later one beats an earlier

  void put(std::string key, std::string value) { changes.emplace_back(std::move(key), std::move(value)); }
  void erase(std::string key) { changes.emplace_back(std::move(key), std::nullopt); }
};

class Store {
 public:
  virtual ~Store() = default;
  [[nodiscard]] virtual Result<std::optional<std::string>> get(std::string_view key) const = 0;
  // In order of keys, all that begin with `prefix`, until `visit` returns false.
  [[nodiscard]] virtual Result<void> scan(std::string_view prefix,
                                          const std::function<bool(std::string_view, std::string_view)>& visit) const = 0;
  [[nodiscard]] virtual Result<void> write(const StoreBatch& batch) = 0;
  // For messages: where a person finds it.
  [[nodiscard]] virtual std::string where() const = 0;
  [[nodiscard]] virtual std::int64_t bytes() const { return 0; }  // on disk, about
  // For a store that lives in the group's offsets: the text to commit with the offset.
  [[nodiscard]] virtual std::optional<std::string> group_text() const { return std::nullopt; }
};

}  // namespace fiverate
