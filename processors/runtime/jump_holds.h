// Holds records that would move the clock of their source partition too far (stream/jump_guard.h), and decides about them.
//
//   it is the first record of the market                    accepted after its poll: there is nothing to compare it with
//   the clock of another source partition has come near    accepted
//   another source partition holds a jump as far            accepted
//   the same partition continues with earlier records      rejected, with the jumps before these
//   a person has decided (`fiverate quarantine accept`)     as decided
//   otherwise                                               the partition waits; `status` and the log show it
//
// Other partitions may be read by other processes: their clocks are in their checkpoints, which are read while a record is held.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "processors/stream/checkpoint.h"
#include "processors/stream/record_gate.h"
#include "processors/stream/report.h"

namespace fiverate {

class JumpHolds final : public RecordGate {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::milliseconds kReadOthersEvery{500};
  // Of a partition that is held: more are not read until it is decided.
  static constexpr std::size_t kRecordsMax = 2'000;
  static constexpr std::size_t kBytesMax = 16 << 20;

  struct Parts {
    std::vector<Input> sources;  // all source partitions of the market
    Source& source;
    CheckpointReader& checkpoints;
    TaskName task_name;
    std::function<std::string(Millis)> time_text;
    Report report = ignore_report;
    std::function<Time()> now = std::chrono::steady_clock::now;
  };
  // All parts outlive this.
  explicit JumpHolds(Parts parts) : parts_(std::move(parts)) {}

  bool admit(const TaskContext& context, const InRecord& record) override;
  Result<Changes> round(const Tasks& tasks, bool poll_is_done) override;
  void forget(const Input& input) override;

 private:
  struct Waiting {
    std::deque<InRecord> records;  // the first one is held
    std::size_t bytes = 0;
    bool reported = false;  // in the task's checkpoint

    void add(const InRecord& record);
  };

  [[nodiscard]] Result<void> read_others(const Tasks& tasks);
  [[nodiscard]] std::optional<JumpGuard::Decision> decide(const TaskContext& context, const Waiting& waiting,
                                                          bool poll_is_done) const;

  Parts parts_;
  std::map<Input, Waiting> waiting_;
  std::map<Input, SourceClock> others_;  // of all source partitions, as of the last round
  std::optional<Time> read_at_;
  bool others_known_ = false;  // others_ has all of them
};

}  // namespace fiverate
