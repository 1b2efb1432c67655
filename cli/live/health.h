// The health of the threads of a process, for /livez and /readyz.
//
//   alive   no thread is in one round of work for longer than kStuckAfter, and no task stands still for kStandsAfter while records wait (a
//           part of Kafka may be away for a while)
//   ready   every thread has its partitions (assigned), no task replays up to its checkpoint (restored), and none is more than a poll
//           behind the log end or waits for missing records for long (up to date), and intake is not paused
//
// A thread that waits for Kafka to come back is alive and not ready. Thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "processors/stream/standby.h"
#include "processors/stream/task_context.h"

namespace fiverate {

class HealthBoard {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds kStuckAfter{60};
  static constexpr std::chrono::seconds kStandsAfter{300};
  static constexpr std::int64_t kBehindMax = 2'000;  // records: what one poll hands over

  // Thread `name` ("outlet 0") makes progress within a round: it starts, or restores a state.
  void working(const std::string& name);
  // A round is over. `assigned`: the group has assigned the thread its partitions, if only none.
  // `standby`: the copies that it keeps, if any; /readyz lists them and does not depend on them.
  void round(const std::string& name, bool assigned, const Tasks& tasks, const std::map<Input, std::int64_t>& lag,
             const Standby* standby = nullptr);
  // Thread `name` is paused for this reason until a person acts; empty: it is not. It is alive and not ready.
  void paused(const std::string& name, const std::string& reason);
  // An error that time may heal ended the thread's work; it starts again.
  void restarting(const std::string& name, const std::string& error);

  struct Answer {
    bool good = false;
    std::string json;  // with the reasons
  };
  [[nodiscard]] Answer livez() const { return livez(Clock::now()); }
  [[nodiscard]] Answer livez(Clock::time_point now) const;
  [[nodiscard]] Answer readyz() const;

 private:
  struct TaskHealth {
    std::int64_t next_offset = -1;
    std::int64_t lag = 0;
    bool replaying = false;  // up to its checkpoint
    std::vector<MissingRange> missing;
    std::string held;         // position of a held record, for which the task waits; empty: none
    Clock::time_point moved;  // or had nothing to do
  };
  struct Thread {
    Clock::time_point round;
    bool assigned = false;
    std::string error;
    std::string paused;
    std::map<std::string, TaskHealth> tasks;
    struct Copy {
      std::string task;
      std::int64_t next_offset = 0;
      std::optional<std::int64_t> behind;  // records; nothing: not known
    };
    std::vector<Copy> copies;
  };
  mutable std::mutex mutex_;
  std::map<std::string, Thread> threads_;
};

}  // namespace fiverate
