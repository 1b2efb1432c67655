"""The measures of a day and a window, by brand and cell (region, class).

Three kinds, as in the definitions: sums over the days of the window (DaySums), each amount in the region and class
of its own day; outlets, in their region and class on the last day; and the stock on the last day.
"""

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from itertools import accumulate

import prices
from book import COUNT, IN_STOCK, NOT_LISTED, OUT_OF_STOCK, UNIT, UNKNOWN, Book, facts_of, order_lines_of
from market import ALL_CLASSES, MARKET
from windows import window_before, window_of, window_of_last_year

ON_SHELF_DAYS = 28
SALES_DAYS = 28

# The measures of a line, in its order. The quantiles of prices are left out where there are no readings.
BRAND_MEASURES = (
    "active_outlets", "dormant_outlets", "delivered_units", "returned_units", "net_delivered_units",
    "previous_net_delivered_units", "net_delivered_units_change", "buying_outlets", "repeat_buying_outlets",
    "ordering_outlets", "requesting_outlets", "counties", "covered_counties", "on_shelf_outlets", "shelf_checks",
    "shelf_present", "requested_units", "confirmed_units", "filled_units", "unmet_units", "order_lines", "full_lines",
    "confirmed_lines", "price_readings", "price_q1_fen", "price_median_fen", "price_q3_fen", "price_index_readings",
    "price_index_q1_bp", "price_index_median_bp", "price_index_q3_bp", "stockout_days_estimated", "price_tags_checked",
    "price_tags_ok", "stockout_days", "known_days", "unknown_days", "listed_counts", "zero_counts", "available_units",
    "sold_units", "holding_outlets", "moving_outlets", "stock_units", "stocks_known",
)
# Sums over the days of the window as they are.
SUMMED = (
    "shelf_checks", "shelf_present", "requested_units", "confirmed_units", "filled_units", "unmet_units", "order_lines",
    "full_lines", "confirmed_lines", "stockout_days_estimated", "price_tags_checked", "price_tags_ok", "stockout_days",
    "known_days", "unknown_days", "listed_counts", "zero_counts",
)
NOT_WORTH_A_LINE = ("active_outlets", "dormant_outlets", "ordering_outlets", "counties")
STATE_DAYS = {OUT_OF_STOCK: ("stockout_days", "known_days"), IN_STOCK: ("known_days",), UNKNOWN: ("unknown_days",),
              NOT_LISTED: ()}


def is_worth_a_line(measures):
    """A line exists if some measure other than these is not 0."""
    return any(value for name, value in measures.items() if name not in NOT_WORTH_A_LINE)


class DaySums:
    """Amounts of days by name, brand and cell, and their sum over some days."""

    def __init__(self):
        self.amounts = defaultdict(lambda: defaultdict(Counter))  # (brand, cell) -> name -> day -> amount
        self.running = {}

    def add(self, name, brand, cells, day, amount=1):
        for cell in cells:
            self.amounts[brand, cell][name][day] += amount

    def keys(self):
        return self.amounts.keys()

    def between(self, name, key, first, last):
        if (name, key) not in self.running:
            of_days = self.amounts[key][name] if key in self.amounts else {}
            days = sorted(of_days)
            self.running[name, key] = days, [0] + list(accumulate(of_days[day] for day in days))
        days, sums = self.running[name, key]
        return sums[bisect_right(days, last)] - sums[bisect_left(days, first)]


class Days:
    """Days by key, and whether any lies in a window."""

    def __init__(self):
        self.days = defaultdict(set)

    def add(self, key, day):
        self.days[key].add(day)

    def any_between(self, key, first, last):
        return any(first <= day <= last for day in self.days.get(key, ()))


class Readings:
    """Prices by brand and cell, with their days."""

    def __init__(self):
        self.readings = defaultdict(list)

    def add(self, brand, cells, day, value):
        for cell in cells:
            self.readings[brand, cell].append((day, value))

    def between(self, key, first, last):
        return [value for day, value in self.readings.get(key, ()) if first <= day <= last]


def is_present(check):
    """on_shelf if given, else facings > 0, else count > 0; None: the check has none of them."""
    if "on_shelf" in check:
        return check["on_shelf"]
    if "facings" in check:
        return check["facings"] > 0
    return check["count"] > 0 if "count" in check else None


def books_of(records):
    """(outlet, SKU) -> Book of these documents."""
    facts, lines = defaultdict(list), defaultdict(list)
    for record in records:
        for sku in {line["sku_id"] for line in record.payload["checks" if record.kind == "visit" else "lines"]}:
            key = record.payload["outlet_id"], sku
            facts[key] += facts_of(record, sku)
            lines[key] += order_lines_of(record, sku)
    return {key: Book(facts[key], lines[key]) for key in facts}


class Stock:
    """Levels and rates, in millionths, of outlet-SKUs with a known level; floored once, at the end."""

    def __init__(self):
        self.levels = self.rates = self.known = 0

    def add(self, level, rate):
        self.levels, self.rates, self.known = self.levels + level, self.rates + rate, self.known + 1

    def units(self):
        return self.levels // UNIT

    def sales28(self):
        return SALES_DAYS * self.rates // UNIT


class Measures:
    """The measures of a replay that has ended."""

    def __init__(self, market, days):
        self.market = market
        self.sums, self.prices, self.indexes = DaySums(), Readings(), Readings()
        self.bought, self.requested, self.ordered = Days(), Days(), Days()
        self.books = {key: book for key, book in books_of(market.counted).items() if market.brand_of(key[1]) is not None}
        self.books_of_outlet = defaultdict(lambda: defaultdict(list))  # outlet -> brand -> its books
        for (outlet, sku), book in self.books.items():
            self.books_of_outlet[outlet][market.brand_of(sku)].append(book)
        for record in market.counted:
            {"order": self.add_order, "delivery": self.add_delivery, "visit": self.add_visit}[record.kind](record)
        for (outlet, sku), book in self.books.items():
            self.add_counts(outlet, sku, book)
            self.add_states(outlet, sku, book, days)

    # Adding documents, which count on their own day: in the region and class of that day, in any state of the outlet.

    def lines_of(self, record, name):
        """(SKU, brand, line) of the SKUs that have a brand."""
        of_brands = [(line["sku_id"], self.market.brand_of(line["sku_id"]), line) for line in record.payload[name]]
        return [line for line in of_brands if line[1] is not None]

    def cells_of(self, record):
        return self.market.cells_on(record.payload["outlet_id"], record.day)

    def add_order(self, record):
        outlet, cells = record.payload["outlet_id"], self.cells_of(record)
        self.ordered.add(outlet, record.day)
        for _, brand, line in self.lines_of(record, "lines"):
            requested, confirmed = line["requested"], line["confirmed"]
            if requested >= 1:
                self.requested.add((outlet, brand), record.day)
            for name, amount in (
                    ("requested_units", requested), ("confirmed_units", confirmed),
                    ("filled_units", min(requested, confirmed)), ("unmet_units", max(0, requested - confirmed)),
                    ("order_lines", requested >= 1), ("full_lines", requested >= 1 and confirmed >= requested),
                    ("confirmed_lines", requested >= 1 and confirmed >= 1)):
                self.sums.add(name, brand, cells, record.day, int(amount))

    def add_delivery(self, record):
        outlet, cells = record.payload["outlet_id"], self.cells_of(record)
        is_out = record.payload["direction"] == "OUT"
        for _, brand, line in self.lines_of(record, "lines"):
            self.sums.add("delivered_units" if is_out else "returned_units", brand, cells, record.day, line["quantity"])
            if is_out and line["quantity"] >= 1:
                self.bought.add((outlet, brand), record.day)

    def add_visit(self, record):
        """Checks of visits that were not done are ignored."""
        cells, is_done = self.cells_of(record), record.payload["outcome"] == "DONE"
        self.sums.add("visits_done" if is_done else "visits_not_done", "", cells, record.day)
        if not is_done:
            return
        for sku, brand, check in self.lines_of(record, "checks"):
            present = is_present(check)
            self.sums.add("shelf_checks", brand, cells, record.day, int(present is not None))
            self.sums.add("shelf_present", brand, cells, record.day, int(present is True))
            if "price_tag" in check and present is not False:
                self.sums.add("price_tags_checked", brand, cells, record.day)
                self.sums.add("price_tags_ok", brand, cells, record.day, int(check["price_tag"] == "OK"))
            if "retail_price_fen" in check:
                self.add_price(sku, brand, cells, record.day, check["retail_price_fen"])

    def add_price(self, sku, brand, cells, day, price):
        guide = self.market.sku_versions.guide_price(sku, day)
        if prices.is_out_of_range(price, guide):
            return
        self.prices.add(brand, cells, day, price)
        if guide is not None:
            self.indexes.add(brand, cells, day, prices.price_index(price, guide))

    def add_counts(self, outlet, sku, book):
        """Accepted counts of visits, where the SKU is listed on that day."""
        for index in book.accepted:
            count = book.facts[index]
            if count.kind == COUNT and book.is_listed(count.day):
                cells = self.market.cells_on(outlet, count.day)
                self.sums.add("listed_counts", self.market.brand_of(sku), cells, count.day)
                self.sums.add("zero_counts", self.market.brand_of(sku), cells, count.day, int(count.quantity == 0))

    def add_states(self, outlet, sku, book, days):
        """Outlet-SKU-days: that day's assignment, ACTIVE on that day."""
        for day in days:
            if not self.market.is_in_population(outlet, day):
                continue
            cells, brand = self.market.cells_on(outlet, day), self.market.brand_of(sku)
            for name in STATE_DAYS[book.state(day)]:
                self.sums.add(name, brand, cells, day)
            if book.is_estimated_out(day):
                self.sums.add("stockout_days_estimated", brand, cells, day)

    # Results.

    def net(self, key, first, last):
        return self.sums.between("delivered_units", key, first, last) - self.sums.between("returned_units", key, first, last)

    def covered_counties(self, first, last):
        """Per (brand, cell): counties at or under the region with net units >= 1 at that county and class."""
        counts = Counter()
        for brand, (region, value) in list(self.sums.keys()):
            if region in self.market.counties and self.net((brand, (region, value)), first, last) >= 1:
                for above in self.market.reference.with_ancestors(region):
                    counts[brand, (above, value)] += 1
        return counts

    def outlet_measures(self, day, window, active):
        """name -> (brand, cell) -> number, of the active outlets of the day, in their region and class on it.

        ordering_outlets is the same for every brand; it is kept under brand "".
        """
        first, last = window_of(day, window)
        before = window_before(day, window)
        counts = defaultdict(Counter)
        for outlet in active:
            cells = self.market.cells_on(outlet, day)

            def add(name, brand, amount=1):
                for cell in cells:
                    counts[name][brand, cell] += amount

            if self.ordered.any_between(outlet, first, last):
                add("ordering_outlets", "")
            for brand, books in self.books_of_outlet[outlet].items():
                if self.bought.any_between((outlet, brand), first, last):
                    add("buying_outlets", brand)
                    if self.bought.any_between((outlet, brand), *before):
                        add("repeat_buying_outlets", brand)
                if self.requested.any_between((outlet, brand), first, last):
                    add("requesting_outlets", brand)
                if any(book.is_on_shelf(day, ON_SHELF_DAYS) for book in books):
                    add("on_shelf_outlets", brand)
                pairs = [pair for pair in (book.available_and_sold(first, last) for book in books) if pair]
                add("available_units", brand, sum(available for available, _ in pairs))
                add("sold_units", brand, sum(sold for _, sold in pairs))
                if any(available > 0 for available, _ in pairs):
                    add("holding_outlets", brand)
                    if any(sold > 0 for _, sold in pairs):
                        add("moving_outlets", brand)
        return counts

    def stocks(self, day, active):
        """(brand, cell) -> Stock, of the active outlets of the day."""
        stocks = defaultdict(Stock)
        for (outlet, sku), book in self.books.items():
            level, rate = book.until(day).level_and_rate(day)
            if outlet in active and level is not None:
                for cell in self.market.cells_on(outlet, day):
                    stocks[self.market.brand_of(sku), cell].add(level, rate)
        return stocks

    def of_brands(self, day, window, active, dormant, stocks):
        """(brand, cell) -> (measures, net of a year before, sales of 28 days), where there is something to report."""
        first, last = window_of(day, window)
        outlets, covered = self.outlet_measures(day, window, active), self.covered_counties(first, last)
        active_counts, dormant_counts = (self.market.count_outlets(some, day) for some in (active, dormant))
        keys = set(self.sums.keys()) | set(self.prices.readings) | set(stocks) | set().union(*map(set, outlets.values()))
        rows = {}
        for key in keys:
            brand, cell = key
            if not brand:
                continue
            net, previous = self.net(key, first, last), self.net(key, *window_before(day, window))
            stock = stocks[key] if key in stocks else Stock()
            values = {name: of_key[key] for name, of_key in outlets.items()}
            values.update({name: self.sums.between(name, key, first, last) for name in SUMMED})
            values.update(self.price_measures(key, first, last))
            values.update({
                "active_outlets": active_counts[cell], "dormant_outlets": dormant_counts[cell],
                "delivered_units": self.sums.between("delivered_units", key, first, last),
                "returned_units": self.sums.between("returned_units", key, first, last),
                "net_delivered_units": net, "previous_net_delivered_units": previous, "net_delivered_units_change": net - previous,
                "ordering_outlets": outlets["ordering_outlets"]["", cell],
                "counties": self.market.counties_at_or_under[cell[0]], "covered_counties": covered[key],
                "stock_units": stock.units(), "stocks_known": stock.known,
            })
            measures = {name: values.get(name, 0) for name in BRAND_MEASURES if name in values or not is_quantile(name)}
            if is_worth_a_line(measures):
                rows[key] = measures, self.net(key, *window_of_last_year(day, window)), stock.sales28()
        return rows

    def price_measures(self, key, first, last):
        values = {}
        for group, unit, readings in (("price", "fen", self.prices), ("price_index", "bp", self.indexes)):
            seen = readings.between(key, first, last)
            values[group + "_readings"] = len(seen)
            for name, percent in prices.QUARTILES if seen else ():
                values[f"{group}_{name}_{unit}"] = prices.quantile(seen, percent)
        return values

    def of_no_brand(self, day, window, active, dormant, quality):
        """cell -> the population and the visits, and for the whole market the quality of data."""
        first, last = window_of(day, window)
        active_counts, dormant_counts = (self.market.count_outlets(some, day) for some in (active, dormant))
        market = (MARKET, ALL_CLASSES)
        visited = {cell for brand, cell in self.sums.keys() if not brand}
        rows = {}
        for cell in set(active_counts) | set(dormant_counts) | visited | {market}:
            rows[cell] = {"active_outlets": active_counts[cell], "dormant_outlets": dormant_counts[cell]}
            rows[cell].update({name: self.sums.between(name, ("", cell), first, last) for name in ("visits_done", "visits_not_done")})
        rows[market].update(quality)
        return {cell: measures for cell, measures in rows.items() if any(measures.values())}


def is_quantile(name):
    return name.endswith(("_fen", "_bp"))
