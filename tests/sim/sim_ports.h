// What a simulated process has of Kafka: a consumer that is a member of a group, and a producer with records on their way.
#pragma once

#include <deque>
#include <map>
#include <string>

#include "processors/stream/acknowledged_ends.h"
#include "processors/stream/ports.h"
#include "tests/sim/faults.h"
#include "tests/sim/sabotage.h"
#include "tests/sim/sim_group.h"
#include "tests/sim/sim_log.h"

namespace fiverate::test {

// Requests that were under way when their sender went away. Each queue keeps its order.
using LateRequests = std::vector<std::deque<OutRecord>>;

class SimSource final : public Source {
 public:
  SimSource(const SimLog& log, SimGroup& group, std::string member, std::int64_t incarnation, Weather& weather,
            bool& dead)
      : log_(log),
        group_(group),
        member_(std::move(member)),
        incarnation_(incarnation),
        weather_(weather),
        dead_(dead) {}

  void listen(Listener listener) override { listener_ = std::move(listener); }
  Result<void> poll(std::chrono::milliseconds wait, std::vector<InRecord>& records) override;
  Result<std::optional<Committed>> committed(const Input& input) override;
  Result<void> commit(const std::map<Input, Committed>& positions) override;
  Result<std::optional<Extent>> extent(const Input& input) override;

 private:
  Result<bool> keep_up_with_the_group();
  void give_up();

  const SimLog& log_;
  SimGroup& group_;
  std::string member_;
  std::int64_t incarnation_;
  Weather& weather_;
  bool& dead_;
  Listener listener_;
  bool joined_ = false;
  bool assigned_ = false;
  bool told_as_zombie_ = false;
  std::int64_t generation_ = -1;
  std::map<Input, std::int64_t> next_;
};

// Reads fixed inputs from these offsets on, of no group: what a standby reads.
class SimReader final : public Source {
 public:
  SimReader(const SimLog& log, std::map<Input, std::int64_t> next, Weather& weather, bool& dead)
      : log_(log), next_(std::move(next)), weather_(weather), dead_(dead) {}

  void listen(Listener /*listener*/) override {}
  Result<void> poll(std::chrono::milliseconds wait, std::vector<InRecord>& records) override;
  Result<std::optional<Committed>> committed(const Input& /*input*/) override { return std::nullopt; }
  Result<void> commit(const std::map<Input, Committed>& /*positions*/) override { return {}; }

 private:
  const SimLog& log_;
  std::map<Input, std::int64_t> next_;
  Weather& weather_;
  bool& dead_;
};

// One incarnation of a producer: idempotent, in order a partition, without holes. Once a delivery has failed it is dead.
class SimSink final : public Sink {
 public:
  SimSink(SimLog& log, LateRequests& late, Saboteur* saboteur, Weather& weather, bool& dead)
      : log_(log), late_(late), saboteur_(saboteur), weather_(weather), dead_(dead) {}
  ~SimSink() override {
    abandon();
    if (saboteur_ != nullptr) saboteur_->gone(this);
  }

  Result<void> send(OutRecord record) override;
  Result<void> flush() override;
  Result<Tail> tail(const Input& target) override;
  Result<std::optional<CausePosition>> last_said(Topic topic, std::int32_t partition, std::string_view sender) override;
  [[nodiscard]] std::optional<Tail> acknowledged(const Input& target, const std::string& sender) const override {
    return ends_.last(target, sender);
  }
  void know_end(const Input& target, std::int64_t end) override { ends_.know(target, end, acknowledged_); }
  Result<bool> still_holds(const Input& target, std::int64_t offset, const Cause& cause) override;
  Result<ReadOn> follow(Topic topic, std::int32_t partition, std::int64_t back) override;

  // Some of what waits reaches the log; the sender is told only at its flush.
  void deliver_some();
  void deliver_all();

 private:
  void deliver(const Input& target, std::deque<OutRecord>& records, std::int64_t count);
  // Of each partition a part has reached the log, a part will, the rest never does.
  void abandon();

  SimLog& log_;
  LateRequests& late_;
  Saboteur* saboteur_;
  Weather& weather_;
  bool& dead_;
  std::map<Input, std::deque<OutRecord>> waiting_;
  AcknowledgedEnds ends_;
  std::int64_t acknowledged_ = 0;
  std::optional<Error> failed_;
};

}  // namespace fiverate::test
