// The random choices and faults of a simulated run. All choices come from one generator in one thread, so a seed repeats the run.
#pragma once

#include <array>
#include <cstdint>
#include <random>
#include <string_view>
#include <vector>

#include "processors/stream/error.h"

namespace fiverate::test {

class Chance {
 public:
  explicit Chance(std::uint64_t seed) : random_(seed) {}
  std::int64_t below(std::int64_t end) {
    return static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(end));
  }
  std::int64_t between(std::int64_t first, std::int64_t last) { return first + below(last - first + 1); }
  bool percent(int of_hundred) { return below(100) < of_hundred; }
  bool one_in(std::int64_t many) { return below(many) == 0; }
  template <typename T>
  const T& pick(const std::vector<T>& values) {
    return values[static_cast<std::size_t>(below(static_cast<std::int64_t>(values.size())))];
  }

 private:
  std::mt19937_64 random_;
};

enum class Fault : std::uint8_t {
  crash,            // a process is killed between two rounds or within a call
  move,             // a partition is assigned to another process than before
  rebalance,        // a group assigns its partitions anew
  zombie,           // a process that the group has expelled still reads and writes
  refused_commit,   // the group refuses the position of an expelled process
  two_at_once,      // a task starts while another process still runs it
  lost_ack,         // the sender does not get the answer whether its records are in the log
  late_request,     // a record reaches the log after its sender has ended
  delayed_ack,      // a record is in the log and read before its sender gets the acknowledgement
  connection_loss,  // a call of Kafka fails
  store_failure,    // a state cannot be read or written for a moment
  disk_full,        // states cannot be written until space is free again
  state_lost,       // a state is deleted
  power_loss,       // states lose their last batches
  old_copy,         // a state is replaced by an earlier copy
  offsets_lost,     // the group's offset of a partition is set back or deleted
  truncation,       // a partition of the log loses its last acknowledged records
  far_time,         // a record would move the clock of its source partition years ahead
  foreign_record,   // somebody else writes into a topic of ours
  growth,           // source topics get more partitions while the market runs
  killed_import,    // an import is killed at some record; it is repeated
  sabotage,         // a record is changed, dropped or swapped on purpose
};
inline constexpr std::size_t kFaults = 22;
inline constexpr std::array<std::string_view, kFaults> kFaultNames{
    "crashes",         "moves",         "rebalances",     "zombies",           "refused commits", "two at once",
    "lost acks",       "late requests", "delayed acks",   "connection losses", "store failures",  "full disks",
    "states lost",     "power losses",  "old copies",     "offsets lost",      "truncations",     "far times",
    "foreign records", "growths",       "killed imports", "sabotages"};
using FaultCounts = std::array<std::int64_t, kFaults>;

// The calls of ports that may fail.
enum class PortCall : std::uint8_t { poll, send, flush, store_read, store_write, group_commit, group_read };

// Decides whether a call fails. In the calm no call fails.
class Weather {
 public:
  explicit Weather(Chance& chance) : chance_(chance) {}

  // `severity`: 1 (few faults) to 3 (many).
  void begin(int severity) { severity_ = severity; }
  void calm() { severity_ = 0; }
  [[nodiscard]] bool is_calm() const { return severity_ == 0; }
  [[nodiscard]] Chance& chance() { return chance_; }
  void count(Fault fault, std::int64_t times = 1) { counts_[static_cast<std::size_t>(fault)] += times; }
  [[nodiscard]] const FaultCounts& counts() const { return counts_; }

  // True, and sets `dead`, if the process is killed here. Each call checks it before and after its effect.
  bool kills(PortCall call, bool& dead) {
    constexpr std::array<std::int64_t, 7> kOneIn{900, 9000, 160, 20'000, 160, 160, 300};
    if (severity_ == 0 || !chance_.one_in(kOneIn[static_cast<std::size_t>(call)] / severity_)) return false;
    dead = true;
    count(Fault::crash);
    return true;
  }
  bool strikes(Fault fault, std::int64_t one_in) {
    if (severity_ == 0 || !chance_.one_in(one_in / severity_ + 1)) return false;
    count(fault);
    return true;
  }

 private:
  Chance& chance_;
  int severity_ = 0;
  FaultCounts counts_{};
};

inline tl::unexpected<Error> killed() {
  return fail(Reaction::drop_task, "The process was killed.");
}

}  // namespace fiverate::test
