#!/usr/bin/env python3
"""Processes start and end while events arrive, each with a state folder of its own: no event is lost or counted twice.

FIVERATE_TEST_REBALANCES=300: for so many seconds a process starts or ends every 2 s (default 12).
"""

import os
import random
import time
import unittest

from support import Market, eventually, parts_of, replayed, shared_kafka, small_market

SEED = int(os.environ.get("FIVERATE_TEST_SEED", "1"))
REBALANCES_S = float(os.environ.get("FIVERATE_TEST_REBALANCES", "12"))
EVERY_S = 2
SESSION_S = 3
QUIET_S = 2


class Scale(unittest.TestCase):
    def setUp(self):
        self.random = random.Random(SEED)
        self.history = small_market(60, 60, 3, brands=2, skus=6)
        self.expected = replayed(self.history)
        self.market = Market(self, shared_kafka(), (4, 8, 4), kafka={"session.timeout.ms": SESSION_S * 1000},
                             run={"commit_every_ms": 50}).create_topics()

    def process(self, name):
        return self.market.run(state=self.market.folder / name)

    def finish(self, parts, running):
        """Imports the rest, compares the results, and checks that no partition is assigned again after that."""
        self.market.import_files(*parts)
        self.market.await_final(self.expected, within=120)
        self.market.same_alerts(least=10)

        def assignments():
            return sum(process.text().count(": reading ") for process in running)

        def is_stable():
            before = assignments()
            time.sleep(QUIET_S)
            return assignments() == before

        eventually(is_stable, 4 * SESSION_S + 10, "no partition is assigned any more")
        for process in running:
            process.stop()

    def test_one_then_three_then_two(self):
        parts = parts_of(self.history, 8)
        one = self.process("one").is_working()
        self.market.import_files(parts[0], open=True)
        two, three = self.process("two"), self.process("three")
        self.market.import_files(parts[1], open=True)
        for process in (two, three):
            process.logs(": reading ", 60)
        self.market.import_files(parts[2], open=True)
        time.sleep(self.random.uniform(0, 0.8))
        two.kill()
        self.market.import_files(parts[3], open=True)
        two = self.process("two")
        time.sleep(self.random.uniform(0, 0.8))
        one.kill()  # it does not come back: two processes are left
        self.market.import_files(parts[4], open=True)
        three.send(9)
        three.child.wait(timeout=10)
        three = self.process("three")
        self.market.import_files(parts[5], open=True)
        eventually(self.market.up_to_date, 60, two.text)
        self.finish(parts[6:], [two, three])

    def test_a_rebalance_every_two_seconds(self):
        parts = parts_of(self.history, 10)
        steady = self.process("steady").is_working()
        until, number, guest = time.monotonic() + REBALANCES_S, 0, None
        left = list(parts[:-2])
        while time.monotonic() < until:
            if left:
                self.market.import_files(left.pop(0), open=True)
            if guest:
                guest.kill() if self.random.random() < 0.5 else guest.stop()
                guest = None
            else:
                number += 1  # a new name each time: a member that rejoins gets its partitions back without a rebalance
                guest = self.process(f"guest-{number}")
            time.sleep(EVERY_S)
        if guest:
            guest.stop()
        for part in left:
            self.market.import_files(part, open=True)
        self.assertTrue(steady.is_alive(), steady.text())
        self.assertGreaterEqual(number, REBALANCES_S / (4 * EVERY_S))
        self.finish(parts[-2:], [steady])


if __name__ == "__main__":
    unittest.main(verbosity=2)
