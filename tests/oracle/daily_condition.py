"""A condition that is evaluated once for each day by the clock and never restated: R3, R5, R6, R16.

It fires after a number of consecutive days on which it holds, and resolves after a number of consecutive days on which
the clear condition holds; any other day breaks the run.
"""

from dataclasses import dataclass

INFO, WARNING, CRITICAL = range(3)


@dataclass(frozen=True)
class Change:
    state: str
    episode: int
    severity: int
    at: int
    since: int


class DailyCondition:
    def __init__(self, days_to_fire, days_to_resolve):
        self.days_to_fire = days_to_fire
        self.days_to_resolve = days_to_resolve
        self.firing = False
        self.episode = 0
        self.severity = None
        self.since = None
        self.holding = self.clearing = 0

    def evaluate(self, at, holds, clears, severity):
        """Call it once for each ended day; severity: used if the condition holds. Returns the change to send, or None."""
        if self.firing:
            return self.evaluate_firing(at, holds, clears, severity)
        self.holding = self.holding + 1 if holds else 0
        if self.holding < self.days_to_fire:
            return None
        self.firing, self.since, self.severity = True, at, severity
        self.episode += 1
        return self.send("FIRING", at)

    def evaluate_firing(self, at, holds, clears, severity):
        if holds and severity > self.severity:
            self.severity = severity
            return self.send("FIRING", at)
        self.clearing = self.clearing + 1 if clears else 0
        return self.resolve(at) if self.clearing >= self.days_to_resolve else None

    def stop(self, at):
        """The outlet is not ACTIVE: the alert resolves at once, and runs start anew."""
        self.holding = self.clearing = 0
        return self.resolve(at) if self.firing else None

    def resolve(self, at):
        self.firing = False
        return self.send("RESOLVED", at)

    def send(self, state, at):
        """Runs start at 0 after each FIRING and RESOLVED, also after a rise."""
        self.holding = self.clearing = 0
        return Change(state, self.episode, self.severity, at, self.since)
