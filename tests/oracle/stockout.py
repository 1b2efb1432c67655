"""R1, stockout confirmed: the stockout intervals of one outlet and SKU by its facts, and the transitions sent for them."""

from dataclasses import dataclass, replace
from itertools import groupby

from book import OUT
from transition import Transition

QUALIFYING_UNITS = 4
QUALIFYING_DAYS = 91
WARNING, CRITICAL = 1, 2


@dataclass(frozen=True)
class Interval:
    """[start, end); end None: open. begin and end are the event_ids of the facts; None: a midnight."""

    start: int
    end: int
    begin_event: str
    end_event: str
    severity: int


def is_qualified(book, index):
    """The OUT lines before that count, with a day in [d-90, d], sum to >= 4 units."""
    day = book.facts[index].day
    before = book.facts[:index]
    return sum(f.quantity for f in before if f.kind == OUT and day - QUALIFYING_DAYS < f.day <= day) >= QUALIFYING_UNITS


def intervals_of(book, is_active, start_of_day, severity_on):
    """All intervals by the facts of the book, also those and the ends that the clock has not reached.

    is_active(day): is the outlet ACTIVE; start_of_day(day): its 00:00; severity_on(day): of a start.
    """
    return IntervalFinder(book, is_active, start_of_day, severity_on).find()


class IntervalFinder:
    def __init__(self, book, is_active, start_of_day, severity_on):
        self.book = book
        self.is_active = is_active
        self.start_of_day = start_of_day
        self.severity_on = severity_on
        self.found = []
        self.open = None
        self.next_day = None  # the next day whose 00:00 may end the open interval

    def find(self):
        is_zero = False  # is the latest of {OUT line >= 1, accepted count} a count of 0
        indexes = range(len(self.book.facts))
        for time, instant in groupby(indexes, key=lambda index: self.book.facts[index].time):
            instant = list(instant)
            self.end_by_midnight(time)
            was_zero, is_zero = is_zero, self.is_zero_after(instant, is_zero)
            if self.open and not is_zero:
                # Reading: of several facts of the instant the first OUT line or count > 0 ends it.
                ending = next(index for index in instant if self.book.is_supply(index))
                self.close(time, self.book.facts[ending].event_id)
            elif not self.open and is_zero:
                self.begin(self.first_zero(instant, was_zero))
        self.end_by_midnight(None)
        return self.found

    def is_zero_after(self, instant, is_zero):
        for index in instant:
            if self.book.is_zero(index):
                is_zero = True
            elif self.book.is_supply(index):
                is_zero = False
        return is_zero

    def first_zero(self, instant, was_zero):
        """The first count of 0 after the start, an OUT line >= 1 or a count > 0; None: it came before."""
        first = None
        for index in instant:
            if self.book.is_supply(index):
                was_zero, first = False, None
            elif self.book.is_zero(index) and not was_zero:
                was_zero, first = True, index
        return first

    def begin(self, index):
        """An interval whose start day is not ACTIVE does not exist."""
        if index is None:
            return
        fact = self.book.facts[index]
        if self.is_active(fact.day) and is_qualified(self.book, index):
            self.open = Interval(fact.time, None, fact.event_id, None, self.severity_on(fact.day))
            self.next_day = fact.day + 1

    def close(self, end, end_event):
        self.found.append(replace(self.open, end=end, end_event=end_event))
        self.open = None

    def end_by_midnight(self, time):
        """Ends the open interval at a 00:00 up to this time; None: at any time.

        The 24:00 of the first day that is NOT_LISTED, or the 00:00 of a day that is not ACTIVE.
        Reading: a midnight comes before the facts of its instant, so it is not they who end it.
        """
        while self.open and (time is None or self.start_of_day(self.next_day) <= time):
            if not self.is_active(self.next_day) or self.book.is_not_listed(self.next_day - 1):
                self.close(self.start_of_day(self.next_day), None)
            self.next_day += 1


def seen_at(clock, intervals):
    """Intervals take part once their start is at or before the clock; an end after it is none yet."""
    begun = [interval for interval in intervals if interval.start <= clock]
    return [replace(i, end=None, end_event=None) if i.end is not None and i.end > clock else i for i in begun]


@dataclass
class Sent:
    """An interval that has been sent: its present start and end, and its highest severity."""

    episode: int
    start: int
    end: int
    severity: int
    begin_event: str  # of the present start, also if the start moved, which sends nothing


def overlap(one, other):
    """[start, end), unresolved = open end."""
    return (other.end is None or one.start < other.end) and (one.end is None or other.start < one.end)


class Stockouts:
    """The intervals of one key that were sent. None is removed unless it is retracted."""

    def __init__(self):
        self.sent = []
        self.episodes = 0

    def changes(self, clock, intervals):
        """The transitions from the intervals that were sent to the present ones, in the order of sending."""
        computed = sorted(seen_at(clock, intervals), key=lambda interval: interval.start)
        left = sorted(self.sent, key=lambda sent: sent.start)
        pairs = []
        for interval in computed:
            taken = next((sent for sent in left if overlap(interval, sent)), None)
            if taken:
                left.remove(taken)
            pairs.append((interval, taken))
        for sent in left:
            self.sent.remove(sent)
            yield Transition("RETRACTED", sent.episode, sent.severity, clock, sent.start, sent.begin_event)
        # Reading: interval by interval in order of start, of each its FIRING, then its RESOLVED.
        for interval, taken in pairs:
            yield from self.update(interval, taken) if taken else self.announce(interval)

    def announce(self, interval):
        """The next unused episode. One that is known only after its end sends both."""
        self.episodes += 1
        sent = Sent(self.episodes, interval.start, interval.end, interval.severity, interval.begin_event)
        self.sent.append(sent)
        yield self.firing(sent, interval)
        if interval.end is not None:
            yield self.resolved(sent, interval)

    def update(self, interval, sent):
        """A start that moves sends nothing.

        Reading: severity rises only while the interval is open, since the condition of an ended one does not hold.
        """
        end_before, severity_before = sent.end, sent.severity
        sent.start, sent.end, sent.begin_event = interval.start, interval.end, interval.begin_event
        if interval.end is None:
            sent.severity = max(sent.severity, interval.severity)
            if end_before is not None or sent.severity > severity_before:
                yield self.firing(sent, interval)
        elif interval.end != end_before:
            yield self.resolved(sent, interval)

    @staticmethod
    def firing(sent, interval):
        return Transition("FIRING", sent.episode, sent.severity, sent.start, sent.start, interval.begin_event)

    @staticmethod
    def resolved(sent, interval):
        return Transition("RESOLVED", sent.episode, sent.severity, sent.end, sent.start, interval.begin_event, interval.end_event)
