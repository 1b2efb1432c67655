// An operator that can be followed by eye: adds up the numbers that it reads, says the sum to two tasks behind it and
// to a result topic, and keeps it. What it counts of what it said (`said_`) it cannot tell from its facts. A record "hold" leaves it between boundaries, "end" ends that; "fail" is an error.
#pragma once

#include <string>
#include <vector>

#include "processors/edge/memory_log.h"
#include "processors/stream/task.h"

namespace fiverate::test {

class Adder final : public Operator {
 public:
  Result<void> open(const Store& store) override {
    const auto saved = store.get("sum");
    if (!saved) return tl::make_unexpected(saved.error());
    if (*saved) sum_ = std::stoll(**saved);
    return {};
  }
  Result<void> apply(const InRecord& record, Outbox& outbox) override {
    const std::string value(record.value);
    applied.push_back(value);
    if (value == "fail") return fail(Reaction::drop_task, "asked to");
    if (value == "hold" || value == "end") {
      holds_ = value == "hold";
      return {};
    }
    sum_ += std::stoll(value);
    if (!outbox.outputs_enabled()) return {};
    ++said_;
    ++worked_out;
    const auto text = std::to_string(sum_ + lie);
    outbox.to_task(Topic::deltas, 0, record.timestamp, "", text);
    if (sum_ % 2 == 0) outbox.to_task(Topic::deltas, 1, record.timestamp, "", text);
    outbox.to_result(Topic::metrics_final, 0, record.timestamp, "", text);
    if (says_latest) outbox.to_result(Topic::metrics, 0, record.timestamp, "sum", text);
    return {};
  }
  bool at_boundary() const override { return !holds_; }
  void save(StoreBatch& batch) override { batch.put("sum", std::to_string(sum_)); }
  Millis clock() const override { return sum_; }
  std::optional<Said> said() const override {
    if (leaves_nothing) return std::nullopt;
    return Said{std::to_string(said_), work_from};
  }
  Result<void> resume(std::string_view tally) override {
    said_ = std::stoll(std::string(tally));
    return {};
  }

  std::int64_t count() const { return said_; }

  std::vector<std::string> applied;
  std::int64_t worked_out = 0;
  std::int64_t lie = 0;  // breaks determinism
  std::int64_t work_from = std::numeric_limits<std::int64_t>::max();  // Said::facts_until
  bool leaves_nothing = false;  // beside its state: said() is empty
  bool says_latest = false;  // the sum, under one key, to a topic that holds the latest

 private:
  std::int64_t sum_ = 0;
  std::int64_t said_ = 0;
  bool holds_ = false;
};

}  // namespace fiverate::test
