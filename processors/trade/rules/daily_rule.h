// Rules that are evaluated once at the end of each day (R3, R5, R6, the share of R16). Facts that arrive later do not change their past
// results.
//
//   state        verdict of the day                     next state   published
//   not firing   holds, on `fires_after` days in a row  firing       FIRING, a new episode
//   firing       holds with a higher severity           firing       FIRING, the same episode
//   firing       clear, on `resolves_after` days        not firing   RESOLVED
//   any          any other                              the same     nothing; the row of days in a row starts again
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "alerts.pb.h"
#include "schemas/time.h"

namespace fiverate {

// The verdict of a rule for one day. Between "holds" and "clear" neither is true.
struct RuleVerdict {
  bool holds = false;
  bool clear = true;
  Transition::Severity severity = Transition::INFO;  // if it holds
};

struct RuleRuns {
  std::int32_t fires_after;     // days in a row on which the rule holds
  std::int32_t resolves_after;  // days in a row on which it is clear
};

struct DayClose {
  Day day;
  Millis at;  // 24:00 of the day
};

// The alert state of one key of a rule.
struct DailyAlert {
  bool firing = false;
  std::int32_t episode = 0;
  Transition::Severity severity = Transition::SEVERITY_UNSPECIFIED;  // the highest of the episode
  std::int32_t held = 0;     // days in a row on which the rule held, while not firing
  std::int32_t cleared = 0;  // days in a row on which it was clear, while firing
  std::int64_t transitions = 0;
  Millis since = 0;  // the first FIRING of the episode

  // True if the state is the same as one that was never evaluated, so that it need not be kept.
  [[nodiscard]] bool is_initial() const { return episode == 0 && held == 0; }
  friend bool operator==(const DailyAlert&, const DailyAlert&) = default;
};

// Applies the verdict of the next day; `at` is the end of that day. Returns the transition to publish, FIRING or
// RESOLVED, or STATE_UNSPECIFIED if there is none.
inline Transition::State apply_verdict(DailyAlert& alert, const RuleVerdict& verdict, const RuleRuns& runs, Millis at) {
  const auto transition_to = [&](Transition::State state) {
    alert.held = alert.cleared = 0;
    ++alert.transitions;
    return state;
  };
  if (!alert.firing) {
    alert.held = verdict.holds ? alert.held + 1 : 0;
    if (alert.held < runs.fires_after) return Transition::STATE_UNSPECIFIED;
    alert.firing = true;
    ++alert.episode;
    alert.severity = verdict.severity;
    alert.since = at;
    return transition_to(Transition::FIRING);
  }
  if (verdict.holds && verdict.severity > alert.severity) {
    alert.severity = verdict.severity;
    return transition_to(Transition::FIRING);
  }
  alert.cleared = verdict.clear ? alert.cleared + 1 : 0;
  if (alert.cleared < runs.resolves_after) return Transition::STATE_UNSPECIFIED;
  alert.firing = false;
  return transition_to(Transition::RESOLVED);
}

// The transition that apply_verdict() returned at `at`, with all that the state of the alert knows of it.
inline Transition daily_transition(std::string_view rule, const DailyAlert& alert, Transition::State state, Millis at) {
  Transition transition;
  transition.set_transition(alert.transitions);
  transition.set_episode(alert.episode);
  transition.set_rule(std::string(rule));
  transition.set_severity(alert.severity);
  transition.set_state(state);
  transition.set_at_ms(at);
  transition.set_since_ms(alert.since);
  transition.set_known_at_ms(at);
  return transition;
}

}  // namespace fiverate
