// Named points at which a test ends or freezes the process, to see that what comes after is right all the same:
//
//   FAILPOINT=commit.acked:3 fiverate run          at the third pass, by any thread: SIGKILL to itself
//   FAILPOINT=commit.acked:3:stop fiverate run     SIGSTOP instead: a zombie, once it is woken
//
// Not armed a pass costs one branch that is always taken the same way; an armed process says so at its start. The variable is
// none of the configuration's (those begin with FIVERATE_).
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
  std::string_view crash_there;  // means
};

inline constexpr std::array kFailpoints{
    FailpointName{"run.start", "before anything was read: the folder has a new lock file, nothing else"},
    FailpointName{"seat.assigned",
                  "the group gave a partition, its state is not open: the restarted process gets it again"},
    FailpointName{"state.read", "the state is in memory, nothing was read from the log: nothing was changed"},
    FailpointName{"tails.read", "what is said already is known as well: nothing was changed"},
    FailpointName{"output.sent",
                  "a part of a record's outputs is on its way: all of them are sent again, the part is dropped behind"},
    FailpointName{"progress.told",
                  "intake told some ledger partitions how far it is: the others hear it after the restart"},
    FailpointName{"commit.begin", "outputs are on their way, some arrived: folded and sent again"},
    FailpointName{"commit.acked", "all outputs arrived, the state knows nothing of them: folded and sent again"},
    FailpointName{"commit.written", "the state is ahead of the group's offset: the state's counts"},
    FailpointName{"intake.appended",
                  "the ledger has what the group's offset does not cover: appended again, dropped behind"},
    FailpointName{"commit.done", "nothing is to be repeated"},
    FailpointName{"revoke.begin", "a partition is given up with what was not committed: its next owner repeats it"},
    FailpointName{"revoke.committed",
                  "committed, but the store is still open here: the next owner finds its lock released"},
    FailpointName{"stop.asked", "asked to end in order, nothing of it done: as any other kill"},
};

struct Failpoint {
  std::string name;
  std::int64_t pass = 1;
  bool stops = false;  // freezes instead of ending
};

// "name", "name:pass" or "name:pass:stop".
[[nodiscard]] Result<Failpoint> parse_failpoint(std::string_view text);

// Before any thread that passes one. `strike` is called once, in the thread that comes by for the `pass`-th time.
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
