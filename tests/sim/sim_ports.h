// The ports of a simulated stage thread: a consumer in a group, a producer with unacknowledged records, readers, states.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>

#include "processors/runtime/stage_ports.h"
#include "processors/stream/acknowledged_offsets.h"
#include "tests/sim/faults.h"
#include "tests/sim/sabotage.h"
#include "tests/sim/sim_group.h"
#include "tests/sim/sim_log.h"
#include "tests/sim/sim_store.h"

namespace fiverate::test {

// Requests that were not answered when their sender ended. Each queue is of one partition and keeps its order.
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
  Result<std::map<Input, Committed>> committed(const std::vector<Input>& inputs,
                                               std::chrono::milliseconds within) override;
  Result<void> commit(const std::map<Input, Committed>& positions) override;
  Result<std::optional<OffsetRange>> offset_range(const Input& input) override;
  Result<std::map<Topic, std::int32_t>> partition_counts(std::chrono::milliseconds within) override;
  void set_paused(const Input& input, bool paused) override;
  [[nodiscard]] std::map<Input, std::int64_t> lag() const override;

 private:
  Result<bool> follow_group();
  void revoke();

  const SimLog& log_;
  SimGroup& group_;
  std::string member_;
  std::int64_t incarnation_;
  Weather& weather_;
  bool& dead_;
  Listener listener_;
  bool joined_ = false;
  bool assigned_ = false;
  bool counted_as_zombie_ = false;
  std::int64_t generation_ = -1;
  std::map<Input, std::int64_t> next_;
  std::set<Input> paused_;
};

// Reads fixed inputs from these offsets on, outside of any group: for a standby.
class SimReader final : public Source {
 public:
  SimReader(const SimLog& log, std::map<Input, std::int64_t> next, Weather& weather, bool& dead)
      : log_(log), next_(std::move(next)), weather_(weather), dead_(dead) {}

  void listen(Listener /*listener*/) override {}
  Result<void> poll(std::chrono::milliseconds wait, std::vector<InRecord>& records) override;
  Result<std::map<Input, Committed>> committed(const std::vector<Input>&, std::chrono::milliseconds) override {
    return std::map<Input, Committed>{};
  }
  Result<void> commit(const std::map<Input, Committed>& /*positions*/) override { return {}; }

 private:
  const SimLog& log_;
  std::map<Input, std::int64_t> next_;
  Weather& weather_;
  bool& dead_;
};

// The checkpoints of a log that no fault disturbs, as KafkaCheckpointReader finds them.
std::map<std::string, Checkpoint> find_checkpoints(const SimLog& log,
                                                   const std::map<std::string, CheckpointPointer>& tasks);

class SimCheckpoints final : public CheckpointReader {
 public:
  SimCheckpoints(const SimLog& log, Weather& weather, bool& dead) : log_(log), weather_(weather), dead_(dead) {}
  Result<std::map<std::string, Checkpoint>> find(const std::map<std::string, CheckpointPointer>& tasks) override;

 private:
  const SimLog& log_;
  Weather& weather_;
  bool& dead_;
};

// One incarnation of a producer: idempotent, in order in each partition, without missing records. After a failed delivery all its calls fail.
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
  std::optional<std::int64_t> acknowledged_end(const Input& target, const std::string& sender) const override {
    return offsets_.end(target, sender);
  }

  // Some of the waiting records reach the log; the sender gets the acknowledgement at its flush.
  void deliver_some();
  void deliver_all();

 private:
  void deliver_late_before(const Input& target, Millis newest);
  void deliver(const Input& target, std::deque<OutRecord>& records, std::int64_t count);
  // For each partition, some records have reached the log, some will reach it later, the rest never does.
  void abandon();

  SimLog& log_;
  LateRequests& late_;
  Saboteur* saboteur_;
  Weather& weather_;
  bool& dead_;
  std::map<Input, std::deque<OutRecord>> waiting_;
  AcknowledgedOffsets offsets_;
  std::int64_t acknowledged_ = 0;
  std::optional<Error> failed_;
};

// The ports of one stage thread of one process.
class SimStagePorts final : public StagePorts {
 public:
  struct World {
    SimLog& log;
    SimGroup& group;
    LateRequests& late;
    Saboteur* saboteur;
    Weather& weather;
    std::int64_t& incarnations;
  };
  // `make_operator` is called at each start of a task.
  SimStagePorts(World world, std::string member, SimDisk& disk, bool& dead,
                std::function<std::unique_ptr<Operator>(const Input&)> make_operator)
      : world_(world), member_(std::move(member)), disk_(disk), dead_(dead), make_operator_(std::move(make_operator)) {}

  Result<std::unique_ptr<Sink>> open_sink() override;
  Result<std::unique_ptr<Source>> open_source() override;
  Result<std::unique_ptr<Source>> open_reader(const std::map<Input, std::int64_t>& from) override;
  Result<std::unique_ptr<CheckpointReader>> open_checkpoints() override;
  Result<std::unique_ptr<Store>> open_store(const Input& input, const std::optional<Checkpoint>& checkpoint) override;
  std::unique_ptr<Operator> make_operator(const Input& input) override { return make_operator_(input); }

  // The producer that was opened last; it has to exist.
  [[nodiscard]] SimSink* sink() const { return sink_; }

 private:
  World world_;
  std::string member_;
  SimDisk& disk_;
  bool& dead_;
  std::function<std::unique_ptr<Operator>(const Input&)> make_operator_;
  SimSink* sink_ = nullptr;
};

}  // namespace fiverate::test
