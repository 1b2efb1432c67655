"""Small histories of few outlets whose shelves run empty, are refilled, counted right and wrong, and corrected.

Where generate.History has many kinds of trouble around deliveries, this has dense facts of few SKUs, so that
stockouts are confirmed, predicted, ended, moved, taken back and opened again. See generate.py --profile shelf.
"""

from dataclasses import dataclass, replace

import generate
from generate import BRANDS, LATENESS, MS_OF_DAY, SHANGHAI_MS

HOUR_MS = 3_600_000
AHEAD_MS = 300_000
# Several documents of a day often fall on one of these instants.
INSTANTS = [0, 0, 10 * HOUR_MS, 12 * HOUR_MS, 12 * HOUR_MS, 12 * HOUR_MS + 1, MS_OF_DAY - 1]
GROUPS = ["g", "key", "", None]


@dataclass
class Shelf:
    stock: int
    demand: float  # units a day
    dead: range  # days on which nothing is delivered
    orders_while_dead: bool
    error: int = 0  # what counts are wrong by
    wrong_counts: int = 0  # how many more are


class ShelfHistory(generate.History):
    def __init__(self, seed, outlets, days, rate):
        super().__init__(seed, outlets, days, rate)
        self.idle_days = 0
        self.live_days = list(range(self.first_day, self.first_day + days))
        self.shelves = {}
        self.away = []  # (outlet, first day of another state than ACTIVE)
        # Calm: long stockouts run undisturbed until nobody expects the SKU any more.
        self.calm = self.chance(0.35)
        if self.calm:
            self.rate *= 0.2

    def moment(self, day):
        """Often one of the instants of the day, so that documents meet."""
        if self.chance(0.5):
            return day * MS_OF_DAY - SHANGHAI_MS + self.pick(INSTANTS)
        return super().moment(day)

    def classes(self):
        """Few, so that there are few lines of metrics."""
        return super().classes() if self.chance(0.1) else []

    @staticmethod
    def day_of(ms):
        return (ms + SHANGHAI_MS) // MS_OF_DAY

    # --- reference data ---

    def add_skus(self):
        """One SKU with changing brand groups, one with or without, one that is seldom ordered."""
        for number, brand in enumerate([BRANDS[0], BRANDS[1], BRANDS[0]]):
            sku = f"s{number}{self.pick(['', ' ', '烟'])}"
            self.skus.append(sku)
            begin = self.first_day + self.pick([-40, 0, 20])
            later = range(begin + 1, begin + len(self.live_days) + 41)
            versions = self.random.sample(later, len(later) // 2 if number == 0 else self.pick([0, 1, 2]))
            for valid_from in [begin] + versions:
                payload = {"sku_id": sku, "brand_id": brand, "valid_from": self.day_text(valid_from)}
                group = self.pick(GROUPS)
                self.reference("sku", payload if group is None else dict(payload, brand_group=group))
                if self.chance(0.15):
                    self.reference("sku", dict(payload, brand_group="g"), revision=2)
                elif self.chance(0.1):
                    self.reference("sku", payload, revision=3, cancelled=True)

    def add_outlets(self):
        """ACTIVE, most of them with stretches of other states, short and long."""
        for outlet in self.outlets:
            begin = self.first_day + self.pick([-400, -1, -1, 0, 7, 30])
            self.add_version(outlet, begin, "ACTIVE")
            used = {begin}
            for _ in range(self.pick([0] if self.calm else [0, 1, 1, 2, 3])):
                away = self.first_day + self.random.randrange(10, max(11, len(self.live_days)))
                back = away + self.pick([1, 1, 2, 5, 20])
                self.away.append((outlet, away))
                for valid_from, state in ((away, self.pick(["SUSPENDED", "CLOSED"])), (back, "ACTIVE")):
                    if valid_from not in used:
                        used.add(valid_from)
                        self.reference("outlet", self.version(outlet, valid_from, state))
        self.add_phantom("phantom")

    # --- shelves ---

    def add_shelves(self):
        last = self.live_days[-1]
        for outlet in self.outlets:
            for number, sku in enumerate(self.skus):
                begin = self.first_day + self.random.randrange(len(self.live_days))
                length = self.pick([0, 0, 20, 62, 65, 75, 95, 120])
                if self.calm and self.chance(0.7):
                    length, begin = 95, self.first_day + self.random.randrange(5, max(6, len(self.live_days) - 70))
                elif number == 0 and self.chance(0.5):
                    length = 0
                self.shelves[outlet, sku] = Shelf(
                    self.random.randrange(0, 12), self.pick([0.3, 1, 1, 2]), range(begin, min(begin + length, last + 1)),
                    self.chance(0.4))

    def sell(self, shelf):
        sold = int(shelf.demand) + self.chance(shelf.demand % 1)
        shelf.stock = max(0, shelf.stock - (sold if self.chance(0.8) else 0))

    def counted(self, shelf):
        """What somebody writes down: mostly the truth, sometimes wrong and wrong again."""
        if shelf.wrong_counts == 0 and self.chance(0.02 if self.calm else 0.08):
            shelf.error, shelf.wrong_counts = self.pick([2, 5, 30, -1, -100]), self.pick([1, 1, 2, 3])
        if shelf.wrong_counts:
            shelf.wrong_counts -= 1
            return max(0, shelf.stock + shelf.error)
        return shelf.stock

    def chosen(self, day, delivering=False):
        """(SKU, shelf) of an outlet that a document names."""
        outlet = self.outlet_of_the_day
        chosen = [(sku, self.shelves[outlet, sku]) for sku in self.skus if self.chance(0.8)]
        if delivering:
            chosen = [(sku, shelf) for sku, shelf in chosen if day not in shelf.dead]
        return chosen

    def order_body(self, day):
        lines = []
        for sku, shelf in self.chosen(day):
            if day in shelf.dead and not shelf.orders_while_dead and self.chance(0.9):
                continue
            requested = 0 if self.chance(0.15) else self.random.randrange(1, 12)
            line = {"sku_id": sku, "requested": requested,
                    "confirmed": self.pick([requested, requested, requested * 4 // 5, requested // 2, 0])}
            if self.chance(0.5):
                line["declared_stock"] = self.counted(shelf)
            lines.append(line)
        return {"lines": lines}

    def delivery_body(self, day):
        back = self.chance(0.12)
        lines = []
        for sku, shelf in self.chosen(day, delivering=not back):
            quantity = self.pick([0, 1, 2, 3]) if back else self.pick([0, 1, 3, 4, 6, 9, 12])
            shelf.stock = max(0, shelf.stock + (-quantity if back else quantity))
            lines.append({"sku_id": sku, "quantity": quantity})
        return {"direction": "RETURN" if back else "OUT", "lines": lines}

    def visit_body(self, day):
        checks = []
        for sku, shelf in self.chosen(day):
            check = {"sku_id": sku, "count": self.counted(shelf)}
            checks.append(self.pick([check, check, check, {"sku_id": sku, "on_shelf": True}]) if self.chance(0.3) else check)
        return {"visitor_id": "访 1", "outcome": self.pick(["DONE"] * 9 + ["CLOSED"]), "checks": checks}

    def add_days(self):
        """About 15 documents of an outlet a month, more in short histories, fewer in long ones."""
        often = min(0.8, 55 / len(self.live_days) / len(self.outlets) ** 0.5)
        for day in self.live_days:
            for outlet in self.outlets:
                self.outlet_of_the_day = outlet
                for sku in self.skus:
                    self.sell(self.shelves[outlet, sku])
                for kind, share in (("order", 0.25), ("delivery", 0.3), ("visit", 0.6)):
                    if self.chance(often * share * 1.5):
                        self.add_document(day, kind, outlet)

    def add_document(self, day, kind, outlet):
        body = getattr(self, kind + "_body")(day)
        time = self.moment(day)
        doc = generate.Doc(kind, outlet, self.fresh("d"), self.fresh("e"), time, time + self.delay(kind), body=body)
        self.send(doc)
        self.base.append(doc)

    def delay(self, kind):
        """Mostly none or hours; sometimes days; sometimes ahead of its time."""
        choice = self.random.random()
        if choice < 0.5:
            return 0
        if choice < 0.7:
            return self.random.randrange(20 * HOUR_MS)
        if choice < 0.85:
            return self.random.randrange(LATENESS[kind] + 1)
        return -self.pick([1, 1000, 60_000, AHEAD_MS, AHEAD_MS])

    # --- bodies for the situations of generate.History ---

    def quantity(self):
        return self.pick([0, 0, 0, 1, 2, 4, 6, 10])

    def body(self, kind):
        body = super().body(kind)
        for line in body.get("checks", ()):
            line["count"] = self.quantity()
        for line in body["lines"] if kind == "order" else ():
            if self.chance(0.5):
                line["declared_stock"] = self.quantity()
        if kind == "visit" and self.chance(0.7):
            body["outcome"] = "DONE"
        return body

    # --- corrections, each of a document that has been sent ---

    def correction(self, doc, **changes):
        """Arrives at any time between at once and too late."""
        time = changes.get("time", doc.time)
        spare_ms = doc.time + LATENESS[doc.kind] - doc.received()
        wait = self.pick([0, 1, HOUR_MS, MS_OF_DAY, 2 * MS_OF_DAY, max(0, spare_ms)])
        arrival = max(doc.received() + min(wait, max(0, spare_ms)), time)
        changed = self.changed(doc, **dict(dict(body=doc.body), **changes), arrival=arrival)
        self.send(changed)
        return changed

    def taken_back(self, doc):
        gone = self.correction(doc, cancelled=True, body=None)
        if self.chance(0.4):
            self.correction(gone, cancelled=None, body=doc.body)

    def other_numbers(self, doc):
        """A 0 becomes something, something becomes 0, and perhaps again."""
        for _ in range(self.pick([1, 1, 2, 3])):
            doc = self.correction(doc, body=self.with_other_numbers(doc))

    def with_other_numbers(self, doc):
        name = "checks" if doc.kind == "visit" else "lines"
        lines = [dict(line) for line in doc.body[name]]
        for line in lines:
            for field in ("quantity", "count", "declared_stock", "confirmed", "requested"):
                if field in line and self.chance(0.7):
                    line[field] = self.quantity() if line[field] == 0 or self.chance(0.3) else 0
        return dict(doc.body, **{name: lines})

    def other_time(self, doc):
        shift = self.pick([-2 * MS_OF_DAY, -MS_OF_DAY, -HOUR_MS, -1, 1, HOUR_MS, MS_OF_DAY, 3 * MS_OF_DAY])
        self.correction(doc, time=doc.time + shift)

    def same_instant(self, doc):
        """Another document at the very time of this one."""
        kind = self.pick(["delivery", "delivery", "visit", "order"])
        body = self.body(kind)
        name = "checks" if kind == "visit" else "lines"
        if self.chance(0.6):  # the same SKUs
            own = doc.body["checks" if doc.kind == "visit" else "lines"]
            body[name] = [dict(self.line_of(kind), sku_id=line["sku_id"]) for line in own]
        arrival = doc.time + self.delay(kind)
        self.send(generate.Doc(kind, doc.outlet, self.fresh("d"), self.fresh("e"), doc.time, arrival, body=body))

    def line_of(self, kind):
        if kind == "delivery":
            return {"quantity": self.quantity()}
        if kind == "visit":
            return {"count": self.quantity()}
        return {"requested": self.quantity(), "confirmed": self.quantity(), "declared_stock": self.quantity()}

    def at_midnight(self, doc):
        """At or right after a midnight, known up to 5 minutes before it."""
        time = (self.day_of(doc.time) + 1) * MS_OF_DAY - SHANGHAI_MS + self.pick([0, 0, 1, 60_000, AHEAD_MS - 1])
        kind = self.pick(["delivery", "visit", "visit", "order"])
        arrival = time - self.pick([0, 1, 60_000, AHEAD_MS, AHEAD_MS])
        early = generate.Doc(kind, doc.outlet, self.fresh("d"), self.fresh("e"), time, arrival, body=self.body(kind))
        self.send(early)
        if self.chance(0.3):  # cancelled before its event time
            self.send(self.changed(early, cancelled=True, body=None, arrival=arrival + 1))

    def known_late(self, doc):
        kind = self.pick(["delivery", "visit", "visit", "order"])
        time = self.moment(self.day_of(doc.time))
        arrival = time + self.random.randrange(LATENESS[kind] + 1)
        self.send(generate.Doc(kind, doc.outlet, self.fresh("d"), self.fresh("e"), time, arrival, body=self.body(kind)))

    def all_skus(self, kind, outlet, time, quantity):
        """A delivery of, or a visit counting, that many of every SKU."""
        if kind == "delivery":
            body = {"direction": "OUT", "lines": [{"sku_id": sku, "quantity": quantity} for sku in self.skus]}
        else:
            checks = [{"sku_id": sku, "count": quantity} for sku in self.skus]
            body = {"visitor_id": "访 1", "outcome": "DONE", "checks": checks}
        arrival = time + self.pick([0, 0, 1, -1, -AHEAD_MS, HOUR_MS])
        self.send(generate.Doc(kind, outlet, self.fresh("d"), self.fresh("e"), time, arrival, body=body))

    def add_meetings(self):
        """Facts at the very midnight that ends a stockout; goods that come and are gone at one instant."""
        for outlet, day in self.away:
            if self.chance(0.5):
                self.all_skus("visit", outlet, (day - 3) * MS_OF_DAY, 0)
                self.all_skus(self.pick(["delivery", "visit"]), outlet, day * MS_OF_DAY - SHANGHAI_MS, self.pick([1, 5]))
        for (outlet, _), shelf in self.shelves.items():
            if len(shelf.dead) > 30 and self.chance(0.4):
                time = shelf.dead[self.random.randrange(5, 30)] * MS_OF_DAY
                self.all_skus("delivery", outlet, time, self.pick([1, 4]))
                self.all_skus("visit", outlet, time, 0)

    def count_of_0_before(self, doc):
        """Known only now: it was out some days before."""
        shelf_lines = [{"sku_id": sku, "count": 0} for sku in self.skus]
        time = doc.time - self.pick([1, HOUR_MS, MS_OF_DAY, 2 * MS_OF_DAY, 4 * MS_OF_DAY, 6 * MS_OF_DAY])
        arrival = doc.received() + self.pick([0, 1, HOUR_MS, MS_OF_DAY])
        self.send(generate.Doc("visit", doc.outlet, self.fresh("d"), self.fresh("e"), time, arrival,
                               body={"visitor_id": "访 1", "outcome": "DONE", "checks": shelf_lines}))

    CORRECTIONS = [taken_back] * 3 + [other_numbers] * 4 + [other_time] * 2 + [same_instant] * 3 + [at_midnight] * 2 + [known_late] * 2

    # --- the whole ---

    def build(self):
        self.add_regions()
        self.add_skus()
        self.add_outlets()
        self.add_other_reference()
        self.add_shelves()
        self.add_days()
        self.add_meetings()
        # At the end, too: what arrives after the last day.
        late = sorted(self.base, key=lambda doc: doc.time)[-6:]
        for doc in self.random.choices(self.base, k=int(len(self.base) * self.rate)) + late * (self.rate > 0):
            self.pick(self.CORRECTIONS)(self, doc)
        zeros = [doc for doc in self.base if doc.kind == "visit" and any(c.get("count") == 0 for c in doc.body["checks"])]
        if self.rate > 0 and zeros:
            for doc in self.random.choices(zeros, k=8):
                self.pick([self.count_of_0_before, self.other_time])(doc)
        if self.rate > 0:
            for situation in self.random.choices(self.SITUATIONS, k=8):
                situation(self, self.pick(self.base))
        return self


def size_of(seed):
    """(outlets, days) of a seed: 60 to 260 days, fewer outlets in longer ones."""
    return [(3, 60), (2, 100), (2, 150), (1, 210), (2, 260)][seed % 5]


def history(seed, outlets, days, rate):
    return ShelfHistory(seed, outlets, days, rate)
