#!/usr/bin/env python3
"""Writes a small, seeded, nasty history: reference.jsonl and events.jsonl.

Small enough that the oracle takes about a second, nasty enough that every sentence of the
definitions decides something in some seed.  What the definitions leave open is not generated,
so that a difference between two programs is a difference worth looking at.

    generate.py --seed N --out DIR [--profile trade|shelf|market] [--outlets 8] [--days 60] [--rate 0.5] [--sorted] [--stats]
    generate.py --seed N --seeds COUNT --stats     (many seeds, nothing kept, only the coverage)

The profile trade (this file) has all kinds of trouble around deliveries; the profile shelf
(generate_shelf.py) has few outlets with dense counts, for the book and the alerts; the profile market
(generate_market.py) has prices, years, and a county of many shops, for the measures and the regional rules.

DIR/days.txt names some days, separated by commas, for oracle.py and compare.py --days: all days of a long history
are too many to compare.
"""

import argparse
import json
import pathlib
import random
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, timezone

MS_OF_DAY = 86_400_000
QUANTITY_MAX = 1_000_000_000
SHANGHAI_MS = 8 * 3_600_000
START = date(2026, 1, 20)
LATENESS = {"order": 7 * MS_OF_DAY, "delivery": 7 * MS_OF_DAY, "visit": 14 * MS_OF_DAY}
DOCUMENT_ID = {"order": "order_id", "delivery": "delivery_id", "visit": "visit_id"}

# Ids whose order as UTF-8 differs from other orders (Ａ and 🏮 swap in UTF-16), or that need escapes.
OUTLET_IDS = ["o-1", "门店 2", 'o"3"', "o\\4", "🏪5", "O-1", "ö 7/", " o8 ", "o-10", "o-9", "Ａ11", "null", "0", "o\t14"]
DIMENSIONS = {"渠道": ["便利店", "super market", "🏮", "Ａ"], "size": ["A", "B", 'c"'], "z\\": ["only"]}
BRANDS = ["b-1", "金叶", "🏮b", "Ａb"]
STATES = ["ACTIVE"] * 6 + ["SUSPENDED", "CLOSED"]
KINDS = ["delivery"] * 5 + ["order", "visit", "visit"]
OFFSETS = [480] * 5 + [0, 0, -330, 840, -720, 345]
INTERESTING_MS = [0, 1, 999, MS_OF_DAY - 1, MS_OF_DAY - 1000, SHANGHAI_MS, SHANGHAI_MS - 1]


@dataclass(frozen=True)
class Doc:
    """An order, delivery or visit; times in milliseconds since 1970 UTC."""

    kind: str
    outlet: str
    id: str
    event_id: str
    time: int
    arrival: int = None  # None: arrival_time is left out
    revision: int = None  # None: left out, which means 1
    cancelled: bool = None
    body: dict = None  # None: ids only

    def received(self):
        return self.time if self.arrival is None else self.arrival


def later(doc, delay):
    return replace(doc, arrival=doc.received() + delay)


def next_revision(doc):
    return (doc.revision or 1) + 1


class History:
    def __init__(self, seed, outlets, days, rate):
        self.random = random.Random(seed)
        self.rate = rate
        self.lines = []  # (arrival or 0, is_reference, raw bytes)
        self.counter = 0
        self.first_day = (START - date(1970, 1, 1)).days
        self.idle_days = self.random.choice([0, 0, 0, 57, 92, 180, 197])
        self.live_days = self.days_in_two_halves(days)
        self.outlets = self.outlet_ids(outlets)
        self.regions = []
        self.leaves = []
        self.skus = []
        self.guides = {}  # of a SKU the guide prices of its versions
        self.base = []

    # --- small helpers ---

    def days_in_two_halves(self, days):
        """Half of the days, then idle days without an event, then the other half."""
        first = range(self.first_day, self.first_day + days // 2)
        second = range(self.first_day + days // 2 + self.idle_days, self.first_day + days + self.idle_days)
        return list(first) + list(second)

    @staticmethod
    def outlet_ids(count):
        return (OUTLET_IDS + [f"o{i}" for i in range(100, 100 + count)])[:count]

    def chance(self, probability):
        return self.random.random() < probability

    def pick(self, values):
        return self.random.choice(values)

    def fresh(self, prefix):
        self.counter += 1
        return prefix + self.pick(["-", " ", "é", "号", "\U0001f6ac", '"', ":"]) + str(self.counter)

    def moment(self, day):
        """A time on a day of the market, often at or next to midnight."""
        within = self.pick(INTERESTING_MS) if self.chance(0.3) else self.random.randrange(MS_OF_DAY)
        return day * MS_OF_DAY - SHANGHAI_MS + within

    def time_text(self, ms):
        """The same instant in any offset, with more digits than count or none where none are needed."""
        offset = self.pick(OFFSETS)
        local = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(milliseconds=ms, minutes=offset)
        digits = f"{ms % 1000:03d}"
        if ms % 1000 == 0 and self.chance(0.5):
            fraction = ""
        elif ms % 100 == 0 and self.chance(0.5):
            fraction = "." + digits[0]
        else:
            fraction = "." + digits + self.pick(["", "", "9", "999999", "000"])
        zone = "Z" if offset == 0 and self.chance(0.7) else f"{'-' if offset < 0 else '+'}{abs(offset) // 60:02d}:{abs(offset) % 60:02d}"
        return local.strftime("%Y-%m-%dT%H:%M:%S") + fraction + zone

    @staticmethod
    def day_text(day):
        return (date(1970, 1, 1) + timedelta(days=day)).isoformat()

    # --- writing JSON, the ugly way ---

    def text(self, value):
        if isinstance(value, dict):
            return self.object_text(value)
        if isinstance(value, list):
            return "[" + ",".join(self.text(item) for item in value) + "]"
        return json.dumps(value, ensure_ascii=self.chance(0.2))

    def object_text(self, value):
        """Keys in any order; of a repeated key the last counts, so rubbish goes first."""
        members = [(key, self.text(inner)) for key, inner in value.items()]
        if self.chance(0.3):
            self.random.shuffle(members)
        if members and self.chance(0.04):
            members.insert(0, (self.pick(members)[0], self.pick(['7', '"x"', '[]', '{"sku_id":5}', 'null', '-1'])))
        if self.chance(0.06):
            unknown = self.pick([("unknown", '{"a":[1.5e3,-7]}'), ("中", '"x"'), ("Revision", "0"), ("x", "[[[]]]")])
            members.insert(self.random.randrange(len(members) + 1), unknown)
        space = self.pick(["", "", "", " ", "\t"])
        return "{" + ",".join(f"{space}{json.dumps(key)}{space}:{space}{inner}" for key, inner in members) + "}"

    def nulls(self, value, optional):
        """null = absent, and so is an empty string."""
        for name in optional:
            if name not in value and self.chance(0.05):
                value[name] = self.pick([None, None, ""])
        return value

    def add(self, source, arrival, is_reference):
        self.add_raw(self.text(source).encode("utf-8"), arrival, is_reference)

    def add_raw(self, raw, arrival=0, is_reference=False):
        self.lines.append((arrival, is_reference, raw))

    # --- reference data ---

    def reference(self, kind, payload, time=None, event_id=None, revision=None, cancelled=None, arrival=None):
        time = self.moment(self.first_day - self.random.randrange(4)) if time is None else time
        source = {"event_id": event_id or self.fresh("r"), "event_time": self.time_text(time)}
        if arrival is not None:
            source["arrival_time"] = self.time_text(arrival)
        if revision is not None:
            source["revision"] = revision
        if cancelled is not None:
            source["cancelled"] = cancelled
        self.nulls(source, ["source", "arrival_time", "revision", "cancelled"])
        source[kind] = payload
        self.add(source, time if arrival is None else arrival, True)
        return source["event_id"], time

    def add_region(self, region, parent, level):
        payload = {"region_id": region, "level": level}
        if parent:
            payload["parent_id"] = parent
        self.regions.append(region)
        # Any order of arrival: a child often comes before its parent.
        return self.reference("region", payload) + (payload,)

    def add_regions(self):
        """CN > two provinces > cities > counties, an island of its own, a city with outlets of its own."""
        self.add_region("CN", None, "COUNTRY")
        for province in ("p-广西", "p2"):
            self.add_region(province, "CN", "PROVINCE")
        cities = [("c-桂林 市", "p-广西"), ("🏮c2", "p-广西"), ("c3\"", "p2"), ("Ａc4", "p2")]
        for city, province in cities:
            self.add_region(city, province, "CITY")
        counties = []
        for number in range(6):
            county = f"{self.pick(['k', '县'])}{number}"
            counties.append((county, self.add_region(county, cities[number % 3][0], "COUNTY")))
        self.add_region("island", None, "COUNTY")
        # The last county and the last city but one have no outlets; Ａc4 has no counties.
        self.leaves = [county for county, _ in counties[:5]] + ["island", "Ａc4"]
        self.spoil_regions(counties)

    def spoil_regions(self, counties):
        county, (event_id, time, payload) = self.pick(counties)
        other, (_, _, other_payload) = counties[0]
        self.reference("region", dict(payload, name="new name"), revision=2)
        self.reference("region", dict(payload, name="old"), revision=3)
        if self.chance(0.5):  # level and parent never change
            wrong = dict(other_payload, **self.pick([{"level": "CITY"}, {"parent_id": "p2"}, {"level": "COUNTRY"}]))
            self.reference("region", wrong, revision=8, time=self.moment(self.first_day + 2))
        if self.chance(0.3):
            self.reference("region", {"region_id": "lost", "parent_id": "nowhere", "level": "CITY"})
            self.reference("region", {"region_id": "lost child", "parent_id": "lost", "level": "COUNTY"})
        if self.chance(0.2):
            self.reference("region", {"region_id": "round", "parent_id": "about", "level": "CITY"})
            self.reference("region", {"region_id": "about", "parent_id": "round", "level": "CITY"})
        if self.chance(0.3):  # a parent is of a higher level; one of them may be known by a cancellation only
            self.reference("region", {"region_id": "equal", "parent_id": "island", "level": "COUNTY"})
            self.reference("region", {"region_id": "upside", "parent_id": "island", "level": "PROVINCE"})
            self.reference("region", {"region_id": "below equal", "parent_id": "equal", "level": "COUNTY"})
            self.reference("region", {"region_id": "middle", "level": "COUNTY"}, cancelled=True)
            self.reference("region", {"region_id": "below middle", "parent_id": "middle", "level": "COUNTY"})
            self.reference("region", {"region_id": "middle", "level": self.pick(["CITY", "COUNTY"])}, revision=2)
        if self.chance(0.4):  # cancelled after it was known: known still, but no county
            cancelled = self.pick([county, counties[5][0]])
            self.reference("region", {"region_id": cancelled}, revision=5, cancelled=True, time=self.moment(self.first_day + 1))
            if self.chance(0.4):
                back = dict(counties)[cancelled][2]
                self.reference("region", back, revision=6, time=self.moment(self.first_day + 2))
        if self.chance(0.4):
            self.reference("region", payload, time=time, event_id=event_id, arrival=time + 5 * MS_OF_DAY)
        if self.chance(0.4):
            self.reference("region", payload, time=time, arrival=time + 5 * MS_OF_DAY)
        if self.chance(0.3):
            self.reference("region", dict(payload, name="other"), time=time, event_id=event_id, arrival=time + 5 * MS_OF_DAY)
        if self.chance(0.3):
            self.reference("region", dict(payload, name="other"), time=time + 1, arrival=time + 5 * MS_OF_DAY)

    def add_skus(self):
        """Brands with two SKUs, with one, and one that never sells anything."""
        for number, brand in enumerate([BRANDS[0], BRANDS[0], BRANDS[1], BRANDS[2]]):
            sku = f"s{number}{self.pick(['', ' ', '烟', '🚬'])}"
            self.skus.append(sku)
            self.add_sku(sku, brand)
        self.add_sku("never sold", BRANDS[3])

    def add_sku(self, sku, brand):
        begin = self.first_day + self.pick([-40, -1, 0, 10])
        payload = {"sku_id": sku, "brand_id": brand, "valid_from": self.day_text(begin), "guide_price_fen": 2200}
        self.guides[sku] = [2200]
        event_id, time = self.reference("sku", dict(payload), arrival=self.moment(self.first_day))
        after = time + 6 * MS_OF_DAY
        if self.chance(0.4):
            self.reference("sku", dict(payload, guide_price_fen=2300, name="", brand_group="g"), revision=3, time=after)
            self.reference("sku", dict(payload, guide_price_fen=2400), revision=2, time=after + 1)
        if self.chance(0.3):
            self.reference("sku", dict(payload, valid_from=self.day_text(begin + 20), wholesale_price_fen=0), time=after)
        if self.chance(0.6):
            self.add_guide_price(payload, begin + self.pick([1, 25, 60]), self.pick([None, 0, 33, 5000]))
        if self.chance(0.3):  # another version of another brand: the brand of a SKU never changes
            self.reference("sku", dict(payload, valid_from=self.day_text(begin + 21), brand_id=BRANDS[1] + "x"), time=after)
        if self.chance(0.25):  # its only version is cancelled; the brand stays
            self.reference("sku", {"sku_id": sku, "valid_from": payload["valid_from"]}, revision=9, cancelled=True, time=after)
        if self.chance(0.2):
            self.reference("sku", dict(payload), time=time, event_id=event_id, arrival=after)
        if self.chance(0.2):
            self.reference("sku", dict(payload, guide_price_fen=1), time=after, arrival=after)
        if self.chance(0.2):  # event_id is unique among all reference events, whatever their kind
            self.reference("calendar", {"day": self.day_text(begin), "kind": "HOLIDAY"}, event_id=event_id, time=after)

    def add_guide_price(self, payload, valid_from, guide):
        """Another version of a SKU; None: without a guide price."""
        changed = dict(payload, valid_from=self.day_text(valid_from), guide_price_fen=guide)
        if guide is None and self.chance(0.5):
            del changed["guide_price_fen"]
        self.guides.setdefault(payload["sku_id"], []).append(guide)
        return self.reference("sku", changed)

    def classes(self):
        """Any dimension may be missing."""
        return [{"dimension": name, "value": self.pick(values)} for name, values in DIMENSIONS.items() if self.chance(0.7)]

    def add_outlets(self):
        for outlet in self.outlets:
            begin = self.first_day + self.pick([-400, -30, -1, 0, 1, 15])
            for number in range(self.pick([1, 1, 2, 3, 5])):
                self.add_version(outlet, begin, "ACTIVE" if number == 0 and self.chance(0.8) else self.pick(STATES))
                span = len(self.live_days) + self.idle_days
                begin = max(begin + 1, self.first_day + self.random.randrange(span))
        self.add_phantom("phantom")

    def add_phantom(self, outlet):
        """An outlet whose only version is cancelled is known but counts nowhere."""
        payload = {"outlet_id": outlet, "valid_from": self.day_text(self.first_day - 5)}
        if self.chance(0.5):
            self.reference("outlet", dict(payload, region_id="CN", state="ACTIVE"), time=self.moment(self.first_day - 4))
        self.reference("outlet", payload, revision=2, cancelled=True)

    def version(self, outlet, valid_from, state):
        payload = {"outlet_id": outlet, "valid_from": self.day_text(valid_from), "region_id": self.pick(self.leaves),
                   "state": state, "classes": self.classes()}
        if not payload["classes"] and self.chance(0.5):
            del payload["classes"]
        return self.nulls(payload, ["name"])

    def add_version(self, outlet, valid_from, state):
        payload = self.version(outlet, valid_from, state)
        event_id, time = self.reference("outlet", payload)
        after = time + self.pick([1, MS_OF_DAY, 40 * MS_OF_DAY])
        ids = {"outlet_id": outlet, "valid_from": payload["valid_from"]}
        change = self.random.random()
        if change < 0.15:  # revisions, the lower one may come later
            self.reference("outlet", self.version(outlet, valid_from, self.pick(STATES)), revision=3, time=after)
            self.reference("outlet", self.version(outlet, valid_from, self.pick(STATES)), revision=2, time=time + 2)
        elif change < 0.25:
            self.reference("outlet", ids, revision=2, cancelled=True, time=after)
        elif change < 0.32:  # cancelled and brought back
            self.reference("outlet", ids, revision=2, cancelled=True, time=after)
            self.reference("outlet", self.version(outlet, valid_from, self.pick(STATES)), revision=4, time=after + 9)
        elif change < 0.36:  # the cancellation is the lower revision
            self.reference("outlet", self.version(outlet, valid_from, self.pick(STATES)), revision=3, time=after)
            self.reference("outlet", ids, revision=2, cancelled=True, time=after + 1)
        elif change < 0.42:
            self.reference("outlet", payload, time=time, event_id=self.pick([event_id, None]), arrival=after)
        elif change < 0.47:
            self.reference("outlet", self.version(outlet, valid_from, state), time=after, event_id=event_id)
        elif change < 0.52:
            self.reference("outlet", dict(payload, name="copy"), time=after)
        elif change < 0.56:
            self.reference("outlet", dict(payload, region_id="atlantis"), revision=2, time=after)
        elif change < 0.60:
            twice = [{"dimension": "size", "value": "A"}, {"dimension": "size", "value": "B"}]
            self.reference("outlet", dict(payload, classes=twice), revision=2, time=after)

    def add_other_reference(self):
        day = self.day_text(self.first_day)
        scope = {"brand_id": BRANDS[0], "class_value": ""}
        self.reference("policy", {"policy_id": "p", "valid_from": day, "rules": []})
        self.reference("policy", {"policy_id": "q", "valid_from": day, "rules": [
            {"rule": "R1", "scope": scope, "set": [{"name": "for", "value": 2}]}, {"rule": "R2", "scope": {}}]})
        self.reference("policy", {"policy_id": "q", "valid_from": day, "rules": [{"rule": "R1"}]}, revision=2)
        target = {"target_id": "t", "valid_from": day, "rate": "coverage", "scope": scope, "value_bp": 8000}
        self.reference("target", target)
        self.reference("target", dict(target, value_bp=-1), revision=2)
        self.reference("plan", {"plan_id": "v", "valid_from": day, "class_dimension": "size", "class_value": "A",
                                "visits_per_month": self.pick([0, 4, "4", None])})
        allocation = {"sku_id": self.pick(self.skus), "region_id": "CN", "valid_from": day, "valid_to": day,
                      "quantity": 10, "rationed": self.pick([True, False])}
        self.reference("allocation", dict(allocation))
        self.reference("allocation", dict(allocation, **self.pick([
            {"sku_id": "no such sku"}, {"region_id": "atlantis"}, {"quantity": 11}, {"rationed": 1},
            {"valid_to": "2026-02-30"}])))
        self.reference("calendar", {"day": day, "kind": self.pick(["HOLIDAY", "PARTY"])})
        self.add_commands_and_marks()

    def add_commands_and_marks(self):
        time = self.moment(self.first_day + 1)
        common = {"event_id": "m", "event_time": self.time_text(time)}
        silence = {"silence_id": "x", "matchers": [{"field": "rule", "value": "R1"}],
                   "starts_at": self.time_text(time), "ends_at": self.time_text(time + 1)}
        self.add(dict(common, mark={"complete_through": self.time_text(time)}), time, True)
        self.add(dict(common, command={"command_id": "k", "author": "a", "verb": "ACK", "alert_id": "0"}), time, True)
        self.add(dict(common, command={"command_id": "l", "author": "a", "verb": "SILENCE", "silence": silence}), time, True)
        if self.chance(0.3):
            self.add(dict(common, mark={"complete_through": "yesterday"}), time, True)
            self.add(dict(common, command={"command_id": "k", "verb": "ACK"}), time, True)

    # --- documents ---

    def quantity(self):
        return self.pick([0, 0, 1, 1, 2, 3, 5, 10, 40])

    def some_skus(self):
        return self.random.sample(self.skus, self.pick([0, 1, 1, 2, len(self.skus)]))

    def body(self, kind):
        if kind == "order":
            lines = [{"sku_id": sku, "requested": self.quantity(), "confirmed": self.quantity()} for sku in self.some_skus()]
            for line in lines:
                if self.chance(0.2):
                    line["declared_stock"] = self.quantity()
            return self.nulls({"lines": [self.nulls(line, ["declared_stock"]) for line in lines]}, ["promised_date"])
        if kind == "delivery":
            # Enough returns that nets become 0 and negative.
            direction = self.pick(["OUT", "OUT", "OUT", "RETURN"])
            lines = [{"sku_id": sku, "quantity": self.quantity()} for sku in self.some_skus()]
            return self.nulls({"direction": direction, "lines": lines}, ["order_id"])
        checks = [self.check(sku) for sku in self.some_skus()]
        return {"visitor_id": "访 1", "outcome": self.pick(["DONE", "DONE", "CLOSED", "REFUSED"]), "checks": checks}

    def check(self, sku):
        """Whatever a visitor may write down, and may leave out."""
        check = {"sku_id": sku}
        if self.chance(0.6):
            check["count"] = self.pick([0, 0, 1, 5, 10])
        if self.chance(0.35):
            check["on_shelf"] = self.chance(0.6)
        if self.chance(0.35):
            check["facings"] = self.pick([0, 0, 1, 4])
        if self.chance(0.6):
            check["retail_price_fen"] = self.price(sku)
        if self.chance(0.5):
            check["price_tag"] = self.pick(["OK", "OK", "WRONG", "MISSING"])
        return self.nulls(check, ["count", "on_shelf", "facings", "retail_price_fen", "price_tag"])

    def price(self, sku):
        """In the range of a guide price of the SKU, at and next to its bounds, or nothing like it."""
        guide = self.pick(self.guides.get(sku, [None]))
        if not guide:
            return self.pick([0, 1, 10, 2200, 2200, QUANTITY_MAX])
        low, high = -(-3 * guide // 10), min(3 * guide, QUANTITY_MAX - 1)
        within = self.random.randrange(low, high + 1)
        return self.pick([0, low - 1, low, high, high + 1, guide, guide, within, within, within])

    def new_doc(self, day, kind=None, outlet=None):
        kind = kind or self.pick(KINDS)
        time = self.moment(day)
        arrival = self.pick([None, None, time, time + 1, time + self.random.randrange(3 * MS_OF_DAY), time - 60_000])
        return Doc(kind, outlet or self.pick(self.outlets), self.fresh("d"), self.fresh("e"), time, arrival, body=self.body(kind))

    def source_of(self, doc):
        source = {"event_id": doc.event_id, "event_time": self.time_text(doc.time)}
        if doc.arrival is not None:
            source["arrival_time"] = self.time_text(doc.arrival)
        if doc.revision is not None:
            source["revision"] = doc.revision
        if doc.cancelled is not None:
            source["cancelled"] = doc.cancelled
        if self.chance(0.2):
            source["source"] = self.pick(["erp", "pda", ""])
        self.nulls(source, ["arrival_time", "revision", "cancelled", "source"])
        source[doc.kind] = dict({DOCUMENT_ID[doc.kind]: doc.id, "outlet_id": doc.outlet}, **(doc.body or {}))
        if self.chance(0.03):
            other = self.pick([name for name in ("order", "delivery", "visit", "sku", "mark") if name != doc.kind])
            source[other] = None
        return source

    def send(self, doc):
        self.add(self.source_of(doc), doc.received(), False)

    def changed(self, doc, **changes):
        """A revision of the document with another event_id and other content."""
        changes = dict(dict(event_id=self.fresh("e"), body=self.body(doc.kind), revision=next_revision(doc)), **changes)
        return replace(doc, **changes)

    def soon(self):
        return self.pick([0, 1, 3_600_000, MS_OF_DAY])

    # Each situation starts from a document that has been sent.

    def revised(self, doc):
        self.send(later(self.changed(doc), self.soon()))

    def revised_twice_out_of_order(self, doc):
        third = later(self.changed(doc, revision=3), 10)
        self.send(third)
        second = later(self.changed(doc, revision=2), 20)
        self.send(second)
        again = self.pick([second, self.changed(second, revision=2, body=second.body)])  # a superseded one occupies its ids
        self.send(later(again, 5))
        if self.chance(0.5):
            self.send(later(self.changed(second, revision=2), 9))

    def moved_to_another_day(self, doc):
        shift = self.pick([-3, -1, 1, 3]) * MS_OF_DAY
        moved = self.changed(doc, time=doc.time + shift, arrival=max(doc.received(), doc.time + shift))
        self.send(later(moved, self.soon()))

    def moved_to_another_outlet(self, doc):
        """No move at all: the same id at another outlet is another document."""
        self.send(later(self.changed(doc, outlet=self.pick(self.outlets)), self.soon()))

    def turned_around(self, doc):
        if doc.kind == "delivery":
            direction = "RETURN" if doc.body["direction"] == "OUT" else "OUT"
            self.send(later(self.changed(doc, body=dict(doc.body, direction=direction)), self.soon()))

    def cancelled(self, doc):
        """With the ids only, or (as another revision) with everything."""
        ids_only = self.changed(doc, cancelled=True, body=None)
        whole = self.changed(doc, cancelled=True, body=doc.body, revision=4)
        self.send(later(self.pick([ids_only, ids_only, whole]), self.soon()))

    def cancelled_and_revived(self, doc):
        cancelled = later(self.changed(doc, cancelled=True, body=None), self.soon())
        self.send(cancelled)
        self.send(later(self.changed(cancelled, cancelled=self.pick([None, False]), body=self.body(doc.kind)), self.soon()))

    def cancelled_first(self, doc):
        cancelled = replace(doc, id=self.fresh("d"), event_id=self.fresh("e"), cancelled=True, revision=2, body=None)
        self.send(cancelled)
        self.send(later(replace(cancelled, event_id=self.fresh("e"), cancelled=None, revision=1, body=doc.body), 7))

    def repeated(self, doc):
        for event_id in self.pick([[doc.event_id], [self.fresh("e")], [doc.event_id, self.fresh("e")]]):
            self.send(later(replace(doc, event_id=event_id, revision=self.pick([None, 1])), self.soon()))

    def repeated_then_reused(self, doc):
        """A duplicate does not occupy its event_id, so another document may have it."""
        event_id = self.fresh("e")
        self.send(later(replace(doc, event_id=event_id), 1))
        self.send(later(self.changed(doc, id=self.fresh("d"), event_id=event_id, revision=1), 2))

    def same_event_id_other_content(self, doc):
        change = self.pick([{"revision": 2}, {"id": self.fresh("d")}, {"time": doc.time - 1}, {"cancelled": True}])
        self.send(later(replace(doc, arrival=doc.received(), event_id=doc.event_id, **change), 2))

    def same_event_id_elsewhere(self, doc):
        """event_id is unique per outlet and kind only."""
        other = self.pick([o for o in self.outlets if o != doc.outlet] or self.outlets)
        self.send(replace(doc, outlet=other, event_id=doc.event_id))
        kind = self.pick([k for k in DOCUMENT_ID if k != doc.kind])
        self.send(replace(doc, kind=kind, body=self.body(kind)))

    def same_revision_other_content(self, doc):
        changed = self.pick([{"time": doc.time + 1}, {"cancelled": True}, {"body": self.body(doc.kind)}])
        self.send(later(self.changed(doc, revision=doc.revision, **changed), 3))

    def lines_in_another_order(self, doc):
        name = "checks" if doc.kind == "visit" else "lines"
        self.send(later(self.changed(doc, revision=1, body=dict(doc.body, **{name: doc.body[name][::-1]})), 3))

    def just_in_time_or_late(self, doc):
        for excess in (0, 1):
            age = LATENESS[doc.kind] + excess
            fresh = self.new_doc(doc.time // MS_OF_DAY, doc.kind, doc.outlet)
            self.send(replace(fresh, arrival=fresh.time + age))
            if excess and self.chance(0.5):  # sent again it is late again, not a duplicate
                self.send(replace(fresh, arrival=fresh.time + age + 1))

    def late_by_the_replaced_version(self, doc):
        """In time by its own event_time, but the version it replaces is too old (or just not)."""
        for excess in self.pick([(0,), (1,), (1, 2), (0, 5)]):
            arrival = doc.time + LATENESS[doc.kind] + excess
            if arrival >= doc.received():
                self.send(self.changed(doc, time=arrival - MS_OF_DAY, arrival=arrival, revision=7 + excess))

    def superseded_never_late_by_another(self, doc):
        """A lower revision replaces nothing, so the age of the counted one does not matter."""
        high = later(self.changed(doc, revision=5), 1)
        self.send(high)
        arrival = doc.time + LATENESS[doc.kind] + MS_OF_DAY
        self.send(self.changed(high, revision=4, time=arrival - 2, arrival=arrival))

    def ahead_of_its_arrival(self, doc):
        for ahead in (300_000, 300_001, 2 * MS_OF_DAY):
            fresh = self.new_doc(doc.time // MS_OF_DAY)
            self.send(replace(fresh, arrival=fresh.time - ahead))
            if ahead > 300_000 and self.chance(0.5):  # quarantined: its ids are free
                self.send(replace(fresh, arrival=fresh.time, body=self.body(fresh.kind)))

    def unknown_outlet(self, doc):
        self.send(self.changed(doc, outlet="no such outlet", revision=1))

    def unknown_sku(self, doc):
        body = self.body(doc.kind)
        line = {"sku_id": "no such sku", "requested": 1, "confirmed": 1, "quantity": 1}
        name = "checks" if doc.kind == "visit" else "lines"
        body[name] = body[name] + [line]
        self.send(later(self.changed(doc, body=body, outlet=self.pick([doc.outlet, doc.outlet, "no such outlet"])), 1))

    def phantom(self, doc):
        """Accepted, but of an outlet that counts nowhere."""
        self.send(self.changed(doc, outlet="phantom", revision=1))

    def corrected_after_quarantine(self, doc):
        """A quarantined record occupies no id, and the older revision still counts."""
        wrong = self.changed(doc)
        source = self.source_of(wrong)
        source[doc.kind]["outlet_id" if self.chance(0.5) else DOCUMENT_ID[doc.kind]] = self.pick([None, "", 5])
        self.add(source, wrong.received(), False)
        if self.chance(0.7):
            self.send(later(wrong, 2))

    def memory_of_ids(self, doc):
        """196 days later identity is still compared, on the 197th it is not."""
        day = (doc.time + SHANGHAI_MS) // MS_OF_DAY
        if day + 190 > self.live_days[-1]:
            return
        for days in self.pick([(196,), (197,), (196, 197), (197, 198)]):
            time = self.moment(day + days)
            change = self.pick([{"revision": doc.revision}, {"revision": 9}, {"event_id": doc.event_id, "id": self.fresh("d")},
                                {"event_id": doc.event_id}])
            again = dict(dict(time=time, arrival=time), **change)
            self.send(self.changed(doc, **again))

    def twice_in_a_document(self, doc):
        body = self.body(doc.kind)
        name = "checks" if doc.kind == "visit" else "lines"
        if body[name]:
            body[name] = body[name] + [dict(body[name][0])]
            self.send(self.changed(doc, body=body))

    def negative_in_a_line(self, doc):
        """A negative quantity comes after a bad value and before a SKU given twice."""
        body = self.body("delivery")
        body["lines"] = [{"sku_id": self.skus[0], "quantity": -1}] + self.pick([
            [], [{"sku_id": self.skus[0], "quantity": 1}], [{"sku_id": self.skus[1], "quantity": 0.5}],
            [{"sku_id": self.skus[1]}], [{"sku_id": "no such sku", "quantity": 1}]])
        self.send(self.changed(doc, kind="delivery", body=body))

    def spoiled_field(self, doc):
        """Any one or two values of a good document replaced, whatever that makes of it."""
        fresh = self.changed(doc, revision=self.pick([1, 2, 8]))
        source = self.source_of(fresh)
        for _ in range(self.pick([1, 1, 1, 2])):
            holder, key = self.pick(list(leaves(source)))
            self.spoil(holder, key)
        self.add(source, fresh.received(), False)

    def spoil(self, holder, key):
        if self.chance(0.2) and isinstance(holder, dict):
            del holder[key]
            return
        rubbish = [None, "", "x", 5, 0, 1.5, True, [], {}, "5", -1, -1_000_000_001]
        special = {
            "requested": [-1, -3, 1_000_000_001, 1_000_000_000, 1.5, "1", 12345678901234567890123],
            "event_time": ["2026-01-25", "2026-01-25T10:00:00", "2026-02-30T10:00:00Z", "2026-01-25T24:00:00Z",
                           "2026-01-25T10:60:00Z", "2026-01-25T10:00Z", "2026-01-25T10:00:00+0800", 1769000000000,
                           "", None],
            "revision": [0, -1, "1", 1.5, True, None],
            "cancelled": ["true", 1, 0, [], None],
            "promised_date": ["2026-02-29", "2026-2-3", "2026-02-03", 20260203, "20260203", "2026-02-03T00:00:00Z"],
            "on_shelf": [1, "true", None],
            "price_tag": ["ok", "", "WRONG", 5],
            "outcome": ["done", "", "OPEN", 5],
            "direction": ["IN", "out", "", None, 1],
            "lines": [None, {}, 5, [5], ["x"], [[]], [{}]],
        }
        special.update(checks=special["lines"], arrival_time=special["event_time"])
        for name in ("quantity", "confirmed", "declared_stock", "count", "facings", "retail_price_fen"):
            special[name] = special["requested"]
        holder[key] = self.pick(special.get(key, rubbish))

    def not_json(self, doc):
        raw = json.dumps(self.source_of(doc), ensure_ascii=False).encode("utf-8")
        self.add_raw(self.pick([
            raw[: len(raw) // 2], raw[:-1], raw + b"}", raw + b" " + raw, b"[" + raw + b"]", b"null", b'"text"', b"17",
            b"true", b"{", b"}", b"nonsense", b"{'event_id':'x'}", b'{"a":1,}', b'{"a":NaN}', raw[:-1] + b',"x":NaN}',
            raw[:-1] + b',"x":-Infinity}', raw[:-1] + b',"x":Infinity}', raw[:-1] + b',"x":"\xff"}',
            raw[:-1] + b',"x":"\xed\xa0\x80"}', raw[:-1] + b',"x":"\xc0\xaf"}', raw[:-1] + b',"x":"a\tb"}',
            raw[:-1] + b',"x":"\\q"}', raw[:-1] + b',"x":01}', raw[:-1] + b',"x":+1}', raw[:-1] + b',"x":.5}',
            raw[:-1] + b',"x":True}', raw[:-1] + b',"x":' + b"[" * 64 + b"]" * 64 + b"}", b"\x00", b'{"a":1}//',
        ]), doc.received())

    def deep_but_allowed(self, doc):
        """64 levels are allowed: the object of the line and 63 of an unknown field."""
        raw = json.dumps(self.source_of(self.changed(doc)), ensure_ascii=False).encode("utf-8")
        self.add_raw(raw[:-1] + b',"x":' + b"[" * 63 + b'"]]}}"' + b"]" * 63 + b"}", doc.received())

    def not_one_payload(self, doc):
        source = self.source_of(self.changed(doc))
        payload = source[doc.kind]
        change = self.pick(["none", "null", "empty", "two", "unknown", "two kinds"])
        if change in ("none", "unknown"):
            del source[doc.kind]
        if change in ("null", "empty"):
            source[doc.kind] = None if change == "null" else ""
        if change == "unknown":
            source["invoice"] = payload
        if change == "two":
            source["visit" if doc.kind != "visit" else "order"] = payload
        if change == "two kinds":
            source["mark"] = {"complete_through": self.time_text(doc.time)}
        self.add(source, doc.received(), False)

    def blank_line(self, doc):
        self.add_raw(self.pick([b"", b" ", b"\t \r", b"   "]), doc.received())

    def carriage_return(self, doc):
        self.add_raw(self.text(self.source_of(self.changed(doc))).encode("utf-8") + b" \r", doc.received())

    def many_returns(self, doc):
        """More comes back than went out."""
        lines = [{"sku_id": sku, "quantity": 300} for sku in self.skus]
        self.send(replace(self.new_doc((doc.time + SHANGHAI_MS) // MS_OF_DAY, "delivery", doc.outlet),
                          body={"direction": "RETURN", "lines": lines}))

    def sent_back_at_once(self, doc):
        """Out and back on one day: net 0, but bought."""
        if doc.kind == "delivery":
            other = "RETURN" if doc.body["direction"] == "OUT" else "OUT"
            self.send(replace(doc, id=self.fresh("d"), event_id=self.fresh("e"), body=dict(doc.body, direction=other)))

    def at_one_instant(self, doc):
        """Equal arrivals: the order of event_id as UTF-8 bytes decides which content is the first."""
        for event_id in self.random.sample(["Ａ", "🏮", "z", "é", "B", "a"], 2):
            self.send(replace(doc, event_id=self.fresh(event_id), body=self.body(doc.kind), id=doc.id + " copy"))

    SITUATIONS = (
        [revised] * 3 + [moved_to_another_day] * 3 + [cancelled] * 3 + [cancelled_and_revived] * 2 + [spoiled_field] * 8
        + [not_json] * 3 + [not_one_payload] * 2 + [memory_of_ids] * 4 + [
            revised_twice_out_of_order, moved_to_another_outlet, turned_around, cancelled_first, repeated,
            repeated_then_reused, same_event_id_other_content, same_event_id_elsewhere, same_revision_other_content,
            lines_in_another_order, just_in_time_or_late, late_by_the_replaced_version, superseded_never_late_by_another,
            ahead_of_its_arrival, unknown_outlet, unknown_sku, phantom, corrected_after_quarantine, twice_in_a_document, negative_in_a_line,
            deep_but_allowed, blank_line, carriage_return, many_returns, sent_back_at_once, at_one_instant])

    def bad_days(self):
        """Days in a row on which many documents of one kind are rejected."""
        for kind in LATENESS:
            first = self.pick(self.live_days)
            for day in range(first, first + self.random.randrange(1, 9)):
                for _ in range(self.pick([0, 5, 9, 10, 12, 19, 20, 21, 30])):
                    doc = self.new_doc(day, kind)
                    self.send(self.pick([
                        replace(doc, outlet="nobody"), replace(doc, time=doc.time - LATENESS[kind] - 1, arrival=doc.time),
                        replace(doc, time=doc.time + MS_OF_DAY, arrival=doc.time)]))

    # --- the whole ---

    def build(self):
        self.add_regions()
        self.add_skus()
        self.add_outlets()
        self.add_other_reference()
        quiet = set(self.random.sample(self.outlets, len(self.outlets) // 4))
        for day in self.live_days:
            for outlet in self.outlets:
                # Some outlets are quiet but for a day now and then, and become dormant.
                if self.chance(0.01 if outlet in quiet else 0.2):
                    doc = self.new_doc(day, outlet=outlet)
                    self.send(doc)
                    self.base.append(doc)
        if self.base:
            extra = self.random.choices(self.SITUATIONS, k=int(len(self.base) * self.rate))
            for situation in list(self.SITUATIONS) * (self.rate > 0) + extra:
                situation(self, self.pick(self.base))
        if self.rate > 0:
            self.bad_days()
        return self

    def days_to_compare(self):
        """The first and the last days, the ends and beginnings of months, and some others."""
        begin, end = self.live_days[0], self.live_days[-1]
        some = random.Random(begin + end).sample(range(begin, end + 1), min(16, end + 1 - begin))
        months = [day for day in range(begin, end + 1) if self.day_text(day + 1)[8:] in ("01", "02")]
        if len(months) > 16:  # of a long history the last ones, which have a year before them, and a 29 February
            february = [day for day in months if self.day_text(day - 1)[5:] == "02-29" or self.day_text(day)[5:] == "02-29"]
            months = months[-12:] + february
        return sorted(set([begin - 1, begin, *range(end - 4, end + 4), *some, *months]))

    def write(self, folder, in_order):
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "days.txt").write_text(",".join(map(self.day_text, self.days_to_compare())) + "\n", encoding="utf-8")
        lines = list(self.lines)
        if in_order:
            lines.sort(key=lambda line: (not line[1], line[0]))
        else:
            self.random.shuffle(lines)
        one_file = self.chance(0.05)
        files = {"reference.jsonl": [], "events.jsonl": []}
        for _, is_reference, raw in lines:
            # Both files are one set, so a line may stand in either.
            stray = self.chance(0.03)
            files["reference.jsonl" if is_reference != stray and not one_file else "events.jsonl"].append(raw)
        for name, content in files.items():
            (folder / name).unlink(missing_ok=True)
            if content:
                end = b"" if self.chance(0.2) else b"\n"
                (folder / name).write_bytes(b"\n".join(content) + end)


def leaves(value):
    """(holder, key) of every value a document may be spoiled at; not the payload as a whole."""
    for key, inner in value.items():
        if isinstance(inner, dict):
            yield from leaves(inner)
            continue
        yield value, key
        if isinstance(inner, list):
            for item in inner:
                if isinstance(item, dict):
                    yield from leaves(item)


# --- what the seeds reach ------------------------------------------------------------------------


def coverage_of(folder, totals):
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
    import oracle

    days = (pathlib.Path(folder) / "days.txt").read_text(encoding="utf-8").strip().split(",")
    records, metrics, quarantine, alerts = oracle.run(folder, only={oracle.parse_day(day) for day in days})
    totals["single lines"].update(json.loads(raw)["reason"] for raw in quarantine if "sku_id" in json.loads(raw))
    before = {}
    for alert in map(json.loads, alerts):
        same_episode = alert["episode"] == before.get(alert["alert_id"], {}).get("episode")
        if alert["state"] != "RETRACTED" and same_episode and alert["state"] == before[alert["alert_id"]]["state"]:
            totals["alerts"][f"{alert['rule']} {alert['state']} twice running"] += 1
        if alert["state"] == "FIRING" and same_episode and before[alert["alert_id"]]["state"] == "RESOLVED":
            totals["alerts"][f"{alert['rule']} FIRING again"] += 1
        before[alert["alert_id"]] = alert
        totals["alerts"][f"{alert['rule']} {alert['state']}"] += 1
        totals["alerts"][f"{alert['rule']} {alert['severity']}"] += 1
        totals["alerts"][f"{alert['rule']} FIRING {alert['severity']} again"] += alert["state"] == "FIRING" and same_episode
        totals["alerts"][f"{alert['rule']} {alert['state']} at midnight"] += "T00:00:00.000" in alert["at"]
        totals["alerts"][f"{alert['rule']} {alert['state']} known later"] += alert["at"] != alert["known_at"]
        totals["alerts"][f"{alert['rule']} episode 2 or later"] += alert["episode"] > 1
    for record in records:
        group = "document" if oracle.is_document(record) else record.kind
        totals["verdicts"][f"{group} {record.verdict or 'ignored'}"] += 1
    for raw in metrics:
        line = json.loads(raw)
        for name, value in line["measures"].items():
            totals["measures with values other than 0"][name] += value != 0
            totals["measures below 0"][name] += value < 0
        if line["window_days"] == 0:
            totals["lines"]["metrics of a month"] += 1
        for name, rate in line["rates"].items():
            totals["rates"][f"{name} {rate['status']}"] += 1
        if "price_status" in line:
            totals["rates"][f"price_status {line['price_status']}"] += 1
    totals["lines"]["input"] += len(records)
    totals["lines"]["metrics"] += len(metrics)


def print_coverage(totals):
    for title, counts in totals.items():
        print(title)
        for name, count in sorted(counts.items()):
            if count or title != "measures below 0":
                print(f"  {count:9} {name}")


def history_of(arguments, seed):
    if arguments.profile == "trade":
        return History(seed, arguments.outlets or 8, arguments.days or 60, arguments.rate)
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
    import generate_market
    import generate_shelf

    profile = {"shelf": generate_shelf, "market": generate_market}[arguments.profile]
    outlets, days = profile.size_of(seed)
    return profile.history(seed, arguments.outlets or outlets, arguments.days or days, arguments.rate)


def main():
    parser = argparse.ArgumentParser(description="small nasty histories")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--seeds", type=int, default=1, help="with --stats: that many seeds from --seed on")
    parser.add_argument("--out")
    parser.add_argument("--profile", choices=("trade", "shelf", "market"), default="trade")
    parser.add_argument("--outlets", type=int, help="default: 8; shelf and market: by the seed")
    parser.add_argument("--days", type=int, help="default: 60; shelf and market: by the seed")
    parser.add_argument("--rate", type=float, default=0.5, help="extra situations per document; 0: a peaceful history")
    parser.add_argument("--sorted", action="store_true", help="lines by arrival, not shuffled")
    parser.add_argument("--stats", action="store_true", help="run the oracle and print what was reached")
    arguments = parser.parse_args()
    if any(value is not None and value < 1 for value in (arguments.outlets, arguments.days, arguments.seeds)):
        parser.error("--outlets, --days and --seeds are at least 1")
    if not arguments.out and not arguments.stats:
        parser.error("--out or --stats")
    if arguments.out and arguments.seeds > 1:
        parser.error("--out holds one seed")
    totals = {title: Counter() for title in (
        "lines", "verdicts", "single lines", "rates", "measures with values other than 0", "measures below 0", "alerts")}
    for seed in range(arguments.seed, arguments.seed + arguments.seeds):
        with tempfile.TemporaryDirectory() as scratch:
            folder = arguments.out or scratch
            history_of(arguments, seed).build().write(folder, arguments.sorted)
            if arguments.stats:
                coverage_of(folder, totals)
    if arguments.stats:
        print_coverage(totals)
    return 0


if __name__ == "__main__":
    sys.exit(main())
