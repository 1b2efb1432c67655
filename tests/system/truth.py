"""The outputs that a live run has to publish, byte for byte, computed by the reference program of tests/oracle.

FINAL rows depend on the history alone. Alerts and implausible counts also depend on the order in which documents of different source
topics arrive at an outlet task: known_at, the evidence, and whether a stockout is seen before the delivery that ends it. Truth takes this
order, and nothing else, from the ledger. It finds each document of the ledger in the history, with the same arrival time, and gives the
reference program the documents of an outlet in the order of the ledger. So it compares all rules, `known_at`, evidence and counts.

Assumptions: one process writes the records of a source partition in order (a repetition by a restarted process has a known cause and is
left out), and reference data is imported first, as parts_of does.
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
PENDING_MS = 24 * 3_600_000

# A document in the ledger: its offset, its arrival, the highest arrival of its outlet so far, and the watermark there.
Entry = namedtuple("Entry", "offset arrival clock watermark")


# ---- a minimal decoder of Protobuf -------------------------------------------------------------------------------------------


def fields(message):
    """The (number, value) pairs of a message: integers as encoded, other values as bytes."""
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
    """The lowest progress of all source partitions. It never decreases."""

    def __init__(self, sources):
        self.arrivals, self.value = [NEVER] * sources, NEVER

    def update(self, progress):
        for number, value in fields(progress):
            if number == 1:
                entry = dict(fields(value))
                source, arrival = entry.get(1, 0), entry.get(2, 0)
                self.arrivals[source] = max(self.arrivals[source], arrival)
        self.value = min(self.arrivals)


class Ledger:
    """`entries`: {(kind, outlet, event_id): [Entry]} of the records of the topic."""

    def __init__(self, records, source_partitions):
        self.entries = defaultdict(list)
        self.progress = defaultdict(list)  # of a partition: (offset, watermark)
        self.clocks = defaultdict(list)  # of an outlet: (offset, its highest arrival)
        self.partition_of = {}
        watermarks, seen = defaultdict(lambda: Watermark(3 * source_partitions + 2)), set()
        for record in sorted(records, key=lambda one: (one.partition, one.offset)):
            cause = re.search(rb"fiverate-cause=([^,]+)", record.headers)
            if cause and cause[1] in seen:
                continue  # a repetition, by a process that was killed before the acknowledgement
            if cause:
                seen.add(cause[1])
            self.add(record, dict(fields(record.value)), watermarks[record.partition])

    def add(self, record, body, watermark):
        if 3 in body:
            watermark.update(body[3])
            self.progress[record.partition].append((record.offset, watermark.value))
        event = dict(fields(body[4])) if 4 in body else {}
        for number in DOCUMENT_OF_FIELD.keys() & event.keys():
            kind = DOCUMENT_OF_FIELD[number]
            outlet = dict(fields(event[number]))[OUTLET_ID[kind]].decode()
            self.partition_of[outlet] = record.partition
            self.clocks[outlet].append((record.offset, max(body[1], self.clock_at(outlet, record.offset))))
            self.entries[kind, outlet, event[1].decode()].append(
                Entry(record.offset, body[1], self.clocks[outlet][-1][1], watermark.value))

    def clock_at(self, outlet, offset):
        return max((clock for at, clock in self.clocks[outlet] if at <= offset), default=NEVER)

    def released(self, outlet, pending, blocked):
        """The entry at which a document is applied that follows one with an unknown SKU, which is pending for a day of event time."""
        due = pending.arrival + PENDING_MS + 1
        offset = next((at for at, watermark in self.progress[self.partition_of[outlet]] if watermark >= due), None)
        if offset is None or offset < blocked.offset:
            return blocked
        return Entry(offset, blocked.arrival, max(due, self.clock_at(outlet, offset)), due)


# ---- the truth ---------------------------------------------------------------------------------------------------------------


class Truth:
    """The outputs for one live run over the history in `folder`: `alerts`, lines as in alerts.jsonl, and `quarantine`, a Counter of
    (reason, event_id, sku_id)."""

    def __init__(self, test, folder, market, source_partitions):
        self.test = test
        self.ends = parse_time(market.ends)
        self.records = oracle.read_lines(folder)
        oracle.give_days(self.records, ZONE)
        reference, documents = oracle.replay(self.records)
        self.known = oracle.Market(reference, documents, self.records)
        self.days = range(oracle.days_to_write(self.records).start, day_of(self.ends, ZONE) + 1)
        self.entries = self.match(Ledger(market.records("ledger"), source_partitions))
        self.find(documents)

    def match(self, ledger):
        """Checks that the ledger has each document that intake accepts, once and with its arrival time, and no other document."""
        found, pending = {}, []
        waiting = {key: iter(entries) for key, entries in ledger.entries.items()}
        for record in sorted((one for one in self.records if one.kind in oracle.DOCUMENT_KINDS and one.reason not in REJECTED_BY_INTAKE),
                             key=oracle.Record.canonical_order):
            outlet = record.payload["outlet_id"]
            key = outlet, record.event_id
            entry = next(waiting.get((record.kind, *key), iter(())), None)
            self.test.assertIsNotNone(entry, f"{key} is not in the ledger")
            self.test.assertEqual(entry.arrival, record.arrival, key)
            found[id(record)] = entry
            for other in pending:
                if record.kind == other.kind and (record.identity() == other.identity() or key == (other.payload["outlet_id"], other.event_id)):
                    found[id(record)] = ledger.released(outlet, found[id(other)], entry)
            if record.reason == "unknown_sku":
                pending.append(record)
        self.test.assertEqual(len(found), sum(map(len, ledger.entries.values())), "documents in the ledger")
        return found

    def find(self, documents):
        arrivals = {id(record): record.arrival for record in self.records}
        log, implausible = alerts.AlertLog(self.known, ZONE), []
        end = start_of_day(self.days[-1] + 1, ZONE) - 1
        accepted = [record for document in documents.documents for record in document.revisions.values()]
        for record in accepted:
            entry = self.entries[id(record)]
            record.arrival = entry.clock
            record.canonical_order = lambda entry=entry: (entry.clock, entry.offset)
        applied = alerts.applied_documents(documents)
        for outlet, history in applied.items():
            for sku in sorted(set().union(*map(alerts.affected_skus, history))):
                key = alerts.Key(outlet, sku, log, self.known.sku_versions, end)
                key.replay(history)
                implausible += key.implausible
        # A day closes when the watermark passes its end. It includes all documents before that position in the ledger, also those with a later arrival.
        for record in accepted:
            entry = self.entries[id(record)]
            if entry.watermark != NEVER:
                record.arrival = min(record.arrival, start_of_day(day_of(entry.watermark, ZONE) + 1, ZONE) - 1)
            record.canonical_order = lambda entry=entry, arrival=record.arrival: (arrival, entry.offset)
        regional.run(self.known, applied, self.days, log)
        for record in self.records:
            record.arrival = arrivals[id(record)]
        lines = [(line, json.loads(line)) for line in log.sorted_lines()]
        self.alerts = "".join(line + "\n" for line, row in lines if parse_time(row["known_at"]) <= self.ends).encode()
        self.rules = Counter(row["rule"] for _, row in lines if parse_time(row["known_at"]) <= self.ends)
        out_of_range = prices.quarantined_prices(self.records, self.known.sku_versions)
        self.quarantine = Counter((record.reason, record.event_id, None) for record in self.records if record.reason)
        for reason, single in (("count_implausible", implausible), (prices.OUT_OF_RANGE, out_of_range)):
            self.quarantine.update((reason, record.event_id, sku) for record, sku, _ in single)


# ---- outputs of the run -----------------------------------------------------------------------------------------------------------


def rejections_of(test, market):
    """The quarantined records as Truth.quarantine has them. Checks that each names its source record and holds its bytes."""
    repeated = market.assert_written_once("quarantine")
    found, known = Counter(), set()
    sources = {(topic, record.partition, record.offset): record for topic in SOURCES for record in market.records(topic)}
    for key, value in {record.key: record.value for record in market.records("quarantine")}.items():
        record = dict(fields(value))
        reason, event_id, sku = (record.get(number, b"").decode() for number in (1, 3, 4))
        position = record[5].decode(), record.get(6, 0), record.get(7, 0)
        test.assertIn(position, sources, key)
        test.assertNotIn((position, sku, reason), known, f"{key} has a second key")
        known.add((position, sku, reason))
        if reason in REJECTED_BY_INTAKE:
            test.assertEqual(record.get(9, b""), sources[position].value, key)
        found[reason, event_id or None, sku or None] += 1
    return found, repeated


SEAL = {1: "stage", 2: "partition", 3: "day", 4: "chain", 5: "records", 6: "transitions_chain", 7: "transitions", 8: "sum_high",
        9: "sum_low", 10: "next_offset"}


def seal_of(value):
    """A record of `seals` in the form of a line of seals.jsonl."""
    raw = {SEAL[number]: content for number, content in fields(value)}
    return {"stage": raw["stage"].decode(), "partition": raw.get("partition", 0), "day": format_day(signed(raw.get("day", 0))),
            "chain": f"{raw.get('chain', 0):016x}", "records": raw.get("records", 0),
            "transitions_chain": f"{raw.get('transitions_chain', 0):016x}", "transitions": raw.get("transitions", 0),
            "sum": f"{raw.get('sum_high', 0):016x}{raw.get('sum_low', 0):016x}", "next_offset": raw.get("next_offset", 0)}


def seals_of(seals, stage):
    return {(seal["partition"], seal["day"]): seal for seal in seals if seal["stage"] == stage}


def sums_of(seals):
    """The totals of all market partitions by day: (rows, transitions, sum)."""
    sums = defaultdict(lambda: (0, 0, 0))
    for seal in seals:
        if seal["stage"] == "market":
            rows, transitions, total = sums[seal["day"]]
            sums[seal["day"]] = rows + seal["records"], transitions + seal["transitions"], (total + int(seal["sum"], 16)) % (1 << 128)
    return dict(sums)


def assert_seals(test, market, replayed, files):
    """Compares the seals of the topic to those of a replay of the ledger, and their sums of FINAL rows also to those of a replay of the files."""
    live = [seal_of(record.value) for record in {record.key: record for record in market.records("seals")}.values()]
    test.assertEqual(seals_of(live, "outlet"), seals_of(replayed, "outlet"))
    test.assertEqual(sums_of(live), sums_of(replayed))
    here, there = sums_of(live), sums_of(files)
    last = min(max(here), max(there))  # a truncated last line has no arrival time in files, so the replays may end on different days
    test.assertEqual((here[last][0], here[last][2]), (there[last][0], there[last][2]))
    return len(live)
