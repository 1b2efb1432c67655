"""Histories for the measures and for the regional rules. See generate.py --profile market; by the seed one of three:

- Prices: orders, visits and returns of everything there is, guide prices that change and are absent.
- Years: few outlets, more than a year of sparse documents, often at the ends of months, with a 29 February.
- County: many small shops in one county that are visited every week and have few other events, so that a flood of goods
  or a drought is significant: R3 and R6 fire and resolve, and R5 in single shops.
"""

from datetime import date

import generate
from generate import BRANDS, MS_OF_DAY, QUANTITY_MAX, SHANGHAI_MS

HOUR_MS = 3_600_000
YEAR_STARTS = (date(2023, 12, 27), date(2026, 11, 30), date(2024, 2, 1), date(2027, 1, 31))
GUIDES = (None, None, 0, 1, 7, 33, 2200, 2200, 3333, QUANTITY_MAX)


class MarketHistory(generate.History):
    def __init__(self, seed, outlets, days, rate):
        super().__init__(seed, outlets, days, rate)
        self.idle_days = 0
        self.live_days = list(range(self.first_day, self.first_day + days))

    def start_on(self, day):
        self.first_day = (day - date(1970, 1, 1)).days
        self.live_days = list(range(self.first_day, self.first_day + len(self.live_days)))

    def delay(self, kind):
        """Mostly hours, sometimes days."""
        choice = self.random.random()
        if choice < 0.8:
            return self.pick([0, 0, HOUR_MS, self.random.randrange(20 * HOUR_MS)])
        return self.random.randrange(generate.LATENESS[kind] + 1) if choice < 0.95 else -self.pick([1, 300_000])

    def add_document(self, day, kind, outlet, body):
        time = self.moment(day)
        doc = generate.Doc(kind, outlet, self.fresh("d"), self.fresh("e"), time, time + self.delay(kind), body=body)
        self.send(doc)
        self.base.append(doc)

    def add_trouble(self):
        if self.rate > 0:
            for situation in self.random.choices(self.SITUATIONS, k=int(len(self.base) * self.rate)):
                situation(self, self.pick(self.base))

    def build(self):
        self.add_regions()
        self.add_skus()
        self.add_outlets()
        self.add_other_reference()
        self.add_days()
        self.add_trouble()
        return self


class Prices(MarketHistory):
    def classes(self):
        return super().classes() if self.chance(0.5) else []

    def add_skus(self):
        for number, brand in enumerate([BRANDS[0], BRANDS[0], BRANDS[1]]):
            sku = f"s{number}{self.pick(['', ' ', '烟'])}"
            self.skus.append(sku)
            begin = self.first_day + self.pick([-40, 0, 15])
            payload = {"sku_id": sku, "brand_id": brand}
            changes = self.random.sample(range(begin + 1, begin + len(self.live_days) + 15), self.pick([1, 3, 6]))
            for valid_from in [begin] + changes:
                guide = self.pick(GUIDES)
                self.add_guide_price(payload, valid_from, guide)
                if self.chance(0.15):  # another revision has another price, or none any more
                    version = dict(payload, valid_from=self.day_text(valid_from))
                    self.reference("sku", dict(version, guide_price_fen=2200), revision=2)
                    if self.chance(0.5):
                        self.reference("sku", version, revision=3, cancelled=True)

    def quantity(self):
        return self.pick([0, 0, 1, 2, 4, 6, 10, 24, 60, QUANTITY_MAX if self.chance(0.02) else 5])

    def add_days(self):
        """Each outlet has its own frequency of documents; some have nearly none."""
        for outlet in self.outlets:
            often = self.pick([0.02, 0.15, 0.2, 0.3])
            for day in self.live_days:
                for kind, share in (("order", 0.5), ("delivery", 0.4), ("visit", 0.7)):
                    if self.chance(often * share):
                        self.add_document(day, kind, outlet, self.body(kind))


class Years(Prices):
    def __init__(self, seed, outlets, days, rate):
        super().__init__(seed, outlets, days, rate)
        self.start_on(YEAR_STARTS[seed // 3 % len(YEAR_STARTS)])

    def classes(self):
        return []

    def is_end_of_month(self, day):
        return self.day_text(day)[8:] in ("01", "28", "29", "30", "31")

    def add_days(self):
        for day in self.live_days:
            for outlet in self.outlets:
                if self.chance(0.25 if self.is_end_of_month(day) else 0.06):
                    kind = self.pick(["delivery", "delivery", "order", "visit"])
                    self.add_document(day, kind, outlet, self.body(kind))


# --- a county ------------------------------------------------------------------------------------

COUNTY = "大县"
NORMAL, FLOOD, MORE, DROUGHT, LITTLE = "normal", "flood", "more", "drought", "little"
STORIES = (
    ((NORMAL, 16), (FLOOD, 22), (MORE, 50), (NORMAL, 24)),
    ((NORMAL, 12), (DROUGHT, 17), (NORMAL, 18), (DROUGHT, 18), (NORMAL, 10), (FLOOD, 37)),
    ((NORMAL, 22), (FLOOD, 34), (NORMAL, 8), (DROUGHT, 22), (NORMAL, 24)),
    ((NORMAL, 18), (DROUGHT, 22), (NORMAL, 20), (FLOOD, 36), (NORMAL, 14)),
    ((NORMAL, 25), (LITTLE, 25), (DROUGHT, 16), (NORMAL, 10), (FLOOD, 34)),
)


class Shop:
    """One outlet and SKU: what is really there."""

    def __init__(self, history):
        self.stock = history.random.randrange(4, 12)
        self.demand = history.pick([0.4, 0.6, 1, 1])
        self.luck = history.random.random()  # the unlucky ones get nothing in a drought
        self.floods = set()  # that have reached it


class County(MarketHistory):
    """Visits of a brand take place in all its shops at about the same time."""

    def __init__(self, seed, outlets, days, rate):
        super().__init__(seed, outlets, days, rate)
        self.rate *= 0.06
        self.skus = []
        self.shares = {}  # of the shops that get nothing in a drought
        self.stories = {}
        self.flood = {}  # days of sales that a flood brings

    def add_regions(self):
        super().add_regions()
        self.elsewhere = self.leaves
        self.add_region(COUNTY, "c-桂林 市", "COUNTY")

    def classes(self):
        return [{"dimension": "size", "value": self.pick(["A", "B"])}] if self.chance(0.3) else []

    def add_skus(self):
        for number, brand in enumerate([BRANDS[0], BRANDS[1]]):
            sku = f"s{number}"
            self.skus.append(sku)
            self.stories[sku] = self.pick(STORIES)
            self.shares[sku] = self.pick([0.12, 0.2, 0.35, 0.6])
            self.flood.update({(sku, FLOOD): self.pick([44, 52, 64]), (sku, MORE): self.pick([20, 40])})
            payload = {"sku_id": sku, "brand_id": brand}
            for valid_from in (self.first_day - 10, self.first_day + 50):
                self.add_guide_price(payload, valid_from, self.pick([2200, 2400, None]))

    def add_outlets(self):
        """Most of them in the county, so that it and the city above it differ; some move, change class, or are closed for a while."""
        for number, outlet in enumerate(self.outlets):
            self.leaves = [COUNTY] if number % 5 else self.elsewhere
            begin = self.first_day - 30
            self.add_plain_version(outlet, begin, "ACTIVE")
            if self.chance(0.12):
                self.leaves = [COUNTY, COUNTY] + self.elsewhere[:2]
                away = self.first_day + self.random.randrange(10, len(self.live_days))
                self.add_plain_version(outlet, away, self.pick(["ACTIVE", "SUSPENDED", "CLOSED"]))
                self.add_plain_version(outlet, away + self.pick([2, 10, 30]), "ACTIVE")
        self.add_phantom("phantom")

    def add_plain_version(self, outlet, valid_from, state):
        self.reference("outlet", self.version(outlet, valid_from, state))

    def phase(self, sku, day):
        day -= self.first_day
        for name, length in self.stories[sku]:
            if day < length:
                return name
            day -= length
        return NORMAL

    def supply(self, sku, shop, day):
        """What a delivery brings: up to some days of sales, or far too much, once, or nothing."""
        phase = self.phase(sku, day)
        if phase in (FLOOD, MORE):
            quantity = 0 if phase in shop.floods else int(self.flood[sku, phase] * shop.demand)
            shop.floods.add(phase)
            return quantity
        if phase == DROUGHT and shop.luck < self.shares[sku]:
            return 0
        days = 12 if phase == LITTLE else 16
        return max(0, int(days * shop.demand) - shop.stock)

    def counted(self, shop):
        return max(0, shop.stock + self.pick([0] * 30 + [-2, 1, 9])) if self.chance(0.4) else shop.stock

    def add_days(self):
        shops = {(outlet, sku): Shop(self) for outlet in self.outlets for sku in self.skus}
        for day in self.live_days:
            for number, outlet in enumerate(self.outlets):
                own = [(sku, shops[outlet, sku]) for sku in self.skus]
                for _, shop in own:
                    shop.stock = max(0, shop.stock - int(shop.demand) - self.chance(shop.demand % 1))
                if (day + number) % 8 == 0:
                    self.add_delivery(day, outlet, own)
                if (day + number) % 7 == 3 and self.chance(0.95):
                    self.add_visit(day, outlet, own)

    def add_delivery(self, day, outlet, own):
        lines, ordered = [], []
        for sku, shop in own:
            quantity = self.supply(sku, shop, day)
            requested = quantity or self.pick([0, 6])
            ordered.append(dict({"sku_id": sku, "requested": requested, "confirmed": quantity},
                                **({"declared_stock": shop.stock} if self.chance(0.3) else {})))
            if quantity:
                shop.stock += quantity
                lines.append({"sku_id": sku, "quantity": quantity})
        if self.chance(0.3):
            self.add_document(day - 1, "order", outlet, {"lines": ordered})
        if lines:
            self.add_document(day, "delivery", outlet, {"direction": "OUT", "lines": lines})

    def add_visit(self, day, outlet, own):
        checks = []
        for sku, shop in own:
            check = {"sku_id": sku, "count": self.counted(shop)}
            if self.chance(0.15):
                check = self.check(sku)
            checks.append(check)
        self.add_document(day, "visit", outlet, {
            "visitor_id": "访 1", "outcome": "DONE" if self.chance(0.97) else "CLOSED", "checks": checks})

    def moment(self, day):
        """Mostly by day, so that what is counted and what is brought comes in an order."""
        if self.chance(0.9):
            return day * MS_OF_DAY - SHANGHAI_MS + self.random.randrange(8 * HOUR_MS, 20 * HOUR_MS)
        return super().moment(day)


KINDS = (Prices, Years, County)


def size_of(seed):
    """(outlets, days) of a seed."""
    return [(9, 90), (3, 470), (48, 112)][seed % 3]


def history(seed, outlets, days, rate):
    return KINDS[seed % 3](seed, outlets, days, rate)
