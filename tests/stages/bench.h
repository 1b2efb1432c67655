// Runs one operator without a task: a test feeds records and reads the outputs.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "deltas.pb.h"
#include "ledger.pb.h"
#include "metrics.pb.h"
#include "processors/stages/topology.h"
#include "processors/stream/memory_store.h"
#include "processors/stream/task.h"
#include "schemas/check.h"
#include "tests/support/events.h"

namespace fiverate::test {

inline const Millis kStart = noon(nth(0));
inline const Millis kNow = kStart;  // for tests in which no time passes

struct Sent {
  Topic topic;
  std::int32_t partition;
  std::string key;
  std::string value;
  bool to_task;
  std::vector<Cause> depends_on;

  template <typename Message>
  [[nodiscard]] Message as() const {
    Message message;
    CHECK(message.ParseFromString(value), key);
    return message;
  }
};

class Bench final : public Outbox {
 public:
  explicit Bench(Operator& op) : op_(&op) { CHECK(op_->open(store_).has_value()); }

  // Applies a record of `topic`, partition 0.
  Result<void> feed(Topic topic, std::string value, std::optional<Cause> cause = std::nullopt, Millis timestamp = 0,
                    std::string key = {}) {
    const auto bytes = std::make_shared<const std::pair<std::string, std::string>>(std::move(key), std::move(value));
    InRecord record;
    record.input = {topic, 0};
    record.offset = offset_++;
    record.timestamp = timestamp;
    record.key = bytes->first;
    record.value = bytes->second;
    record.cause = std::move(cause);
    record.owner = bytes;
    return op_->apply(record, *this);
  }
  // Saves the state and continues with another operator that opens it.
  void restart_as(Operator& op) {
    StoreBatch batch;
    op_->save(batch);
    CHECK(store_.write(batch).has_value());
    op_ = &op;
    CHECK(op_->open(store_).has_value());
  }

  // Removes and returns the outputs since the last call.
  std::vector<Sent> drain() { return std::move(sent_); }
  // The same, without the outputs to other topics.
  std::vector<Sent> drain(Topic topic) {
    auto all = drain();
    std::erase_if(all, [&](const Sent& sent) { return sent.topic != topic; });
    return all;
  }
  [[nodiscard]] std::int64_t next_offset() const { return offset_; }

 private:
  void to_task(Topic topic, std::int32_t partition, Millis, std::string key, std::string value,
               std::vector<Cause> depends_on) override {
    sent_.push_back({topic, partition, std::move(key), std::move(value), true, std::move(depends_on)});
  }
  void to_result(Topic topic, std::int32_t partition, Millis, std::string key, std::string value) override {
    sent_.push_back({topic, partition, std::move(key), std::move(value), false, {}});
  }

  Operator* op_;
  MemoryStore store_;
  std::int64_t offset_ = 0;
  std::vector<Sent> sent_;
};

inline LedgerRecord ledger(const Event& event, Millis arrival) {
  LedgerRecord record;
  record.set_arrival_ms(arrival);
  *record.mutable_event() = event;
  return record;
}

// A progress record by which every source partition is read up to `clock`.
inline LedgerRecord progress_to(Millis clock, const Definition& definition) {
  LedgerRecord record;
  record.set_arrival_ms(clock);
  for (std::size_t i = 0; i < source_inputs(definition).size(); ++i) {
    auto& entry = *record.mutable_progress()->add_entries();
    entry.set_source(static_cast<std::int32_t>(i));
    entry.set_arrival_ms(clock);
  }
  return record;
}

}  // namespace fiverate::test
