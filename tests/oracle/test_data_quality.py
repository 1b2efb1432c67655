#!/usr/bin/env python3
"""R16, the share of rejected documents of a source topic, computed by hand.

    python3 tests/oracle/test_data_quality.py
"""

import hashlib
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import data_quality  # noqa: E402
from days import parse_day  # noqa: E402
from daily_condition import CRITICAL, WARNING  # noqa: E402
from tables import MARKET, NOON, Replay, delivery, ordered, visit  # noqa: E402
from test_alerts import short  # noqa: E402


def good(day, count):
    return [delivery(f"{day}-{number}", "n", f"2026-03-{day}", 10) for number in range(count)]


def bad(day, count, prefix="x", **common):
    """Late deliveries: of 20 February, arrived at noon of the day."""
    return [delivery(f"{prefix}{day}-{number}", "n", "2026-02-20", 10, arrival_time=f"2026-03-{day}" + NOON, **common)
            for number in range(count)]


def readable(alert):
    [row] = alert["evidence"]
    return (f"{alert['source_topic']} {alert['state']} {alert['severity']} #{alert['episode']} at {short(alert['at'])} "
            f"since {short(alert['since'])} {alert['value']}/{alert['threshold']} [{row['as_of'][5:]}]")


class DataQuality(unittest.TestCase):
    def check(self, documents, through, expected):
        replay = Replay(MARKET + documents, through=through and parse_day("2026-" + through), only=())
        alerts = [alert for alert in replay.alerts if alert["rule"] == "R16"]
        self.assertEqual([readable(alert) for alert in alerts], [line.strip() for line in expected.splitlines() if line.strip()])
        return replay

    def test_fires_at_once_and_resolves_after_three_closes(self):
        """20 of 22 on the 2nd; 1 of 1 on the 3rd; none on the 4th; 10 of 10 on the 5th begins anew; then nothing."""
        story = good("02", 2) + bad("02", 20) + bad("03", 1) + bad("05", 10) + good("20", 1)
        self.check(story, "03-20", """
            deliveries FIRING critical #1 at 03-03 00:00 since 03-03 00:00 20/22 [03-02]
            deliveries RESOLVED critical #1 at 03-09 00:00 since 03-03 00:00 0/0 [03-08]""")
        self.check(story, "03-02", "")
        self.check(story, "03-03", "deliveries FIRING critical #1 at 03-03 00:00 since 03-03 00:00 20/22 [03-02]")

    def test_the_limits_of_the_share(self):
        for documents, rejected, holds, clears, severity in (
                (19, 19, False, False, CRITICAL), (20, 20, True, False, CRITICAL), (2000, 20, True, False, WARNING),
                (2001, 20, False, False, WARNING), (4000, 20, False, False, WARNING), (4001, 20, False, True, WARNING),
                (9, 9, False, True, CRITICAL), (200, 20, True, False, CRITICAL), (201, 20, True, False, WARNING), (0, 0, False, True, WARNING)):
            with self.subTest(documents=documents, rejected=rejected):
                self.assertEqual(data_quality.holds(rejected, documents), holds)
                self.assertEqual(data_quality.clears(rejected, documents), clears)
                self.assertEqual(data_quality.severity(rejected, documents), severity)

    def test_each_topic_counts_alone(self):
        orders = [dict(ordered(f"q{number}", "n", "2026-02-20", (1, 1)), arrival_time="2026-03-02" + NOON) for number in range(20)]
        self.check(orders + bad("02", 19) + [visit("v", "n", "2026-03-02")] + good("04", 1), None,
                   "orders FIRING critical #1 at 03-03 00:00 since 03-03 00:00 20/20 [03-02]")

    def test_the_severity_rises(self):
        self.check(good("02", 190) + bad("02", 20) + good("03", 180) + bad("03", 20) + good("05", 1), None, """
            deliveries FIRING warning #1 at 03-03 00:00 since 03-03 00:00 20/210 [03-02]
            deliveries FIRING critical #1 at 03-04 00:00 since 03-03 00:00 20/200 [03-03]""")

    def test_unknown_outlets_count_on_the_next_day(self):
        """A live run waits for a day until it rejects them."""
        unknown = [delivery(f"u{number}", "nobody", "2026-03-02", 1) for number in range(20)]
        self.check(unknown + good("05", 1), None, "deliveries FIRING critical #1 at 03-04 00:00 since 03-04 00:00 20/20 [03-03]")

    def test_duplicates_are_not_rejected(self):
        again = [delivery("02-0", "n", "2026-03-02", 10, event_id="e02-0") for _ in range(40)]
        self.check(good("02", 1) + again + bad("02", 19) + good("05", 1), None, "")

    def test_without_an_accepted_document_there_is_no_alert(self):
        self.check(bad("02", 30) + bad("05", 1), None, "")
        self.check(bad("02", 30) + bad("05", 1), "03-09", "")

    def test_the_line(self):
        replay = self.check(bad("02", 20) + good("04", 1), None,
                            "deliveries FIRING critical #1 at 03-03 00:00 since 03-03 00:00 20/20 [03-02]")
        alert_id = hashlib.sha256(b"R16|||||||deliveries").hexdigest()[:16]
        self.assertEqual(replay.alert_lines[0], (
            f'{{"alert_id":"{alert_id}","transition":1,"episode":1,"rule":"R16","severity":"critical","state":"FIRING",'
            '"at":"2026-03-03T00:00:00.000+08:00","since":"2026-03-03T00:00:00.000+08:00",'
            '"known_at":"2026-03-03T00:00:00.000+08:00","brand_id":"","sku_id":"","outlet_id":"","region_id":"",'
            '"class_dimension":"","class_value":"","source_topic":"deliveries","value":20,"threshold":20,"unit":"records",'
            '"reason":{"code":"DATA_QUALITY"},"evidence":[{"as_of":"2026-03-02","brand_id":"","region_id":"",'
            '"class_dimension":"","class_value":"","window_days":7}],"policy_id":""}'))


if __name__ == "__main__":
    unittest.main()
