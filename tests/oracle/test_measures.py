#!/usr/bin/env python3
"""Measures of orders, prices, shelves, the book and months, computed by hand: what a person who knows the trade can check.

    python3 tests/oracle/test_measures.py
"""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import measures  # noqa: E402
import oracle  # noqa: E402
import prices  # noqa: E402
import windows  # noqa: E402
from days import format_day, parse_day  # noqa: E402
from tables import MARKET, NOON, Replay, checked, counted, delivery, event, ordered, outlet, sku, visit  # noqa: E402


def replay_of(*documents, market=MARKET, through=None, days=None):
    """Of these days only (of 2026: "03-07"); all without."""
    options = {}
    if through:
        options["through"] = parse_day("2026-" + through)
    if days:
        options["only"] = {parse_day("2026-" + day) for day in days}
    return Replay(list(market) + list(documents), **options)


def with_sku(*versions):
    """The market with other versions of SKU s."""
    return [item for item in MARKET if "sku" not in item] + list(versions)


class Months(unittest.TestCase):
    def test_windows(self):
        def shown(window):
            return tuple(format_day(day) for day in window)

        for day, month, before in (
                ("2026-03-01", "2026-03-01", ("2026-02-01", "2026-02-01")),
                ("2026-03-10", "2026-03-01", ("2026-02-01", "2026-02-10")),
                ("2026-03-28", "2026-03-01", ("2026-02-01", "2026-02-28")),
                ("2026-03-31", "2026-03-01", ("2026-02-01", "2026-02-28")),
                ("2028-03-29", "2028-03-01", ("2028-02-01", "2028-02-29")),
                ("2028-02-29", "2028-02-01", ("2028-01-01", "2028-01-29")),
                ("2026-01-31", "2026-01-01", ("2025-12-01", "2025-12-31"))):
            self.assertEqual(shown(windows.window_of(parse_day(day), 0)), (month, day))
            self.assertEqual(shown(windows.window_before(parse_day(day), 0)), before, day)
        day = parse_day("2026-03-14")
        self.assertEqual(shown(windows.window_of(day, 7)), ("2026-03-08", "2026-03-14"))
        self.assertEqual(shown(windows.window_before(day, 7)), ("2026-03-01", "2026-03-07"))
        # 14 March 2026 and 15 March 2025 are Saturdays.
        self.assertEqual(shown(windows.window_of_last_year(day, 7)), ("2025-03-09", "2025-03-15"))
        self.assertEqual(shown(windows.window_of_last_year(day, 0)), ("2025-03-01", "2025-03-14"))

    def test_growth_of_a_month(self):
        """February: 20 on the 10th, 10 on the 28th. March: 30 on the 5th, 6 back on the 31st."""
        replay = replay_of(
            delivery("1", "n", "2026-02-10", 20), delivery("2", "n", "2026-02-28", 10), delivery("3", "n", "2026-03-05", 30),
            delivery("4", "n", "2026-03-31", 6, "RETURN"), through="04-01",
            days=("03-01", "03-05", "03-09", "03-10", "03-31", "04-01"))
        names = ("net_delivered_units", "previous_net_delivered_units", "buying_outlets", "repeat_buying_outlets")
        for day, expected in (("03-01", (0, 0, 0, 0)), ("03-05", (30, 0, 1, 0)), ("03-09", (30, 0, 1, 0)), ("03-10", (30, 20, 1, 1)),
                              ("03-31", (24, 30, 1, 1)), ("04-01", (0, 0, 0, 0))):
            self.assertEqual(replay.measures(*names, day="2026-" + day, window=0), expected, day)
        self.assertEqual(replay.rate("growth", day="2026-03-31", window=0), (-6, 30, -0.2, "OK"))
        self.assertEqual(replay.row("2026-03-31", window=0)["period"], "2026-03")
        self.assertNotIn("period", replay.row("2026-03-31", window=28))

    def test_order_of_lines_and_the_month_of_no_brand(self):
        replay = replay_of(delivery("1", "n", "2026-02-27", 1), visit("2", "n", "2026-03-01"), days=("03-01",))
        self.assertEqual([key[5] for key in replay.rows if key[1:3] == ("", "")], [0, 7, 28, 91] * 2)
        names = ("visits_done", "visits_not_done", "received")
        self.assertEqual(replay.measures(*names, day="2026-03-01", brand="", window=0), (1, 0, 1))
        self.assertEqual(replay.measures(*names, day="2026-03-01", brand="", window=7), (1, 0, 2))
        self.assertEqual(list(replay.row("2026-03-01", brand="", window=0))[5:8], ["window_days", "period", "status"])

    def test_growth_against_last_year(self):
        """40 on Sunday 2 March 2025, 50 on Sunday 1 March 2026, 364 days later."""
        replay = replay_of(delivery("1", "n", "2025-03-02", 40), delivery("2", "n", "2026-03-01", 50), through="03-29",
                           days=("02-28", "03-01", "03-07", "03-08", "03-28", "03-29"))
        self.assertEqual(replay.rate("growth_yoy", day="2026-03-01"), (10, 40, 0.25, "OK"))
        self.assertEqual(replay.rate("growth_yoy", day="2026-03-07"), (10, 40, 0.25, "OK"))
        # On the 8th neither lies in its week; the line is there because of P.
        self.assertEqual(replay.rate("growth_yoy", day="2026-03-08"), (0, 0, None, "NO_DENOMINATOR"))
        self.assertEqual(replay.rate("growth_yoy", day="2026-03-28", window=28), (10, 40, 0.25, "OK"))
        self.assertEqual(replay.rate("growth_yoy", day="2026-03-28", window=0), (10, 40, 0.25, "OK"))
        # Sold a year before only: nothing to report of this year.
        self.assertIsNone(replay.row("2026-02-28"))


class Orders(unittest.TestCase):
    def test_requested_and_confirmed(self):
        """10 of 10, 7 of 10, 0 of 4, 12 of 5 (more than requested), and an empty line."""
        replay = replay_of(
            ordered("1", "n", "2026-03-01", (10, 10)), ordered("2", "n", "2026-03-02", (10, 7)), ordered("3", "n", "2026-03-03", (4, 0)),
            ordered("4", "n", "2026-03-04", (5, 12)), ordered("5", "n", "2026-03-05", (0, 0)), days=("03-05",))
        day = "2026-03-05"
        names = ("requested_units", "confirmed_units", "filled_units", "unmet_units", "order_lines", "full_lines", "confirmed_lines")
        self.assertEqual(replay.measures(*names, day=day), (29, 29, 22, 7, 4, 2, 3))
        self.assertEqual(replay.rate("unit_fill", day=day), (22, 29, 0.758621, "LOW_SAMPLE"))
        self.assertEqual(replay.rate("line_fill", day=day), (2, 4, 0.5, "LOW_SAMPLE"))
        self.assertEqual(replay.rate("purchase_face", day=day), (3, 4, 0.75, "LOW_SAMPLE"))

    def test_outlets_that_order_and_outlets_that_order_the_brand(self):
        """z orders an empty list, then a line of 0; n orders the brand."""
        replay = replay_of(ordered("1", "n", "2026-03-01", (1, 0)), ordered("2", "z", "2026-03-01"), ordered("3", "z", "2026-03-02", (0, 0)))
        names = ("ordering_outlets", "requesting_outlets", "active_outlets")
        self.assertEqual(replay.measures(*names, day="2026-03-02"), (2, 1, 2))
        self.assertEqual(replay.rate("order_demand", day="2026-03-02"), (1, 2, 0.5, "LOW_SAMPLE"))
        # In South somebody ordered, but nothing of the brand: ordering_outlets alone is no reason for a line.
        self.assertIsNone(replay.row("2026-03-02", region="South"))

    def test_units_stand_where_they_were_ordered_outlets_where_they_are(self):
        replay = replay_of(ordered("1", "n", "2026-03-01", (5, 5)), outlet("n", "South", "2026-03-02"), visit("2", "n", "2026-03-02"))
        names = ("requested_units", "requesting_outlets", "ordering_outlets")
        self.assertEqual(replay.measures(*names, day="2026-03-02", region="North"), (5, 0, 0))
        self.assertEqual(replay.measures(*names, day="2026-03-02", region="South"), (0, 1, 1))


class Prices(unittest.TestCase):
    NAMES = ("price_readings", "price_q1_fen", "price_median_fen", "price_q3_fen")

    def test_quantiles(self):
        for readings, expected in (([7], (7, 7, 7)), ([1, 9], (1, 1, 9)), ([3, 1, 2], (1, 2, 3)), ([4, 3, 2, 1], (1, 2, 3)),
                                   ([5, 4, 3, 2, 1], (2, 3, 4)), (list(range(1, 9)), (2, 4, 6)), (list(range(1, 101)), (25, 50, 75))):
            self.assertEqual(tuple(prices.quantile(readings, percent) for _, percent in prices.QUARTILES), expected, readings)

    def test_range(self):
        """30 % and 300 % of 2200 are 660 and 6600; of 7 they are 2.1 and 21."""
        for guide, inside, outside in ((2200, (660, 2200, 6600), (0, 659, 6601)), (7, (3, 21), (2, 22)), (None, (1, 10**9), (0,)),
                                       (0, (), (0, 1, 2200)), (1, (1, 3), (0, 4))):
            self.assertEqual([price for price in inside + outside if prices.is_out_of_range(price, guide)], list(outside), guide)

    def priced(self, *readings, market, days=("03-05",)):
        return replay_of(*(checked(str(i), "n", day, {"retail_price_fen": price}) for i, (day, price) in enumerate(readings)),
                         market=market, days=days)

    def test_readings_and_index(self):
        market = with_sku(sku("s", "B", guide_price_fen=2200))
        replay = self.priced(*(("2026-03-05", price) for price in (2200, 2100, 2600, 2000, 0, 659, 6601)), market=market)
        self.assertEqual(replay.measures(*self.NAMES, day="2026-03-05"), (4, 2000, 2100, 2200))
        # 2000/2200 = 90.909 %, 2100/2200 = 95.4545 %.
        index = ("price_index_readings", "price_index_q1_bp", "price_index_median_bp", "price_index_q3_bp")
        self.assertEqual(replay.measures(*index, day="2026-03-05"), (4, 9090, 9545, 10000))
        self.assertEqual(replay.row("2026-03-05")["price_status"], "LOW_SAMPLE")
        self.assertEqual([(q["reason"], q["event_id"], q["sku_id"]) for q in replay.quarantine],
                         [("price_out_of_range", event_id, "s") for event_id in ("v4", "v5", "v6")])
        five = self.priced(*(("2026-03-05", 2200) for _ in range(5)), market=market)
        self.assertEqual(five.row("2026-03-05")["price_status"], "OK")
        self.assertEqual(list(five.row("2026-03-05"))[-3:], ["measures", "price_status", "rates"])

    def test_without_readings_there_are_no_quantiles(self):
        replay = self.priced(("2026-03-05", 0), ("2026-03-05", 7), market=with_sku(sku("s", "B", guide_price_fen=0)))
        self.assertIsNone(replay.row("2026-03-05"))
        replay = self.priced(("2026-03-05", 7), market=MARKET)
        row = replay.row("2026-03-05")
        self.assertEqual(replay.measures(*self.NAMES, "price_index_readings", day="2026-03-05"), (1, 7, 7, 7, 0))
        self.assertNotIn("price_index_q1_bp", row["measures"])

    def test_guide_price_of_the_day(self):
        """10 fen until 3 March, then 1000; the first one applies before it, too; then a version without."""
        market = with_sku(sku("s", "B", "2026-03-02", guide_price_fen=10), sku("s", "B", "2026-03-04", guide_price_fen=1000),
                          sku("s", "B", "2026-03-05"))
        replay = self.priced(("2026-03-01", 20), ("2026-03-03", 30), ("2026-03-03", 31), ("2026-03-04", 20), ("2026-03-04", 300),
                             ("2026-03-05", 5), market=market)
        self.assertEqual([q["event_id"] for q in replay.quarantine], ["v2", "v3"])
        self.assertEqual(replay.measures("price_readings", "price_index_readings", "price_index_q1_bp", "price_index_q3_bp",
                                         day="2026-03-05"), (4, 3, 3000, 30000))

    def test_a_cancelled_version_has_no_guide_price(self):
        version = sku("s", "B", "2026-03-01", guide_price_fen=10)
        gone = event("gone", "2026-01-02" + NOON, "sku", {"sku_id": "s", "valid_from": "2026-03-01"}, revision=2, cancelled=True)
        first = sku("s", "B", guide_price_fen=1000)
        self.assertEqual(len(self.priced(("2026-03-05", 20), market=with_sku(first, version)).quarantine), 0)
        self.assertEqual(len(self.priced(("2026-03-05", 20), market=with_sku(first, version, gone)).quarantine), 1)

    def test_only_visits_that_were_done(self):
        replay = replay_of(checked("1", "n", "2026-03-01", {"retail_price_fen": 0}, outcome="REFUSED"))
        self.assertEqual(replay.quarantine, [])


class Shelves(unittest.TestCase):
    def test_present(self):
        """on_shelf before facings before count."""
        for check, expected in (({"on_shelf": False, "facings": 3, "count": 3}, False), ({"facings": 0, "count": 3}, False),
                                ({"facings": 1, "count": 0}, True), ({"count": 1}, True), ({"count": 0}, False), ({"price_tag": "OK"}, None)):
            self.assertIs(measures.is_present(check), expected, check)

    def test_checks_and_price_tags(self):
        replay = replay_of(
            checked("1", "n", "2026-03-01", {"on_shelf": True, "price_tag": "OK"}),
            checked("2", "n", "2026-03-01", {"count": 0, "price_tag": "OK"}),  # not there, so it has no tag
            checked("3", "n", "2026-03-01", {"price_tag": "WRONG"}),  # not reported as absent
            checked("4", "n", "2026-03-01", {"facings": 2, "price_tag": "MISSING"}),
            checked("5", "n", "2026-03-01", {"count": 900}),  # not accepted as a count, but the SKU was on the shelf
            checked("6", "n", "2026-03-01", {"on_shelf": True, "price_tag": "OK"}, outcome="CLOSED"))
        names = ("shelf_checks", "shelf_present", "price_tags_checked", "price_tags_ok")
        self.assertEqual(replay.measures(*names, day="2026-03-01"), (4, 3, 3, 1))
        self.assertEqual(replay.rate("on_shelf_audited", day="2026-03-01"), (3, 4, 0.75, "LOW_SAMPLE"))
        self.assertEqual(replay.rate("price_tag", day="2026-03-01"), (1, 3, 0.333333, "LOW_SAMPLE"))
        self.assertEqual(replay.measures("visits_done", "visits_not_done", day="2026-03-01", brand=""), (5, 1))

    def test_on_shelf_for_28_days(self):
        """n was delivered on the 1st; z was counted 0 on the 2nd."""
        replay = replay_of(delivery("1", "n", "2026-03-01", 5), delivery("2", "z", "2026-03-01", 5), counted("3", "z", "2026-03-02", 0),
                           through="03-29")
        for day, expected in (("03-01", 2), ("03-02", 1), ("03-28", 1), ("03-29", 0)):
            for window in (0, 7, 28, 91):
                self.assertEqual(replay.measures("on_shelf_outlets", day="2026-" + day, window=window), (expected,), day)

    def test_a_count_that_is_not_accepted_does_not_make_it_on_shelf(self):
        replay = replay_of(counted("1", "n", "2026-03-01", 0), counted("2", "n", "2026-03-02", 9), ordered("3", "z", "2026-03-02", (0, 0, 1)))
        self.assertEqual(replay.measures("on_shelf_outlets", day="2026-03-02"), (1,))
        self.assertIsNotNone(replay.row("2026-03-02", region="South"))


class States(unittest.TestCase):
    NAMES = ("stockout_days", "known_days", "unknown_days")

    def states(self, replay, day):
        """Of the 7 days up to this one."""
        return replay.measures(*self.NAMES, day="2026-" + day)

    def test_out_from_the_day_of_the_count_to_the_day_of_the_delivery(self):
        """IN on the 1st to 4th, OUT on the 5th, 6th and 7th, IN from the 8th."""
        replay = replay_of(delivery("1", "n", "2026-03-01", 10), counted("2", "n", "2026-03-05", 0), delivery("3", "n", "2026-03-08", 5),
                           through="03-14")
        for day, expected in (("03-04", (0, 4, 0)), ("03-05", (1, 5, 0)), ("03-08", (3, 7, 0)), ("03-11", (3, 7, 0)), ("03-14", (0, 7, 0))):
            self.assertEqual(self.states(replay, day), expected, day)
        self.assertEqual(replay.row("2026-03-08")["rates"]["stockout_rate"], {
            "numerator": 3, "denominator": 7, "value": 0.428571, "status": "LOW_SAMPLE", "observed": 1.0})

    def test_unknown_after_56_days_not_listed_after_91(self):
        """Delivered on 1 March: IN to 25 April, UNKNOWN to 30 May."""
        replay = replay_of(delivery("1", "n", "2026-03-01", 10), visit("2", "n", "2026-06-07"),
                           days=("04-25", "04-26", "05-02", "05-30", "05-31", "06-05", "06-06"))
        for day, expected in (("04-25", (0, 7, 0)), ("04-26", (0, 6, 1)), ("05-02", (0, 0, 7)), ("05-30", (0, 0, 7)), ("05-31", (0, 0, 6)),
                              ("06-05", (0, 0, 1))):
            self.assertEqual(self.states(replay, day), expected, day)
        rate = replay.row("2026-05-02")["rates"]["stockout_rate"]
        self.assertEqual((rate["status"], rate["observed"]), ("NO_DENOMINATOR", 0.0))
        self.assertIsNone(replay.row("2026-06-06"))

    def test_not_listed_57_days_after_it_ran_out(self):
        """Out since 5 March; counted 0 again on 20 April, so that something is known on 30 April, the 56th day after."""
        documents = [delivery("1", "n", "2026-03-01", 10), counted("2", "n", "2026-03-05", 0), counted("3", "n", "2026-04-20", 0)]
        replay = replay_of(*documents, through="05-03")
        self.assertEqual(self.states(replay, "04-30"), (7, 7, 0))
        self.assertEqual(self.states(replay, "05-01"), (6, 6, 0))
        # It was ordered meanwhile, so it remains listed. An order before it ran out, or of 0, does not count.
        self.assertEqual(self.states(replay_of(*documents, ordered("4", "n", "2026-03-05", (1, 0)), through="05-03"), "05-01"), (7, 7, 0))
        self.assertEqual(self.states(replay_of(*documents, ordered("4", "n", "2026-03-04", (1, 0)), through="05-03"), "05-01"), (6, 6, 0))
        self.assertEqual(self.states(replay_of(*documents, ordered("4", "n", "2026-03-09", (0, 0)), through="05-03"), "05-01"), (6, 6, 0))

    def test_outlet_days_stand_where_the_outlet_was_and_only_while_active(self):
        replay = replay_of(delivery("1", "n", "2026-03-01", 10), outlet("n", "South", "2026-03-03"),
                           outlet("n", "South", "2026-03-05", state="SUSPENDED"), through="03-07")
        self.assertEqual(replay.measures("known_days", day="2026-03-07", region="North"), (2,))
        self.assertEqual(replay.measures("known_days", day="2026-03-07", region="South"), (2,))

    def test_estimated(self):
        """20 on the 1st, 10 on the 11th, one a day: the last one is sold on the 21st."""
        replay = replay_of(delivery("1", "n", "2026-03-01", 20, time="2026-03-01T08:00:00+08:00"), counted("2", "n", "2026-03-01", 20),
                           counted("3", "n", "2026-03-11", 10), through="03-23")
        for day, expected in (("03-20", 0), ("03-21", 1), ("03-23", 3)):
            self.assertEqual(replay.measures("stockout_days_estimated", "stockout_days", day="2026-" + day), (expected, 0), day)

    def test_listed_counts(self):
        """Only where there was a delivery in [d-90, d], also later on that day; declared stock is no visit."""
        replay = replay_of(
            counted("1", "n", "2026-02-28", 3), delivery("2", "n", "2026-03-01", 4, time="2026-03-01T20:00:00+08:00"),
            counted("3", "n", "2026-03-01", 0), counted("4", "n", "2026-03-02", 4), counted("5", "n", "2026-03-03", 0),
            counted("6", "n", "2026-03-04", 9), ordered("7", "n", "2026-03-05", (1, 0, 0)), days=("03-05",))
        self.assertEqual(replay.measures("listed_counts", "zero_counts", day="2026-03-05"), (3, 2))
        self.assertEqual(replay.rate("stockout_instances", day="2026-03-05"), (2, 3, 0.666667, "LOW_SAMPLE"))
        late = replay_of(delivery("1", "n", "2026-03-01", 4), counted("2", "n", "2026-05-30", 0), counted("3", "n", "2026-05-31", 0))
        self.assertEqual(late.measures("listed_counts", day="2026-05-31"), (1,))


class SellThrough(unittest.TestCase):
    NAMES = ("available_units", "sold_units", "holding_outlets", "moving_outlets")

    def test_between_the_first_and_the_last_count(self):
        """10 + 20 delivered; 2 back, 12 left: 16 sold. What came before the first or after the last count is none of it."""
        replay = replay_of(
            delivery("0", "n", "2026-02-28", 50), counted("1", "n", "2026-03-01", 10), delivery("2", "n", "2026-03-03", 20),
            counted("x", "n", "2026-03-04", 25), delivery("3", "n", "2026-03-05", 2, "RETURN"), counted("4", "n", "2026-03-07", 12),
            delivery("5", "n", "2026-03-07", 7, time="2026-03-07T20:00:00+08:00"), through="03-11")
        self.assertEqual(replay.measures(*self.NAMES, day="2026-03-07"), (30, 16, 1, 1))
        self.assertEqual(replay.rate("sell_through", day="2026-03-07"), (16, 30, 0.533333, "OK"))
        # From the count of 25 on the 4th: 2 back, 12 left.
        self.assertEqual(replay.measures(*self.NAMES, day="2026-03-08"), (25, 11, 1, 1))
        self.assertEqual(replay.measures(*self.NAMES, day="2026-03-11"), (0, 0, 0, 0))

    def test_holding_and_not_moving(self):
        """z has 5 and still 5; two counts of one day are two; declared stock counts. More than there was is no sale below 0."""
        replay = replay_of(counted("1", "z", "2026-03-01", 5), ordered("2", "z", "2026-03-02", (0, 0, 5)),
                           counted("3", "n", "2026-03-02", 4), counted("4", "n", "2026-03-02", 1, time="2026-03-02T13:00:00+08:00"))
        self.assertEqual(replay.measures(*self.NAMES, day="2026-03-02"), (9, 3, 2, 1))
        self.assertEqual(replay.rate("moving_share", day="2026-03-02"), (1, 2, 0.5, "LOW_SAMPLE"))
        more = replay_of(counted("1", "n", "2026-03-01", 5), counted("2", "n", "2026-03-02", 6))
        self.assertEqual(more.measures(*self.NAMES, day="2026-03-02"), (5, 0, 1, 0))
        nothing = replay_of(counted("1", "n", "2026-03-01", 0), counted("2", "n", "2026-03-02", 0))
        self.assertEqual(nothing.measures(*self.NAMES, day="2026-03-02"), (0, 0, 0, 0))


class Stock(unittest.TestCase):
    def test_floored_once(self):
        """Both went from 10 to 9 in 3 days: a third a day. On the 5th 8.67 each: 17 in all; 0.67 a day: 18 in 28 days."""
        replay = replay_of(*(counted(f"{shop}{day}", shop, f"2026-03-0{day}", count) for shop in "nz" for day, count in ((1, 10), (4, 9))),
                           through="03-05")
        for window in (0, 7, 28, 91):
            self.assertEqual(replay.measures("stock_units", "stocks_known", day="2026-03-05", window=window), (17, 2))
        self.assertEqual(replay.rate("stock_to_sales", day="2026-03-05"), (17, 18, 0.944444, "LOW_SAMPLE"))
        self.assertEqual(replay.rate("stock_to_sales", day="2026-03-05", region="North"), (8, 9, 0.888889, "LOW_SAMPLE"))

    def test_stock_without_sales_is_infinite(self):
        replay = replay_of(counted("1", "n", "2026-03-01", 10), counted("2", "z", "2026-03-01", 0))
        self.assertEqual(replay.rate("stock_to_sales", day="2026-03-01"), (10, 0, None, "INFINITE"))
        self.assertEqual(replay.rate("stock_to_sales", day="2026-03-01", region="South"), (0, 0, None, "NO_DENOMINATOR"))

    def test_only_active_outlets_hold_stock(self):
        replay = replay_of(counted("1", "n", "2026-03-01", 10), outlet("n", "North", "2026-03-02", state="CLOSED"), through="03-02")
        self.assertEqual(replay.measures("stock_units", "stocks_known", day="2026-03-01"), (10, 1))
        self.assertEqual(replay.measures("stock_units", "stocks_known", "shelf_checks", day="2026-03-02"), (0, 0, 1))


if __name__ == "__main__":
    unittest.main()
