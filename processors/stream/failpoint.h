// Named points at which a test kills or freezes the process, to check that the results are right all the same:
//
//   FAILPOINT=commit.acked:3 fiverate run          at the third pass, by any thread: SIGKILL to itself
//   FAILPOINT=commit.acked:3:stop fiverate run     SIGSTOP instead: a zombie, once it is resumed
//
// A pass that is not armed costs one predictable branch. An armed process logs a warning at its start.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "processors/stream/error.h"

namespace fiverate {

struct FailpointName {
  std::string_view name;
  std::string_view meaning;  // of a crash there
};

inline constexpr std::array kFailpoints{
    FailpointName{"run.start", "nothing was read: the folder has a new lock file, nothing else"},
    FailpointName{"task.assigned", "a partition is assigned, its state is not open: its next owner opens it"},
    FailpointName{"state.read", "the state is in memory, nothing was read from the log: nothing was changed"},
    FailpointName{"checkpoint.read", "the checkpoint is known as well: nothing was changed"},
    FailpointName{"output.sent", "some outputs of a record are on their way: all are sent again, and dropped behind"},
    FailpointName{"progress.sent",
                  "some ledger partitions have intake's progress: the others get it after the restart"},
    FailpointName{"commit.begin",
                  "outputs are on their way, some arrived: all inputs are folded again, and sent again"},
    FailpointName{"commit.acked", "all outputs arrived, the states do not know it: the same"},
    FailpointName{"commit.written", "a state is ahead of checkpoint and group: the state's offset counts"},
    FailpointName{"checkpoint.acked", "the group points to the checkpoints before: at most that interval is repeated"},
    FailpointName{"commit.done", "nothing is repeated"},
    FailpointName{"revoke.begin", "a partition is revoked before a commit: its next owner repeats what is uncommitted"},
    FailpointName{"revoke.committed",
                  "committed, the store is still open here: its next owner finds the lock released"},
    FailpointName{"stop.requested", "an orderly stop was requested and has not begun: as any other kill"},
};

struct Failpoint {
  std::string name;
  std::int64_t pass = 1;
  bool stops = false;  // freezes instead of ending
};

// "name", "name:pass" or "name:pass:stop".
[[nodiscard]] Result<Failpoint> parse_failpoint(std::string_view text);

// Call before starting threads that pass failpoints. `strike` is called once, in the thread that makes the `pass`-th pass.
void arm_failpoint(Failpoint point, std::function<void()> strike);
void disarm_failpoint();

namespace detail {
inline bool failpoint_armed = false;
void pass_failpoint(std::string_view name);
}  // namespace detail

inline void failpoint(std::string_view name) {
  if (detail::failpoint_armed) [[unlikely]]
    detail::pass_failpoint(name);
}

}  // namespace fiverate
