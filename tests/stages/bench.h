// One operator on the bench: records go in, what it says is kept for the test to look at.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "deltas.pb.h"
#include "ledger.pb.h"
#include "metrics.pb.h"
#include "processors/stages/topology.h"
#include "processors/edge/memory_log.h"
#include "processors/stream/task.h"
#include "schemas/check.h"
#include "tests/support/events.h"

namespace fiverate::test {

inline const Millis kStart = noon(nth(0));
inline const Millis kNow = kStart;  // where time stands still

struct Sent {
  Topic topic;
  std::int32_t partition;
  std::string key;
  std::string value;
  bool to_task;
  std::vector<Cause> said;

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

  // A record of `topic`, partition 0; returns the error, if any.
  Result<void> feed(Topic topic, std::string value, std::optional<Cause> cause = std::nullopt, Millis timestamp = 0,
                    std::string key = {}, std::optional<Millis> arrival = std::nullopt) {
    const auto bytes = std::make_shared<const std::pair<std::string, std::string>>(std::move(key), std::move(value));
    InRecord record;
    record.input = {topic, 0};
    record.offset = offset_++;
    record.timestamp = timestamp;
    record.key = bytes->first;
    record.value = bytes->second;
    record.cause = std::move(cause);
    record.arrival = arrival;
    record.owner = bytes;
    return op_->apply(record, *this);
  }
  // Saves, and goes on with another instance that reads what was saved.
  void restart_as(Operator& op) {
    StoreBatch batch;
    op_->save(batch);
    CHECK(store_.write(batch).has_value());
    op_ = &op;
    CHECK(op_->open(store_).has_value());
  }

  std::vector<Sent> take() { return std::move(sent_); }
  // Only those of a topic.
  std::vector<Sent> take(Topic topic) {
    auto all = take();
    std::erase_if(all, [&](const Sent& sent) { return sent.topic != topic; });
    return all;
  }
  [[nodiscard]] std::int64_t next_offset() const { return offset_; }

 private:
  void to_task(Topic topic, std::int32_t partition, Millis, std::string key, std::string value,
               std::vector<Cause> said) override {
    sent_.push_back({topic, partition, std::move(key), std::move(value), true, std::move(said)});
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

// All sources are complete up to here.
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
