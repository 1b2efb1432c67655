#!/usr/bin/env python3
"""R5, overstock of an outlet and SKU, in tiny histories computed by hand. The tables are those of test_alerts.py.

    python3 tests/oracle/test_overstock.py
"""

import hashlib
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import overstock  # noqa: E402
from book import Book  # noqa: E402
from tables import outlet  # noqa: E402
from test_alerts import AlertTest  # noqa: E402


class OverstockOutlet(AlertTest):
    rule = "R5"

    # 80 + 10 - 70 = 20 sold in 20 days: one a day. 70 on 21 March, 62 on the 29th, 56 on 4 April, 45 on 15 April.
    # The first count is 28 days old on 29 March; 7 days from then on: 29 March to 4 April, evaluated at 00:00 of the 5th.
    SELLING = """
        03-01 12:00 a: count 80
        03-02 09:00 b: out 10
        03-21 12:00 c: count 70
    """
    FIRED = "FIRING info #1 at 04-05 00:00 56000000/45000000 [c]"
    # 80 + 10 - 80 = 10 sold in 20 days: half a unit a day, 73 on 4 April. 160 days of sales.
    SLOW = SELLING.replace("count 70", "count 80")
    FIRED_SLOW = "FIRING warning #1 at 04-05 00:00 73000000/22500000 [c]"

    def test_the_line(self):
        alert_id = hashlib.sha256(b"R5||s|n|||").hexdigest()[:16]
        replay = self.replay(self.SELLING, outlet("n", "South", "2026-04-05"), through="04-05", only=())
        self.assertEqual(replay.alert_lines, [
            f'{{"alert_id":"{alert_id}","transition":1,"episode":1,"rule":"R5","severity":"info","state":"FIRING",'
            '"at":"2026-04-05T00:00:00.000+08:00","since":"2026-04-05T00:00:00.000+08:00",'
            '"known_at":"2026-04-05T00:00:00.000+08:00","brand_id":"B","sku_id":"s","outlet_id":"n","region_id":"South",'
            '"class_dimension":"","class_value":"","value":56000000,"threshold":45000000,"unit":"millionths",'
            '"evidence":[{"event_id":"c"}],"policy_id":""}'])

    def test_fires_after_7_days_not_before_28_days_of_counts(self):
        self.check(self.SELLING, "", through="04-04")
        self.check(self.SELLING, self.FIRED, through="04-24")

    def test_resolves_after_7_days_of_at_most_35(self):
        """35 left on 25 April, the 7th such day is 1 May."""
        self.check(self.SELLING, self.FIRED, through="05-01")
        self.check(self.SELLING, self.FIRED + "\nRESOLVED info #1 at 05-02 00:00 since 04-05 00:00 29000000/45000000 [c]", through="05-02")

    def test_warning_over_90_days(self):
        self.check(self.SLOW, self.FIRED_SLOW, through="04-05")

    def test_a_rise_is_sent_again_and_a_fall_is_not(self):
        """50 more on 10 April: 50 + 50 = 100 days of sales (2 lines of 30 on average; 100 >= 60)."""
        self.check(self.SELLING + "04-10 12:00 d: out 50", self.FIRED + """
            FIRING warning #1 at 04-11 00:00 since 04-05 00:00 100000000/45000000 [c]""", through="04-30")

    def test_nothing_sold_in_14_days_is_too_much(self):
        """The delivery came before the first count, so that nothing was sold: the rate is 0, any level is too much."""
        still = "02-28 09:00 b: out 10\n03-01 12:00 a: count 30\n03-{} 12:00 c: count 30"
        fired = "FIRING warning #1 at 04-05 00:00 30000000/0 [c]"
        self.check(still.format(15), fired, through="04-05")
        self.check(still.format(14), "", through="04-20")  # 13 days
        # 28 February + 90 d = 29 May: from 30 May on nothing was delivered, which clears it after 7 days.
        self.check(still.format(15), fired, through="06-05")
        self.check(still.format(15), fired + "\nRESOLVED warning #1 at 06-06 00:00 since 04-05 00:00 30000000/0 [c]", through="06-06")

    def test_at_least_two_usual_deliveries(self):
        """30 left and nothing sold: twice 15, but not twice 16. The usual delivery is the average one: 8 and 22 are 15 as well."""
        still = "02-28 09:00 b: out {}\n03-01 12:00 a: count 30\n03-21 12:00 c: count 30"
        fired = "FIRING warning #1 at 04-05 00:00 30000000/0 [c]"
        self.check(still.format(15), fired, through="04-05")
        self.check(still.format(16), "", through="04-20")
        self.check(still.format(8) + "\n02-27 09:00 b2: out 22\n02-27 10:00 b3: out 0", fired, through="04-05")
        self.check(still.format(8) + "\n02-27 09:00 b2: out 23", "", through="04-20")
        self.check("03-01 12:00 a: count 30\n03-21 12:00 c: count 30", "", through="04-20")  # never delivered

    def test_another_day_breaks_the_run(self):
        """20 back on 1 April: 39 left. 40 more on the 3rd; the 7 days begin with 3 April."""
        self.check(self.SELLING + "04-01 12:00 d: return 20\n04-03 12:00 e: out 40", """
            FIRING info #1 at 04-10 00:00 71000000/45000000 [c]""", through="04-10")
        # A day between 35 and 45 breaks the run of clear days: 34 on 26 April, 36 on the 27th, 35 on the 28th.
        self.check(self.SELLING + "04-27 12:00 d: out 3", self.FIRED, through="05-04")
        self.check(self.SELLING + "04-27 12:00 d: out 3", self.FIRED + """
            RESOLVED info #1 at 05-05 00:00 since 04-05 00:00 29000000/45000000 [c]""", through="05-06")

    def test_a_correction_shows_at_the_next_midnights(self):
        """Counted 20, not 70: 70 sold in 20 days, nothing left from 27 March on."""
        self.check(self.SELLING + "03-21 12:00 known 04-04 09:00 c2: count 20 as c r2", "", through="04-20")

    def test_a_count_that_clears_does_so_for_7_days(self):
        """Then 68 more in 16 days, 88 in 36: nothing is left of 2. 45 times 2.444444 is 109.99998."""
        self.check(self.SELLING + "04-06 12:00 d: count 2", self.FIRED + """
            RESOLVED info #1 at 04-13 00:00 since 04-05 00:00 0/109999980 [d]""", through="04-13")

    def test_no_count_any_more(self):
        """No history of a file gets there: the first count is too old to be taken back. But a level of None clears."""
        rule = overstock.Overstock()
        rule.condition.firing, rule.condition.severity = True, overstock.INFO
        sent = [rule.evaluate(day, day, Book([]), lambda day: True) for day in range(7)]
        self.assertEqual([one and (one[0].state, *one[1:]) for one in sent], [None] * 6 + [("RESOLVED", 0, 0)])

    def test_resolves_when_the_outlet_is_not_active(self):
        away, back = outlet("n", "North", "2026-04-08", state="SUSPENDED"), outlet("n", "North", "2026-04-10")
        self.check(self.SLOW, self.FIRED_SLOW + """
            RESOLVED warning #1 at 04-08 00:00 since 04-05 00:00 71500000/22500000 [c]
            FIRING warning #2 at 04-17 00:00 67000000/22500000 [c]""", away, back, through="04-18")
        # A pause of a day within the run: 4 April is none, so the days are 5 to 11 April.
        pause = outlet("n", "North", "2026-04-04", state="CLOSED"), outlet("n", "North", "2026-04-05")
        self.check(self.SLOW, "FIRING warning #1 at 04-12 00:00 69500000/22500000 [c]", *pause, through="04-12")


if __name__ == "__main__":
    unittest.main()
