"""Computes alerts.jsonl of a file replay, and the counts that its books did not accept.

Each key (outlet, SKU) is replayed alone, since transitions are numbered within the key. The clock is the arrival of the
records. Before each record, the midnights and the facts with a later event time that became due are applied in order of
time. Rules that are evaluated when a day closes are in regional.py and data_quality.py.
"""

import hashlib
import json
from collections import defaultdict
from dataclasses import dataclass

import data_quality
import regional
from book import Book, facts_of, order_lines_of
from days import day_of, format_time, start_of_day
from overstock import Overstock
from prediction import Prediction
from stockout import CRITICAL, WARNING, Stockouts, intervals_of

SEVERITIES = ("info", "warning", "critical")


@dataclass
class Applied:
    """An accepted document when it was applied: the record, and the one it replaced (or None)."""

    record: object
    replaced: object
    document: object


def applied_documents(documents):
    """All accepted documents, in the order in which they were applied, by outlet."""
    accepted = [(record, document) for document in documents.documents
                for record in document.revisions.values() if record.verdict == "accepted"]
    accepted.sort(key=lambda pair: pair[0].canonical_order())
    counted, by_outlet = {}, defaultdict(list)
    for record, document in accepted:
        by_outlet[record.payload["outlet_id"]].append(Applied(record, counted.get(id(document)), document))
        counted[id(document)] = record
    return by_outlet


def skus_in(record):
    if record is None or record.cancelled:
        return []
    lines = record.payload["checks" if record.kind == "visit" else "lines"]
    return [line["sku_id"] for line in lines]


def affected_skus(applied):
    """The SKUs of the new and of the replaced document."""
    return set(skus_in(applied.record)) | set(skus_in(applied.replaced))


class AlertLog:
    """Collects the lines that the keys send."""

    def __init__(self, market, zone):
        self.market = market
        self.zone = zone
        self.lines = []  # (sort key, line)

    def region_on(self, outlet, day):
        version = self.market.version_on(outlet, day)
        return version.region if version else ""

    def write_of_outlet(self, rule, key, number, change, known_at, value, threshold, unit, events):
        """Lines of outlet rules still name the brand, and the region on the day of `at`."""
        outlet, sku = key
        region = self.region_on(outlet, day_of(change.at, self.zone))
        self.write(rule, Columns(sku=sku, outlet=outlet), number, change, known_at, value, threshold, unit,
                   evidence(*events), brand=self.market.brand_of(sku), region=region)

    def write_of_region(self, rule, brand, region, number, change, value, threshold, unit, row):
        columns = Columns(brand=brand, region=region)
        self.write(rule, columns, number, change, change.at, value, threshold, unit, [row], brand, region)

    def write_of_topic(self, rule, topic, number, change, value, threshold, unit, row):
        self.write(rule, Columns(topic=topic), number, change, change.at, value, threshold, unit, [row], "", "")

    def write(self, rule, columns, number, change, known_at, value, threshold, unit, events, brand, region):
        """Only a rule of source topics has the fields source_topic and reason."""
        topic = {"source_topic": columns.topic} if columns.topic else {}
        reason = {"reason": {"code": "DATA_QUALITY" if change.state == "FIRING" else "QUALITY_RECOVERED"}} if topic else {}
        line = {
            "alert_id": alert_id(rule, columns), "transition": number, "episode": change.episode, "rule": rule,
            "severity": SEVERITIES[change.severity], "state": change.state,
            "at": format_time(change.at, self.zone), "since": format_time(change.since, self.zone),
            "known_at": format_time(known_at, self.zone), "brand_id": brand, "sku_id": columns.sku,
            "outlet_id": columns.outlet, "region_id": region, "class_dimension": "", "class_value": "", **topic,
            "value": value, "threshold": threshold, "unit": unit, **reason, "evidence": events, "policy_id": "",
        }
        # region_id of outlet rules counts as empty.
        order = tuple(text.encode("utf-8") for text in (
            rule, brand, columns.sku, columns.outlet, columns.region, "", "", columns.topic)) + (number,)
        self.lines.append((order, json.dumps(line, ensure_ascii=False, separators=(",", ":"))))

    def sorted_lines(self):
        return [line for _, line in sorted(self.lines)]


@dataclass(frozen=True)
class Columns:
    """The fields of a rule's key; those that are not in it are empty."""

    brand: str = ""
    sku: str = ""
    outlet: str = ""
    region: str = ""
    topic: str = ""


def alert_id(rule, columns):
    """Of rule|brand|sku|outlet|region|class_dimension|class_value, and |source_topic for a rule of topics; no rule has a class in its key so far."""
    text = "|".join((rule, columns.brand, columns.sku, columns.outlet, columns.region, "", "") + ((columns.topic,) if columns.topic else ()))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]


def evidence(*event_ids):
    """The event that begins the episode, the event that ends it, the last accepted count; each once."""
    return [{"event_id": event_id} for event_id in dict.fromkeys(event_ids) if event_id]


class Key:
    """One outlet and SKU through the replay."""

    def __init__(self, outlet, sku, alert_log, sku_versions, end):
        self.outlet, self.sku = outlet, sku
        self.alert_log, self.zone = alert_log, alert_log.zone
        self.sku_versions = sku_versions
        self.end = end  # the clock ends here: 23:59:59.999 of the last day
        self.clock = None
        self.counted = {}
        self.book = Book([])
        self.intervals = []
        self.stockouts, self.prediction, self.overstock = Stockouts(), Prediction(), Overstock()
        self.numbers = defaultdict(int)
        self.implausible = []

    # Conditions of a day.

    def is_active(self, day):
        """Reading: before its first version an outlet is not ACTIVE, as it is not in the population."""
        return self.alert_log.market.is_in_population(self.outlet, day)

    def severity_on(self, day):
        return CRITICAL if self.sku_versions.has_brand_group(self.sku, day) else WARNING

    def day(self):
        return day_of(self.clock, self.zone)

    # The clock.

    def replay(self, history):
        for applied in history:
            if self.sku in affected_skus(applied):
                self.advance(min(applied.record.arrival, self.end))
                self.apply(applied)
        self.advance(self.end)

    def advance(self, clock):
        """Everything due after the present clock up to and including the new one."""
        if self.clock is None:
            self.clock = clock  # the first record of the key
        midnights = self.midnights_until(clock)
        due = {fact.time for fact in self.book.facts if self.clock < fact.time <= clock}
        for self.clock in sorted(midnights | due):
            self.update_stockouts()
            if self.clock in midnights:
                self.evaluate_prediction(None)
                self.evaluate_overstock()
        self.clock = clock

    def midnights_until(self, clock):
        days = range(self.day() + 1, day_of(clock, self.zone) + 1)
        return {start_of_day(day, self.zone) for day in days}

    def apply(self, applied):
        record = applied.record
        self.counted[id(applied.document)] = record
        known = list(self.counted.values())
        self.book = Book([fact for other in known for fact in facts_of(other, self.sku)],
                         [line for other in known for line in order_lines_of(other, self.sku)])
        self.intervals = intervals_of(
            self.book, self.is_active, lambda day: start_of_day(day, self.zone), self.severity_on)
        self.note_implausible(record)
        self.update_stockouts()
        if record.arrival <= self.end:
            self.evaluate_prediction(record.event_id)

    def note_implausible(self, record):
        """A count is accepted or not once, when its document is applied, by the facts known then."""
        own = facts_of(record, self.sku)
        for index, fact in enumerate(self.book.facts):
            if fact.is_count() and not self.book.is_accepted(index) and fact in own:
                self.implausible.append((record, self.sku, fact.quantity))

    # Transitions.

    def last_count(self, day):
        count = self.book.until(day).last_accepted_count()
        return count and count.event_id

    def update_stockouts(self):
        for change in self.stockouts.changes(self.clock, self.intervals):
            self.send("R1", change, 0, 0, "count", change.begin_event, change.end_event, self.last_count(self.day()))

    def evaluate_prediction(self, event_id):
        for change in self.prediction.evaluate(self.clock, self.day(), self.book, self.is_active, event_id):
            self.send("R2", change, change.value, change.threshold, "millionths",
                      change.begin_event, change.end_event, self.last_count(self.day()))

    def evaluate_overstock(self):
        """At 00:00, for the day that ended."""
        ended = self.day() - 1
        sent = self.overstock.evaluate(self.clock, ended, self.book, self.is_active)
        if sent:
            self.send("R5", *sent, "millionths", self.last_count(ended))

    def send(self, rule, change, value, threshold, unit, *events):
        """A SKU of which only cancelled records are known has no brand and raises no alert."""
        if self.alert_log.market.brand_of(self.sku) is None:
            return
        self.numbers[rule] += 1
        self.alert_log.write_of_outlet(rule, (self.outlet, self.sku), self.numbers[rule], change, self.clock, value, threshold, unit, events)


def run(market, documents, days, zone):
    """Returns (lines of alerts.jsonl, [(record, SKU, count)] of the counts that were not accepted).

    Reading: without a day there is no clock and no line. A last day before the first one still closes the days before it.
    """
    alert_log, implausible = AlertLog(market, zone), []
    if days.stop > 0:
        data_quality.run(market.records, days.stop - 1, alert_log)
    if not days:
        return alert_log.sorted_lines(), []
    end = start_of_day(days[-1] + 1, zone) - 1
    applied = applied_documents(documents)
    for outlet, history in applied.items():
        for sku in sorted(set().union(*map(affected_skus, history))):
            key = Key(outlet, sku, alert_log, market.sku_versions, end)
            key.replay(history)
            implausible += key.implausible
    regional.run(market, applied, days, alert_log)
    return alert_log.sorted_lines(), implausible
