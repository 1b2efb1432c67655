#!/usr/bin/env python3
"""Alerts of tiny histories, computed by hand from the definitions: tables a market expert can check.

    python3 tests/oracle/test_alerts.py

A history is a table of `time [known time] event: what` of outlet n and SKU s in 2026, local time:

    03-05 12:00 known 03-06 09:00 b: count 0             a DONE visit counted 0, which arrived a day later
    03-01 09:00 a: out 10                                a delivery; "return 2": goods that came back
    03-07 12:00 c: order 10/7 stock 3                    requested 10, confirmed 7, declared stock 3
    03-05 12:00 known 03-06 09:00 b2: count 4 as b r2    revision 2 of the document of event b
    03-05 12:00 known 03-06 09:00 b3: cancel b r3        revision 3 cancels it
"""

import hashlib
import pathlib
import re
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import book  # noqa: E402
import oracle  # noqa: E402
from tables import MARKET, Replay, delivery, event, outlet, sku  # noqa: E402

LINE = re.compile(
    r"(\S+ \S+)(?: known (\S+ \S+))? (\w+): (out|return|count|closed|order|cancel) ?([\d/]*)(?: stock (\d+))?(?: ?as)? ?(?:(\w+) r(\d))?")
ID = {"delivery": "delivery_id", "visit": "visit_id", "order": "order_id"}


def time_of(text):
    day, hour = text.split()
    return f"2026-{day}T{hour if hour.count(':') == 2 else hour + ':00'}+08:00"


def document_of(text, kinds):
    time, known, event_id, what, number, stock, of, revision = LINE.fullmatch(text.strip()).groups()
    if what == "cancel":
        kind, payload = kinds[of], {}
    elif what in ("out", "return"):
        kind = "delivery"
        payload = {"direction": what.upper(), "lines": [{"sku_id": "s", "quantity": int(number)}]}
    elif what in ("count", "closed"):
        kind = "visit"
        payload = {"visitor_id": "w", "outcome": "DONE" if what == "count" else "CLOSED",
                   "checks": [{"sku_id": "s", "count": int(number)}]}
    else:
        kind = "order"
        requested, confirmed = map(int, number.split("/"))
        line = {"sku_id": "s", "requested": requested, "confirmed": confirmed}
        payload = {"lines": [dict(line, declared_stock=int(stock)) if stock else line]}
    kinds[event_id] = kind
    payload.update({ID[kind]: of or event_id, "outlet_id": "n"})
    common = {"revision": int(revision or 1), "cancelled": what == "cancel"}
    return event(event_id, time_of(time), kind, payload, arrival_time=time_of(known or time), **common)


def history(table):
    kinds = {}
    return [document_of(line, kinds) for line in table.strip().splitlines()]


def short(time):
    text = time.removeprefix("2026-").removesuffix("+08:00").replace("T", " ")
    return text.removesuffix(".000").removesuffix(":00") if text.endswith(":00.000") else text


def readable(alert):
    events = " ".join(item["event_id"] for item in alert["evidence"])
    known = "" if alert["known_at"] == alert["at"] else f" known {short(alert['known_at'])}"
    since = "" if alert["since"] == alert["at"] else f" since {short(alert['since'])}"
    values = "" if alert["rule"] == "R1" else f" {alert['value']}/{alert['threshold']}"
    return f"{alert['state']} {alert['severity']} #{alert['episode']} at {short(alert['at'])}{since}{known}{values} [{events}]"


class AlertTest(unittest.TestCase):
    rule = None

    def check(self, table, expected, *reference, through=None):
        """Transitions in order; `since` and `known` are written where they differ from `at`."""
        replay = self.replay(table, *reference, through=through, only=())
        alerts = [alert for alert in replay.alerts if alert["rule"] == self.rule]
        self.assertEqual([readable(alert) for alert in alerts], [line.strip() for line in expected.strip().splitlines()])
        self.assertEqual([alert["transition"] for alert in alerts], list(range(1, len(alerts) + 1)))

    @staticmethod
    def replay(table, *reference, through=None, only=None):
        """only: the days to write metrics of; all without."""
        replaced = {(item.get("event_id")) for item in reference}
        market = [item for item in MARKET if item["event_id"] not in replaced]
        options = {"through": oracle.parse_day("2026-" + through)} if through else {}
        return Replay(market + list(reference) + history(table), only=only, **options)


class ConfirmedStockout(AlertTest):
    rule = "R1"

    EMPTY = """
        03-01 09:00 a: out 10
        03-05 12:00 b: count 0
    """
    REFILLED = EMPTY + "03-08 12:00 c: out 5"

    def test_the_line(self):
        alert_id = hashlib.sha256(b"R1||s|n|||").hexdigest()[:16]
        replay = self.replay("03-01 09:00 a: out 10\n03-05 12:00 known 03-05 12:30 b: count 0")
        self.assertEqual(replay.alert_lines, [
            f'{{"alert_id":"{alert_id}","transition":1,"episode":1,"rule":"R1","severity":"warning","state":"FIRING",'
            '"at":"2026-03-05T12:00:00.000+08:00","since":"2026-03-05T12:00:00.000+08:00",'
            '"known_at":"2026-03-05T12:30:00.000+08:00","brand_id":"B","sku_id":"s","outlet_id":"n","region_id":"North",'
            '"class_dimension":"","class_value":"","value":0,"threshold":0,"unit":"count",'
            '"evidence":[{"event_id":"b"}],"policy_id":""}'])

    def test_from_a_count_of_0_to_the_next_delivery(self):
        self.check(self.REFILLED, """
            FIRING warning #1 at 03-05 12:00 [b]
            RESOLVED warning #1 at 03-08 12:00 since 03-05 12:00 [b c]""")

    def test_only_if_4_units_were_delivered_in_91_days(self):
        self.check("03-01 09:00 a: out 3\n03-05 12:00 b: count 0", "")
        self.check("03-01 09:00 a: out 2\n03-02 09:00 a2: out 2\n03-05 12:00 b: count 0",
                   "FIRING warning #1 at 03-05 12:00 [b]")
        # 2 January is the 90th day before 2 April, and the 91st before 3 April.
        self.check("01-02 09:00 a: out 4\n04-02 12:00 b: count 0", "FIRING warning #1 at 04-02 12:00 [b]")
        self.check("01-02 09:00 a: out 4\n04-03 12:00 b: count 0", "")

    def test_a_delivery_after_the_count_does_not_qualify_it(self):
        self.check("03-05 12:00 b: count 0\n03-05 12:01 a: out 10\n03-06 12:00 c: closed 0", "")

    def test_returns_neither_begin_nor_end_nor_disqualify(self):
        self.check("03-01 09:00 a: out 10\n03-02 09:00 c: return 10", "")
        self.check("03-01 09:00 a: out 10\n03-02 09:00 c: return 10\n03-05 12:00 b: count 0\n03-06 12:00 d: return 1",
                   "FIRING warning #1 at 03-05 12:00 [b]")

    def test_what_ends_it(self):
        """An OUT line of 0, another 0 and a visit that was not DONE do not; a declared stock of 1 does."""
        self.check(self.EMPTY + """03-06 12:00 c: out 0
            03-07 12:00 d: count 0
            03-07 13:00 x: closed 1
            03-08 12:00 e: order 0/0 stock 1""", """
            FIRING warning #1 at 03-05 12:00 [b]
            RESOLVED warning #1 at 03-08 12:00 since 03-05 12:00 [b e]""")

    def test_an_implausible_count_does_not_end_it_but_the_second_agreeing_one(self):
        self.check(self.EMPTY + "03-06 12:00 c: count 5\n03-13 12:00 d: count 5", """
            FIRING warning #1 at 03-05 12:00 [b]
            RESOLVED warning #1 at 03-13 12:00 since 03-05 12:00 [b d]""")
        self.check(self.EMPTY + "03-06 12:00 c: count 5\n03-13 12:00:00.001 d: count 5",
                   "FIRING warning #1 at 03-05 12:00 [b]")

    def test_critical_with_a_brand_group_on_the_start_day(self):
        key_brand = sku("s", "B", "2026-03-05", brand_group="key")
        self.check(self.EMPTY, "FIRING critical #1 at 03-05 12:00 [b]", key_brand)
        self.check("03-01 09:00 a: out 10\n03-04 23:59 b: count 0", "FIRING warning #1 at 03-04 23:59 [b]", key_brand)
        empty_group = sku("s", "B", "2026-03-05", brand_group="")
        self.check(self.EMPTY, "FIRING warning #1 at 03-05 12:00 [b]", empty_group)
        # Before the first version its group applies too.
        first = dict(sku("s", "B", "2026-03-06", brand_group="key"), event_id="s s2026-01-01")
        self.check(self.EMPTY, "FIRING critical #1 at 03-05 12:00 [b]", first)

    def test_a_rise_is_sent_again_a_fall_is_not(self):
        key_brand = sku("s", "B", "2026-03-05", brand_group="key")
        self.check("""
            03-01 09:00 a: out 10
            03-04 12:00 b: count 0
            03-05 12:00 known 03-05 13:00 b2: count 0 as b r2
            03-04 12:00 known 03-05 14:00 b3: count 0 as b r3
            03-06 12:00 c: out 5""", """
            FIRING warning #1 at 03-04 12:00 [b]
            FIRING critical #1 at 03-05 12:00 known 03-05 13:00 [b2]
            RESOLVED critical #1 at 03-06 12:00 since 03-04 12:00 [b3 c]""", key_brand)

    def test_known_only_after_its_end(self):
        self.check("""
            03-01 09:00 a: out 10
            03-08 12:00 c: out 5
            03-05 12:00 known 03-09 10:00 b: count 0""", """
            FIRING warning #1 at 03-05 12:00 known 03-09 10:00 [b]
            RESOLVED warning #1 at 03-08 12:00 since 03-05 12:00 known 03-09 10:00 [b c]""", through="03-10")

    def test_an_end_that_moves(self):
        self.check(self.REFILLED + "\n03-07 12:00 known 03-09 09:00 d: out 2", """
            FIRING warning #1 at 03-05 12:00 [b]
            RESOLVED warning #1 at 03-08 12:00 since 03-05 12:00 [b c]
            RESOLVED warning #1 at 03-07 12:00 since 03-05 12:00 known 03-09 09:00 [b d]""", through="03-10")

    def test_open_again(self):
        self.check(self.REFILLED + "\n03-08 12:00 known 03-09 09:00 c2: cancel c r2", """
            FIRING warning #1 at 03-05 12:00 [b]
            RESOLVED warning #1 at 03-08 12:00 since 03-05 12:00 [b c]
            FIRING warning #1 at 03-05 12:00 known 03-09 09:00 [b]""", through="03-10")

    def test_a_start_that_moves_sends_nothing(self):
        self.check(self.EMPTY + """03-03 12:00 known 03-06 12:00 e: count 0
            03-08 12:00 c: out 5""", """
            FIRING warning #1 at 03-05 12:00 [b]
            RESOLVED warning #1 at 03-08 12:00 since 03-03 12:00 [e c b]""")

    def test_retracted_and_another_episode(self):
        self.check(self.EMPTY + """03-05 12:00 known 03-06 09:00 b2: count 4 as b r2
            03-05 12:00 known 03-07 09:00 b3: count 0 as b r3""", """
            FIRING warning #1 at 03-05 12:00 [b]
            RETRACTED warning #1 at 03-06 09:00 since 03-05 12:00 [b b2]
            FIRING warning #2 at 03-05 12:00 known 03-07 09:00 [b3]""", through="03-10")

    def test_retracted_when_its_deliveries_are_cancelled(self):
        self.check(self.EMPTY + "03-01 09:00 known 03-06 09:00 a2: cancel a r2", """
            FIRING warning #1 at 03-05 12:00 [b]
            RETRACTED warning #1 at 03-06 09:00 since 03-05 12:00 [b]""", through="03-10")

    def test_split_by_a_late_delivery_and_joined_again(self):
        self.check(self.EMPTY + """03-07 12:00 d: count 0
            03-06 12:00 known 03-07 15:00 c: out 2
            03-06 12:00 known 03-08 09:00 c2: cancel c r2""", """
            FIRING warning #1 at 03-05 12:00 [b]
            RESOLVED warning #1 at 03-06 12:00 since 03-05 12:00 known 03-07 15:00 [b c d]
            FIRING warning #2 at 03-07 12:00 known 03-07 15:00 [d]
            RETRACTED warning #2 at 03-08 09:00 since 03-07 12:00 [d]
            FIRING warning #1 at 03-05 12:00 known 03-08 09:00 [b d]""", through="03-10")

    def test_an_interval_that_moves_away_is_another(self):
        """The count is moved behind the end of what was sent: they do not overlap."""
        self.check(self.REFILLED + "\n03-09 12:00 known 03-09 13:00 b2: count 0 as b r2", """
            FIRING warning #1 at 03-05 12:00 [b]
            RESOLVED warning #1 at 03-08 12:00 since 03-05 12:00 [b c]
            RETRACTED warning #1 at 03-09 13:00 since 03-05 12:00 [b b2]
            FIRING warning #2 at 03-09 12:00 known 03-09 13:00 [b2]""")

    def test_not_listed_after_57_days_without_an_order(self):
        """5 March + 57 d = 1 May; its 24:00 is the 00:00 of 2 May. An order of 0 is none, another count of 0 begins nothing."""
        self.check(self.EMPTY, """
            FIRING warning #1 at 03-05 12:00 [b]
            RESOLVED warning #1 at 05-02 00:00 since 03-05 12:00 [b]""", through="05-02")
        self.check(self.EMPTY + "04-01 12:00 o: order 0/0\n04-02 12:00 z: count 0", """
            FIRING warning #1 at 03-05 12:00 [b]
            RESOLVED warning #1 at 05-02 00:00 since 03-05 12:00 [b z]""", through="05-02")
        # A transition that is due at 24:00 of the last day is not sent.
        self.check(self.EMPTY, "FIRING warning #1 at 03-05 12:00 [b]", through="05-01")

    def test_not_listed_after_91_days_without_a_delivery(self):
        """It was ordered, so it remains listed for now; but 1 March + 91 d = 31 May."""
        self.check(self.EMPTY + "04-01 12:00 o: order 1/0", """
            FIRING warning #1 at 03-05 12:00 [b]
            RESOLVED warning #1 at 06-01 00:00 since 03-05 12:00 [b]""", through="06-02")

    def test_a_count_of_0_after_not_listed_begins_nothing(self):
        self.check(self.EMPTY + """05-03 12:00 z: count 0
            05-04 12:00 c: out 1
            05-05 12:00 d: count 0""", """
            FIRING warning #1 at 03-05 12:00 [b]
            RESOLVED warning #1 at 05-02 00:00 since 03-05 12:00 [b]
            FIRING warning #2 at 05-05 12:00 [d]""")

    def test_ends_when_the_outlet_is_not_active_and_does_not_come_back(self):
        away, back = outlet("n", "South", "2026-03-07", state="SUSPENDED"), outlet("n", "North", "2026-03-09")
        replay = self.replay(self.EMPTY, away, back, through="03-12")
        self.assertEqual([alert["region_id"] for alert in replay.alerts], ["North", "South"])
        self.check(self.EMPTY + """03-10 12:00 d: count 0
            03-11 12:00 c: out 5
            03-12 12:00 e: count 0""", """
            FIRING warning #1 at 03-05 12:00 [b]
            RESOLVED warning #1 at 03-07 00:00 since 03-05 12:00 [b]
            FIRING warning #2 at 03-12 12:00 [e]""", away, back)

    def test_does_not_exist_if_its_start_day_is_not_active(self):
        away, back = outlet("n", "North", "2026-03-05", state="CLOSED"), outlet("n", "North", "2026-03-06")
        self.check(self.EMPTY + "03-07 12:00 d: count 0", "", away, back)
        # Nor before its first version.
        first = dict(outlet("n", "North", "2026-03-06"), event_id="o n2026-01-01")
        self.check(self.EMPTY + "03-07 12:00 d: count 0", "", first)

    def test_evaluated_after_the_last_fact_of_its_instant(self):
        """Delivered and counted 0 at one time (a delivery comes before a count): the stockout continues."""
        self.check(self.EMPTY + "03-08 12:00 c1: count 0\n03-08 12:00 c2: out 5\n03-09 12:00 x: closed 0",
                   "FIRING warning #1 at 03-05 12:00 [b]")
        # None is open, the delivery of the instant makes it qualify.
        self.check("03-01 09:00 a: out 3\n03-05 12:00 b: count 0\n03-08 12:00 c1: count 0\n03-08 12:00 c2: out 1",
                   "FIRING warning #1 at 03-08 12:00 [c1]")
        # Known one after the other, it ends and is open again.
        self.check(self.EMPTY + "03-08 12:00 c1: out 5\n03-08 12:00 c2: count 0", """
            FIRING warning #1 at 03-05 12:00 [b]
            RESOLVED warning #1 at 03-08 12:00 since 03-05 12:00 [b c1]
            FIRING warning #1 at 03-05 12:00 known 03-08 12:00 [b c2]""")

    def test_begins_and_ends_when_the_clock_gets_there(self):
        self.check("""
            03-01 09:00 a: out 10
            03-06 00:03 known 03-05 23:58 b: count 0
            03-08 12:04 known 03-08 12:00 c: out 5
            03-09 12:00 x: closed 0""", """
            FIRING warning #1 at 03-06 00:03 [b]
            RESOLVED warning #1 at 03-08 12:04 since 03-06 00:03 [b c]""")
        # Taken back before its time it never was.
        self.check("""
            03-01 09:00 a: out 10
            03-06 00:03 known 03-05 23:58 b: count 0
            03-06 00:03 known 03-06 00:02 b2: cancel b r2
            03-07 12:00 x: closed 0""", "")

    def test_the_clock_stays_in_the_last_day(self):
        self.check("03-01 09:00 a: out 10\n03-05 12:00 known 03-07 09:00 b: count 0\n03-05 13:00 known 03-08 09:00 c: count 3\n"
                   "03-05 12:30 known 03-08 10:00 d: out 2\n03-05 12:00 known 03-08 11:00 b2: cancel b r2", """
            FIRING warning #1 at 03-05 12:00 known 03-05 23:59:59.999 [b]
            RESOLVED warning #1 at 03-05 12:30 since 03-05 12:00 known 03-05 23:59:59.999 [b d c]
            RETRACTED warning #1 at 03-05 23:59:59.999 since 03-05 12:00 [b c]""")


class PredictedStockout(AlertTest):
    rule = "R2"

    # Sold 10 in 10 days: rate 1 a day. Level 10 on 11 March, 2 on the 19th, 1 on the 20th, 0 from the 21st.
    SELLING = """
        03-01 12:00 a: count 20
        03-11 12:00 b: count 10
    """
    FIRED = "FIRING info #1 at 03-20 00:00 1000000/2000000 [b]"

    def test_fires_at_the_midnight_at_which_less_than_2_days_are_left(self):
        self.check(self.SELLING, "", through="03-19")
        self.check(self.SELLING, self.FIRED, through="03-25")

    def test_resolves_when_the_count_is_29_days_old(self):
        self.check(self.SELLING, self.FIRED, through="04-08")
        self.check(self.SELLING, self.FIRED + "\nRESOLVED info #1 at 04-09 00:00 since 03-20 00:00 0/2000000 [b]", through="04-09")

    def test_resolves_at_3_days_not_at_2_and_fires_again(self):
        self.check(self.SELLING + "03-20 12:00 d: out 1\n03-20 13:00 e: out 1", self.FIRED + """
            RESOLVED info #1 at 03-20 13:00 since 03-20 00:00 3000000/2000000 [e b]
            FIRING info #2 at 03-22 00:00 1000000/2000000 [b]""", through="03-22")

    def test_fires_after_a_count_and_ends_with_a_count_of_0(self):
        """Sold 19 in 10 days, 1 left; then the last one in a day: 20 in 11 days."""
        self.check("03-01 12:00 a: count 20\n03-11 12:00 b: count 1\n03-12 12:00 c: count 0", """
            FIRING info #1 at 03-11 12:00 1000000/3800000 [b]
            RESOLVED info #1 at 03-12 12:00 since 03-11 12:00 0/3636362 [b c]""")

    def test_warning_if_the_last_order_was_confirmed_to_less_than_80_percent(self):
        self.check(self.SELLING + "03-18 12:00 o: order 10/7\n03-19 12:00 p: order 0/0",
                   self.FIRED.replace("info", "warning"), through="03-20")
        self.check(self.SELLING + "03-17 12:00 o: order 10/7\n03-18 12:00 p: order 10/8", self.FIRED, through="03-20")

    def test_a_rise_is_sent_again_a_fall_is_not(self):
        self.check(self.SELLING + """03-20 12:00 o: order 10/7
            03-20 13:00 p: order 10/10
            03-21 12:00 e: out 3""", self.FIRED + """
            FIRING warning #1 at 03-20 12:00 since 03-20 00:00 1000000/2000000 [b]
            RESOLVED warning #1 at 03-21 12:00 since 03-20 00:00 3000000/2000000 [e b]""")

    def test_a_rise_between_the_two_thresholds_waits(self):
        """At level 2 the condition does not hold, so severity is not evaluated until the next midnight."""
        self.check(self.SELLING + "03-20 12:00 d: out 1\n03-20 13:00 o: order 10/7", self.FIRED + """
            FIRING warning #1 at 03-21 00:00 since 03-20 00:00 1000000/2000000 [b]""", through="03-21")

    def test_not_while_the_outlet_is_not_active(self):
        away, back = outlet("n", "North", "2026-03-21", state="SUSPENDED"), outlet("n", "North", "2026-03-23")
        self.check(self.SELLING + "03-22 12:00 o: order 10/1", self.FIRED + """
            RESOLVED info #1 at 03-21 00:00 since 03-20 00:00 0/2000000 [b]
            FIRING warning #2 at 03-23 00:00 0/2000000 [b]""", away, back, through="03-24")

    def test_a_correction_resolves_at_its_arrival(self):
        """Counted 15, not 10: half a unit a day, 10.5 left on the 20th."""
        self.check(self.SELLING + "03-11 12:00 known 03-20 09:00 b2: count 15 as b r2", self.FIRED + """
            RESOLVED info #1 at 03-20 09:00 since 03-20 00:00 10500000/1000000 [b2]""", through="03-20")
        self.check(self.SELLING + "03-11 12:00 known 03-20 09:00 b2: cancel b r2", self.FIRED + """
            RESOLVED info #1 at 03-20 09:00 since 03-20 00:00 20000000/0 [b2 a]""", through="03-20")

    def test_no_rate_no_prediction(self):
        self.check("03-01 12:00 a: count 20", "", through="03-28")
        self.check("03-01 12:00 a: count 20\n03-01 13:00 b: count 1", "", through="03-28")
        self.check("03-01 12:00 a: count 2\n03-11 13:00 b: count 2", "", through="03-28")

    def test_not_evaluated_after_the_last_day(self):
        self.check("03-01 12:00 a: count 20\n03-11 12:00 known 03-12 00:00 b: count 1", "")

    def test_facts_ahead_count_from_the_midnight_of_their_day(self):
        """At 00:00 of the 20th the delivery of 00:01 is known: 1 + 5 left; 1 on the 25th."""
        self.check(self.SELLING + "03-20 00:01 known 03-19 23:58 d: out 5",
                   "FIRING info #1 at 03-25 00:00 1000000/2000000 [b]", through="03-26")

    def test_declared_stock_counts(self):
        self.check("03-01 12:00 a: order 0/0 stock 20\n03-11 12:00 b: order 0/0 stock 10", self.FIRED, through="03-20")


class Acceptance(AlertTest):
    def implausible(self, table):
        replay = self.replay(table)
        return [(line["event_id"], line["sku_id"]) for line in replay.quarantine if line["reason"] == "count_implausible"]

    def test_at_most_one_more_than_the_book_can_explain(self):
        self.assertEqual(self.implausible("03-01 12:00 a: count 5\n03-02 12:00 b: out 3\n03-03 12:00 c: return 1\n"
                                          "03-04 12:00 d: count 8\n03-05 12:00 e: count 10"), [("e", "s")])

    def test_the_first_is_always_accepted_and_low_ones_are(self):
        self.assertEqual(self.implausible("03-01 12:00 a: count 500\n03-02 12:00 b: count 0\n03-03 12:00 c: count 1"), [])

    def test_second_agreeing_count(self):
        """The rejected one stays rejected; the second must not exceed it by more than was delivered, and 1."""
        table = "03-01 12:00 a: count 5\n03-02 12:00 b: count 20\n03-03 12:00 c: count {}"
        self.assertEqual(self.implausible(table.format(21)), [("b", "s")])
        self.assertEqual(self.implausible(table.format(22)), [("b", "s"), ("c", "s")])

    def test_declared_stock_may_be_implausible_too_visits_that_were_not_done_are_ignored(self):
        self.assertEqual(self.implausible("03-01 12:00 a: count 5\n03-02 12:00 b: closed 50\n03-03 12:00 c: order 1/1 stock 50"),
                         [("c", "s")])

    def test_accepted_or_not_once_by_the_facts_known_then(self):
        """The delivery that explains it comes later; the count before it that makes another implausible as well."""
        self.assertEqual(self.implausible(
            "03-01 12:00 a: count 5\n03-03 12:00 b: count 15\n03-02 12:00 known 03-04 12:00 c: out 10"), [("b", "s")])
        self.assertEqual(self.implausible(
            "03-03 12:00 b: count 15\n03-01 12:00 known 03-04 12:00 a: count 5\n03-03 12:00 known 03-05 12:00 b2: count 16 as b r2"),
            [("b2", "s")])

    def test_it_stands_in_quarantine_beside_its_accepted_document(self):
        replay = self.replay("03-01 12:00 a: count 5\n03-02 12:00 b: count 50")
        self.assertEqual(replay.verdicts()[-1], "accepted")
        line = replay.quarantine[0]
        self.assertEqual((line["reason"], line["event_id"], line["sku_id"], line["line"]), ("count_implausible", "b", "s", 8))
        self.assertEqual(replay.measures("accepted", "received", day="2026-03-02", brand=""), (2, 2))


class Book(unittest.TestCase):
    def book(self, *facts):
        return book.Book([book.Fact(day * 86_400_000, kind, "d", quantity, day, "e") for day, kind, quantity in facts])

    def test_level_falls_by_the_rate_and_not_below_0(self):
        shelf = self.book((0, book.COUNT, 20), (10, book.COUNT, 10), (12, book.OUT, 5), (30, book.OUT, 2), (31, book.RETURN, 4))
        for day, units in ((10, 10), (11, 9), (12, 13), (24, 1), (25, 0), (29, 0), (30, 2), (31, 0), (40, 0)):
            self.assertEqual(shelf.until(day).level_and_rate(day), (units * 1_000_000, 1_000_000), day)

    def test_no_level_before_the_first_count_and_no_rate_before_the_second(self):
        shelf = self.book((0, book.OUT, 20), (10, book.COUNT, 7))
        self.assertEqual(shelf.until(9).level_and_rate(9), (None, 0))
        self.assertEqual(shelf.until(50).level_and_rate(50), (7_000_000, 0))

    def test_rate_of_the_pairs_of_90_days(self):
        """10 in 10 days, 1 in 90, 0 (less came back than was missing) in 3: all three, or the last two."""
        shelf = self.book((0, book.COUNT, 20), (10, book.COUNT, 10), (100, book.COUNT, 9), (103, book.COUNT, 10))
        self.assertEqual(shelf.until(100).level_and_rate(100), (9_000_000, 11_000_000 // 100))
        self.assertEqual(shelf.until(103).level_and_rate(103), (10_000_000, 1_000_000 // 93))

    def test_order_at_one_time(self):
        """Delivered 10, 2 back, then declared 8, then counted 8."""
        shelf = self.book((0, book.COUNT, 0), (1, book.COUNT, 8), (1, book.DECLARED, 8), (1, book.RETURN, 2), (1, book.OUT, 10))
        self.assertEqual([fact.kind for fact in shelf.facts[1:]], [book.OUT, book.RETURN, book.DECLARED, book.COUNT])
        self.assertEqual(len(shelf.accepted), 3)


if __name__ == "__main__":
    unittest.main()
