#!/usr/bin/env python3
"""R3 and R6, stockout and overstock of a region, in small counties computed by hand.

    python3 tests/oracle/test_regional.py
"""

import hashlib
import pathlib
import sys
import unittest
from math import sqrt

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import regional  # noqa: E402
from days import parse_day  # noqa: E402
from daily_condition import CRITICAL, INFO, WARNING, DailyCondition  # noqa: E402
from measures import Stock  # noqa: E402
from tables import MARKET, NOON, Replay, counted, delivery, ordered, outlet, region  # noqa: E402
from test_alerts import short  # noqa: E402

# City of province P, with the counties North and South.
PROVINCE = [item for item in MARKET if item.get("event_id") not in ("r City", "o n2026-01-01", "o z2026-01-01")] + [
    region("P", "PROVINCE"), region("City", "CITY", "P")]


def shops(count, county="North", prefix="n"):
    return [f"{prefix}{number}" for number in range(count)]


def outlets(names, county="North", valid_from="2026-01-01", state="ACTIVE"):
    return [outlet(name, county, valid_from, state) for name in names]


def readable(alert):
    [row] = alert["evidence"]
    return (f"{alert['region_id']} {alert['state']} {alert['severity']} #{alert['episode']} at {short(alert['at'])} "
            f"since {short(alert['since'])} {alert['value']}/{alert['threshold']} [{row['as_of'][5:]}]")


class RegionalTest(unittest.TestCase):
    rule = None

    def check(self, documents, through, expected, in_region="North"):
        replay = Replay(PROVINCE + documents, through=parse_day("2026-" + through), only=())
        alerts = [alert for alert in replay.alerts if alert["rule"] == self.rule and in_region in ("", alert["region_id"])]
        self.assertEqual([readable(alert) for alert in alerts], [line.strip() for line in expected.splitlines() if line.strip()])
        return replay


class StockoutRegion(RegionalTest):
    """40 shops of North, delivered on 1 March; 10 of them were counted 0 on the 5th and delivered again on the 12th.

    close   outlet-days out / known of 7 days    x / n
    03-08    40 / 280                            5 / 40: (100-40)^2 = 3600 > 2919.6, 12.5 % are out: holds
    03-07    30 / 280                            4 / 40: (80-40)^2 = 1600: it may be chance
    """

    rule = "R3"

    @staticmethod
    def county(out=10, of=40, refilled="2026-03-12", known=None):
        names = shops(of)
        documents = outlets(names) + [delivery("a" + name, name, "2026-03-01", 10) for name in names]
        for name in names[:out]:
            count = counted("b" + name, name, "2026-03-05", 0)
            documents.append(dict(count, arrival_time=known) if known else count)
            if refilled:
                documents.append(delivery("c" + name, name, refilled, 5))
        return documents

    STORY = """
        North FIRING warning #1 at 03-10 00:00 since 03-10 00:00 7/40 [03-09]
        North FIRING critical #1 at 03-11 00:00 since 03-10 00:00 8/40 [03-10]
    """
    # 50, 40, 30 outlet-days of 03-13 to 03-15 are 7, 5, 4 of 40; 20, 10, 0 are 2, 1, 0: three closes of at most 7 %.
    RESOLVED = "North RESOLVED critical #1 at 03-19 00:00 since 03-10 00:00 0/40 [03-18]"

    def test_fires_rises_and_resolves(self):
        self.check(self.county(), "03-25", self.STORY + self.RESOLVED)
        self.check(self.county(), "03-18", self.STORY)

    def test_the_last_close_is_not_evaluated(self):
        self.check(self.county(), "03-09", "")
        self.check(self.county(), "03-10", self.STORY.strip().splitlines()[0])

    def test_regions_above_and_the_line(self):
        replay = self.check(self.county(), "03-10", """
            City FIRING warning #1 at 03-10 00:00 since 03-10 00:00 7/40 [03-09]
            North FIRING warning #1 at 03-10 00:00 since 03-10 00:00 7/40 [03-09]
            P FIRING warning #1 at 03-10 00:00 since 03-10 00:00 7/40 [03-09]""", in_region="")
        alert_id = hashlib.sha256(b"R3|B|||North||").hexdigest()[:16]
        # North stands between City and P; the outlets' own alerts (R1) are sorted before.
        self.assertEqual(replay.alert_lines[-2], (
            f'{{"alert_id":"{alert_id}","transition":1,"episode":1,"rule":"R3","severity":"warning","state":"FIRING",'
            '"at":"2026-03-10T00:00:00.000+08:00","since":"2026-03-10T00:00:00.000+08:00",'
            '"known_at":"2026-03-10T00:00:00.000+08:00","brand_id":"B","sku_id":"","outlet_id":"","region_id":"North",'
            '"class_dimension":"","class_value":"","value":7,"threshold":40,"unit":"outlet-SKUs","evidence":[{"as_of":"2026-03-09",'
            '"brand_id":"B","region_id":"North","class_dimension":"","class_value":"","window_days":7}],"policy_id":""}'))

    def test_a_sample_that_is_too_small(self):
        self.check(self.county(out=29, of=29, refilled=None), "03-20", "")
        self.check(self.county(out=30, of=30, refilled=None), "03-09", """
            North FIRING critical #1 at 03-09 00:00 since 03-09 00:00 17/30 [03-08]""")

    def test_what_is_known_at_the_close(self):
        """All counts of the 5th come on the 13th: then 7 days of 10 shops are out, for the closes of the 13th and the 14th."""
        late = "2026-03-13T23:59:59.999+08:00"
        self.check(self.county(refilled=None, known=late), "03-15", """
            North FIRING critical #1 at 03-15 00:00 since 03-15 00:00 10/40 [03-14]""")
        # At 00:00 of the 14th the 13th has closed.
        self.check(self.county(refilled=None, known="2026-03-14T00:00:00+08:00"), "03-15", "")
        self.check(self.county(refilled=None, known="2026-03-14T00:00:00+08:00"), "03-16", """
            North FIRING critical #1 at 03-16 00:00 since 03-16 00:00 10/40 [03-15]""")

    def test_never_restated(self):
        """On the 17th it becomes known that nothing was out; what was sent stays, and three closes resolve it."""
        known = "2026-03-17" + NOON
        corrections = [dict(counted("b" + name, name, "2026-03-05", 3), event_id="x" + name, revision=2, arrival_time=known)
                       for name in shops(10)]
        self.check(self.county(refilled=None) + corrections, "03-25", self.STORY + """
            North RESOLVED critical #1 at 03-20 00:00 since 03-10 00:00 0/40 [03-19]""")

    def test_days_stand_where_the_shop_was(self):
        """From 7 March on all are in South: 5 days of them are too few there, 6 are 240 outlet-days, of which 60 out: 8 of 34."""
        documents = self.county(refilled=None) + outlets(shops(40), "South", "2026-03-07")
        self.check(documents, "03-14", "")
        self.check(documents, "03-14", "South FIRING critical #1 at 03-14 00:00 since 03-14 00:00 10/40 [03-13]", in_region="South")
        self.check(documents, "03-11", self.STORY.replace("North", "City"), in_region="City")

    def test_only_days_on_which_the_shop_is_active(self):
        closed = outlets(shops(10), "North", "2026-03-06", "SUSPENDED")
        self.check(self.county(refilled=None) + closed, "03-20", "")


class OverstockRegion(RegionalTest):
    """30 shops of North: 100 on 1 March, 90 on the 11th, so one a day and 840 in 28 days; 84 left on the 17th."""

    rule = "R6"

    @staticmethod
    def county(shops_counted=30, level=100, orders=()):
        names = shops(shops_counted)
        documents = outlets(names)
        for name in names:
            documents += [delivery("a" + name, name, "2026-03-01", 5), counted("b" + name, name, "2026-03-01", level, time="2026-03-01T13:00:00+08:00"),
                          counted("c" + name, name, "2026-03-11", level - 10)]
            documents += [ordered(f"{day}{name}", name, day, (0, 0)) for day in orders]
        return documents

    FIRED = "North FIRING critical #1 at 03-18 00:00 since 03-18 00:00 2520/840 [03-17]"

    def test_fires_after_7_closes(self):
        self.check(self.county(), "03-17", "")
        self.check(self.county(), "03-18", self.FIRED)

    def test_resolves_after_7_closes_of_at_most_130_percent(self):
        """36 in each on 4 May: 1080 <= 1092. 30 in each on 10 May."""
        stories = self.county(orders=("2026-04-20",))
        self.check(stories, "05-10", self.FIRED)
        self.check(stories, "05-11", self.FIRED + "\nNorth RESOLVED critical #1 at 05-11 00:00 since 03-18 00:00 900/840 [05-10]")

    def test_dormant_shops_hold_nothing(self):
        """Without a sign of life since 11 March they are dormant from 6 May on: nothing in stock, nothing sold."""
        self.check(self.county(), "05-12", self.FIRED + "\nNorth RESOLVED critical #1 at 05-11 00:00 since 03-18 00:00 0/0 [05-10]")

    def test_warning_up_to_twice(self):
        """60 on 1 March: 50 on the 11th (1500), 44 on the 17th (1320); 1260 is one and a half, 1680 twice of 840."""
        self.check(self.county(level=60), "03-20", "North FIRING warning #1 at 03-18 00:00 since 03-18 00:00 1320/840 [03-17]")
        # 57: 47 on the 11th, 42 on the 16th are 1260, which is not more.
        self.check(self.county(level=57), "03-20", "")

    def test_a_sample_that_is_too_small(self):
        self.check(self.county(29), "03-30", "")

    def test_at_least_a_fifth_of_those_that_should_have_it(self):
        rule, stock = regional.OverstockRegion, Stock()
        for _ in range(30):
            stock.add(84_000_000, 1_000_000)
        for listed, expected in ((150, True), (151, False)):
            cell = regional.Cell(0, 0, stock, listed)
            self.assertEqual(rule.values(cell), (2520, 840))
            self.assertIs(rule.holds(2520, 840, cell), expected)
        self.assertFalse(rule.holds(10**6, 0, regional.Cell(0, 0, stock, 30)))  # nothing is sold: nobody knows


class RegionalRules(unittest.TestCase):
    def test_wilson(self):
        """The same as the lower bound of Wilson's interval of 95 %, where floating point is exact enough."""
        for n in range(30, 200):
            for x in range(n + 1):
                share, z = x / n, 1.96
                lower = (share + z * z / 2 / n - z * sqrt(share * (1 - share) / n + z * z / 4 / n / n)) / (1 + z * z / n)
                if abs(lower - 0.05) > 1e-9:
                    self.assertIs(regional.StockoutRegion.holds(x, n, None), lower > 0.05 and 10 * x >= n, (x, n))

    def test_from_how_many_on(self):
        """Of 30 it takes 4 (13 %), of 50 it takes 6 (12 %; 10 % may be chance), of 70 it takes 8, of 100 and more 10 %."""
        for n, expected in ((29, None), (30, 4), (40, 5), (50, 6), (70, 8), (100, 10), (400, 40)):
            self.assertEqual(next((x for x in range(n) if regional.StockoutRegion.holds(x, n, None)), None), expected)

    def test_thresholds(self):
        rule = regional.StockoutRegion
        self.assertEqual([rule.severity(x, 40) for x in (7, 8)], [WARNING, CRITICAL])
        self.assertEqual([rule.clears(x, 100) for x in (7, 8)], [True, False])
        self.assertTrue(rule.clears(0, 0))

    def test_runs(self):
        """h: holds, c: clears, -: neither. 2 to fire, 3 to resolve; a run starts anew after each transition."""
        def story(days, severities=None):
            condition, sent = DailyCondition(2, 3), ""
            for day, what in enumerate(days):
                severity = {"h": INFO, "H": WARNING}.get(what, INFO)
                change = condition.evaluate(day, what in "hH", what == "c", severity)
                sent += change.state[0] if change else "."
            return sent

        self.assertEqual(story("hh"), ".F")
        self.assertEqual(story("h-hh"), "...F")
        self.assertEqual(story("hhcc-ccc"), ".F.....R")
        self.assertEqual(story("hhcchccc"), ".F.....R")
        self.assertEqual(story("hhccHccc"), ".F..F..R")  # a rise
        self.assertEqual(story("hHcccHhccc"), ".F..R.F..R")
        self.assertEqual(story("HHhh"), ".F..")


if __name__ == "__main__":
    unittest.main()
