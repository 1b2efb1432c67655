"""What a live run should have said, to the byte, by the plain reference program of tests/oracle.

FINAL rows are those of the history alone, whatever came first. Alerts and counts that nobody believes are not: when an alert is
known, what is its evidence, and whether a stockout was seen before the delivery that ended it, all follow from the order in which
documents of different source topics met. That order stands in the ledger, and nothing else of it is taken from there: every document
in the ledger is found again in the history, with the arrival that it has there, and the calculator is given the documents of an outlet in
the order that they have in the ledger. So nothing has to be left out of the comparison: all rules, `known_at`, evidence, and the counts.

What it relies on: one process writes a source partition's records in order (a record of a killed process that is said again is
left out by its cause), and reference data is imported before all else, as parts_of has it.
"""

import json
import re
import sys
from collections import Counter, defaultdict, namedtuple
from zoneinfo import ZoneInfo

from support import ORACLE

sys.path.insert(0, str(ORACLE))
import alerts  # noqa: E402
import oracle  # noqa: E402
import prices  # noqa: E402
import regional  # noqa: E402
from days import day_of, format_day, parse_time, start_of_day  # noqa: E402

ZONE = ZoneInfo("Asia/Shanghai")
SOURCES = ("orders", "deliveries", "visits", "reference", "commands")
DOCUMENT_OF_FIELD = {10: "order", 11: "delivery", 12: "visit"}  # of Event
OUTLET_ID = {"order": 2, "delivery": 3, "visit": 2}
REJECTED_BY_INTAKE = ("malformed", "bad_payload", *oracle.FIELD_REASONS)
NEVER = -1
PARKING_MS = 24 * 3_600_000

# A document in the ledger: where, its arrival, the highest arrival of its outlet so far, and what the watermark said there.
Met = namedtuple("Met", "place arrival clock watermark")


# ---- Protobuf, as far as it is needed here -----------------------------------------------------------------------------------


def fields(message):
    """(number, value) one after another: integers as they stand on the wire, all else as bytes."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        tag = varint()
        kind = tag & 7
        if kind == 0:
            yield tag >> 3, varint()
            continue
        size = varint() if kind == 2 else {1: 8, 5: 4}[kind]
        at += size
        yield tag >> 3, message[at - size : at] if kind == 2 else int.from_bytes(message[at - size : at], "little")


def signed(number):
    return number >> 1 ^ -(number & 1)


# ---- the ledger --------------------------------------------------------------------------------------------------------------


class Watermark:
    """The lowest of what is told of all source partitions; never lower again."""

    def __init__(self, sources):
        self.arrivals, self.value = [NEVER] * sources, NEVER

    def tell(self, progress):
        for number, value in fields(progress):
            if number == 1:
                entry = dict(fields(value))
                source, arrival = entry.get(1, 0), entry.get(2, 0)
                self.arrivals[source] = max(self.arrivals[source], arrival)
        self.value = min(self.arrivals)


class Ledger:
    """`met`: {(kind, outlet, event_id): [Met]} of the records of the topic."""

    def __init__(self, records, source_partitions):
        self.met = defaultdict(list)
        self.progress = defaultdict(list)  # of a partition: (place, watermark)
        self.clocks = defaultdict(list)  # of an outlet: (place, its highest arrival)
        self.partition_of = {}
        watermarks, seen = defaultdict(lambda: Watermark(3 * source_partitions + 2)), set()
        for record in sorted(records, key=lambda one: (one.partition, one.offset)):
            cause = re.search(rb"fiverate-cause=([^,]+)", record.headers)
            if cause and cause[1] in seen:
                continue  # said again by a process that was killed before it was acknowledged
            if cause:
                seen.add(cause[1])
            self.take(record, dict(fields(record.value)), watermarks[record.partition])

    def take(self, record, body, watermark):
        if 3 in body:
            watermark.tell(body[3])
            self.progress[record.partition].append((record.offset, watermark.value))
        event = dict(fields(body[4])) if 4 in body else {}
        for number in DOCUMENT_OF_FIELD.keys() & event.keys():
            kind = DOCUMENT_OF_FIELD[number]
            outlet = dict(fields(event[number]))[OUTLET_ID[kind]].decode()
            self.partition_of[outlet] = record.partition
            self.clocks[outlet].append((record.offset, max(body[1], self.clock_at(outlet, record.offset))))
            self.met[kind, outlet, event[1].decode()].append(
                Met(record.offset, body[1], self.clocks[outlet][-1][1], watermark.value))

    def clock_at(self, outlet, place):
        return max((clock for at, clock in self.clocks[outlet] if at <= place), default=NEVER)

    def released(self, outlet, parked, blocked):
        """Where a document counts that stands behind one whose SKU stays unknown: that one waits for a day on the market's clock."""
        due = parked.arrival + PARKING_MS + 1
        place = next((at for at, watermark in self.progress[self.partition_of[outlet]] if watermark >= due), None)
        if place is None or place < blocked.place:
            return blocked
        return Met(place, blocked.arrival, max(due, self.clock_at(outlet, place)), due)


# ---- the truth ---------------------------------------------------------------------------------------------------------------


class Truth:
    """Of one live run over the history in `folder`: `alerts`, lines as those of alerts.jsonl, and `quarantine`, a Counter of
    (reason, event_id, sku_id)."""

    def __init__(self, test, folder, market, source_partitions):
        self.test = test
        self.ends = parse_time(market.ends)
        self.records = oracle.read_lines(folder)
        oracle.give_days(self.records, ZONE)
        reference, documents = oracle.replay(self.records)
        self.known = oracle.Market(reference, documents, self.records)
        self.days = range(oracle.days_to_write(self.records).start, day_of(self.ends, ZONE) + 1)
        self.met = self.match(Ledger(market.records("ledger"), source_partitions))
        self.find(documents)

    def match(self, ledger):
        """Each document that is good enough for the ledger is in it, once, with its arrival; and nothing else is."""
        found, parked = {}, []
        waiting = {key: iter(places) for key, places in ledger.met.items()}
        for record in sorted((one for one in self.records if one.kind in oracle.DOCUMENT_KINDS and one.reason not in REJECTED_BY_INTAKE),
                             key=oracle.Record.canonical_order):
            outlet = record.payload["outlet_id"]
            key = outlet, record.event_id
            place = next(waiting.get((record.kind, *key), iter(())), None)
            self.test.assertIsNotNone(place, f"{key} is not in the ledger")
            self.test.assertEqual(place.arrival, record.arrival, key)
            found[id(record)] = place
            for other in parked:
                if record.kind == other.kind and (record.identity() == other.identity() or key == (other.payload["outlet_id"], other.event_id)):
                    found[id(record)] = ledger.released(outlet, found[id(other)], place)
            if record.reason == "unknown_sku":
                parked.append(record)
        self.test.assertEqual(len(found), sum(map(len, ledger.met.values())), "documents in the ledger")
        return found

    def find(self, documents):
        arrivals = {id(record): record.arrival for record in self.records}
        desk, implausible = alerts.Desk(self.known, ZONE), []
        end = start_of_day(self.days[-1] + 1, ZONE) - 1
        accepted = [record for document in documents.documents for record in document.revisions.values()]
        for record in accepted:
            place = self.met[id(record)]
            record.arrival = place.clock
            record.canonical_order = lambda place=place: (place.clock, place.place)
        applied = alerts.applied_documents(documents)
        for outlet, history in applied.items():
            for sku in sorted(set().union(*map(alerts.touched, history))):
                key = alerts.Key(outlet, sku, desk, self.known.sku_versions, end)
                key.replay(history)
                implausible += key.implausible
        # A day closes when the watermark has passed its end: what came before that in the ledger is known to it, also if it arrived later.
        for record in accepted:
            place = self.met[id(record)]
            if place.watermark != NEVER:
                record.arrival = min(record.arrival, start_of_day(day_of(place.watermark, ZONE) + 1, ZONE) - 1)
            record.canonical_order = lambda place=place, arrival=record.arrival: (arrival, place.place)
        regional.run(self.known, applied, self.days, desk)
        for record in self.records:
            record.arrival = arrivals[id(record)]
        lines = [(line, json.loads(line)) for line in desk.sorted_lines()]
        self.alerts = "".join(line + "\n" for line, row in lines if parse_time(row["known_at"]) <= self.ends).encode()
        self.rules = Counter(row["rule"] for _, row in lines if parse_time(row["known_at"]) <= self.ends)
        out_of_range = prices.quarantined_prices(self.records, self.known.sku_versions)
        self.quarantine = Counter((record.reason, record.event_id, None) for record in self.records if record.reason)
        for reason, single in (("count_implausible", implausible), (prices.OUT_OF_RANGE, out_of_range)):
            self.quarantine.update((reason, record.event_id, sku) for record, sku, _ in single)


# ---- what the run said -----------------------------------------------------------------------------------------------------------


def rejections_of(test, market):
    """As Truth.quarantine: each at its place in the source topics, with the bytes that stand there."""
    said_twice = market.assert_written_once("quarantine")
    found, places = Counter(), set()
    sources = {(topic, record.partition, record.offset): record for topic in SOURCES for record in market.records(topic)}
    for key, value in {record.key: record.value for record in market.records("quarantine")}.items():
        told = dict(fields(value))
        reason, event_id, sku = (told.get(number, b"").decode() for number in (1, 3, 4))
        place = told[5].decode(), told.get(6, 0), told.get(7, 0)
        test.assertIn(place, sources, key)
        test.assertNotIn((place, sku, reason), places, f"{key} is there under two keys")
        places.add((place, sku, reason))
        if reason in REJECTED_BY_INTAKE:
            test.assertEqual(told.get(9, b""), sources[place].value, key)
        found[reason, event_id or None, sku or None] += 1
    return found, said_twice


SEAL = {1: "stage", 2: "partition", 3: "day", 4: "chain", 5: "records", 6: "transitions_chain", 7: "transitions", 8: "sum_high",
        9: "sum_low", 10: "next_offset"}


def seal_of(value):
    """The record of `seals` as a line of seals.jsonl has it."""
    raw = {SEAL[number]: content for number, content in fields(value)}
    return {"stage": raw["stage"].decode(), "partition": raw.get("partition", 0), "day": format_day(signed(raw.get("day", 0))),
            "chain": f"{raw.get('chain', 0):016x}", "records": raw.get("records", 0),
            "transitions_chain": f"{raw.get('transitions_chain', 0):016x}", "transitions": raw.get("transitions", 0),
            "sum": f"{raw.get('sum_high', 0):016x}{raw.get('sum_low', 0):016x}", "next_offset": raw.get("next_offset", 0)}


def seals_of(seals, stage):
    return {(seal["partition"], seal["day"]): seal for seal in seals if seal["stage"] == stage}


def sums_of(seals):
    """By day over all partitions of market: (rows, transitions, sum)."""
    sums = defaultdict(lambda: (0, 0, 0))
    for seal in seals:
        if seal["stage"] == "market":
            rows, transitions, total = sums[seal["day"]]
            sums[seal["day"]] = rows + seal["records"], transitions + seal["transitions"], (total + int(seal["sum"], 16)) % (1 << 128)
    return dict(sums)


def assert_seals(test, market, replayed, files):
    """Those of the topic are those of a replay of the ledger; FINAL rows are, in sum through the last day of both, also those of a replay of the files."""
    live = [seal_of(record.value) for record in {record.key: record for record in market.records("seals")}.values()]
    test.assertEqual(seals_of(live, "outlet"), seals_of(replayed, "outlet"))
    test.assertEqual(sums_of(live), sums_of(replayed))
    here, there = sums_of(live), sums_of(files)
    last = min(max(here), max(there))  # a broken record that comes last has lost its arrival in files: they may end on another day
    test.assertEqual((here[last][0], here[last][2]), (there[last][0], there[last][2]))
    return len(live)
