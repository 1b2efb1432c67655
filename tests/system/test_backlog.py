#!/usr/bin/env python3
"""A run that starts with a backlog in its source topics has the results of one that was up to date, since it reads them by arrival."""

import json
import re
import subprocess
import unittest

from support import CLEAN_ENVIRONMENT, DONE_WITHIN, Market, program, scratch, shared_kafka

# Many implausible counts, and no truncated lines, which have no arrival time in files.
MARKET = ("--outlets", "100", "--brands", "3", "--skus", "12", "--days", "60", "--rate", "broken=0", "--rate", "miscount=0.5")


def implausible(lines):
    return sorted(row["event_id"] for row in map(json.loads, lines) if row["reason"] == "count_implausible")


class Backlog(unittest.TestCase):
    def test_is_read_by_arrival(self):
        history, replay = scratch() / "backlog", scratch() / "backlog-replayed"
        for arguments in (("simulate", "--out", history, *MARKET), ("replay", "--in", history, "--out", replay)):
            subprocess.run([program(), *arguments], check=True, env=CLEAN_ENVIRONMENT, stderr=subprocess.DEVNULL, timeout=DONE_WITHIN)
        expected = implausible((replay / "quarantine.jsonl").read_text().splitlines())
        self.assertGreater(len(expected), 20)

        market = Market(self, shared_kafka()).create_topics()
        done = market.call("simulate", *MARKET)
        self.assertEqual(done.returncode, 0, done.stderr)
        market.ends = re.search(r"the market's clock goes to (\S+)", done.stderr).group(1)
        run = market.run()
        market.await_up_to_date()
        run.stop()

        self.assert_by_arrival(market)
        self.assertEqual(implausible(market.ok("quarantine", "ls", "-o", "json").splitlines()), expected)

    def assert_by_arrival(self, market):
        """Documents are ordered by arrival in each partition of the ledger. (The reference task writes reference data independently.)"""
        raw = subprocess.run(["kcat", "-C", "-b", market.address, "-t", market.prefix + "ledger", "-e", "-q", "-f", "%p %o %T %h\n"],
                             capture_output=True, check=True, timeout=DONE_WITHIN).stdout
        latest = {}
        for line in raw.decode().splitlines():
            partition, offset, arrival, headers = line.split(" ", 3)
            cause = re.search(r"fiverate-cause=(orders|deliveries|visits)/", headers)
            if not cause:
                continue
            self.assertGreaterEqual(int(arrival), latest.get(partition, 0), line)
            latest[partition] = int(arrival)
        self.assertEqual(len(latest), 4)


if __name__ == "__main__":
    unittest.main()
