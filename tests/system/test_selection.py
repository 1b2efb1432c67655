#!/usr/bin/env python3
"""A market that computes some measures and windows: live run, replays and restart agree, and another selection is refused."""

import json
import unittest

from support import Market, shared_kafka, same_lines, small_market

MEASURES, WINDOWS = ["purchases", "shelf"], [28, "month"]


class Selection(unittest.TestCase):
    def test_all_ways_to_the_rows(self):
        market = Market(self, shared_kafka(), rates={"measures": MEASURES, "windows": WINDOWS}).create_topics()
        running = market.run()
        running.logs("Rule R3 is not evaluated: .*stock.*7 in rates.windows", 30)
        market.import_history(small_market())
        market.await_up_to_date()

        market.ok("replay", "--in", small_market(), "--out", market.folder / "from-files")
        expected = (market.folder / "from-files" / "metrics.jsonl").read_bytes()
        market.assert_final(expected)
        rows = [json.loads(line) for line in expected.splitlines()]
        self.assertEqual({row["window_days"] for row in rows}, {0, 28})
        one = next(row for row in rows if row["brand_id"])
        self.assertIn("on_shelf_outlets", one["measures"])
        self.assertNotIn("stock_units", one["measures"])
        self.assertEqual(list(one["rates"]), ["buying", "on_shelf", "coverage", "on_shelf_audited", "repurchase", "growth", "growth_yoy", "price_tag"])
        market.ok("replay", "--kafka", "--out", market.folder / "from-kafka")
        same_lines(self, (market.folder / "from-kafka" / "metrics.jsonl").read_bytes(), expected)
        self.assertEqual(set(map(len, (line.split(",") for line in market.ok("rates", "--final", "-o", "csv").decode().splitlines()))), {85})

        running.stop()
        everything = ["-X", "rates.measures=purchases,orders,shelf,prices,stock"]
        market.fails(2, "run", *everything, message="rates.measures: topics have purchases,shelf, this configuration has purchases,orders,shelf,prices,stock")
        market.fails(1, "replay", "--kafka", "--out", market.folder / "other", "-X", "rates.windows=28", message="another definition.*windows")
        market.run().is_working()


if __name__ == "__main__":
    unittest.main(verbosity=2)
