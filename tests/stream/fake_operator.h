// An operator that a reader can follow by eye: it adds up the numbers that it reads, and publishes the sum to two tasks and to a result
// topic. Its tally (how many outputs it computed) does not follow from its state. A record "hold" leaves it between boundaries, "end" ends
// that; "fail" is an error. What begins with "?" nobody of ours has written.
#pragma once

#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "processors/stream/memory_store.h"
#include "processors/stream/task.h"

namespace fiverate::test {

class Adder final : public Operator {
 public:
  Result<void> open(const Store& store) override {
    TRY_VALUE(saved, store.get("sum"));
    if (saved) sum_ = std::stoll(*saved);
    return {};
  }
  Result<void> apply(const InRecord& record, Outbox& outbox) override {
    const std::string value(record.value);
    applied.push_back(value);
    if (value == "fail") return fail(Reaction::drop_task, "The record requests an error.");
    if (value == "hold" || value == "end") {
      is_between_boundaries_ = value == "hold";
      return {};
    }
    sum_ += std::stoll(value);
    if (!outbox.outputs_enabled()) return {};
    ++tally_;
    ++computed;
    const auto text = std::to_string(sum_ + error);
    outbox.to_task(Topic::deltas, 0, record.timestamp, "", text);
    if (sum_ % 2 == 0) outbox.to_task(Topic::deltas, 1, record.timestamp, "", text);
    outbox.to_result(Topic::metrics_final, 0, record.timestamp, "", text);
    return {};
  }
  std::optional<std::string> foreign_reason(const InRecord& record) const override {
    if (!record.value.starts_with('?')) return std::nullopt;
    return "it is " + std::string(record.value);
  }
  bool at_boundary() const override { return !is_between_boundaries_; }
  void save(StoreBatch& batch) override { batch.put("sum", std::to_string(sum_)); }
  Millis clock() const override { return sum_; }
  bool is_live() const override { return live; }
  JumpGuard* jump_guard() override { return guard; }
  std::optional<ResumePoint> resume_point() const override {
    if (!has_resume_point) return std::nullopt;
    return ResumePoint{std::to_string(tally_), outputs_from};
  }
  Result<void> resume(std::string_view tally) override {
    tally_ = std::stoll(std::string(tally));
    return {};
  }

  std::int64_t tally() const { return tally_; }

  std::vector<std::string> applied;
  std::int64_t computed = 0;  // outputs of this instance
  std::int64_t error = 0;     // is added to each output: breaks determinism
  std::int64_t outputs_from = std::numeric_limits<std::int64_t>::max();
  bool has_resume_point = true;
  bool live = false;
  JumpGuard* guard = nullptr;

 private:
  std::int64_t sum_ = 0;
  std::int64_t tally_ = 0;
  bool is_between_boundaries_ = false;
};

}  // namespace fiverate::test
