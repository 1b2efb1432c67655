// The timers of outlets, at most one for each outlet: when its state changes though no record arrives. They are in
// memory in the order of time, and in the store of the task under c/<due, 16 hex digits><outlet>.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <utility>

#include "processors/stream/ports.h"
#include "schemas/time.h"

namespace fiverate {

class OutletTimers {
 public:
  struct Timer {
    Millis due;
    std::string outlet_id;
    friend auto operator<=>(const Timer&, const Timer&) = default;
  };

  // Restores what an earlier task saved.
  [[nodiscard]] Result<void> open(const Store& store);
  // Adds what has changed since the last save.
  void save(StoreBatch& batch);

  // Replaces the outlet's timer, which was set to `before`. kNever stands for no timer.
  void schedule(const std::string& outlet_id, Millis before, Millis due);
  // The earliest timer that is due at or before `clock`; nullopt if none is.
  [[nodiscard]] std::optional<Timer> first_due(Millis clock) const;

 private:
  std::set<Timer> timers_;
  StoreBatch unsaved_;
};

}  // namespace fiverate
