"""Regional rules, evaluated when a day closes: R3, stockout of a region, and R6, overstock of a region.

The close of a day uses the documents that arrived before its 24:00; its results are never restated. Versions of outlets
and SKUs, and regions, are all known from the start in a file replay.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass

from book import IN_STOCK, NOT_LISTED, OUT_OF_STOCK, Book, facts_of, order_lines_of
from days import format_day, start_of_day
from daily_condition import CRITICAL, WARNING, DailyCondition
from market import is_active_by, is_activity
from measures import Stock

REGION_LEVELS = ("COUNTY", "CITY", "PROVINCE")
STOCKOUT_WINDOW = 7
OVERSTOCK_WINDOW = 28
SMALLEST_SAMPLE = 30


@dataclass
class Cell:
    """A brand in a region at a close."""

    stockout_days: int
    known_days: int
    stock: Stock
    listed: int  # outlet-SKUs of active outlets that are not NOT_LISTED


# --- the rules -----------------------------------------------------------------------------------


class StockoutRegion:
    """R3: the share of stockouts is significant for the number of known outlet-SKUs (Wilson 95 % lower bound > 5 %)."""

    rule, unit, window = "R3", "outlet-SKUs", STOCKOUT_WINDOW
    days_to_fire, days_to_resolve = 2, 3

    @staticmethod
    def values(cell):
        return cell.stockout_days // STOCKOUT_WINDOW, cell.known_days // STOCKOUT_WINDOW

    @staticmethod
    def holds(x, n, cell):
        return (n >= SMALLEST_SAMPLE and 10 * x >= n and 20 * x > n
                and 10_000 * (20 * x - n) ** 2 > 38_416 * 19 * n)

    @staticmethod
    def clears(x, n):
        return 100 * x <= 7 * n

    @staticmethod
    def severity(x, n):
        return CRITICAL if 5 * x >= n else WARNING


class OverstockRegion:
    """R6: more than one and a half times the stock that is sold in 28 days."""

    rule, unit, window = "R6", "units", OVERSTOCK_WINDOW
    days_to_fire, days_to_resolve = 7, 7

    @staticmethod
    def values(cell):
        return cell.stock.units(), cell.stock.sales28()

    @staticmethod
    def holds(stock, sales28, cell):
        """Counted in enough outlets, and in at least a fifth of those that should have it."""
        return (2 * stock > 3 * sales28 and sales28 >= 1 and cell.stock.known >= SMALLEST_SAMPLE
                and 5 * cell.stock.known >= cell.listed)

    @staticmethod
    def clears(stock, sales28):
        return 10 * stock <= 13 * sales28

    @staticmethod
    def severity(stock, sales28):
        return CRITICAL if stock > 2 * sales28 else WARNING


# --- documents known at a close --------------------------------------------------------------------


class Knowledge:
    """The documents that have arrived, as books and days of activity."""

    def __init__(self, market, applied_by_outlet):
        self.market = market
        self.waiting = sorted((one for history in applied_by_outlet.values() for one in history),
                              key=lambda one: one.record.canonical_order(), reverse=True)
        self.counted = defaultdict(dict)  # outlet -> document -> its highest revision so far
        self.books = {}

    def apply_before(self, time):
        """Documents with arrival < time."""
        stale = set()
        while self.waiting and self.waiting[-1].record.arrival < time:
            applied = self.waiting.pop()
            outlet = applied.record.payload["outlet_id"]
            self.counted[outlet][id(applied.document)] = applied.record
            for record in (applied.record, applied.replaced):
                stale.update((outlet, sku) for sku in skus_of(record))
        for outlet, sku in stale:
            known = self.counted[outlet].values()
            self.books[outlet, sku] = Book([fact for record in known for fact in facts_of(record, sku)],
                                           [line for record in known for line in order_lines_of(record, sku)])

    def is_active(self, outlet, day):
        return self.market.is_in_population(outlet, day) and is_active_by(
            (record.day for record in self.counted[outlet].values() if is_activity(record)), day)

    def cells(self, day):
        """(brand, region) -> Cell: outlet-days by the region of each day, stocks by the region of this day."""
        days, listed, stocks = Counter(), Counter(), defaultdict(Stock)
        active = {outlet for outlet in self.counted if self.is_active(outlet, day)}
        for (outlet, sku), book in self.books.items():
            brand = self.market.brand_of(sku)
            for one in range(day - STOCKOUT_WINDOW + 1, day + 1):
                state = book.state(one)
                if state in (OUT_OF_STOCK, IN_STOCK) and self.market.is_in_population(outlet, one):
                    days.update((brand, region, state) for region in self.regions_on(outlet, one))
            if outlet in active:
                level, rate = book.until(day).level_and_rate(day)
                for region in self.regions_on(outlet, day):
                    listed[brand, region] += book.state(day) != NOT_LISTED
                    if level is not None:
                        stocks[brand, region].add(level, rate)

        def cell(brand, region):
            out = days[brand, region, OUT_OF_STOCK]
            return Cell(out, out + days[brand, region, IN_STOCK], stocks[brand, region], listed[brand, region])

        return cell

    def regions_on(self, outlet, day):
        version = self.market.version_on(outlet, day)
        return self.market.reference.with_ancestors(version.region) if version else []


def skus_of(record):
    if record is None or record.cancelled:
        return []
    return [line["sku_id"] for line in record.payload["checks" if record.kind == "visit" else "lines"]]


# --- closes --------------------------------------------------------------------------------------


def run(market, applied_by_outlet, days, alert_log):
    """Closes the days in order. Changes at 24:00 of the last day are not sent, so its close evaluates nothing.

    Readings: a region has the level of its first uncancelled event. A cell without documents is evaluated with zeros,
    which neither fire nor delay an alert.
    """
    knowledge = Knowledge(market, applied_by_outlet)
    brands = sorted({brand for brand in market.reference.brand_by_sku.values() if brand is not None})
    regions = [region for region, known in market.reference.regions.items() if known.level in REGION_LEVELS]
    keys = [RegionalKey(rule, brand, region, alert_log)
            for rule in (StockoutRegion, OverstockRegion) for brand in brands for region in regions]
    for day in days[:-1]:
        close = start_of_day(day + 1, alert_log.zone)
        knowledge.apply_before(close)
        cell_of = knowledge.cells(day)
        for key in keys:
            key.evaluate(close, day, cell_of(key.brand, key.region))


class RegionalKey:
    """One rule, brand and region through the closes."""

    def __init__(self, rule, brand, region, alert_log):
        self.rule, self.brand, self.region, self.alert_log = rule, brand, region, alert_log
        self.condition = DailyCondition(rule.days_to_fire, rule.days_to_resolve)
        self.sent = 0

    def evaluate(self, close, day, cell):
        rule = self.rule
        value, threshold = rule.values(cell)
        change = self.condition.evaluate(close, rule.holds(value, threshold, cell), rule.clears(value, threshold),
                                 rule.severity(value, threshold))
        if change:
            self.sent += 1
            self.alert_log.write_of_region(rule.rule, self.brand, self.region, self.sent, change, value, threshold, rule.unit, self.row(day))

    def row(self, day):
        return {"as_of": format_day(day), "brand_id": self.brand, "region_id": self.region, "class_dimension": "",
                "class_value": "", "window_days": self.rule.window}
