#!/usr/bin/env python3
"""Invalid records through a real broker into a running pipeline.

Each invalid record is quarantined with its reason and position. Valid records before, between and after them, whatever their keys and
partitions, give the FINAL rows of a replay of the valid records alone. No process stops. All records arrive now, as kcat sends them, so
the days of the events are those before today.
"""

import json
import pathlib
import random
import re
import subprocess
import unittest
import zlib
from collections import Counter, defaultdict, namedtuple
from datetime import datetime, timedelta, timezone

from support import DONE_WITHIN, Market, same_lines, shared_kafka

# Of what the outlet stage rejects the quarantine holds the event that it had decoded, under the outlet's id (docs/decisions/0005).
BY_OUTLET = {"future", "late", "event_id_conflict", "revision_conflict", "unknown_outlet", "unknown_sku"}
SHANGHAI = timezone(timedelta(hours=8))
NOW = datetime.now(SHANGHAI)
TODAY = NOW.replace(hour=0, minute=0, second=0, microsecond=0)
PARTITIONS = 2
TOPICS = {"orders": PARTITIONS, "deliveries": PARTITIONS, "visits": PARTITIONS, "reference": 1, "commands": 1}
KEY_END, RECORD_END = b"\x1e=key=\x1e", b"\x1e=record=\x1e"
BROKER_BYTES = 8 << 20  # message.max.bytes of deploy/kafka/kafka
PEAK_MIB = 250  # of the process, with all that follows

# A source record; without a key or a value: None. What is rejected has a reason.
Sent = namedtuple("Sent", "key value reason", defaults=[None])


def rejected(reason, name, value):
    return Sent(name.encode(), as_bytes(value), reason)


def as_bytes(value):
    return json.dumps(value).encode() if isinstance(value, dict) else value


# ---- events as JSON --------------------------------------------------------------------------------------------------


def at(days, hour=12):
    """A time `days` after today's midnight."""
    return (TODAY + timedelta(days=days, hours=hour)).isoformat(timespec="milliseconds")


def day(days):
    return (TODAY + timedelta(days=days)).date().isoformat()


def event(event_id, event_time, kind, payload, **more):
    return {"event_id": event_id, "event_time": event_time, **more, kind: payload}


def order(name, outlet, when, *lines, **more):
    lines = [{"sku_id": sku, "requested": requested, "confirmed": confirmed} for sku, requested, confirmed in lines]
    return event(f"e-{name}", when, "order", {"order_id": name, "outlet_id": outlet, "lines": lines}, **more)


def delivery(name, outlet, when, *lines, event_id=None, direction="OUT", **more):
    lines = [{"sku_id": sku, "quantity": quantity} for sku, quantity in lines]
    return event(event_id or f"e-{name}", when, "delivery",
                 {"delivery_id": name, "outlet_id": outlet, "direction": direction, "lines": lines}, **more)


def visit(name, outlet, when, *checks, **more):
    return event(f"e-{name}", when, "visit",
                 {"visit_id": name, "outlet_id": outlet, "visitor_id": "p1", "outcome": "DONE", "checks": list(checks)}, **more)


def without(document, *path):
    copy = json.loads(json.dumps(document))
    inner = copy
    for step in path[:-1]:
        inner = inner[step]
    del inner[path[-1]]
    return copy


# ---- events as Protobuf, in any way that the encoding allows ------------------------------------------------------------


def varint(number, size=1):
    """At least `size` bytes long."""
    number &= (1 << 64) - 1
    encoded = bytearray()
    while number or len(encoded) < size:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded[-1] &= 0x7F
    return bytes(encoded)


def field(number, content):
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    content = content.encode() if isinstance(content, str) else content
    return varint(number << 3 | 2) + varint(len(content)) + content


def proto_line(sku, quantity):
    return field(5, field(1, sku) + field(2, quantity))


def proto_ids(name, outlet):
    return field(1, name) + field(3, outlet) + field(4, 1)


def proto_time(text):
    return field(3, field(1, int(datetime.fromisoformat(text).timestamp())))


def groups(depth):
    return depth * varint(100 << 3 | 3) + depth * varint(100 << 3 | 4)


def proto_delivery(name, outlet, when, *lines, event_id=None):
    """The bytes of delivery(name, ...)."""
    return (field(1, event_id or f"e-{name}") + proto_time(when)
            + field(11, proto_ids(name, outlet) + b"".join(proto_line(*line) for line in lines)))


# ---- the market ----------------------------------------------------------------------------------------------------------

STRANGE = "店\u202e\u2066\x00\u200b\"\\end"  # right to left, an isolate without end, NUL, no width
STRANGE_CLASS = STRANGE
STRANGE_OUTLET, STRANGE_SKU = "o\x00\u202e9", "s\x00\u202e9"
OUTLETS = ["o1", "o2", "o3", "o4", "o5", STRANGE_OUTLET]
SKUS = {"s1": "LARK", "s2": "PLUM", STRANGE_SKU: "OWL\u202e"}


def outlet(outlet_id, valid_from, scale="A", state="ACTIVE", region="K1", name="shop"):
    return event(f"{outlet_id} {valid_from}", at(-30), "outlet",
                 {"outlet_id": outlet_id, "valid_from": day(valid_from), "region_id": region, "state": state, "name": name,
                  "classes": [{"dimension": "scale", "value": scale}]})


def reference():
    regions = [("CN", "", "COUNTRY"), ("P1", "CN", "PROVINCE"), ("C1", "P1", "CITY"), ("K1", "C1", "COUNTY"), ("K2", "C1", "COUNTY")]
    events = [event(f"region {name}", at(-30), "region", {"region_id": name, "parent_id": parent, "level": level, "name": STRANGE})
              for name, parent, level in regions]
    events += [event(f"sku {sku}", at(-30), "sku", {"sku_id": sku, "brand_id": brand, "valid_from": day(-30), "guide_price_fen": 2000,
                                                   "name": STRANGE, "pack": "carton"}) for sku, brand in SKUS.items()]
    events += [outlet(name, -30, region=("K1", "K2")[number % 2]) for number, name in enumerate(OUTLETS[:-1])]
    events.append(outlet(STRANGE_OUTLET, -30, scale=STRANGE_CLASS, name=STRANGE))
    events.append(outlet("o2", -3, scale="B", region="K2"))  # changed in the middle of a window
    events.append(outlet("o3", -4, state="CLOSED"))
    events.append(outlet("o3", -2))  # and opened again
    return events


def usual(name, days):
    """What happens on a good day."""
    documents = []
    for number, shop in enumerate(OUTLETS):
        sku = list(SKUS)[number % 3]
        documents.append(delivery(f"d-{name}-{number}", shop, at(days, 8), ("s1", 20 + number), *([(sku, 7)] if sku != "s1" else [])))
        documents.append(visit(f"v-{name}-{number}", shop, at(days, 9 + number / 10),
                               {"sku_id": "s1", "count": 4, "on_shelf": True, "retail_price_fen": 2100, "price_tag": "OK"}))
    return documents


def looks_wrong():
    """What is sent, in this order through one partition of deliveries, and the events of it that count."""
    when, sent, good = at(-2), [], []

    def counts(name, *values, shop="o1", quantity=5, **more):
        good.append(delivery(name, shop, when, ("s1", quantity), **more))
        sent.extend(value if isinstance(value, Sent) else Sent(name.encode(), as_bytes(value)) for value in values or good[-1:])

    def plain(name):
        return proto_delivery(name, "o1", when, ("s1", 5))

    for name, prefix, suffix in (("no frame", b"", b""),
                                 ("a frame", b"\x00\x00\x00\x00\x07\x00", b""),
                                 ("many unknown fields", b"", 80_000 * field(100, 1)),
                                 ("groups as deep as they may be", b"", groups(15)),
                                 ("an order before", field(1, "x") + field(5, 9) + field(10, field(1, "x")), field(5, 1))):
        counts(name, prefix + plain(name) + suffix)
    name = "a payload in two halves"  # a field that holds a message is merged
    counts(name, field(11, field(1, "x") + field(4, 2)) + plain(name))
    name = "overlong varints"
    line = varint(1 << 3 | 2, 3) + varint(2, 5) + b"s1" + varint(2 << 3, 4) + varint(5, 10)
    counts(name, field(1, f"e-{name}") + proto_time(when)
           + field(11, proto_ids(name, "o1") + varint(5 << 3 | 2, 5) + varint(len(line), 4) + line))
    counts("a bidi id \u202e with NUL \x00")
    name = "the last of a key counts"
    counts(name, json.dumps(delivery(name, "o1", when, ("s1", 5))).replace('"quantity": 5', '"quantity": -7, "quantity": 5').encode())

    # The same once more; corrections in the wrong order; cancelled and brought back; a tombstone deletes nothing.
    name = "three times"
    same = delivery(name, "o2", when, ("s1", 5))
    counts(name, same, proto_delivery(name, "o2", when, ("s1", 5)), {**same, "event_id": "another"}, shop="o2")
    name = "once with other content"
    same = delivery(name, "o2", when, ("s1", 5))
    counts(name, same, rejected("event_id_conflict", "another payload", delivery("x", "o2", when, ("s1", 5), event_id=f"e-{name}")),
           rejected("event_id_conflict", "another quantity", delivery(name, "o2", when, ("s1", 6))),
           rejected("revision_conflict", "another quantity and id", delivery(name, "o2", when, ("s1", 6), event_id="x")),
           rejected("malformed", "a tombstone", None), shop="o2")
    name = "corrected in the wrong order"
    four = [delivery(name, "o2", when, ("s1", revision), event_id=f"{name} {revision}", revision=revision) for revision in (1, 4, 2, 3)]
    counts(name, *four, shop="o2", quantity=4, event_id=f"{name} 4", revision=4)
    name = "cancelled and back"
    counts(name, delivery(name, "o2", when, ("s1", 9)), delivery(name, "o2", when, event_id=f"{name} 2", revision=2, cancelled=True),
           delivery(name, "o2", when, ("s1", 5), event_id=f"{name} 3", revision=3), shop="o2", event_id=f"{name} 3", revision=3)
    name = "cancelled before it came"
    gone = delivery(name, "o2", when, event_id=f"{name} 2", revision=2, cancelled=True)
    sent += [Sent(name.encode(), as_bytes(one)) for one in (gone, delivery(name, "o2", when, ("s1", 9)))]
    return sent, good + [gone]


DUPLICATES, SUPERSEDED = 2, 3  # in looks_wrong()


def faults():
    """By topic."""
    when = at(-2)
    good = delivery("x", "o1", when, ("s1", 5))
    raw = proto_delivery("x", "o1", when, ("s1", 5))
    before, behind = raw.split(proto_time(when))
    in_an_hour = (NOW + timedelta(hours=1)).isoformat(timespec="milliseconds")
    huge = (1 << 63) - 1
    seen = visit("x", "o1", when, {"sku_id": "s1", "count": 4})
    deliveries = [
        Sent(None, b"no key", "malformed"),
        Sent(b"", b"a key of no bytes", "malformed"),
        rejected("malformed", "random bytes", random.Random(1).randbytes(700)),
        rejected("malformed", "no bytes", b""),
        rejected("malformed", "white space", b" \n\t"),
        rejected("malformed", "a frame and nothing else", b"\x00\x00\x00\x00\x07"),
        rejected("malformed", "a truncated varint", raw + varint(5 << 3) + b"\xff\xff"),
        rejected("malformed", "a truncated message", raw[:-1]),
        rejected("malformed", "a varint of 11 bytes", raw + varint(5 << 3) + varint(1, 11)),
        rejected("malformed", "a wire type that is none", raw + varint(100 << 3 | 7)),
        rejected("malformed", "10,000 nested groups", raw + groups(10_000)),
        rejected("malformed", "a group that ends nowhere", raw + varint(100 << 3 | 3)),
        rejected("malformed", "a group that begins nowhere", raw + varint(100 << 3 | 4)),
        rejected("malformed", "unknown fields for 1 MB", raw + 345_000 * field(100, 1)),
        rejected("malformed", "no UTF-8", proto_delivery("\x01\x02", "o1", when, ("s1", 5)).replace(b"\x01\x02", b"\xc3\x28")),
        rejected("malformed", "no UTF-8 in JSON", as_bytes(good).replace(b"o1", b"o\xff")),
        rejected("malformed", "half a surrogate", as_bytes(good).replace(b"o1", b"\\ud800")),
        rejected("malformed", "JSON that ends early", as_bytes(good)[:-1]),
        rejected("malformed", "JSON of 100,000 levels", b'{"x":' + 100_000 * b"["),
        rejected("malformed", "no object", b"[1]"),
        rejected("bad_payload", "no payload", without(good, "delivery")),
        rejected("bad_payload", "two payloads", {**good, "order": order("x", "o1", when)["order"]}),
        rejected("bad_payload", "a payload of another topic", seen),
        rejected("bad_payload", "an integer for a payload", before + proto_time(when) + field(11, 1)),
        rejected("missing_field", "an integer for an id", field(1, 7) + proto_time(when) + behind),
        rejected("missing_field", "no time", without(good, "event_time")),
        rejected("missing_field", "100,000 lines of nothing",
                 before + proto_time(when) + field(11, proto_ids("x", "o1") + 100_000 * field(5, b""))),
        rejected("duplicate_sku", "6,000 lines of one SKU", delivery("x", "o1", when, *6_000 * [("s", 1)])),
        rejected("unknown_sku", "5,000 unknown SKUs", delivery("y", "o1", when, *((f"no-{n}", 1) for n in range(5_000)))),
        rejected("negative_quantity", "-1 unit", delivery("x", "o1", when, ("s1", -1))),
        rejected("negative_quantity", "-2^63 units", proto_delivery("x", "o1", when, ("s1", -1 << 63))),
        rejected("bad_value", "a unit too many", delivery("x", "o1", when, ("s1", 1_000_000_001))),
        rejected("bad_value", "2^63 units", delivery("x", "o1", when, ("s1", 1 << 63))),
        rejected("bad_value", "1e300 units", delivery("x", "o1", when, ("s1", 1e300))),
        rejected("bad_value", "half a unit", delivery("x", "o1", when, ("s1", 0.5))),
        rejected("bad_value", "revision 0", {**good, "revision": 0}),
        rejected("bad_value", "a direction that is none", {**good, "delivery": {**good["delivery"], "direction": "UP"}}),
        rejected("late", "the time 0", before + field(3, b"") + behind),
        rejected("bad_value", "a time before 1970", before + field(3, field(1, -1)) + behind),
        rejected("bad_value", "a time after 9999", before + field(3, field(1, 253_402_300_800)) + behind),
        rejected("bad_value", "30 February", {**good, "event_time": "2026-02-30T12:00:00+08:00"}),
        rejected("future", "the year 9999", {**good, "event_time": "9999-12-31T00:00:00+08:00"}),
        rejected("future", "in an hour", {**good, "event_time": in_an_hour}),
        rejected("late", "8 days ago", delivery("x", "o1", at(-8), ("s1", 5))),
        rejected("unknown_outlet", "an unknown outlet", delivery("x", "nobody", when, ("s1", 5))),
        rejected("unknown_sku", "an unknown SKU", delivery("z", "o1", when, ("nothing", 5))),
        rejected("malformed", "1 MB and a byte", ((1 << 20) + 1) * b"\x01"),
        rejected("malformed", "nearly as much as the broker takes", (BROKER_BYTES - 1_000) * b"\x01"),
    ]
    visits = [
        rejected("bad_value", "a count of 2^63-1", visit("x", "o1", when, {"sku_id": "s1", "count": huge})),
        rejected("late", "15 days ago", visit("x", "o1", at(-15), {"sku_id": "s1", "count": 4})),
        rejected("future", "a visit in an hour", {**seen, "event_time": in_an_hour}),
        rejected("malformed", "a visit of nothing", None),
    ]
    orders = [
        rejected("bad_value", "2^63-1 requested", order("x", "o1", when, ("s1", huge, 0))),
        rejected("negative_quantity", "-1 given", order("x", "o1", when, ("s1", 1, -1))),
        rejected("unknown_outlet", "an order of nobody", order("x", "nobody", when, ("s1", 1, 1))),
    ]
    references = [
        rejected("unknown_region", "an outlet nowhere", outlet("o8", -30, region="nowhere")),
        rejected("bad_value", "a county below a county", event("k3", at(-1), "region", {"region_id": "K3", "parent_id": "K1", "level": "COUNTY"})),
        rejected("bad_value", "a province below a county",
                 event("p3", at(-1), "region", {"region_id": "P3", "parent_id": "K1", "level": "PROVINCE"})),
        rejected("reference_conflict", "a county that moves",
                 event("x", at(-1), "region", {"region_id": "K1", "parent_id": "P1", "level": "COUNTY"})),
        rejected("reference_conflict", "a SKU of another brand",
                 event("y", at(-1), "sku", {"sku_id": "s1", "brand_id": "PLUM", "valid_from": day(-1), "guide_price_fen": 2000})),
        rejected("malformed", "reference of no bytes", b""),
        rejected("malformed", "a reference tombstone", None),
    ]
    commands = [
        rejected("malformed", "a command of no bytes", b""),
        rejected("malformed", "a bad command", b"\xff\xff"),
    ]
    return {"deliveries": deliveries, "visits": visits, "orders": orders, "reference": references, "commands": commands}


KEPT = 7 << 20  # of a very large record the beginning is quarantined
ZIPPED = rejected("malformed", "zipped", (12 << 20) * b"\x00")
NO_PRICE = visit("no price", "o4", at(-2), {"sku_id": "s1", "count": 3, "retail_price_fen": 0, "price_tag": "WRONG"},
                 {"sku_id": "s2", "count": 2, "retail_price_fen": 2000})


# ---- the tests -----------------------------------------------------------------------------------------------------------


def outlet_of(document):
    return next(document[kind]["outlet_id"] for kind in ("order", "delivery", "visit") if kind in document)


def by_topic(documents):
    topics = {"orders": [], "deliveries": [], "visits": []}
    for one in documents:
        topics["orders" if "order" in one else "deliveries" if "delivery" in one else "visits"].append(one)
    return {topic: chosen for topic, chosen in topics.items() if chosen}


class Faults(unittest.TestCase):
    """All tests check one market that has received all records."""

    @classmethod
    def setUpClass(cls):
        cls.first = cls("test_final_rows")  # lends its cleanups and assertions to what all tests share
        cls.addClassCleanup(cls.first.doCleanups)
        cls.market = Market(cls.first, shared_kafka(), partitions=(PARTITIONS, PARTITIONS, 2), run={"commit_every_ms": 100})
        cls.market.create_topics()
        cls.run_process = cls.market.run().is_working()
        cls.bad = []  # (topic, Sent)
        cls.good = []
        cls.sent = Counter()  # by topic
        cls.repeated = 0
        cls.reference = reference()
        cls.produce("reference", 0, [Sent(one["event_id"].encode(), as_bytes(one)) for one in cls.reference])

        for topic, documents in by_topic(usual("before", -5)).items():
            cls.good += documents
            cls.produce(topic, None, [Sent(outlet_of(one).encode(), as_bytes(one)) for one in documents])
        cls.produce_faults()
        cls.produce_marks(NOW + timedelta(minutes=30))
        cls.early = [cls.seen()]

        behind = [outlet("o7", -30), event("sku s7", at(-1), "sku", {"sku_id": "s7", "brand_id": "PLUM", "valid_from": day(-30)})]
        cls.reference += behind  # two deliveries are pending for these
        cls.produce("reference", 0, [Sent(b"behind", as_bytes(one)) for one in behind])
        for topic, documents in by_topic(usual("after", -1)).items():
            cls.good += documents
            cls.produce(topic, 0, [Sent(None, as_bytes(one)) for one in documents[::2]])
            cls.produce(topic, 1, [Sent(b"", as_bytes(one)) for one in documents[1::2]])
        cls.produce_marks(NOW + timedelta(hours=26))
        cls.early.append(cls.seen())

        cls.produce_marks(TODAY + timedelta(days=17))
        cls.last = cls.seen()
        process = pathlib.Path(f"/proc/{cls.run_process.child.pid}/status").read_text()
        cls.peak_mib = int(re.search(r"VmHWM:\s*(\d+) kB", process).group(1)) / 1024
        cls.log = cls.run_process.stop()
        rejections = map(json.loads, cls.market.ok("quarantine", "ls", "-o", "json").splitlines())
        cls.rejections = {(one["topic"], one["partition"], one["offset"]): one for one in rejections}
        cls.positions = {(topic, record.key, record.value): (topic, record.partition, record.offset)
                      for topic in TOPICS for record in reversed(cls.market.records(topic))}
        cls.expected = cls.replay()

    @classmethod
    def produce_faults(cls):
        """With good ones between them: under a wrong key, in the partition of that by another partitioner, and all of it twice."""
        between = by_topic(usual("between", -3) + [NO_PRICE, order("one", "o5", at(-3), ("s1", 9, 3))])
        for topic, documents in between.items():
            cls.good += documents
        pending = [delivery("pending", "o7", at(-2), ("s1", 5)), delivery("pending too", "o1", at(-2), ("s7", 5))]
        cls.good += pending
        between["deliveries"] += pending
        odd, good = looks_wrong()
        cls.good += good
        for topic, bad in faults().items():
            queues = defaultdict(list)
            for number, one in enumerate(bad):
                queues[number % TOPICS[topic]].append(one)
            for number, one in enumerate(between.get(topic, ())):
                key = OUTLETS[(number + 1) % len(OUTLETS)].encode()
                queue = queues[zlib.crc32(key) % PARTITIONS]
                queue.insert(len(queue) * number // len(between[topic]), Sent(key, as_bytes(one)))
            if topic == "deliveries":
                queues[1] += odd
            for partition, queue in queues.items():
                cls.bad += [(topic, one) for one in queue if one.reason]
                cls.produce(topic, partition, queue)
        for topic, documents in between.items():
            again = [Sent(b"again", as_bytes(one)) for one in documents if one not in pending]
            cls.produce(topic, 0, again)
            cls.repeated += len(again)
        cls.refused = cls.kcat("deliveries", 0, [rejected("malformed", "more than the broker takes", BROKER_BYTES * b"\x01")])
        cls.produce("orders", 0, [ZIPPED], "-z", "gzip")  # the broker measures what is compressed
        cls.bad.append(("orders", ZIPPED))

    @classmethod
    def produce(cls, topic, partition, records, *options):
        """As they are, in order; partition None: that of the key, as the Java client has it."""
        for nothing in (False, True):  # kcat makes all empty values of one call tombstones or none
            chosen = [one for one in records if (one.value is None) == nothing]
            if chosen:
                done = cls.kcat(topic, partition, chosen, *options, *(["-Z"] if nothing else []))
                cls.first.assertEqual(done.returncode, 0, done.stderr)
                cls.sent[topic] += len(chosen)

    @classmethod
    def kcat(cls, topic, partition, records, *options):
        text = b"".join((b"" if one.key is None else one.key + KEY_END) + (one.value or b"") + RECORD_END for one in records)
        where = ["-X", "partitioner=murmur2_random"] if partition is None else ["-p", str(partition)]
        return subprocess.run(["kcat", "-P", "-b", cls.market.address, "-t", cls.market.prefix + topic, *where, "-K", KEY_END,
                               "-D", RECORD_END, "-X", "message.max.bytes=20000000", *options],
                              input=text, capture_output=True, timeout=DONE_WITHIN)

    @classmethod
    def produce_marks(cls, instant):
        """Sends marks that complete all partitions through this instant, and waits until all tasks have processed them."""
        cls.market.ends = instant.isoformat(timespec="milliseconds")
        marks = [Sent(None, as_bytes({"mark": {"complete_through": cls.market.ends}}))]
        for topic, partitions in TOPICS.items():
            for partition in range(partitions):
                cls.first.assertEqual(cls.kcat(topic, partition, marks).returncode, 0)
        cls.market.await_up_to_date()

    @classmethod
    def seen(cls):
        """FINAL rows, tasks, and how many of each reason."""
        reasons = map(json.loads, cls.market.ok("quarantine", "ls", "--summary", "-o", "json").splitlines())
        return cls.market.final(), cls.market.status(), Counter({one["reason"]: one["records"] for one in reasons})

    @classmethod
    def replay(cls):
        """FINAL rows of the good events alone, in files."""
        folder, out = cls.market.folder / "good", cls.market.folder / "good-replayed"
        folder.mkdir()
        for name, events in (("reference", cls.reference), ("events", cls.good)):
            arrived = [{**one, "arrival_time": NOW.isoformat(timespec="milliseconds")} for one in events]
            (folder / f"{name}.jsonl").write_bytes(b"\n".join(map(as_bytes, arrived)))
        cls.market.ok("replay", "--in", folder, "--out", out)
        return (out / "metrics.jsonl").read_bytes()

    # ---- what came of it ----

    def test_final_rows(self):
        """Those of the good events, whatever their keys and partitions; and once more from the ledger."""
        self.assertGreater(self.expected.count(b"\n"), 100)
        same_lines(self, self.market.final(self.expected), self.expected)
        self.market.test = self
        self.assertEqual(self.market.assert_written_once(), 0)
        out = self.market.folder / "from-kafka"
        self.market.ok("replay", "--kafka", "--out", out)
        found = (out / "metrics.jsonl").read_bytes()
        same_lines(self, found[:len(self.expected)], self.expected)

    def position_of(self, topic, one):
        return self.positions[topic, one.key or b"", one.value or b""]

    def test_all_is_quarantined(self):
        """The quarantine has the invalid records, with reason and position, and no others."""
        for topic, one in self.bad:
            with self.subTest(one.key, topic=topic):
                row = self.rejections.get(self.position_of(topic, one))
                self.assertIsNotNone(row)
                self.assertEqual((row["reason"], row["sku_id"]), (one.reason, None))
                self.assertTrue(row["detail"])
                if one.reason not in BY_OUTLET:
                    self.assertEqual(row["bytes"], min(len(one.value or b""), KEPT))
        position = self.position_of("visits", Sent(self.key_of(NO_PRICE), as_bytes(NO_PRICE)))
        self.assertEqual((self.rejections[position]["reason"], self.rejections[position]["sku_id"]), ("price_out_of_range", "s1"))
        self.assertEqual(len(self.rejections), len(self.bad) + 1)
        self.assertEqual(len(self.market.records("quarantine")), len(self.bad) + 1, "each once")

    def key_of(self, document):
        """Under which it was sent first."""
        return next(key for topic, key, value in self.positions if value == as_bytes(document) and key != b"again")

    def test_what_is_shown_of_one(self):
        chosen = [(topic, one) for topic, one in self.bad if not one.key or one.key in (
            b"random bytes", b"no bytes", b"a tombstone", b"no UTF-8", b"1 MB and a byte", b"an outlet nowhere", b"another payload",
            b"the year 9999")]
        self.assertEqual(len(chosen), 10)
        for topic, one in chosen:
            with self.subTest(one.key):
                position = self.position_of(topic, one)
                row = json.loads(self.market.ok("quarantine", "show", self.rejections[position]["cause"], "-o", "json"))
                self.assertEqual((row["topic"], row["partition"], row["offset"], row["reason"]), (*position, one.reason))
                if one.reason in BY_OUTLET:
                    self.assertEqual(row["event"]["event_id"], json.loads(one.value)["event_id"])
                    continue
                self.assertEqual(row["key"].encode(), one.key or b"")
                self.assertEqual(bytes.fromhex(row["value_hex"]) if "value_hex" in row else row["value"].encode(), one.value or b"")

    def test_the_clock_does_not_run_ahead(self):
        """An event of the year 9999 does not move the watermark: no day is FINAL before the marks complete it."""
        for rows, tasks, _ in self.early:
            self.assertEqual(rows, b"")
            self.assertLess(max(task["watermark"] for task in tasks), at(2))
        last = max(json.loads(line)["as_of"] for line in self.last[0].splitlines())
        self.assertEqual(last, day(1), "15 days before the last mark")

    def test_what_is_unknown_waits_a_day(self):
        unknown = {"unknown_outlet": 2, "unknown_sku": 2, "unknown_region": 1}
        (_, _, before), (_, _, behind) = self.early
        self.assertEqual({reason: before[reason] for reason in unknown}, dict.fromkeys(unknown, 0))
        self.assertEqual({reason: behind[reason] for reason in unknown}, unknown)

    def test_all_is_counted(self):
        """In the row of data quality: received is the sum of what became of it."""
        rows = map(json.loads, self.last[0].splitlines())
        measures = next(row["measures"] for row in rows if (row["as_of"], row["brand_id"], row["region_id"], row["class_dimension"],
                                                            row["window_days"]) == (day(1), "", "", "", 7))
        documents = {topic: number for topic, number in self.sent.items() if topic in ("orders", "deliveries", "visits")}
        reasons = Counter(one.reason for topic, one in self.bad if topic in documents)
        found = {name: number for name, number in measures.items() if name.startswith("quarantined_") and number}
        self.assertEqual(found, {f"quarantined_{reason}": number for reason, number in reasons.items()})
        self.assertEqual(measures["received"], sum(documents.values()))
        self.assertEqual(measures["duplicates"], DUPLICATES + self.repeated)
        self.assertEqual(measures["superseded"], SUPERSEDED)
        self.assertEqual(measures["parked"], 0)
        self.assertEqual(measures["accepted"], measures["received"] - measures["duplicates"] - measures["superseded"] - sum(reasons.values()))

    def test_no_quotient_without_a_denominator(self):
        rows, without = [json.loads(line) for line in self.last[0].splitlines()], 0
        for row in rows:
            for rate in row.get("rates", {}).values():
                if rate["denominator"] <= 0:
                    self.assertIn(rate["status"], ("NO_DENOMINATOR", "INFINITE"))
                    self.assertNotIn("value", rate)
                    without += 1
        self.assertGreater(without, 100)
        for text in (self.last[0], self.market.ok("rates", "--final", "-o", "csv")):
            self.assertNotRegex(text.decode(), r"(?i)\b[-+]?(nan|inf)\b")

    def test_strange_names(self):
        """Are data like any other."""
        rows = [json.loads(line) for line in self.last[0].splitlines()]
        self.assertIn(STRANGE_CLASS, {row["class_value"] for row in rows})
        owl = [row["measures"]["delivered_units"] for row in rows
               if (row["brand_id"], row["region_id"], row["class_dimension"], row["window_days"]) == ("OWL\u202e", "", "", 91)]
        self.assertEqual(owl[-1], 7 * 3 * 2)

    def test_nothing_stops_or_grows(self):
        self.assertNotEqual(self.refused.returncode, 0)
        self.assertIn(b"size too large", self.refused.stderr)
        self.assertNotRegex(self.log, " (warn|error) ")
        for task in self.last[1]:
            self.assertLessEqual(task["lag_records"], 1, "only a progress record may be unread")
            self.assertEqual((task["sequence_gaps"], task["repetitions"]), (0, 0), task)
        self.assertLess(self.peak_mib, PEAK_MIB)
        self.assertLess(sum(path.stat().st_size for path in self.market.state.rglob("*") if path.is_file()), 8 << 20)


if __name__ == "__main__":
    unittest.main(verbosity=2)
