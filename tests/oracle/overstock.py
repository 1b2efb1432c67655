"""R5, overstock of an outlet and SKU: more than 45 days of sales on the shelf, for 7 days."""

from book import LISTED_DAYS, OUT, UNIT
from daily_condition import INFO, WARNING, DailyCondition

DAYS_TO_FIRE = DAYS_TO_RESOLVE = 7
COVER_DAYS, COVER_WARNING, COVER_CLEAR = 45, 90, 35
PAIR_DAYS = 14
FIRST_COUNT_DAYS = 28


def deliveries(known, day):
    """(n, sum) of the OUT lines >= 1 in [d-90, d]."""
    lines = [f.quantity for f in known.facts
             if f.kind == OUT and f.quantity >= 1 and day - LISTED_DAYS < f.day <= day]
    return len(lines), sum(lines)


def holds(known, day):
    """Too much stock for the sales, counted for long enough, and more than two usual deliveries.

    With pairs that span 14 days a rate of 0 means that nothing is sold, so any level is too much.
    """
    level, rate = known.level_and_rate(day)
    if level is None:
        return False
    lines, units = deliveries(known, day)
    first_count = known.facts[known.accepted[0]]
    return (level > COVER_DAYS * rate and known.rate_days() >= PAIR_DAYS
            and lines >= 1 and level * lines >= 2 * units * UNIT and day - first_count.day >= FIRST_COUNT_DAYS)


def clears(known, day):
    """No level (no count any more) clears too."""
    level, rate = known.level_and_rate(day)
    return level is None or level <= COVER_CLEAR * rate or deliveries(known, day)[0] == 0


def severity_of(known, day):
    level, rate = known.level_and_rate(day)
    return WARNING if level is not None and level > COVER_WARNING * rate else INFO


class Overstock:
    def __init__(self):
        self.condition = DailyCondition(DAYS_TO_FIRE, DAYS_TO_RESOLVE)

    def evaluate(self, clock, day, book, is_active):
        """Called at the 00:00 that ends a day. Returns (change, value, threshold) to send, or None.

        Reading: the rule is evaluated at midnights only; a correction that ends the condition counts from the next one on.
        On a day that was not ACTIVE the condition does not hold; at the 00:00 of one it resolves.
        """
        known = book.until(day)
        if is_active(day + 1):
            change = self.condition.evaluate(clock, is_active(day) and holds(known, day), clears(known, day), severity_of(known, day))
        else:
            change = self.condition.stop(clock)
        level, rate = known.level_and_rate(day)
        return change and (change, level or 0, COVER_DAYS * rate)
