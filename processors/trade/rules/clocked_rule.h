// Rules that are judged at the clock and never restated (R3, R5, R6): asked at the end of each day, an alert fires when its
// condition has held for some days in a row, and resolves when its clear condition has. Any other day breaks the run.
#pragma once

#include <algorithm>
#include <cstdint>

#include "alerts.pb.h"
#include "schemas/time.h"
#include "state.pb.h"

namespace fiverate {

// What a rule says of a day.
struct RuleVerdict {
  bool holds = false;
  bool clear = true;
  Transition::Severity severity = Transition::INFO;  // where it holds
};

struct RuleRuns {
  std::int32_t fires_after;    // days in a row
  std::int32_t resolves_after;
};

// Of one key.
struct Clocked {
  bool firing = false;
  std::int32_t episode = 0;
  Transition::Severity severity = Transition::SEVERITY_UNSPECIFIED;  // the highest of the episode
  std::int32_t held = 0;     // days in a row that the condition held, while not firing
  std::int32_t cleared = 0;  // and that it was clear, while firing
  std::int64_t transitions = 0;
  Millis since = 0;  // first FIRING of the episode

  [[nodiscard]] bool untouched() const { return episode == 0 && held == 0; }
  friend bool operator==(const Clocked&, const Clocked&) = default;
};

// The verdict of the next day, asked at `at`. What has to be said, if anything: FIRING (also a rise) or RESOLVED.
inline Transition::State ask(Clocked& state, const RuleVerdict& verdict, const RuleRuns& runs, Millis at) {
  const auto say = [&](Transition::State what) {
    state.held = state.cleared = 0;
    ++state.transitions;
    return what;
  };
  if (!state.firing) {
    state.held = verdict.holds ? state.held + 1 : 0;
    if (state.held < runs.fires_after) return Transition::STATE_UNSPECIFIED;
    state.firing = true;
    ++state.episode;
    state.severity = verdict.severity;
    state.since = at;
    return say(Transition::FIRING);
  }
  if (verdict.holds && verdict.severity > state.severity) {
    state.severity = verdict.severity;
    return say(Transition::FIRING);
  }
  state.cleared = verdict.clear ? state.cleared + 1 : 0;
  if (state.cleared < runs.resolves_after) return Transition::STATE_UNSPECIFIED;
  state.firing = false;
  return say(Transition::RESOLVED);
}

inline void save(const Clocked& state, ClockedState& saved) {
  saved.set_firing(state.firing);
  saved.set_episode(state.episode);
  saved.set_severity(state.severity);
  saved.set_held(state.held);
  saved.set_cleared(state.cleared);
  saved.set_transitions(state.transitions);
  saved.set_since_ms(state.since);
}

inline Clocked load(const ClockedState& saved) {
  return {saved.firing(),  saved.episode(), static_cast<Transition::Severity>(saved.severity()),
          saved.held(),    saved.cleared(), saved.transitions(),
          saved.since_ms()};
}

}  // namespace fiverate
