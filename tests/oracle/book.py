"""The book of one outlet and SKU: its stock by the facts of a day and before.

A Book is made of all facts known at a moment; the order in which they became known does not matter.
"""

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property

UNIT = 1_000_000  # level and rate are in millionths of a unit
AGREEMENT_MS = 7 * 86_400_000
LISTED_DAYS = 91
SPELL_DAYS = 56
UNKNOWN_DAYS = 56
RATE_DAYS = 90
NOT_LISTED, UNKNOWN, OUT_OF_STOCK, IN_STOCK = "NOT_LISTED", "UNKNOWN", "OUT", "IN"

# At one time facts are in this order.
OUT, RETURN, DECLARED, COUNT = range(4)


@dataclass(frozen=True)
class Fact:
    time: int
    kind: int
    document_id: str
    quantity: int
    day: int
    event_id: str

    def sort_key(self):
        """event_time, then OUT, RETURN, declared_stock, visit count, then document id as bytes."""
        return (self.time, self.kind, self.document_id.encode("utf-8"))

    def is_count(self):
        return self.kind in (DECLARED, COUNT)


@dataclass(frozen=True)
class OrderLine:
    time: int
    order_id: str
    requested: int
    confirmed: int
    day: int


def facts_of(record, sku):
    """The facts on the stock of a SKU in an order, delivery or visit; a visit counts only if it is DONE."""
    if record.cancelled:
        return []
    payload = record.payload
    if record.kind == "delivery":
        kind = OUT if payload["direction"] == "OUT" else RETURN
        amounts = [(kind, line["quantity"]) for line in payload["lines"] if line["sku_id"] == sku]
    elif record.kind == "order":
        amounts = [(DECLARED, line["declared_stock"]) for line in payload["lines"]
                if line["sku_id"] == sku and "declared_stock" in line]
    elif payload["outcome"] == "DONE":
        amounts = [(COUNT, check["count"]) for check in payload["checks"] if check["sku_id"] == sku and "count" in check]
    else:
        amounts = []
    document_id = payload[record.kind + "_id"]
    return [Fact(record.event_time, kind, document_id, quantity, record.day, record.event_id) for kind, quantity in amounts]


def order_lines_of(record, sku):
    if record.cancelled or record.kind != "order":
        return []
    return [OrderLine(record.event_time, record.payload["order_id"], line["requested"], line["confirmed"], record.day)
            for line in record.payload["lines"] if line["sku_id"] == sku]


def balance(facts):
    """OUT - RETURN; may be negative."""
    return sum(f.quantity for f in facts if f.kind == OUT) - sum(f.quantity for f in facts if f.kind == RETURN)


def accepted_counts(facts):
    """The indexes (in facts) of the accepted counts.

    Accepted if it is the first; or <= the last accepted count + OUT - RETURN since + 1; or the latest
    count before it was rejected at most 7 d earlier and it agrees with that one in the same way.
    Reading: "Low counts are always accepted" means that there is no lower bound. If more units were returned than
    were there, the bound is below 0 and a count of 0 is above it.
    """
    accepted, before = [], None  # before: the index of the latest count, accepted or not
    for index, fact in enumerate(facts):
        if not fact.is_count():
            continue

        def agrees_with(other):
            return fact.quantity <= facts[other].quantity + balance(facts[other + 1:index]) + 1

        second = (before is not None and before not in accepted
                  and fact.time - facts[before].time <= AGREEMENT_MS and agrees_with(before))
        if not accepted or agrees_with(accepted[-1]) or second:
            accepted.append(index)
        before = index
    return accepted


class Book:
    def __init__(self, facts, order_lines=()):
        self.facts = sorted(facts, key=Fact.sort_key)
        self.order_lines = sorted(order_lines, key=lambda line: (line.time, line.order_id.encode("utf-8")))
        self.accepted = accepted_counts(self.facts)
        self.accepted_set = set(self.accepted)
        self.earlier, self.as_of = {}, {}
        self.states = {}

    def until(self, day):
        """The book as of a day: only facts with day <= it. Acceptance depends on earlier facts only, so it does not change."""
        if day not in self.as_of:  # cached: called for every day, with mostly the same result
            size = tuple(bisect_right(some, day, key=lambda one: one.day) for some in (self.facts, self.order_lines))
            if size not in self.earlier:
                self.earlier[size] = Book(self.facts[:size[0]], self.order_lines[:size[1]])
            self.as_of[day] = self.earlier[size]
        return self.as_of[day]

    # Counts and receipts.

    def is_accepted(self, index):
        return index in self.accepted_set

    def is_zero(self, index):
        """An accepted count of 0."""
        return self.is_accepted(index) and self.facts[index].quantity == 0

    def is_supply(self, index):
        """An OUT line >= 1 or an accepted count > 0: it ends a stockout."""
        fact = self.facts[index]
        return fact.quantity >= 1 and (fact.kind == OUT or self.is_accepted(index))

    @cached_property
    def latest(self):
        """The index of the latest of {OUT line >= 1, accepted count}; None: there is none."""
        latest = [index for index in range(len(self.facts)) if self.is_zero(index) or self.is_supply(index)]
        return latest[-1] if latest else None

    def latest_is_zero(self):
        """The latest of {OUT line >= 1, accepted count} is a count of 0."""
        return self.latest is not None and self.is_zero(self.latest)

    def is_on_shelf(self, day, days):
        """The latest of {OUT line >= 1, accepted count} in the days up to this one exists and is not a count of 0."""
        known = self.until(day)
        return known.latest is not None and known.facts[known.latest].day > day - days and not known.latest_is_zero()

    def last_accepted_count(self):
        return self.facts[self.accepted[-1]] if self.accepted else None

    def last_requested_line(self):
        """The last order line with requested >= 1, by event_time and order_id."""
        requested = [line for line in self.order_lines if line.requested >= 1]
        return requested[-1] if requested else None

    # The state at the end of a day.

    def state(self, day):
        """The first that holds."""
        if day not in self.states:  # cached: called for every window
            self.states[day] = self.find_state(day)
        return self.states[day]

    def find_state(self, day):
        if self.is_not_listed(day):
            return NOT_LISTED
        known = self.until(day)
        if day - known.facts[known.latest].day >= UNKNOWN_DAYS:
            return UNKNOWN
        return OUT_OF_STOCK if known.latest_is_zero() else IN_STOCK

    def is_estimated_out(self, day):
        """In state IN, although by the book the last unit was sold on this day or before."""
        crossing = self.until(day).zero_crossing_day()
        return self.state(day) == IN_STOCK and crossing is not None and day >= crossing

    def is_listed(self, day):
        """An OUT line >= 1 in [d-90, d]."""
        return any(f.kind == OUT and f.quantity >= 1 and day - LISTED_DAYS < f.day <= day for f in self.facts)

    def is_not_listed(self, day):
        """No OUT unit in [d-90, d]; or too long in a spell of OUT without an order."""
        if not self.is_listed(day):
            return True
        since = self.until(day).spell_start
        if since is None or day - since <= SPELL_DAYS:
            return False
        return not any(line.requested >= 1 and since <= line.day <= day for line in self.order_lines)

    @cached_property
    def spell_start(self):
        """The day of the first count of 0 after the last OUT line >= 1 or count > 0; None if not OUT."""
        since = None
        for index, fact in enumerate(self.facts):
            if self.is_supply(index):
                since = None
            elif self.is_zero(index) and since is None:
                since = fact.day
        return since

    # Level and rate.

    def level_and_rate(self, day):
        """At the end of a day not before the last fact; level is None before the first accepted count."""
        level, rate, anchor = self.state_after_last_fact
        return (None if level is None else max(0, level - rate * (day - anchor))), rate

    @cached_property
    def state_after_last_fact(self):
        """(level, rate, anchor) after the last fact. An accepted count sets all three anew."""
        if not self.accepted:
            return None, 0, 0
        start = self.accepted[-1]
        count = self.facts[start]
        level, rate, anchor = count.quantity * UNIT, self.rate_at(start), count.day
        for fact in self.facts[start + 1:]:
            level, anchor = max(0, level - rate * (fact.day - anchor)), fact.day
            if fact.kind == OUT:
                level += fact.quantity * UNIT
            elif fact.kind == RETURN:
                level = max(0, level - fact.quantity * UNIT)
        return level, rate, anchor

    def zero_crossing_day(self):
        """anchor + ceil(level / rate) by the facts of the book; None: no level, or nothing is sold."""
        level, rate, anchor = self.state_after_last_fact
        return None if level is None or rate == 0 else anchor - (-level // rate)

    def rate_at(self, index):
        sold, days = self.sold_and_days(index)
        return UNIT * sold // days if days else 0

    def rate_days(self):
        """The sum of the days between the counts of all pairs of the present rate."""
        return self.sold_and_days(self.accepted[-1])[1] if self.accepted else 0

    def sold_and_days(self, index):
        """Over pairs of consecutive accepted counts up to this one whose later day is >= e - 90."""
        counts = [accepted for accepted in self.accepted if accepted <= index]
        sold = days = 0
        for first, second in zip(counts, counts[1:]):
            a, b = self.facts[first], self.facts[second]
            if b.day >= self.facts[index].day - RATE_DAYS:
                sold += max(0, a.quantity + balance(self.facts[first + 1:second]) - b.quantity)
                days += b.day - a.day
        return sold, days

    # Between the first and the last accepted count of a window.

    def available_and_sold(self, first, last):
        """(available, sold) of the days first..last; None without two accepted counts in them."""
        within = [index for index in self.accepted if first <= self.facts[index].day <= last]
        if len(within) < 2:
            return None
        opening, closing = within[0], within[-1]
        between = self.facts[opening + 1:closing]
        available = self.facts[opening].quantity + sum(f.quantity for f in between if f.kind == OUT)
        returned = sum(f.quantity for f in between if f.kind == RETURN)
        return available, max(0, available - returned - self.facts[closing].quantity)
