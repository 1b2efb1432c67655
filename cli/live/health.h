// What the threads of a process say of themselves, for /livez and /readyz.
//
//   alive   no thread is longer than kStuckAfter in one round of work, and no task stands still for kStandsAfter while records wait (a part
//           of Kafka may be away for a while)
//   ready   every thread has its share of the partitions (assigned), no task is still catching up with what it said before
//           (restored), and none is further behind than a poll (caught up)
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

#include "processors/stream/seat.h"
#include "processors/stream/standby.h"

namespace fiverate {

class HealthBoard {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds kStuckAfter{60};
  static constexpr std::chrono::seconds kStandsAfter{300};
  static constexpr std::int64_t kBehindMax = 2'000;  // records: what one poll hands over

  // Thread `name` ("outlet 0") is there and comes on, though no round is over: it begins, or restores a state.
  void at_work(const std::string& name);
  // A round is over. `assigned`: the group has given the thread its share, if only an empty one.
  // `standby`: the copies that it keeps, if any; /readyz tells how far they are, and does not wait for them.
  void round(const std::string& name, bool assigned, const std::map<Input, Seat>& seats,
             const std::map<Input, std::int64_t>& lag, const Standby* standby = nullptr);
  // An error that time may heal ended its work; it begins anew.
  void begins_anew(const std::string& name, const std::string& why);

  struct Answer {
    bool good = false;
    std::string json;  // what is not good, in words
  };
  [[nodiscard]] Answer livez() const { return livez(Clock::now()); }
  [[nodiscard]] Answer livez(Clock::time_point now) const;
  [[nodiscard]] Answer readyz() const;

 private:
  struct TaskHealth {
    std::int64_t next_offset = -1;
    std::int64_t lag = 0;
    bool silent = false;
    Clock::time_point moved;  // or had nothing to do
  };
  struct Thread {
    Clock::time_point round;
    bool assigned = false;
    std::string trouble;
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
