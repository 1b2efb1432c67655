"""R2, stockout predicted: evaluated by the clock for one outlet and SKU, never restated."""

from transition import Transition

INFO, WARNING = 0, 1
FRESH_DAYS = 28


class Prediction:
    def __init__(self):
        self.firing = False
        self.episode = 0
        self.severity = None
        self.since = None
        self.begin_event = None

    def evaluate(self, clock, day, book, is_active, event_id):
        """Called after a record (its event_id) or at 00:00 (None), with the facts of the clock's day and before.

        Readings: at 00:00 the day is the one that begins. No level counts as 0. Order lines, too, are those
        of the day and before. The record that raises the severity is not the one that began the episode.
        """
        known = book.until(day)
        level, rate = known.level_and_rate(day)
        applies = is_active(day) and may_be_predicted(known, rate, day)
        values = (level or 0, 2 * rate)
        if not self.firing and applies and level < 2 * rate:
            self.firing, self.since, self.begin_event = True, clock, event_id
            self.episode += 1
            self.severity = severity_of(known)
            yield Transition("FIRING", self.episode, self.severity, clock, clock, event_id, None, *values)
        elif self.firing and (not applies or level >= 3 * rate):
            self.firing = False
            yield Transition("RESOLVED", self.episode, self.severity, clock, self.since, self.begin_event, event_id, *values)
        elif self.firing and level < 2 * rate and severity_of(known) > self.severity:
            self.severity = severity_of(known)
            yield Transition("FIRING", self.episode, self.severity, clock, self.since, self.begin_event, None, *values)


def may_be_predicted(known, rate, day):
    """The other parts of the condition: rate > 0, a fresh accepted count, no stockout yet."""
    return rate > 0 and day - known.last_accepted_count().day <= FRESH_DAYS and not known.latest_is_zero()


def severity_of(known):
    """warning if the last order line with requested >= 1 was confirmed to less than 80 %."""
    last = known.last_requested_line()
    return WARNING if last and 5 * last.confirmed < 4 * last.requested else INFO
