#!/usr/bin/env python3
"""A market begins with a history on marks and continues with the wall clock. The log has the clock, not the configuration."""

import datetime
import json
import subprocess
import time
import unittest

from admin import Admin
from support import Market, eventually, same_lines, shared_kafka

# Its last events arrive some days ago. Its first days are final when the market goes live.
DAYS = 18
START = (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=DAYS + 6)).date().isoformat()
HISTORY = ("simulate", "--outlets", "20", "--brands", "2", "--skus", "4", "--start", START, "--days", str(DAYS))


class LiveMarket(unittest.TestCase):
    def market_with_history(self, *options):
        market = Market(self, shared_kafka()).create_topics()
        market.ok(*HISTORY, *options)
        return market

    def produce(self, market, event_id):
        """A delivery, stamped by its producer as of 2001."""
        event = {"event_id": event_id, "source": "test", "event_time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
                 "delivery": {"delivery_id": event_id, "outlet_id": "R000001", "direction": "OUT", "lines": [{"sku_id": "B01-01", "quantity": 3}]}}
        done = subprocess.run(["kcat", "-P", "-b", market.address, "-t", market.prefix + "deliveries", "-p", "0"],
                              input=json.dumps(event).encode(), capture_output=True, timeout=30)
        self.assertEqual(done.returncode, 0, done.stderr)

    def behind_now(self, market):
        """The seconds from the earliest watermark of intake, outlet and market to now."""
        marks = [task["watermark"] for task in market.status() if task["stage"] != "desk"]
        if not marks or not all(marks):
            return float("inf")
        return max((datetime.datetime.now(datetime.timezone.utc) - datetime.datetime.fromisoformat(mark)).total_seconds() for mark in marks)

    def is_live(self, market):
        return "The market is live" in market.call("topics", "check").stderr

    def test_continues_after_a_history(self):
        market = self.market_with_history("--open")
        run = market.run()
        market.await_up_to_date()
        self.assertGreater(self.behind_now(market), 86_400)
        self.assertFalse(self.is_live(market))

        self.assertIn("The market is live: from now on", market.call("topics", "live").stderr)
        eventually(lambda: self.behind_now(market) < 30, 60, run.text)
        self.assertTrue(self.is_live(market))
        self.assertIn("live already", market.call("topics", "live").stderr)
        market.fails(1, *HISTORY, message="Simulation rejected: this market is live")

        # What a producer stamps does not count.
        self.produce(market, "live-1")
        eventually(lambda: any(b"live-1" in record.value for record in market.records("ledger")), 20, run.text)
        self.assertNotIn(b"live-1", market.ok("quarantine", "ls"))

        # The clock is not a matter of configuration.
        run.stop()
        market.fails(2, "run", "-X", "intake.clock=marks", message='intake.clock is "marks", but this market is live')
        run = market.run()
        eventually(lambda: self.behind_now(market) < 15, 60, run.text)
        run.stop()
        self.assertEqual(market.call("topics", "check").returncode, 0)

        # The history, the days up to now and the live event once more, from the ledger.
        final = market.final()
        self.assertGreater(len(final.splitlines()), 20)
        replay = market.folder / "replay"
        market.ok("replay", "--kafka", "--out", replay)
        same_lines(self, final, (replay / "metrics.jsonl").read_bytes())

    def test_a_market_on_marks_does_not_change_by_a_setting(self):
        market = self.market_with_history("--open")
        before = len(market.records("deliveries"))
        market.fails(2, "run", "-X", "intake.clock=wall", message="this market has records on marks. `fiverate topics live`")
        self.assertEqual(len(market.records("deliveries")), before)
        self.assertFalse(self.is_live(market))

    def test_an_unfinished_history_or_a_later_clock_is_refused(self):
        market = Market(self, shared_kafka()).create_topics()
        market.ok(*HISTORY)  # its days are closed, so the clock ends two weeks later
        market.fails(1, "topics", "live", message="later than now")
        self.assertFalse(self.is_live(market))

    def test_a_new_market_is_made_live_by_run(self):
        market = Market(self, shared_kafka(), intake={"clock": "wall"}).create_topics()
        run = market.run()
        eventually(lambda: self.behind_now(market) < 30, 60, run.text)
        self.assertTrue(self.is_live(market))
        run.stop()

    def test_a_switch_that_was_interrupted_is_repeated(self):
        market = self.market_with_history("--open")
        delay = 0.0
        while market.call("topics", "check").returncode == 0:
            self.assertLess(delay, 10)
            self.assertFalse(self.is_live(market), "killed before its end")
            live = subprocess.Popen(market.command("topics", "live"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=market.folder)
            time.sleep(delay)
            live.kill()
            live.wait()
            delay += 0.05
        market.fails(2, "run", message="This market is on marks.*repeating it")
        market.ok("topics", "live")
        self.assertEqual(market.call("topics", "check").returncode, 0)
        run = market.run()
        eventually(lambda: self.behind_now(market) < 30, 60, run.text)

        # Somebody sets a topic back.
        Admin(market.address).set_topic(market.prefix + "visits", "message.timestamp.type", "CreateTime")
        run.stop()
        market.fails(2, "run", message="This market is live: `fiverate topics live` restores the setting")
        self.assertEqual(market.call("topics", "check").returncode, 1)
        market.fails(1, *HISTORY, message="this market is live")
        self.assertIn("live already", market.call("topics", "live").stderr)
        self.assertEqual(market.call("topics", "check").returncode, 0)


if __name__ == "__main__":
    unittest.main()
